//! `-v`, `RUST_LOG`, and the variables that llama.cpp has too.

use super::helper::{Dir, TINY};

#[test]
fn nothing_is_told_that_nobody_asked_for() {
    let dir = Dir::new();
    let done = dir.run(&format!("tune base.gguf -o run.qes {TINY}")).ends(0);
    assert_eq!(done.stderr, "");
    assert_eq!(dir.run("export base.gguf run.qes -o x.gguf").ends(0).stderr, "");
}

#[test]
fn v_tells_what_is_done_and_vv_what_llama_cpp_says_beside_the_output() {
    let dir = Dir::new();
    let line = "eval base.gguf --task arith --problems 4 --json";
    let plain = |mut value: serde_json::Value| {
        value["peak_rss_bytes"] = 0.into();
        value
    };
    let quiet = plain(dir.run(line).json());
    for (flag, told, untold) in [
        ("-v", &["opened a model", "threads=1", "llama.cpp has loaded the model"][..], &["llama.cpp: "][..]),
        ("-vv", &["opened a model", "DEBUG llama.cpp: "], &[]),
        ("--verbose --verbose", &["DEBUG llama.cpp: "], &[]),
    ] {
        for line in [format!("{line} {flag}"), format!("{flag} {line}")] {
            let done = dir.run(&line).ends(0);
            for word in told {
                assert!(done.stderr.contains(word), "no {word:?} in {done}");
            }
            for word in untold {
                assert!(!done.stderr.contains(word), "{word:?} in {done}");
            }
            assert_eq!(plain(done.json()), quiet, "{line}");
        }
    }
}

#[test]
fn what_a_run_does_is_told_in_order() {
    let dir = Dir::new();
    let done = dir.run(&format!("tune base.gguf -o run.qes --export x.gguf -vv {TINY}")).ends(0);
    let mut rest = done.stderr.as_str();
    for word in [
        "INFO threads",
        "opened a model",
        "DEBUG planned memory mode=Stored",
        "llama.cpp has loaded the model",
        "wrote a file file=\"run.qes\"",
        "the run is set up generations_done=0 residual_stored=true",
        "replaying the log generations=3",
        "wrote a file file=\"x.gguf\"",
    ] {
        let at = rest.find(word).unwrap_or_else(|| panic!("no {word:?} in its place in {done}"));
        rest = &rest[at..];
    }
    assert!(!done.stdout.contains("INFO") && !done.stdout.contains("DEBUG"), "{done}");
}

#[test]
fn the_variable_is_heard_where_no_flag_is_given() {
    let dir = Dir::tuned();
    let said = |variable: &str, line: &str| dir.run_with(&[("RUST_LOG", variable)], line).ends(0).stderr;
    let line = "verify base.gguf run.qes";
    assert!(said("qes_gguf=info", line).contains("replaying the log"));
    assert_eq!(said("warn", line), "");
    assert!(said("off", &format!("{line} -v")).contains("replaying the log"));
    assert!(said("qes_gguf=loud", line).starts_with("warning: RUST_LOG is passed over"));
}

#[test]
fn replay_takes_threads() {
    let dir = Dir::tuned();
    for line in [
        "export base.gguf run.qes -o x.gguf",
        "verify base.gguf run.qes tuned.gguf",
        "apply base.gguf run.qes -o y.gguf",
    ] {
        for (flag, threads) in [("-t 2", 2), ("", 1)] {
            let done = dir.run(&format!("{line} {flag} -v")).ends(0);
            assert!(done.stderr.contains(&format!("threads={threads} why=\"asked for\"")), "{done}");
        }
        // As to llama.cpp, which takes its default.
        dir.run(&format!("{line} -t 0")).ok();
        dir.run_with(&[("LLAMA_ARG_THREADS", "5000")], line).fails(2, &["--threads is 5000"]);
    }
    assert!(dir.read("x.gguf") == dir.read("tuned.gguf") && dir.read("y.gguf") == dir.read("tuned.gguf"));
}

#[test]
fn model_and_repacking_come_from_llama_cpps_variables_too() {
    let dir = Dir::new();
    let line = "eval --task arith --problems 4 -v";
    let said = |variables: &[(&str, &str)], line: &str| dir.run_with(variables, line);
    let model = ("LLAMA_ARG_MODEL", "base.gguf");
    said(&[model], line).ok();
    said(&[model], "eval nosuch.gguf --task arith").fails(1, &["nosuch.gguf"]);
    said(&[], "eval --task arith").fails(2, &["<MODEL>"]);
    let interleaved = |value: &str, line: &str| {
        let done = said(&[model, ("LLAMA_ARG_REPACK", value)], line).ends(0);
        !done.stderr.contains("interleaved_tensors=0 ")
    };
    // Whether any are depends on the machine.
    let usual = interleaved("on", line);
    assert_eq!(interleaved("1", line), usual);
    for off in ["off", "0", "disabled", "FALSE"] {
        assert!(!interleaved(off, line), "{off}");
    }
    assert!(!interleaved("on", &format!("{line} -nr")));
    assert_eq!(interleaved("off", &format!("{line} --repack")), usual);
    said(&[model, ("LLAMA_ARG_REPACK", "maybe")], line).fails(2, &["LLAMA_ARG_REPACK", "expected on or off"]);
}

#[test]
fn a_models_file_is_hashed_no_more_than_once() {
    let dir = Dir::tuned();
    for (line, times) in [
        ("inspect base.gguf", 0),
        ("export base.gguf run.qes -o x.gguf", 1),
        ("apply base.gguf run.qes -o x.gguf", 1),
        ("verify base.gguf run.qes", 1),
        ("verify base.gguf run.qes --generation 2", 1),
        ("eval base.gguf --log run.qes --problems 4", 1),
        ("report run.qes --model base.gguf --samples 2 -o x.html", 1),
    ] {
        let done = dir.run(&format!("{line} -vv")).ends(0);
        let hashed = done.stderr.matches("computing the SHA-256 of a model's file").count();
        assert_eq!(hashed, times, "{done}");
    }
}
