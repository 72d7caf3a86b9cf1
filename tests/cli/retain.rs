//! What must not get worse, runs that end early, and comparisons.

use serde_json::Value;

use super::forge::contents;
use super::helper::{Dir, TINY};
use super::tasks::data;

/// The weights of a log's generations, as text.
fn weights(dir: &Dir, log: &str) -> Vec<String> {
    let records =
        contents(&dir.text(log)).into_iter().filter(|content| content.starts_with("{\"generation\""));
    let weights =
        |record: String| record.split("\"weights\":").nth(1).unwrap().split(']').next().unwrap().to_owned();
    records.map(weights).collect()
}

#[test]
fn what_is_retained_is_told_by_every_evaluation() {
    let dir = data();
    let line = format!("tune base.gguf --retain sums.jsonl {TINY} --eval-every 1");
    let said = dir.run(&format!("{line} -o run.qes")).ok();
    let told = dir.run(&format!("{line} -o again.qes --json")).json_lines();
    let log = dir.run("inspect run.qes --json").json();
    let logged: Vec<f64> = log["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["retained"].as_f64().unwrap())
        .collect();
    assert_eq!(logged.len(), 4);
    let evaluations =
        told.iter().filter(|line| line["event"] == "evaluation").map(|line| line["retained"].as_f64());
    assert_eq!(evaluations.collect::<Option<Vec<_>>>().unwrap(), logged);
    let done = told.last().unwrap();
    assert_eq!((&done["retained_before"], &done["retained_after"]), (&logged[0].into(), &logged[3].into()));
    let words = format!("retained        {:.4} before, {:.4} after (", logged[0], logged[3]);
    assert!(said.contains(&words) && said.contains(&format!("  retained {:.4}\n", logged[1])), "{said}");
    let described = dir.run("inspect run.qes").ok();
    assert!(
        described.contains("retained    sums.jsonl, data ") && described.contains("weight 0"),
        "{described}"
    );
    // It is what an evaluation of its own says.
    let evaluation = dir.run("eval base.gguf --task sft --data sums.jsonl --problems 16 --json").json();
    assert_eq!(evaluation["mean_reward"], logged[0]);
}

#[test]
fn what_is_retained_counts_by_its_weight() {
    let dir = data();
    dir.write("sum.toml", "[problems]\nsource = \"arith\"\ndigits = 1\n[[rewards]]\nkind = \"loglik\"\n");
    let run =
        "--task arith --generations 2 --population 8 --prompts 8 --eval-problems 1 --window 1 --alpha 5%";
    for (log, flags) in [
        ("without.qes", ""),
        ("watched.qes", "--retain sums.jsonl"),
        ("counted.qes", "--retain sums.jsonl --retain-weight 0.5 --retain-prompts 4"),
        ("more.qes", "--retain sums.jsonl --retain-weight 5 --retain-prompts 4"),
        ("file.qes", "--retain sum.toml --retain-weight 0.5"),
    ] {
        dir.run(&format!("tune base.gguf -o {log} {flags} {run}")).ok();
        dir.cut(log, 3, "died.qes");
        dir.run("tune base.gguf -o died.qes --resume").ok();
        assert_eq!(dir.text("died.qes"), dir.text(log));
    }
    assert_eq!(weights(&dir, "watched.qes"), weights(&dir, "without.qes"));
    let logs = ["without.qes", "counted.qes", "more.qes", "file.qes"];
    let mut different: Vec<_> = logs.iter().map(|log| weights(&dir, log)).collect();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), logs.len());
}

/// Its own reward may be one that has the model reply.
#[test]
fn a_task_may_be_retained() {
    let dir = data();
    dir.write("exact.toml", "[problems]\nsource = \"arith\"\n[[rewards]]\nkind = \"exact\"\n");
    let run = TINY.replace("--task arith", "--task sft --data sums.jsonl");
    dir.run(&format!("tune base.gguf -o run.qes --retain exact.toml {run}")).ok();
    let retained = dir.run("inspect run.qes --json").json()["evaluations"][0]["retained"].take();
    assert_eq!(dir.run("eval base.gguf --task arith --problems 16 --json").json()["accuracy"], retained);
}

