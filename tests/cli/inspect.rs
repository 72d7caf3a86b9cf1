//! `inspect`: what is in a model or a log.

use super::gguf_bytes::{self, gguf};
use super::helper::{Dir, Q4_K, Q8_0};

#[test]
fn a_model_is_described_by_its_types() {
    let q4_k = (Dir::new(), "Q4_K", "13,312 scales and 13,312 mins");
    let q8_0 = (Dir::with_model(Q8_0), "Q8_0", "106,496 scales in");
    for (dir, name, scales) in [q4_k, q8_0] {
        let said = dir.run("inspect base.gguf").ok();
        for word in ["GGUF version 3", "llama", name, "28 of 30", "not tunable", scales] {
            assert!(said.contains(word), "no {word:?} in {said}");
        }
    }
}

#[test]
fn memory_is_planned_as_tune_plans_it() {
    for name in [Q4_K, Q8_0] {
        let dir = Dir::with_model(name);
        let model = dir.run("inspect base.gguf --json").json();
        let of_tune = |flags: &str| {
            let line =
                "tune base.gguf -o run.qes --task arith --generations 0 --eval-problems 4 --json --overwrite";
            dir.run(&format!("{line} {flags}")).json_lines()[0]["planned_rss_bytes"].as_f64().unwrap()
        };
        for (planned, flags) in [
            (&model["planned_rss_bytes"], ""),
            (&model["planned"]["rss_bytes_stored"], "--residual stored"),
            (&model["planned"]["rss_bytes_replay"], "--residual replay"),
        ] {
            let ratio = planned.as_f64().unwrap() / of_tune(flags);
            assert!((0.98..1.02).contains(&ratio), "{name} {flags}: {ratio}, {model}");
        }
        assert_eq!(model["planned"]["residual"], "stored", "as small models have it");
    }
}

#[test]
fn planned_memory_is_described_with_its_parts() {
    let said = Dir::new().run("inspect base.gguf").ok();
    for word in ["defaults and 1 thread", "contexts", "KB  stored", "peak", "with --residual replay"] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

#[test]
fn memory_that_cannot_be_told_is_said_to_be_so() {
    let dir = Dir::with_base(gguf("mamba", &[], "blk.0.ssm_in.weight", gguf_bytes::Q4_K));
    let said = dir.run("inspect base.gguf").ok();
    assert!(said.contains("4 scales and 4 mins") && said.contains("cannot be told beforehand"), "{said}");
    assert_eq!(dir.run("inspect base.gguf --json").json()["planned_rss_bytes"], serde_json::Value::Null);
}

#[test]
fn a_log_is_described_with_its_settings_and_curve() {
    let said = Dir::tuned().run("inspect run.qes").ok();
    for word in [
        "format 3",
        "base.gguf",
        "method      qes, decay 1, window 1",
        "anchor 0",
        "population  4",
        "shaping zscore",
        "in hits of 48, alpha",
        "3 generations",
        "held-out",
    ] {
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
