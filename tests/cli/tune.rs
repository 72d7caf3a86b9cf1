//! `tune`, and what a run leaves behind.

use super::helper::{Dir, Q8_0, TINY};

#[test]
fn a_run_is_tuned_exported_verified_and_described() {
    let dir = Dir::new();
    let said = dir.run(&format!("tune base.gguf -o run.qes {TINY}")).ok();
    for word in
        ["before: held-out accuracy", "generation 3/3", "after", "qes-gguf export base.gguf run.qes -o"]
    {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    dir.run("export base.gguf run.qes -o tuned.gguf").ok();
    assert!(dir.run("verify base.gguf run.qes tuned.gguf").ok().ends_with("verified\n"));
    assert!(dir.run("inspect run.qes").ok().contains("3 generations"));
    assert!(dir.run("inspect tuned.gguf").ok().contains("llama"));
    assert_ne!(dir.read("tuned.gguf"), dir.read("base.gguf"));
    assert_eq!(dir.names(), ["base.gguf", "run.qes", "tuned.gguf"], "nothing else is left behind");
}

#[test]
fn a_generations_line_ends_with_its_evaluation() {
    let said = Dir::new().run(&format!("tune base.gguf -o run.qes {TINY} --eval-every 2")).ok();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("generation ")).collect();
    assert_eq!(lines.len(), 3, "{said}");
    // The summary tells of the last one.
    for (line, evaluated) in lines.iter().zip([false, true, false]) {
        assert_eq!(line.contains("  held-out "), evaluated, "{said}");
    }
}

#[test]
fn a_q8_0_model_is_tuned_too() {
    let dir = Dir::with_model(Q8_0);
    dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf {TINY}")).ok();
    dir.run("verify base.gguf run.qes tuned.gguf").ok();
    assert_ne!(dir.read("tuned.gguf"), dir.read("base.gguf"));
}

#[test]
fn without_o_the_log_has_the_models_name_and_lies_in_this_folder() {
    let dir = Dir::new();
    dir.run(&format!("tune {} {TINY}", dir.path("base.gguf").display())).ok();
    assert_eq!(dir.names(), ["base.gguf", "base.qes"]);
}

#[test]
fn two_runs_with_the_same_settings_give_the_same_log() {
    let dir = Dir::tuned();
    dir.run(&format!("tune base.gguf -o again.qes {TINY}")).ok();
    assert_eq!(dir.text("again.qes"), dir.text("run.qes"));
}

#[test]
fn another_seed_gives_another_run() {
    let dir = Dir::tuned();
    dir.run(&format!("tune base.gguf -o other.qes --export other.gguf --seed 1 {TINY}")).ok();
    assert_ne!(dir.read("other.gguf"), dir.read("tuned.gguf"));
}

#[test]
fn a_stored_and_a_replayed_residual_give_the_same_run() {
    let dir = Dir::tuned();
    for mode in ["stored", "replay"] {
        let (log, model) = (format!("{mode}.qes"), format!("{mode}.gguf"));
        dir.run(&format!("tune base.gguf -o {log} --export {model} --residual {mode} {TINY}")).ok();
        assert!(dir.read(&model) == dir.read("tuned.gguf"));
        assert_eq!(dir.text(&log), dir.text("run.qes"));
    }
}

#[test]
fn no_generations_leave_the_model_as_it_is() {
    let dir = Dir::new();
    dir.run("tune base.gguf -o run.qes --export tuned.gguf --task arith --generations 0 --eval-problems 4")
        .ok();
    assert!(dir.read("tuned.gguf") == dir.read("base.gguf"));
}

#[test]
fn the_reward_may_be_exact_answers_and_the_shaping_ranks() {
    let dir = Dir::new();
    dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf --reward exact --shaping rank {TINY}"))
        .ok();
    dir.run("verify base.gguf run.qes tuned.gguf").ok();
}

/// `tune | head -1` is no reason to panic, nor to leave a log that is not whole.
#[test]
fn a_reader_that_goes_away_does_no_harm() {
    let dir = Dir::new();
    let mut run = dir.spawn(&format!("tune base.gguf -o run.qes {TINY}"));
    drop(run.child.stdout.take());
    run.wait();
    dir.run("verify base.gguf run.qes").ok();
}

#[test]
fn a_log_is_overwritten_when_told_to() {
    let dir = Dir::tuned();
    dir.run(&format!("tune base.gguf -o run.qes --overwrite --seed 7 {TINY}")).ok();
    assert!(dir.text("run.qes").contains("\"seed\":7"));
    dir.run("verify base.gguf run.qes").ok();
}

#[test]
fn only_a_log_is_overwritten() {
    let dir = Dir::tuned();
    let tuned = dir.read("tuned.gguf");
    for file in ["tuned.gguf", "base.gguf"] {
        dir.run(&format!("tune base.gguf -o {file} --overwrite {TINY}")).fails(1, &[file, "not a seed log"]);
    }
    assert!(dir.read("tuned.gguf") == tuned);
    dir.run("tune base.gguf -o run.qes --overwrite --resume").fails(2, &["--overwrite", "--resume"]);
}

#[test]
fn a_memory_budget_is_kept_or_refused() {
    let dir = Dir::new();
    let tune = |budget: &str| {
        dir.run(&format!("tune base.gguf -o run.qes --overwrite --json {TINY} --mem-budget {budget}"))
    };
    let done = tune("36M").json_lines().pop().unwrap();

    let (planned, peak) =
        (done["planned_rss_bytes"].as_u64().unwrap(), done["peak_rss_bytes"].as_u64().unwrap());
    assert!(planned <= 36_000_000, "{planned}");
    assert!(peak <= planned, "{peak} is more than {planned}");
    tune("4M").fails(1, &["--mem-budget is 4.0 MB", "allow more"]);
    tune("24.5M").fails(1, &["smallest context takes", "the budget leaves", "MB more"]);
    tune("lots").fails(2, &["800M or 1.5G"]);
}
