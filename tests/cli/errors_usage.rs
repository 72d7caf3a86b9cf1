//! Nonsense on the command line: exit code 2, a message that says what would be right, and nothing done.

use super::helper::{Dir, TINY};

/// Checks that `tune` with these flags is refused before anything is made.
fn assert_tune_refuses(cases: &[(&str, &str)]) {
    let dir = Dir::new();
    for (flags, word) in cases {
        dir.run(&format!("tune base.gguf --task arith -o run.qes {flags}")).fails(2, &[word]);
        assert_eq!(dir.names(), ["base.gguf"], "{flags}");
    }
}

#[test]
fn a_population_is_even_and_not_zero() {
    assert_tune_refuses(&[
        ("--population 0", "population is 0, but must be from 2 to 65536"),
        ("--mirror --population 5", "population is 5, but mirrored members come in pairs"),
        ("--population 65538", "population is 65538"),
        ("--population=-2", "--population"),
        ("--population many", "--population"),
    ]);
}

#[test]
fn sigma_is_a_positive_number() {
    assert_tune_refuses(&[
        ("--sigma 0", "sigma is 0"),
        ("--sigma -1", "sigma is -1"),
        ("--sigma NaN", "sigma is NaN"),
        ("--sigma inf", "sigma is inf"),
        ("--sigma 5000", "sigma is 5000"),
        ("--sigma Q4_K=0", "scales of Q4_K: sigma is 0"),
        ("--fields mins --sigma 0%", "mins of Q4_K: sigma is 0"),
        ("--fields dust", "possible values: codes, scales, mins"),
        ("--sigma some", "--sigma: \"some\" is not a number"),
        ("--sigma Q4_K=", "--sigma: \"\" is not a number"),
    ]);
}

#[test]
fn alpha_is_a_number_that_is_not_negative() {
    assert_tune_refuses(&[
        ("--alpha -1", "alpha is -1"),
        ("--alpha NaN", "alpha is NaN"),
        ("--alpha inf", "alpha is inf"),
        ("--learning-rate -1", "alpha is -1"),
        ("--alpha-final -1", "alpha is -1"),
        ("--alpha some", "--alpha: \"some\" is not a number"),
        ("--alpha-final some", "--alpha-final: \"some\" is not a number"),
    ]);
}

#[test]
fn a_type_that_is_not_known_is_named() {
    assert_tune_refuses(&[
        ("--sigma Q9_Z=1", "--sigma: \"Q9_Z\" is not a ggml tensor type"),
        ("--alpha 1,Q9_Z=1", "--alpha: \"Q9_Z\" is not a ggml tensor type"),
    ]);
}

/// Otherwise a slip in a type's name is not noticed before the run has ended.
#[test]
fn a_type_that_is_not_tuned_is_named() {
    assert_tune_refuses(&[("--sigma Q8_0=1 --generations 0", "Q8_0")]);
}

#[test]
fn decay_is_a_share() {
    assert_tune_refuses(&[
        ("--decay 1.1", "decay is 1.1, but must be a number from 0 to 1"),
        ("--decay -0.1", "decay is -0.1"),
        ("--decay NaN", "decay is NaN"),
        ("--decay some", "--decay"),
    ]);
}

#[test]
fn a_window_is_a_number_or_all() {
    assert_tune_refuses(&[
        ("--window 0", "window is 0, but must be at least 1 generation, or \"all\""),
        ("--window some", "expected a number or \"all\""),
    ]);
}

#[test]
fn an_anchor_is_a_probability() {
    assert_tune_refuses(&[
        ("--anchor 1.5", "anchor is 1.5, but must be a probability from 0 to 1"),
        ("--anchor -0.1", "anchor is -0.1"),
        ("--anchor NaN", "anchor is NaN"),
        ("--anchor some", "--anchor"),
    ]);
}

#[test]
fn a_method_has_only_the_residual_that_it_has() {
    let depends = "depends on the codes of every generation";
    assert_tune_refuses(&[
        ("--method quzo --decay 0.9", "--decay cannot be used with the method quzo, which has no residual"),
        ("--method quzo --residual replay", "--residual cannot be used with the method quzo"),
        ("--method es-round --window 1", "--window cannot be used with the method es-round"),
        ("--method es-round --residual stored", "--residual cannot be used with the method es-round"),
        ("--method qes-gated --window 32", "--window is 32, but the residual of the method qes-gated"),
        ("--method qes-gated --residual replay", "--residual is replay, but the residual of the method"),
        ("--method qes-gated --residual replay", depends),
        ("--method qes-gated --decay 1.5", "decay is 1.5"),
    ]);
}

