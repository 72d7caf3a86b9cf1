//! Tasks, data and reward programs that cannot be used: a message that names file, line or flag and the remedy, and no
//! harm done.

use serde_json::json;

use super::helper::{Dir, TINY, sums};
use super::tasks::{PROGRAM, data};

/// Checks that `tune` with these flags fails so, and leaves no log.
fn assert_refused(dir: &Dir, cases: &[(&str, i32, &[&str])]) {
    for (flags, code, words) in cases {
        dir.run(&format!("tune base.gguf -o run.qes {} {flags}", TINY.replace("--task arith", "")))
            .fails(*code, words);
        assert!(!dir.path("run.qes").exists(), "{flags}");
    }
}

#[test]
fn flags_that_say_nothing_to_a_task_are_refused() {
    assert_refused(
        &data(),
        &[
            ("--task arith --data sums.jsonl", 2, &["--data says nothing to --task arith", "sft, exact"]),
            ("--task arith --counts 3", 2, &["--counts says nothing to --task arith, only to: countdown"]),
            ("--task sft --data sums.jsonl --reward exact", 2, &["--reward says nothing to --task sft"]),
            ("--task sft --data sums.jsonl --temp 1", 2, &["--temp says nothing to --task sft", "reward"]),
            ("--task prefer --data pairs.jsonl -n 4", 2, &["--predict says nothing to --task prefer"]),
            ("--task exact --data sums.jsonl --pattern x", 2, &["--pattern says nothing", "only to: regex"]),
            ("--task exact --data sums.jsonl --digits 1", 2, &["--digits says nothing", "only to: arith"]),
            ("--task regex --data sums.jsonl -j {}", 2, &["--json-schema says nothing", "only to: json"]),
            (
                "--task regex --data sums.jsonl --reward-cmd x",
                2,
                &["--reward-cmd says nothing", "only to: reward"],
            ),
        ],
    );
}

#[test]
fn values_that_make_no_sense_are_refused() {
    assert_refused(
        &data(),
        &[
            ("--task arith --digits 0", 2, &["--digits is 0, but must be from 1 to 9"]),
            ("--task arith --operations /", 2, &["--operations is \"/\"", "such as \"+-\""]),
            (
                "--task arith --operations * --digits 9 --operands 3",
                2,
                &["--operations with *", "lower one of them"],
            ),
            ("--task countdown --counts 9", 2, &["--counts is 9-9, but must be a range within 2-6"]),
            ("--task countdown --counts 4-3", 2, &["--counts is 4-3", "its lower end first"]),
            ("--task countdown --numbers few", 2, &["--numbers", "\"few\" is no number", "such as 3-4"]),
            (
                "--task countdown --numbers 1-2 --targets 5000-6000",
                1,
                &["target of 5000-6000", "more --targets"],
            ),
            ("--task exact --data sums.jsonl --held-out 0", 2, &["held-out is 0, but must be a share"]),
            ("--task exact --data sums.jsonl --held-out -1", 2, &["held-out is -1"]),
            ("--task exact --data sums.jsonl --temp -1", 2, &["temp is -1, but must be from 0 to 100"]),
            ("--task exact --data sums.jsonl --temp NaN", 2, &["temp is NaN"]),
            ("--task exact --data sums.jsonl --stop ''", 2, &["a stop text is empty"]),
            ("--task exact --data sums.jsonl -n 0", 2, &["predict is 0 new tokens"]),
            (
                "--task exact --data sums.jsonl -n 2000",
                1,
                &["sums.jsonl, line", "2000 new ones", "(-c)", "(-n)"],
            ),
            ("--task arith --reward exact --temp 1 -n 2000", 1, &["2000 new ones", "(-c)", "(-n)"]),
        ],
    );
}

