//! `apply`: stacks of logs, a tune on top of a tune.

use std::sync::OnceLock;

use qes_gguf::gguf::Gguf;

use super::helper::{Dir, LONG, TINY};

/// A second run, which moves fewer codes.
const SECOND: &str =
    "--task arith --generations 2 --population 4 --prompts 8 --eval-problems 16 --seed 5 --alpha 5%";

/// With a run on top of a run: `run.qes` leads from `base.gguf` to `tuned.gguf`, and `2.qes` from there to `2.gguf`.
fn stacked() -> Dir {
    static RUN: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    let (log, tuned) = RUN.get_or_init(|| {
        let dir = Dir::tuned();
        dir.run(&format!("tune tuned.gguf -o 2.qes --export 2.gguf {SECOND}")).ok();
        (dir.read("2.qes"), dir.read("2.gguf"))
    });
    let dir = Dir::tuned();
    dir.write("2.qes", log);
    dir.write("2.gguf", tuned);
    dir
}

#[test]
fn one_log_is_applied_as_it_is_exported() {
    let dir = Dir::tuned();
    for flags in ["", "--no-provenance", "--generation 2", "--generation best"] {
        dir.run(&format!("export base.gguf run.qes -o x.gguf {flags}")).ok();
        dir.run(&format!("apply base.gguf run.qes -o y.gguf {flags}")).ok();
        assert!(dir.read("x.gguf") == dir.read("y.gguf"), "{flags}");
    }
}

#[test]
fn logs_are_applied_one_after_the_other() {
    let dir = stacked();
    let names = dir.names();
    dir.run("apply base.gguf run.qes 2.qes -o x.gguf").ok();
    assert!(dir.read("x.gguf") == dir.read("2.gguf"));
    std::fs::remove_file(dir.path("x.gguf")).unwrap();
    assert_eq!(dir.names(), names, "nothing is left of what was in between");
    // The metadata tells of both.
    let gguf = Gguf::parse(&dir.read("2.gguf")).unwrap();
    assert_eq!(gguf.metadata_u64("qes.tune.count"), Some(2));
    assert_eq!(gguf.metadata_str("qes.tune.0.base_file"), Some("base.gguf"));
    assert_eq!(gguf.metadata_str("qes.tune.1.base_file"), Some("tuned.gguf"));
    assert_eq!(gguf.metadata_str("general.finetune"), Some("arith-arith"));
    assert_eq!(gguf.metadata_u64("general.base_model.count"), Some(1));
    let said = dir.run("inspect 2.gguf").ok();
    assert!(said.contains("3 generations on arith from base.gguf"), "{said}");
    assert!(said.contains("2 generations on arith from tuned.gguf"), "{said}");
}

#[test]
fn logs_and_diffs_are_mixed_and_diffs_are_taken_back_in_any_order() {
    let dir = stacked();
    dir.run("export base.gguf run.qes --as-diff 1.qesdiff").ok();
    dir.run("export tuned.gguf 2.qes --as-diff 2.qesdiff").ok();
    for items in ["1.qesdiff 2.qes", "run.qes 2.qesdiff", "1.qesdiff 2.qesdiff"] {
        dir.run(&format!("apply base.gguf {items} -o x.gguf")).ok();
        assert!(dir.read("x.gguf") == dir.read("2.gguf"), "{items}");
    }
    for items in ["1.qesdiff 2.qesdiff", "2.qesdiff 1.qesdiff"] {
        dir.run(&format!("revert 2.gguf {items} -o x.gguf")).ok();
        assert!(dir.read("x.gguf") == dir.read("base.gguf"), "{items}");
    }
    dir.run("revert 2.gguf 2.qesdiff -o x.gguf").ok();
    assert!(dir.read("x.gguf") == dir.read("tuned.gguf"));
    dir.run("revert 2.gguf 1.qesdiff -o x.gguf").fails(1, &["1.qesdiff does not lead to 2.gguf"]);
}

#[test]
fn a_run_on_top_of_a_bare_or_a_best_model_is_found() {
    let dir = Dir::new();
    dir.run(&format!("tune base.gguf -o 1.qes {LONG}")).ok();
    for flags in ["--no-provenance", "--generation best", "--generation best --no-provenance"] {
        dir.run(&format!("export base.gguf 1.qes -o 1.gguf {flags}")).ok();
        dir.run(&format!("tune 1.gguf -o 2.qes --overwrite --export 2.gguf {SECOND}")).ok();
        dir.run("apply base.gguf 1.qes 2.qes -o x.gguf").ok();
        assert!(dir.read("x.gguf") == dir.read("2.gguf"), "{flags}");
    }
}

/// A rule that looks at the base sees the model that its run started from, not the first of all.
#[test]
fn what_codes_are_pulled_back_to_is_the_model_below() {
    let dir = Dir::tuned();
    dir.run(&format!("tune tuned.gguf -o 2.qes --export 2.gguf --anchor 0.5 {SECOND}")).ok();
    dir.run("apply base.gguf run.qes 2.qes -o x.gguf").ok();
    assert!(dir.read("x.gguf") == dir.read("2.gguf"));
}

#[test]
fn a_log_on_the_wrong_base_is_refused_with_the_one_that_it_wants() {
    let dir = stacked();
    dir.run(&format!("tune base.gguf -o other.qes --seed 9 {TINY}")).ok();
    let names = dir.names();
    for (items, there) in [
        ("2.qes", "but base.gguf has 2010080 bytes"),
        ("2.qes run.qes", "but base.gguf has 2010080 bytes"),
        ("other.qes 2.qes", "but what base.gguf becomes by other.qes has "),
    ] {
        let words = ["2.qes was made for another model: it names tuned.gguf (", there, "before it"];
        dir.run(&format!("apply base.gguf {items} -o x.gguf")).fails(1, &words);
    }
    let words = [
        "run.qes was made for another model: it names base.gguf (2010080 bytes",
        "what base.gguf becomes by run.qes",
    ];
    dir.run("apply base.gguf run.qes run.qes -o x.gguf").fails(1, &words);
    assert_eq!(dir.names(), names);
}

#[test]
fn nonsense_is_refused() {
    let dir = stacked();
    dir.run("export base.gguf run.qes --as-diff 1.qesdiff").ok();
    dir.run("apply base.gguf 1.qesdiff --generation 1 -o x.gguf").fails(2, &["--generation", "diff"]);
    dir.run("apply base.gguf run.qes --generation 7 -o x.gguf").fails(2, &["has 3 generations"]);
    dir.run("apply base.gguf nosuch.qes -o x.gguf").fails(1, &["nosuch.qes"]);
    dir.run("apply nosuch.gguf run.qes -o x.gguf").fails(1, &["nosuch.gguf"]);
    dir.run("apply base.gguf run.qes -o nosuch/x.gguf").fails(1, &["cannot write", "nosuch/x.gguf"]);
    dir.run("apply base.gguf -o x.gguf").fails(2, &["RUN.qes"]);
    assert!(!dir.path("x.gguf").exists());
}
