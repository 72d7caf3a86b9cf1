//! `export`: base and log to tuned model.

use std::os::unix::fs::symlink;

use qes_gguf::gguf::Gguf;

use super::forge::{contents, sealed};
use super::helper::{Dir, TINY};

#[test]
fn export_writes_what_tune_wrote() {
    let dir = Dir::tuned();
    let said = dir.run("export base.gguf run.qes -o later.gguf").ok();
    assert!(said.contains("wrote later.gguf after 3 of 3 generations"), "{said}");
    assert!(dir.read("later.gguf") == dir.read("tuned.gguf"));
}

#[test]
fn generation_0_is_the_base_model() {
    let dir = Dir::tuned();
    dir.run("export base.gguf run.qes --generation 0 -o zero.gguf").ok();
    assert!(dir.read("zero.gguf") == dir.read("base.gguf"));
}

#[test]
fn an_earlier_generation_is_what_a_log_that_ends_there_makes() {
    let dir = Dir::tuned();
    let lines = contents(&dir.text("run.qes"));
    // Header, evaluation, and the first of three generations.
    dir.write("short.qes", sealed(&lines[..3]));
    dir.run("export base.gguf short.qes -o short.gguf").ok();
    dir.run("export base.gguf run.qes --generation 1 -o first.gguf").ok();
    assert!(dir.read("first.gguf") == dir.read("short.gguf"));
    assert!(dir.read("first.gguf") != dir.read("tuned.gguf"));
    assert!(dir.read("first.gguf") != dir.read("base.gguf"));
}

#[test]
fn one_thread_and_two_write_the_same_bytes() {
    let dir = Dir::tuned();
    for threads in ["1", "2", "3"] {
        dir.run(&format!("export base.gguf run.qes -o again.gguf -t {threads}")).ok();
        assert!(dir.read("again.gguf") == dir.read("tuned.gguf"), "{threads} threads");
    }
}

#[test]
fn only_tuned_tensors_differ_from_the_base() {
    let dir = Dir::new();
    let flags = format!("--no-provenance --tensors attn_(q|v) {TINY}");
    dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf {flags}")).ok();
    let (base, tuned) = (dir.read("base.gguf"), dir.read("tuned.gguf"));
    assert_eq!(base.len(), tuned.len());
    let gguf = Gguf::parse(&base).unwrap();
    let is_tuned = |at: &usize| {
        let holds = |range: &std::ops::Range<u64>| range.contains(&(*at as u64));
        gguf.tensors().iter().any(|tensor| {
            holds(&tensor.range) && (tensor.name.contains("attn_q") || tensor.name.contains("attn_v"))
        })
    };
    let different: Vec<usize> = (0..base.len()).filter(|&at| base[at] != tuned[at]).collect();
    assert!(different.len() > 1000, "{} bytes differ", different.len());
    assert_eq!(different.iter().find(|at| !is_tuned(at)), None);
}

#[test]
fn an_existing_model_is_replaced_whole() {
    let dir = Dir::tuned();
    dir.write("old.gguf", "old");
    dir.run("export base.gguf run.qes -o old.gguf").ok();
    assert!(dir.read("old.gguf") == dir.read("tuned.gguf"));
    assert_eq!(dir.names(), ["base.gguf", "old.gguf", "run.qes", "tuned.gguf"]);
}

#[test]
fn a_generation_that_the_log_lacks_is_refused() {
    let dir = Dir::tuned();
    let words = ["the log has 3 generations", "generation 4", "--generation"];
    dir.run("export base.gguf run.qes --generation 4 -o four.gguf").fails(2, &words);
    assert!(!dir.path("four.gguf").exists());
}

#[test]
fn the_base_model_is_not_replaced() {
    let dir = Dir::tuned();
    symlink(dir.path("base.gguf"), dir.path("link.gguf")).unwrap();
    for place in ["base.gguf", "./base.gguf", "link.gguf"] {
        dir.run(&format!("export base.gguf run.qes -o {place}"))
            .fails(2, &["would replace the base model", place]);
        dir.run(&format!("tune base.gguf -o new.qes --export {place} {TINY}"))
            .fails(2, &["would replace the base model", place]);
    }
    assert!(!dir.path("new.qes").exists());
}

/// The log is the only record of the run: a slip of the keyboard must not cost it.
#[test]
fn the_log_is_not_replaced() {
    let dir = Dir::tuned();
    let log = dir.read("run.qes");
    let done = dir.run("export base.gguf run.qes -o run.qes");
    assert!(dir.read("run.qes") == log, "the log was replaced: {done}");
    done.fails(2, &["run.qes"]);
}

#[test]
fn the_log_of_the_run_itself_is_not_replaced() {
    let dir = Dir::new();
    dir.run(&format!("tune base.gguf -o run.qes --export run.qes {TINY}")).fails(2, &["run.qes"]);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let dir = Dir::tuned();
    for place in ["nosuch/t.gguf", "run.qes/t.gguf"] {
        dir.run(&format!("export base.gguf run.qes -o {place}")).fails(1, &["cannot write", place, "folder"]);
    }
}

#[test]
fn a_folder_cannot_be_the_exported_file() {
    let dir = Dir::tuned();
    std::fs::create_dir(dir.path("models")).unwrap();
    dir.run("export base.gguf run.qes -o models").fails(1, &["models"]);
    assert_eq!(dir.names(), ["base.gguf", "models", "run.qes", "tuned.gguf"]);
}