#[test]
fn nonsense_about_retaining_is_told() {
    let dir = data();
    for (flags, code, words) in [
        ("--retain nosuch.txt", 2, ["--retain nosuch.txt cannot be found", "a task file"]),
        ("--retain sft", 2, ["--retain sft cannot be found", "arith, countdown"]),
        ("--retain nosuch.toml", 1, ["--retain", "cannot open nosuch.toml"]),
        (
            "--retain prompts.jsonl",
            1,
            ["--retain", "prompts.jsonl, line 1: found \"prompt\" without a reply"],
        ),
        ("--retain base.gguf", 1, ["--retain", "not UTF-8"]),
        ("--retain sums.jsonl --retain-weight -1", 2, ["--retain-weight is -1", "from 0 to 1000000"]),
        ("--retain sums.jsonl --retain-weight NaN", 2, ["--retain-weight is NaN", "from 0 to 1000000"]),
        ("--retain sums.jsonl --retain-prompts 0", 2, ["--retain-prompts is 0", "from 1 to"]),
        ("--retain-weight 1", 2, ["--retain <PATH|TASK>", "not provided"]),
        ("--patience 0", 2, ["--patience is 0", "at least 1 evaluation"]),
    ] {
        dir.run(&format!("tune base.gguf -o run.qes {flags} {TINY}")).fails(code, &words);
        assert!(!dir.path("run.qes").exists(), "{flags}");
    }
}

/// Steps so large that every generation does harm after the first ones.
const HARMFUL: &str = "--task arith --generations 30 --population 4 --prompts 8 --eval-problems 16 --eval-every 1 --window 1 \
                       --alpha 5% --patience 2";

