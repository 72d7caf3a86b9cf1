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
            &[
                "1 of 40 examples are too long",
                "context of 1024 tokens: a.jsonl, line 1 (30",
                "-c 3072",
                "--skip-long",
            ],
        ),
        (
            "a.jsonl",
            long("\"prompt\":\""),
            "sft",
            &["1 of 40 examples are too long", "a.jsonl, line 1 (30", "leave them out with --skip-long"],
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

/// All of them, so that a user need not start again for each.
#[test]
fn examples_that_are_too_long_are_told_all_at_once_or_left_out() {
    let dir = data();
    let lines = dir.text("sums.jsonl");
    let long = |line: &str| line.replacen("\"prompt\":\"", &format!("\"prompt\":\"{}", "7".repeat(1500)), 1);
    let numbered = (1..).zip(lines.lines());
    let some =
        numbered.map(|(number, line)| if [8, 14].contains(&number) { long(line) } else { line.to_owned() });
    dir.write("long.jsonl", some.collect::<Vec<_>>().join("\n"));
    let line = "tune base.gguf -o run.qes --overwrite --task sft --data long.jsonl --generations 1 --population 4 --prompts 4";
    for command in [line, "probe base.gguf --task sft --data long.jsonl"] {
        let failed = dir.run(command).ends(1);
        for word in ["2 of 40 examples", "line 8 (15", "line 14 (15", "-c 1536", "--skip-long"] {
            assert!(failed.stderr.contains(word), "no {word:?} in {failed}");
        }
    }
    let done = dir.run(&format!("{line} --skip-long")).ends(0);
    assert!(done.stderr.contains("note: 2 examples too long for the context left out"), "{done}");
    assert!(dir.text("run.qes").contains("\"longest\":1024"), "a resumed run leaves out the same");
    dir.cut("run.qes", 2, "died.qes");
    dir.run("tune base.gguf -o died.qes --resume -c 2048").ok();
    dir.run(&format!("{line} -c 1536")).ok();
    dir.run("eval base.gguf --task sft --data long.jsonl --skip-long --problems 4").ok();
    dir.run("eval base.gguf --task sft --data long.jsonl --skip-long --compare base.gguf")
        .fails(2, &["--skip-long", "--compare", "the same problems"]);
    dir.write("long.jsonl", lines.lines().map(long).collect::<Vec<_>>().join("\n"));
    dir.run(&format!("{line} --skip-long")).fails(1, &["more than 1024 tokens left out there are none"]);
}

#[test]
fn data_that_were_moved_are_found_where_the_user_says() {
    let dir = data();
    std::fs::create_dir(dir.path("old")).unwrap();
    std::fs::rename(dir.path("sums.jsonl"), dir.path("old/sums.jsonl")).unwrap();
    let run = TINY.replace("--task arith", "--task sft --data old/sums.jsonl");
    dir.run(&format!("tune base.gguf -o run.qes {run}")).ok();
    assert!(dir.text("run.qes").contains("\"path\":\"old/sums.jsonl\""), "as it was given");
    dir.cut("run.qes", 3, "died.qes");
    std::fs::rename(dir.path("old"), dir.path("new")).unwrap();
    let words = ["cannot open old/sums.jsonl", "the folder where it began", "--data"];
    dir.run("tune base.gguf -o died.qes --resume").fails(1, &words);
    dir.run("eval base.gguf --log run.qes").fails(1, &words);
    dir.run("tune base.gguf -o died.qes --resume --data answers.jsonl").fails(1, &["is not what it was"]);
    dir.run("tune base.gguf -o died.qes --resume --data new/sums.jsonl").ok();
    assert_eq!(dir.text("died.qes"), dir.text("run.qes"));
    dir.run("eval base.gguf --log run.qes --data new/sums.jsonl").ok();
}

#[test]
fn held_out_examples_that_are_tuned_on_are_told() {
    let dir = data();
    std::fs::create_dir(dir.path("mars")).unwrap();
    let lines: String = dir.text("sums.jsonl").split_inclusive('\n').take(5).collect();
    dir.write("mars/train.jsonl", &lines);
    dir.write("mars/valid.jsonl", &lines);
    dir.write("mars/test.jsonl", &lines);
    let run = TINY.replace("--task arith", "--task sft --data mars");
    std::fs::create_dir(dir.path("out")).unwrap();
    let done = dir.run(&format!("tune base.gguf -o run.qes --export out/t.gguf --card {run}")).ends(0);
    assert!(done.stdout.contains("5 examples tuned on, 5 held out of mars/valid.jsonl"), "{done}");
    assert!(
        done.stderr.contains("note: 5 of 5 held-out examples have prompts that are tuned on too"),
        "{done}"
    );
    assert!(done.stderr.contains("note: mars/test.jsonl not used"), "{done}");
    let card = dir.text("out/README.md");
    assert!(!card.contains("never tuned on"), "{card}");
    assert!(card.contains("the run tuned on the prompts of 5 of its held-out examples too"), "{card}");
    dir.write("few.jsonl", &lines);
    let done = dir.run("eval base.gguf --task sft --data few.jsonl").ends(0);
    assert!(done.stderr.contains("note: only 1 of 5 examples held out"), "{done}");
    assert!(!done.stderr.contains("tuned on too"), "{done}");
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
