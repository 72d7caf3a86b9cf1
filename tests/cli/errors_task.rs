//! Tasks that cannot be used: a message that names flag or file and the remedy, and nothing done.

use super::helper::{Dir, TINY};
use super::tasks::data;

/// Checks that `tune` with these flags fails so, and leaves no log.
pub fn assert_refused(dir: &Dir, cases: &[(&str, i32, &[&str])]) {
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
            (
                "--task arith:digit=3",
                2,
                &["--task arith:digit=3: ", "no option of arith", "digits, operands"],
            ),
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
                &["sums.jsonl, line", "2000 new ones", "-c 2048", "(-n)"],
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
fn a_task_cannot_be_changed_half_way() {
    let dir = Dir::tuned();
    let log = dir.text("run.qes");
    for (flags, word) in [
        ("--task sft", "--task is sft, but the log's task is arith"),
        ("--data sums.jsonl", "--data says nothing to the log's task arith"),
        ("--held-out 0.5", "--held-out cannot be used with --resume"),
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
