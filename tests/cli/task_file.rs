//! Tasks in files of the user's own.

use super::forge::{contents, forged};
use super::helper::Dir;
use super::tasks::data;

const RUN: &str = "--generations 2 --population 4 --prompts 8 --eval-problems 8 --window 1 --alpha 5%";

/// A folder whose subfolder `tasks` holds a task file.
fn with_task(text: &str) -> Dir {
    let dir = data();
    std::fs::create_dir(dir.path("tasks")).unwrap();
    dir.write("tasks/mine.toml", text);
    dir
}

const MINE: &str = r#"
name = "exact"
predict = 6

[problems]
source = "data"
path = "../sums.jsonl"

[[rewards]]
kind = "exact"
"#;

#[test]
fn a_task_file_says_what_flags_say() {
    let dir = with_task(MINE);
    dir.run(&format!("tune base.gguf -o file.qes --task tasks/mine.toml {RUN}")).ok();
    dir.run(&format!("tune base.gguf -o flags.qes --task exact --data sums.jsonl -n 6 {RUN}")).ok();
    assert_eq!(dir.text("file.qes"), dir.text("flags.qes"));
    dir.run(&format!(
        "tune base.gguf -o file.qes --overwrite --task tasks/mine.toml --temp 1 --held-out 0.5 {RUN}"
    ))
    .ok();
    let header = contents(&dir.text("file.qes")).remove(0);
    assert!(header.contains("\"temp\":1.0") && header.contains("\"held-out\":0.5"), "{header}");
}

/// A weighted sum of what is likely and what is right, with everything that a file can say.
#[test]
fn rewards_are_a_weighted_sum() {
    let half = r#"
temp = 0.5
predict = 6
stop = ["\n", "+"]
[problems]
source = "data"
path = "../sums.jsonl"
held-out = 0.3
[[rewards]]
kind = "loglik"
[[rewards]]
kind = "regex"
weight = 0.5
pattern = "^[0-9]+$"
"#;
    let dir = with_task(half);
    let eval = |task: &str| dir.run(&format!("eval base.gguf --task {task} --json")).json();
    let both = eval("tasks/mine.toml");
    assert_eq!((&both["task"], &both["reward"]), (&"mine".into(), &"loglik + 0.5 regex".into()));
    let number = |key: &str| both[key].as_f64().unwrap();
    let sum = number("mean_loglik") + 0.5 * number("accuracy");
    assert!((number("mean_reward") - sum).abs() < 1e-9, "{both}");
    let said =
        dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf --task tasks/mine.toml {RUN}")).ok();
    assert!(said.contains("mean reward     -"), "neither accuracy nor log-likelihood tells it: {said}");
    dir.run("verify base.gguf run.qes tuned.gguf").ok();
}

#[test]
fn a_run_on_a_task_file_is_resumed_from_anywhere() {
    let dir = with_task(&MINE.replace("\"exact\"\npredict", "\"mine, too\"\npredict"));
    dir.run(&format!("tune base.gguf -o run.qes --task tasks/mine.toml {RUN}")).ok();
    for task in ["", "--task tasks/mine.toml"] {
        dir.cut("run.qes", 3, "tasks/died.qes");
        dir.run(&format!("tune base.gguf -o tasks/died.qes --resume {task}")).ok();
        assert_eq!(dir.text("tasks/died.qes"), dir.text("run.qes"), "{task}");
    }
    dir.run("tune base.gguf -o run.qes --resume --task arith").fails(2, &["--task is arith", "mine, too"]);
    // The log has its task; the file is only asked for its name.
    std::fs::remove_file(dir.path("tasks/mine.toml")).unwrap();
    dir.run("tune base.gguf -o run.qes --resume").ok();
    dir.run("tune base.gguf -o run.qes --resume --task tasks/mine.toml").fails(1, &["tasks/mine.toml"]);
}

#[test]
fn generated_problems_and_word_problems_may_be_asked_for() {
    for (problems, name) in [
        ("source = \"arith\"\ndigits = 1\noperations = [\"+\", \"*\"]", "arith"),
        ("source = \"countdown\"\ncounts = \"2\"\nnumbers = \"1-9\"", "countdown"),
        ("source = \"gsm8k\"\npath = \"../questions.jsonl\"", "gsm8k"),
    ] {
        let dir = with_task(&format!("predict = 4\n[problems]\n{problems}\n[[rewards]]\nkind = \"exact\"\n"));
        dir.write("tasks/other.toml", dir.text("tasks/mine.toml").replace("exact", "loglik"));
        let eval =
            |task: &str| dir.run(&format!("eval base.gguf --task tasks/{task} --problems 4 --json")).json();
        let (exact, loglik) = (eval("mine.toml"), eval("other.toml"));
        assert_eq!(exact["accuracy"], exact["mean_reward"], "{name}");
        assert_eq!(loglik["mean_loglik"], loglik["mean_reward"], "{name}");
        assert_eq!(exact["mean_loglik"], loglik["mean_loglik"], "{name}");
    }
}