#[test]
fn what_a_task_needs_is_told() {
    assert_refused(
        &data(),
        &[
            ("--task poetry", 2, &["--task poetry: no such task; there are arith, countdown, sft", ".toml"]),
            ("--task sft", 2, &["--task sft needs your examples: --data PATH"]),
            (
                "--task grammar --data sums.jsonl",
                2,
                &["--task grammar needs a grammar: --grammar or --grammar-file"],
            ),
            ("--task reward --data sums.jsonl", 2, &["--task reward needs your program: --reward-cmd"]),
            ("--task sft --data nosuch.jsonl", 1, &["--data: nosuch.jsonl cannot be found"]),
        ],
    );
}

#[test]
fn rules_that_cannot_be_read_are_told() {
    let dir = data();
    dir.write("half.json", "{\"type\":");
    assert_refused(
        &dir,
        &[
            (
                "--task json --data sums.jsonl -j {",
                2,
                &["--json-schema: the schema is no JSON", "line 1 column 1"],
            ),
            (
                "--task json --data sums.jsonl -jf half.json",
                2,
                &["--json-schema-file half.json: the schema is no JSON"],
            ),
            (
                "--task json --data sums.jsonl -jf nosuch.json",
                1,
                &["--json-schema-file", "cannot open nosuch.json"],
            ),
            ("--task json --data sums.jsonl -j {\"type\":\"sum\"}", 1, &["JSON schema", "at /type", "sum"]),
            ("--task json --data sums.jsonl -j {\"$ref\":\"http://x/y\"}", 1, &["JSON schema", "http://x/y"]),
            (
                "--task json --data sums.jsonl -j {} -jf half.json",
                2,
                &["--json-schema-file", "cannot be used with"],
            ),
            (
                "--task regex --data sums.jsonl --pattern ((",
                1,
                &["regular expression \"((\"", "unclosed group"],
            ),
            (
                "--task grammar --data sums.jsonl --grammar-file nosuch",
                1,
                &["--grammar-file", "cannot open nosuch"],
            ),
            (
                "--task grammar --data sums.jsonl --grammar-file base.gguf",
                1,
                &["--grammar-file", "no UTF-8 text"],
            ),
            (
                "--task grammar --data sums.jsonl --grammar 'x ::= [0-9]'",
                1,
                &["grammar cannot be read", "root"],
            ),
        ],
    );
}

/// llama.cpp itself says before our message what it does not understand.
#[test]
fn a_grammar_that_cannot_be_read_is_told_by_llama_cpp_too() {
    let dir = data();
    let line = "tune base.gguf -o run.qes --task grammar --data sums.jsonl --grammar 'root ::= nosuch'";
    let failed = dir.run(line).ends(1);
    for word in ["Undefined rule identifier 'nosuch'", "\nerror: judging replies by the grammar failed"] {
        assert!(failed.stderr.contains(word), "no {word:?} in {failed}");
    }
    assert!(!dir.path("run.qes").exists());
}

