//! `eval`: accuracy on held-out problems.

use super::helper::Dir;

#[test]
fn a_log_is_evaluated_as_the_model_it_exports() {
    let dir = Dir::tuned();
    let mut with_log = dir.run("eval base.gguf --log run.qes --task arith --problems 16 --json").json();
    let mut exported = dir.run("eval tuned.gguf --task arith --problems 16 --json").json();
    for object in [&mut with_log, &mut exported] {
        for key in ["model", "log", "peak_rss_bytes"] {
            object[key].take();
        }
    }
    assert_eq!(with_log, exported);
}

#[test]
fn a_model_is_evaluated_as_the_run_that_made_it_did() {
    let dir = Dir::tuned();
    let evaluations = dir.run("inspect run.qes --json").json()["evaluations"].take();
    for (model, record) in ["base.gguf", "tuned.gguf"].iter().zip(evaluations.as_array().unwrap()) {
        let evaluation = dir.run(&format!("eval {model} --task arith --problems 16 --json")).json();
        assert_eq!(evaluation["correct"], record["correct"], "{model}");
        assert_eq!(evaluation["mean_loglik"], record["mean_loglik"], "{model}");
    }
}

#[test]
fn an_evaluation_has_as_many_problems_as_a_run_has() {
    let dir = Dir::tuned();
    let problems = |line: &str| dir.run(line).json()["problems"].as_u64().unwrap();
    assert_eq!(problems("eval base.gguf --log run.qes --json"), 16, "as the log's run");
    assert_eq!(problems("eval base.gguf --log run.qes --problems 8 --json"), 8);
    assert_eq!(problems("eval base.gguf --task arith --json"), 1024);
}

/// As in llama.cpp. What follows `--` is a file's name.
#[test]
fn a_model_may_be_named_by_its_flag() {
    let dir = Dir::new();
    let usual = dir.run("eval base.gguf --task arith --problems 4 --json").json();
    for line in [
        "eval -m base.gguf --task arith --problems 4 --json",
        "eval --task arith --problems 4 --json --model base.gguf",
    ] {
        assert_eq!(dir.run(line).json()["mean_loglik"], usual["mean_loglik"], "{line}");
    }
    dir.run("inspect -m base.gguf").ok();
    dir.run("tune -m base.gguf --task arith --generations 0 --eval-problems 4 -o m.qes").ok();
    dir.run("eval -m --task arith").fails(2, &["<MODEL>"]);
    dir.run("inspect -- -m").fails(1, &["cannot open -m"]);
}

#[test]
fn text_names_model_task_and_accuracy() {
    let said = Dir::new().run("eval base.gguf --task arith --problems 16").ok();
    for word in ["base.gguf on arith, 16 held-out problems", "accuracy", "95% interval", "log-likelihood"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}