#[test]
fn what_makes_no_task_is_told_with_its_place() {
    let problems = "[problems]\nsource = \"arith\"\n";
    let rewards = "[[rewards]]\nkind = \"loglik\"\n";
    let cases = [
        ("[problems\n".to_owned(), "line 1, column 10"),
        (String::new(), "missing field `problems`"),
        (problems.to_owned(), "missing field `rewards`"),
        (format!("rewards = []\n{problems}"), "no reward; name at least one"),
        (
            format!("temperature = 1\n{problems}{rewards}"),
            "unknown field `temperature`, expected one of `name`",
        ),
        (
            format!("{problems}digit = 1\n{rewards}"),
            "unknown field `digit`, expected one of `operations`, `digits`",
        ),
        (format!("{problems}digits = 0\n{rewards}"), "--digits is 0, but must be from 1 to 9"),
        (format!("{problems}{rewards}weigth = 2\n"), "unknown field `weigth`"),
        (format!("{problems}{rewards}weight = 0\n"), "loglik has the weight 0"),
        (format!("{problems}{rewards}pattern = \"x\"\n"), "the reward loglik has a pattern"),
        (format!("{problems}[[rewards]]\nkind = \"grammar\"\n"), "the reward grammar has no grammar"),
        (format!("{problems}[[rewards]]\nkind = \"command\"\n"), "the reward command has no command"),
        (
            format!("{problems}[[rewards]]\nkind = \"likely\"\n"),
            "unknown variant `likely`, expected one of `loglik`",
        ),
        (
            format!("[problems]\nsource = \"poems\"\n{rewards}"),
            "unknown variant `poems`, expected one of `arith`",
        ),
        (format!("[problems]\nsource = \"data\"\n{rewards}"), "missing field `path`"),
        (
            format!("[problems]\nsource = \"countdown\"\ncounts = \"few\"\n{rewards}"),
            "expected a range such as 3-4",
        ),
        (format!("predict = 0\n{problems}{rewards}"), "predict is 0 new tokens"),
        (format!("temp = -1\n{problems}{rewards}"), "temp is -1"),
        (format!("stop = [\"\"]\n{problems}{rewards}"), "a stop text is empty"),
    ];
    for (text, part) in cases {
        let dir = with_task(&text);
        dir.run(&format!("tune base.gguf -o run.qes --task tasks/mine.toml {RUN}"))
            .fails(2, &["tasks/mine.toml", part]);
        assert!(!dir.path("run.qes").exists(), "{part}");
    }
}

#[test]
fn a_task_file_hears_some_flags_only() {
    let dir = with_task(MINE);
    dir.write("sum.toml", "[problems]\nsource = \"arith\"\n[[rewards]]\nkind = \"loglik\"\n");
    for (flags, words) in [
        (
            "--task tasks/mine.toml --pattern x",
            ["--pattern says nothing to a task file", "write what it says into tasks/mine.toml"],
        ),
        ("--task tasks/mine.toml --reward exact", ["--reward says nothing", "mine.toml"]),
        ("--task tasks/mine.toml --digits 3", ["--digits says nothing", "mine.toml"]),
        ("--task sum.toml --data sums.jsonl", ["--data says nothing to sum.toml", "problems are generated"]),
        ("--task sum.toml --held-out 0.1", ["--held-out says nothing to sum.toml", "leave it out"]),
    ] {
        dir.run(&format!("eval base.gguf {flags}")).fails(2, &words);
    }
    dir.run("eval base.gguf --task nosuch.toml").fails(1, &["cannot open nosuch.toml"]);
    dir.write("tasks/mine.toml", MINE.replace("sums", "nosuch"));
    dir.run("eval base.gguf --task tasks/mine.toml")
        .fails(1, &["tasks/mine.toml", "nosuch.jsonl cannot be found"]);
}

#[test]
fn a_task_that_only_code_has_is_refused() {
    let dir = with_task("[problems]\nsource = \"code\"\n[[rewards]]\nkind = \"loglik\"\n");
    dir.write("tasks/reward.toml", MINE.replace("\"exact\"", "\"code\""));
    let words = ["the task", "are \"code\"", "name another --task"];
    for task in ["tasks/mine.toml", "tasks/reward.toml"] {
        dir.run(&format!("tune base.gguf -o run.qes --task {task} {RUN}")).fails(2, &words);
    }
    dir.run(&format!("tune base.gguf -o run.qes --task arith {RUN}")).ok();
    let log = dir.text("run.qes");
    dir.write("code.qes", forged(&log, 1, "\"kind\":\"loglik\"", "\"kind\":\"code\""));
    dir.run("tune base.gguf -o code.qes --resume --generations 3").fails(2, &words);
    dir.run("eval base.gguf --log code.qes").fails(2, &words);
    // All for which a log is enough knows what to do with it.
    dir.run("verify base.gguf code.qes").ok();
    assert!(dir.run("inspect code.qes").ok().contains("code"));
}
