//! `inspect`: what is in a model or a log.

use super::helper::{Dir, Q8_0};

#[test]
fn a_model_is_described_by_its_types() {
    for (dir, name) in [(Dir::new(), "Q4_K"), (Dir::with_model(Q8_0), "Q8_0")] {
        let said = dir.run("inspect base.gguf").ok();
        for word in ["GGUF version 3", "llama", name, "28 of 30", "not tunable", "3,407,872 codes"] {
            assert!(said.contains(word), "no {word:?} in {said}");
        }
    }
}

#[test]
fn a_log_is_described_with_its_settings_and_curve() {
    let said = Dir::tuned().run("inspect run.qes").ok();
    for word in ["format 1", "base.gguf", "population  4", "alpha 0.1 to", "3 generations", "held-out"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

#[test]
fn a_torn_log_is_described_with_a_warning() {
    let dir = Dir::tuned();
    let log = dir.read("run.qes");
    dir.write("torn.qes", &log[..log.len() - 1]);
    let done = dir.run("inspect torn.qes").ends(0);
    assert!(done.stderr.contains("warning: torn.qes: the last"), "{done}");
    assert!(done.stdout.contains("3 generations"), "{done}");
}

#[test]
fn what_is_neither_model_nor_log_is_refused() {
    let dir = Dir::new();
    dir.write("notes.txt", "some notes\n");
    dir.write("other.json", "{\"some\": \"JSON\"}\n");
    dir.write("empty", "");
    for file in ["notes.txt", "other.json", "empty", "nosuch", "."] {
        dir.run(&format!("inspect {file}")).fails(1, &[file]);
    }
}

#[test]
fn a_run_that_was_prolonged_is_not_more_than_whole() {
    let dir = Dir::tuned();
    dir.run("tune base.gguf -o run.qes --resume --generations 4").ok();
    let said = dir.run("inspect run.qes").ok();
    assert!(said.contains("4") && !said.contains("4 of 3"), "{said}");
}