#[test]
fn a_run_without_patience_left_ends_and_leaves_its_best_model() {
    let dir = Dir::new();
    let done = dir
        .run(&format!("tune base.gguf -o run.qes --export tuned.gguf --json {HARMFUL}"))
        .json_lines()
        .pop()
        .unwrap();
    let number = |value: &Value| value.as_u64().unwrap();
    let (all, best) = (number(&done["generations"]), number(&done["best_generations"]));
    assert!(all < 30 && best + 2 == all, "{done}");
    assert_eq!(done["out_of_patience"], true);
    let log = dir.run("inspect run.qes --json").json();
    let rewards: Vec<f64> = log["evaluations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["mean_reward"].as_f64().unwrap())
        .collect();
    assert_eq!(rewards.iter().copied().fold(f64::NEG_INFINITY, f64::max), rewards[best as usize]);
    assert_eq!(done["reward_best"], rewards[best as usize]);

    dir.run("export base.gguf run.qes --generation best -o best.gguf").ok();
    dir.run(&format!("export base.gguf run.qes --generation {best} -o number.gguf")).ok();
    dir.run("export base.gguf run.qes -o last.gguf").ok();
    assert!(
        dir.read("best.gguf") == dir.read("tuned.gguf") && dir.read("number.gguf") == dir.read("tuned.gguf")
    );
    assert!(dir.read("last.gguf") != dir.read("tuned.gguf"));
    let verified = dir.run("verify base.gguf run.qes tuned.gguf").ok();
    assert!(verified.contains(&format!("what base and log make after {best} generation")), "{verified}");
    dir.run(&format!("verify base.gguf run.qes last.gguf --generation {all}")).ok();
    dir.run("verify base.gguf run.qes last.gguf").ends(1);
    dir.run("verify base.gguf run.qes tuned.gguf --generation 99").fails(2, &["no generation 99"]);
    let of_log = dir.run("eval base.gguf --log run.qes --generation best --problems 16 --json").json();
    assert_eq!(of_log["mean_reward"], rewards[best as usize]);
}

#[test]
fn an_ended_run_says_so_and_stays_ended() {
    let dir = Dir::new();
    let said = dir.run(&format!("tune base.gguf -o run.qes {HARMFUL}")).ok();
    for word in
        ["best            after ", "as 2 evaluations brought no higher mean reward", " --generation best"]
    {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    let log = dir.text("run.qes");
    dir.run("tune base.gguf -o run.qes --resume").ok();
    assert_eq!(dir.text("run.qes"), log);
    dir.cut("run.qes", 4, "died.qes");
    dir.run("tune base.gguf -o died.qes --resume").ok();
    assert_eq!(dir.text("died.qes"), log);
}

#[test]
fn a_log_without_evaluations_has_no_best() {
    let dir = Dir::tuned();
    dir.cut("run.qes", 1, "header.qes");
    dir.run("export base.gguf header.qes --generation best -o x.gguf")
        .fails(2, &["--generation best", "no held-out evaluation"]);
    dir.run("export base.gguf run.qes --generation first -o x.gguf").fails(2, &["a number or \"best\""]);
    dir.run("eval base.gguf --task arith --generation best").fails(2, &["--log"]);
}

#[test]
fn a_comparison_adds_up() {
    let dir = Dir::tuned();
    let eval = |flags: &str| dir.run(&format!("eval {flags} --problems 32 --json")).json();
    let compared = eval("tuned.gguf --compare base.gguf --task arith");
    let mut of_base = eval("base.gguf --task arith");
    let number = |value: &Value| value.as_f64().unwrap();
    for key in ["example", "log", "peak_rss_bytes", "reward", "task"] {
        of_base.as_object_mut().unwrap().remove(key);
    }
    assert_eq!(compared["compare"], of_base);
    assert_eq!(compared["mean_loglik"], eval("tuned.gguf --task arith")["mean_loglik"]);
    let difference = &compared["difference"];
    let (low, mean, high) =
        (number(&difference["ci95_low"]), number(&difference["mean"]), number(&difference["ci95_high"]));
    assert!(
        (mean - (number(&compared["accuracy"]) - number(&of_base["accuracy"]))).abs() < 1e-12,
        "{compared}"
    );
    assert!(low < mean && mean < high && (mean - low - (high - mean)).abs() < 1e-12, "{compared}");
    let same = eval("base.gguf --compare base.gguf --task arith");
    assert_eq!(same["difference"], serde_json::json!({"mean": 0.0, "ci95_low": 0.0, "ci95_high": 0.0}));
}

#[test]
fn a_log_is_compared_on_its_own_task() {
    let dir = Dir::tuned();
    let said = dir.run("eval base.gguf --log run.qes --compare base.gguf --problems 16").ok();
    for word in [
        "base.gguf as tuned by run.qes on arith, 16 held-out problems",
        "base.gguf on the same",
        "difference  ",
    ] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    let other = dir.run("eval base.gguf --log run.qes --task arith --digits 1 --problems 16 --json").json();
    assert_ne!(
        other["mean_loglik"],
        dir.run("eval base.gguf --log run.qes --problems 16 --json").json()["mean_loglik"]
    );
    dir.run("eval base.gguf --log run.qes --digits 1").fails(2, &["--digits needs --task"]);
}

/// Each is asked in its own way; only what cannot be loaded cannot be compared with.
#[test]
fn another_model_is_compared_on_the_same_problems() {
    let dir = Dir::new();
    dir.write("other.gguf", std::fs::read(super::helper::bundled(super::helper::Q8_0)).unwrap());
    let said = dir.run("eval base.gguf --compare other.gguf --task arith --problems 16 --json").json();
    assert_eq!(said["compare"]["model"], "other.gguf");
    assert_ne!(said["compare"]["mean_loglik"], said["mean_loglik"]);
    dir.write(
        "alien.gguf",
        super::gguf_bytes::gguf("alien", &[], "blk.0.attn_q.weight", super::gguf_bytes::Q4_K),
    );
    dir.write("text.gguf", "no model");
    for (model, word) in [
        ("alien.gguf", "alien"),
        ("text.gguf", "not a GGUF file"),
        ("nosuch.gguf", "cannot open nosuch.gguf"),
    ] {
        dir.run(&format!("eval base.gguf --compare {model} --task arith")).fails(1, &[model, word]);
    }
}