#[test]
fn counts_are_at_least_1() {
    assert_tune_refuses(&[
        ("--prompts 0", "--prompts is 0"),
        ("--candidates 0", "--candidates is 0"),
        ("--eval-problems 0", "--eval-problems is 0"),
        ("--threads 5000", "--threads is 5000"),
        ("--generations 16777217", "generations is 16777217"),
    ]);
    let dir = Dir::new();
    dir.run("eval base.gguf --task arith --problems 0").fails(2, &["--problems is 0"]);
    dir.run("eval base.gguf --task arith -t -2").fails(2, &["-1 or 0 for the default"]);
}

/// More than memory holds, in place of an end by the allocator.
#[test]
fn prompts_have_a_limit() {
    assert_tune_refuses(&[("--prompts 4000000000 --eval-problems 4", "prompts")]);
}

#[test]
fn problems_are_chosen_of_more_and_by_their_wanted_replies() {
    assert_tune_refuses(&[
        (
            "--candidates 64",
            "--candidates: 64 candidates are no choice for 64 problems a member; give more of them",
        ),
        ("--prompts 8 --candidates 4", "4 candidates are no choice for 8 problems"),
        ("--candidates 4000000000", "--candidates is 4000000000"),
    ]);
    let dir = Dir::new();
    dir.write("prompts.jsonl", "{\"prompt\":\"1+1=\"}\n{\"prompt\":\"1+2=\"}\n");
    dir.run("tune base.gguf --task regex --data prompts.jsonl --pattern 5 --candidates 128")
        .fails(2, &["--candidates", "but the reward is regex", "loglik, soft-loglik, exact, numeric"]);
    assert_eq!(dir.names(), ["base.gguf", "prompts.jsonl"]);
}

#[test]
fn a_task_is_needed_and_known() {
    let dir = Dir::new();
    dir.run("tune base.gguf").fails(2, &["--task"]);
    dir.run("eval base.gguf").fails(2, &["--task"]);
    dir.run("tune base.gguf --task poetry").fails(2, &["poetry", "arith"]);
    dir.run("eval base.gguf --task poetry").fails(2, &["poetry", "arith"]);
    assert_eq!(dir.names(), ["base.gguf"]);
}

#[test]
fn another_task_than_the_logs_is_refused() {
    let dir = Dir::tuned();
    let log = super::forge::forged(&dir.text("run.qes"), 1, "\"name\":\"arith\"", "\"name\":\"poetry\"");
    dir.write("run.qes", log);
    dir.run("tune base.gguf -o run.qes --resume --task arith").fails(2, &["arith", "poetry"]);
}

#[test]
fn a_pattern_is_a_regular_expression() {
    assert_tune_refuses(&[
        ("--tensors attn_(q", "--tensors is no regular expression"),
        ("--tensors (a{1000}){1000}", "--tensors"),
    ]);
}

/// Whether a pattern makes sense depends on the model, so this is no fault of the command line alone.
#[test]
fn a_pattern_that_matches_nothing_is_told() {
    let dir = Dir::new();
    for (pattern, word) in [("nosuch", "no tensor"), ("norm", "norm.weight, whose type F32")] {
        dir.run(&format!("tune base.gguf --task arith -o run.qes --tensors {pattern}"))
            .fails(1, &["base.gguf", pattern, word, "qes-gguf inspect"]);
    }
    assert_eq!(dir.names(), ["base.gguf"]);
}

#[test]
fn choices_are_told() {
    assert_tune_refuses(&[
        ("--reward most", "exact, loglik"),
        ("--shaping round", "zscore, rank"),
        ("--residual none", "replay, stored"),
        ("--method best", "qes, qes-gated, quzo, es-round"),
    ]);
}

/// llama.cpp's long flags with one dash are flags only where flags can stand.
#[test]
fn what_follows_two_dashes_is_no_flag() {
    let dir = Dir::new();
    for word in ["-np", "-nr", "-jf", "-sys"] {
        dir.run(&format!("inspect -- {word}")).fails(1, &[&format!("cannot open {word}")]);
    }
}

#[test]
fn what_is_missing_is_told() {
    let dir = Dir::new();
    for (line, word) in [
        ("tune", "<MODEL>"),
        ("export base.gguf", "<LOG>"),
        ("export base.gguf run.qes", "--output"),
        ("verify base.gguf", "<LOG>"),
        ("inspect", "<FILE>"),
        ("polish", "polish"),
    ] {
        dir.run(line).fails(2, &[word]);
    }
    assert!(dir.run("").ends(2).stderr.contains("Usage:"));
}