#[test]
fn data_that_cannot_be_used_is_told_with_its_line() {
    let long = |key: &str| {
        sums(|sum| json!({"completion": sum.to_string()})).replacen(
            key,
            &format!("{key}{}", "7".repeat(3000)),
            2,
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
            &["a.jsonl, line", "that begins with \"777", "leave the request out"],
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

/// In the middle of a run, after one whole generation.
const REWARDED: &str = "--task reward --data sums.jsonl -n 6 --temp 1 --reward-timeout 5 --generations 2 --population 4 \
                        --prompts 8 --eval-problems 8 --window 1 --alpha 0.1";

#[test]
fn a_log_survives_a_reward_program_that_fails() {
    let dir = data();
    let line = format!("tune base.gguf --reward-cmd '. ./program.sh' {REWARDED}");
    dir.run(&format!("{line} -o whole.qes")).ok();
    for (fault, words) in [
        ("echo rubbish", ["said \"rubbish\", which is not JSON", "expected one number"]),
        ("echo NaN", ["said \"NaN\", which is not a finite number", "expected one number"]),
        ("echo '{\"error\":\"no GPU left\"}'", ["it reports an error: no GPU left", "given {\"prompt\":"]),
        ("exit 9", ["ended with exit status: 9 without an answer", "after 3 restarts too"]),
        ("kill -9 $$", ["ended with signal: 9", "one line for each line that it reads"]),
    ] {
        // The first evaluation and the first generation take 8 and 4 times 8 replies.
        let faulty = format!(
            "n=0; if [ -e broken ]; then n=50; fi{}",
            PROGRAM.replace(
                "do\n",
                &format!("do\n n=$((n+1)); if [ $n -gt 50 ]; then : > broken; {fault}; continue; fi\n"),
            )
        );
        dir.write("program.sh", faulty);
        let failed = dir.run(&format!("{line} -o run.qes --overwrite")).ends(1);
        for word in words
            .iter()
            .chain(&["error: the reward command: the program `. ./program.sh`", "with 1 generation:"])
        {
            assert!(failed.stderr.contains(word), "no {word:?} in {failed}");
        }
        assert!(
            failed.stderr.ends_with("qes-gguf tune base.gguf -o run.qes --resume --generations 2\n"),
            "{failed}"
        );
        dir.run("verify base.gguf run.qes").ok();
        dir.write("program.sh", PROGRAM);
        dir.run("tune base.gguf -o run.qes --resume --generations 2").ok();
        assert_eq!(dir.text("run.qes"), dir.text("whole.qes"), "{fault}");
        std::fs::remove_file(dir.path("broken")).unwrap();
    }
}

#[test]
fn a_reward_program_that_never_works_is_told_at_once() {
    let dir = data();
    for (command, words) in [
        ("nosuch-program", ["the shell cannot run it", "check that the program is there"]),
        ("sleep 60", ["no answer within 0.2 s", "--reward-timeout"]),
        ("cat", ["said \"{", "without \"reward\""]),
        ("yes 1", ["without being asked", "one line for each line"]),
    ] {
        let line =
            format!("tune base.gguf -o run.qes --overwrite --reward-cmd '{command}' --reward-timeout 0.2");
        let failed = dir.run(&format!("{line} {}", REWARDED.replace("--reward-timeout 5", ""))).ends(1);
        for word in words
            .iter()
            .chain(&["before its first generation", "start anew with other flags and --overwrite"])
        {
            assert!(failed.stderr.contains(word), "no {word:?} in {failed}");
        }
        dir.run("verify base.gguf run.qes").ok();
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

#[test]
fn a_task_cannot_be_changed_half_way() {
    let dir = Dir::tuned();
    let log = dir.text("run.qes");
    for (flags, word) in [
        ("--task sft", "--task is sft, but the log's task is arith"),
        ("--data sums.jsonl", "--data cannot be used with --resume"),
        ("--temp 1", "--temp cannot be used with --resume"),
        ("-n 4", "--predict cannot be used with --resume"),
        ("--digits 2", "--digits cannot be used with --resume"),
        ("--reward-cmd x", "--reward-cmd cannot be used with --resume"),
        ("--retain arith", "--retain cannot be used with --resume"),
        ("--patience 3", "--patience cannot be used with --resume"),
    ] {
        dir.run(&format!("tune base.gguf -o run.qes --resume {flags}")).fails(2, &[word]);
    }
    assert_eq!(dir.text("run.qes"), log);
}

/// Nothing can be learned from it, which a run should not keep to itself.
#[test]
fn rewards_that_tell_nothing_apart_are_told() {
    let dir = data();
    let run = TINY.replace("--task arith", "--task regex --data prompts.jsonl -n 6 --pattern nothing");
    let done = dir.run(&format!("tune base.gguf -o run.qes {run}")).ends(0);
    assert!(done.stderr.contains("note: in 3 of 3 generations all members had the same fitness"), "{done}");
    let done = dir.run(&format!("tune base.gguf -o other.qes {TINY}")).ends(0);
    assert!(!done.stderr.contains("note:"), "{done}");
}
