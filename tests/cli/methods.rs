//! Other rules by which codes move, and the anchor: from `tune` to a model that verifies.

use super::helper::{Dir, Q8_0, TINY};

/// As [`TINY`], without what only methods with a window have.
fn tiny() -> String {
    TINY.replace("--window 1", "")
}

const METHODS: [&str; 4] = ["qes", "qes-gated", "quzo", "es-round"];

#[test]
fn each_method_is_tuned_exported_and_verified() {
    let mut tuned = Vec::new();
    for model in [super::helper::Q4_K, Q8_0] {
        for method in METHODS {
            for flags in ["--anchor 0.05", "--no-repack"] {
                let dir = Dir::with_model(model);
                let line = format!("tune base.gguf -o run.qes --export tuned.gguf --method {method} {flags}");
                dir.run(&format!("{line} {}", tiny())).ok();
                assert!(
                    dir.run("verify base.gguf run.qes tuned.gguf").ok().ends_with("verified\n"),
                    "{method}"
                );
                dir.run("export base.gguf run.qes -o again.gguf").ok();
                assert!(dir.read("again.gguf") == dir.read("tuned.gguf"), "{method}");
                let said = dir.run("inspect run.qes").ok();
                assert!(said.contains(&format!("method      {method}, ")), "{said}");
                tuned.push(dir.read("tuned.gguf"));
            }
        }
    }
    let count = tuned.len();
    tuned.sort();
    tuned.dedup();
    assert_eq!(tuned.len(), count, "every rule gives another model");
}

/// By way of the log, with another way to keep the residual where there is one.
#[test]
fn a_run_by_any_method_is_resumed_to_the_same_end() {
    for method in METHODS {
        let dir = Dir::new();
        let flags = format!("--method {method} --anchor 0.05 {}", tiny());
        dir.run(&format!("tune base.gguf -o whole.qes --export whole.gguf {flags}")).ok();
        let log = dir.text("whole.qes");
        // Header, evaluation, and two of three generations.
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        dir.write("run.qes", lines[..4].concat());
        let residual = if method == "qes" { "--residual replay" } else { "" };
        dir.run(&format!("tune base.gguf -o run.qes --resume --export resumed.gguf {residual}")).ok();
        assert_eq!(dir.text("run.qes"), log, "{method}");
        assert!(dir.read("resumed.gguf") == dir.read("whole.gguf"), "{method}");
    }
}

#[test]
fn a_resumed_run_has_only_the_residual_of_its_method() {
    for (method, mode, words) in [
        ("qes-gated", "replay", "--residual is replay"),
        ("quzo", "stored", "--residual cannot be used with the method quzo"),
    ] {
        let dir = Dir::new();
        dir.run(&format!("tune base.gguf -o run.qes --method {method} {}", tiny())).ok();
        let log = dir.text("run.qes");
        dir.run(&format!("tune base.gguf -o run.qes --resume --residual {mode}")).fails(2, &[words]);
        assert_eq!(dir.text("run.qes"), log);
    }
}

#[test]
fn a_residual_that_must_be_stored_may_be_asked_for_by_name() {
    let dir = Dir::new();
    let flags = format!("--method qes-gated --window all --residual stored {}", tiny());
    dir.run(&format!("tune base.gguf -o run.qes {flags}")).ok();
    dir.run("verify base.gguf run.qes").ok();
    let bare = format!("tune base.gguf -o bare.qes --method qes-gated {}", tiny());
    dir.run(&bare).ok();
    assert_eq!(dir.text("bare.qes"), dir.text("run.qes"));
    dir.run(&format!("{bare} --overwrite --mem-budget 10M")).fails(1, &["or use --method qes"]);
}

#[test]
fn programs_are_told_method_and_anchor() {
    let dir = Dir::new();
    let lines = dir
        .run(&format!("tune base.gguf -o run.qes --json --method quzo --anchor 0.5 {}", tiny()))
        .json_lines();
    let settings = &lines[0]["settings"];
    assert_eq!((&settings["method"], &settings["anchor"]), (&"quzo".into(), &0.5.into()), "{settings}");
    assert_eq!(dir.run("inspect run.qes --json").json()["header"]["settings"], *settings);
    let generation = lines.iter().find(|line| line["event"] == "generation").unwrap();
    assert!(generation["pulled"].as_u64().unwrap() > 1000, "{generation}");
}

#[test]
fn memory_is_planned_by_method_and_anchor() {
    let dir = Dir::new();
    let done = |flags: &str| {
        let line = format!("tune base.gguf -o run.qes --overwrite --json {flags} {}", tiny());
        dir.run(&line).json_lines().pop().unwrap()
    };
    let planned = |flags: &str| {
        let done = done(flags);
        let (planned, peak) =
            (done["planned_rss_bytes"].as_u64().unwrap(), done["peak_rss_bytes"].as_u64().unwrap());
        assert!(peak <= planned, "{flags}: {peak} is more than {planned}");
        planned
    };
    let codes = 3_407_872;
    let (qes, windowed, gated, quzo) = (
        planned("--fields codes --method qes"),
        planned("--fields codes --method qes --window 2"),
        planned("--fields codes --method qes-gated"),
        planned("--fields codes --method quzo"),
    );
    assert_eq!((windowed - qes, qes - gated, gated - quzo), (4 * codes, 0, 4 * codes));
    let scales = planned("--method qes");
    assert_eq!(planned("--anchor 0.01") - scales, codes / 256 * 144, "the base model's tensors");
}
