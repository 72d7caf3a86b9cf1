//! Data that cannot be used: a message that names file, line and remedy.

use serde_json::json;

use super::errors_task::assert_refused;
use super::helper::{TINY, sums};
use super::tasks::data;

#[test]
fn data_that_cannot_be_used_is_told_with_its_line() {
    let long = |key: &str| {
        sums(|sum| json!({"completion": sum.to_string()})).replacen(
            key,
            &format!("{key}{}", "7".repeat(3000)),
            1,
        )
    };
    let line = |prompt: &str, reply: &str| format!("{}\n", json!({"prompt": prompt, "completion": reply}));
    let two = line("1+1=", "2") + &line("1+2=", "3");
    let dir = data();
    std::fs::create_dir(dir.path("folder")).unwrap();
    let cases: [(&str, String, &str, &[&str]); 18] = [
        (
            "a.jsonl",
            String::new(),
            "sft",
            &["a.jsonl: the file holds nothing; give one with at least one example"],
        ),
        ("a.txt", "\n \n".to_owned(), "sft", &["a.txt: the file holds nothing"]),
        ("a.pdf", two.clone(), "sft", &["a.pdf: cannot tell what the file holds", ".jsonl", ".csv"]),
        (
            "a.jsonl",
            line("1+1=", "2"),
            "sft",
            &["a.jsonl: no example can be held out", "(there are 1)", "valid.jsonl"],
        ),
        (
            "a.jsonl",
            two.clone() + "{\"prompt\":\"1+3=\"}",
            "sft",
            &["a.jsonl, line 3: found \"prompt\" without a reply"],
        ),
        ("a.jsonl", two.clone() + "[1]", "sft", &["a.jsonl, line 3: found a list instead of an object"]),
        ("a.jsonl", two.clone() + "{\"prompt\":", "sft", &["a.jsonl, line 3: broken JSON at column"]),
        (
            "a.jsonl",
            "{\"foo\":1}\n".to_owned(),
            "sft",
            &["a.jsonl, line 1: found the keys \"foo\"", "\"prompt\" and"],
        ),
        (
            "a.csv",
            "prompt,completion\n1,2\n1,2,3\n".to_owned(),
            "sft",
            &["a.csv, line 3: broken CSV: found 3 columns"],
        ),
        ("a.jsonl", line("1+1=", " ") + &two, "sft", &["a.jsonl, line 1: \"completion\" is blank"]),
        (
            "a.jsonl",
            long("\"completion\":\""),
            "sft",
            &["a.jsonl, line 1", "tokens, but the context only 1024", "-c"],
        ),
        (
            "a.jsonl",
            long("\"prompt\":\""),
            "sft",
            &["a.jsonl, line 1", "that begins with \"777", "leave the request out"],
        ),
        (
            "a.txt",
            "12+12=24\n".repeat(200),
            "exact",
            &["a.txt: plain text cannot be used here", "\"prompt\" and"],
        ),
        (
            "a.jsonl",
            two.clone(),
            "prefer",
            &["a.jsonl, line 1", "expected \"prompt\", \"chosen\" and \"rejected\""],
        ),
        ("a.jsonl", two.clone(), "gsm8k", &["a.jsonl, line 1", "expected \"question\" and \"answer\""]),
        (
            "a.jsonl",
            line("1+1=", "two") + &two,
            "numeric",
            &["a.jsonl, line 1: there is no number in", "\"two\""],
        ),
        (
            "a.jsonl",
            two.clone() + &line("1+3=", "(("),
            "regex",
            &["a.jsonl, line 3: the regular expression \"((\""],
        ),
        ("folder/b.jsonl", two, "sft", &["folder holds no train.jsonl", "rename it"]),
    ];
    for (file, text, task, words) in cases {
        dir.write(file, text);
        let data = file.split('/').next().unwrap();
        assert_refused(&dir, &[(&format!("--task {task} --data {data}"), 1, words)]);
    }
}

#[test]
fn changed_data_are_noticed() {
    let dir = data();
    let original = dir.text("sums.jsonl");
    let run = TINY.replace("--task arith", "--task exact --data sums.jsonl -n 6");
    dir.run(&format!("tune base.gguf -o run.qes {run}")).ok();
    dir.cut("run.qes", 3, "died.qes");
    let died = dir.text("died.qes");
    let resume = || dir.run("tune base.gguf -o died.qes --resume");
    dir.write("sums.jsonl", original.replacen("10+10", "10+11", 1));
    let words = ["the log's task exact", "sums.jsonl is not what it was when the run began", "bring it back"];
    resume().fails(1, &words);
    dir.run("eval base.gguf --log run.qes").fails(1, &words);
    std::fs::remove_file(dir.path("sums.jsonl")).unwrap();
    resume().fails(1, &["the log's task exact", "cannot open", "sums.jsonl"]);
    assert_eq!(dir.text("died.qes"), died, "nothing was written");
    // What needs no data does without.
    dir.run("verify base.gguf run.qes").ok();
    dir.run("export base.gguf run.qes -o tuned.gguf").ok();
    dir.run("inspect run.qes").ok();
    dir.write("sums.jsonl", original);
    resume().ok();
    assert_eq!(dir.text("died.qes"), dir.text("run.qes"));
}