#[test]
fn an_existing_log_is_never_overwritten() {
    let dir = Dir::tuned();
    let log = dir.read("run.qes");
    dir.run(&format!("tune base.gguf -o run.qes {TINY}"))
        .fails(1, &["run.qes exists already", "--resume", "-o"]);
    assert!(dir.read("run.qes") == log);
    dir.run(&format!("tune base.gguf -o base.gguf {TINY}")).fails(1, &["base.gguf exists already"]);
}

#[test]
fn a_folder_for_the_log_that_cannot_be_written_to_is_named() {
    let dir = Dir::tuned();
    for place in ["nosuch/new.qes", "run.qes/new.qes"] {
        dir.run(&format!("tune base.gguf -o {place} {TINY}")).fails(1, &["cannot write", place, "folder"]);
    }
}

#[test]
fn a_place_for_the_tuned_model_is_tried_before_the_run() {
    let dir = Dir::tuned();
    std::fs::create_dir(dir.path("models")).unwrap();
    for place in ["nosuch/new.gguf", "run.qes/new.gguf", "models"] {
        dir.run(&format!("tune base.gguf -o new.qes --export {place} {TINY}")).fails(1, &[place]);
        assert!(!dir.path("new.qes").exists(), "{place} was found out about too late");
    }
}

/// Output that nobody can read is a failure, and no panic.
#[test]
fn output_that_cannot_be_written_is_told() {
    let program = env!("CARGO_BIN_EXE_qes-gguf");
    let model = super::helper::bundled(super::helper::Q4_K);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let done = std::process::Command::new(program).arg("inspect").arg(model).stdout(full).output().unwrap();
    let stderr = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.code() == Some(1) && stderr.starts_with("error: "), "{}: {stderr}", done.status);
}

#[test]
fn an_error_names_the_variable_that_a_wrong_value_comes_from() {
    let dir = Dir::new();
    let line = "eval base.gguf --task arith --problems 4";
    dir.run_with(&[("LLAMA_ARG_CTX_SIZE", "-5")], line)
        .fails(2, &["-1 or 0 for the default", "the environment variable LLAMA_ARG_CTX_SIZE"]);
    let typed = dir.run_with(&[("LLAMA_ARG_CTX_SIZE", "-5")], &format!("{line} -c -6")).ends(2).stderr;
    assert!(!typed.contains("LLAMA_ARG"), "{typed}");
    dir.run_with(&[("LLAMA_ARG_MODEL", "gone.gguf")], "eval --task arith --problems 4")
        .fails(1, &["gone.gguf", "note: LLAMA_ARG_MODEL is gone.gguf in the environment"]);
}

#[test]
#[cfg(not(any(feature = "cuda", feature = "metal", feature = "rocm", feature = "vulkan")))]
fn devices_need_a_build_that_knows_some() {
    assert_tune_refuses(&[
        (
            "-ngl 7",
            "--n-gpu-layers is 7, but this build of qes-gguf has no GPU backend; build it with --features vulkan",
        ),
        ("--gpu-layers all", "--n-gpu-layers is all, but this build"),
        ("-dev CUDA0", "--device is CUDA0, but this build"),
    ]);
    let dir = Dir::new();
    for flags in ["-ngl 0", "-ngl auto", "-dev none", "-sm none", "-fa off"] {
        dir.run(&format!("tune base.gguf -o run.qes --overwrite {TINY} {flags}")).ok();
    }
    let line = format!("tune base.gguf -o run.qes --overwrite {TINY}");
    let done = dir.run_with(&[("LLAMA_ARG_N_GPU_LAYERS", "99")], &line).ends(2);
    assert!(done.stderr.contains("note: LLAMA_ARG_N_GPU_LAYERS is 99 in the environment"), "{done}");
    let listed = dir.run("tune --list-devices").ok();
    assert!(listed.starts_with("this build has no GPU backend"), "{listed}");
}

#[test]
fn what_makes_no_sense_of_devices_is_refused() {
    assert_tune_refuses(&[
        ("-ngl many", "expected a number, auto, or all"),
        ("-sm row", "possible values: none, layer"),
        ("-ts 0,0", "of which one at least is not 0"),
        ("-mg two", "--main-gpu"),
        ("-fa maybe", "expected on, off, or auto"),
    ]);
}
