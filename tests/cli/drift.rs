//! Drift from the base model: measured, told, limited.

use serde_json::json;

use super::forge::forged;
use super::helper::{Dir, TINY};

/// Sums that the bundled model has something to say to, as a neutral set of the user's own.
const SUMS: &str =
    "{\"text\":\"12+34=46 25+31=56\"}\n{\"text\":\"50+11=61 70-20=50\"}\n{\"prompt\":\"23+45=\"}\n";

/// [`TINY`] on it, with a limit that every model keeps.
const ANY: &str = "--neutral sums.jsonl --max-drift 100000%";

fn with_sums() -> Dir {
    let dir = Dir::new();
    dir.write("sums.jsonl", SUMS);
    dir
}

#[test]
fn the_built_in_set_means_nothing_to_the_bundled_model_and_its_replies_are_watched_all_the_same() {
    let dir = Dir::new();
    let said = dir.run(&format!("tune base.gguf -o run.qes {TINY}")).ok();
    for part in [
        "note: the neutral set means nothing to this model, which takes ",
        "\nfree replies    0 of 8 loop, ",
        "\ndisplacement    ",
        "\n                measuring drift ",
        "\nheld-out  ",
        "\n  before  ",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(!said.contains("plain text"), "{said}");
    assert!(
        dir.run("inspect run.qes").ok().contains("drift       on the neutral set built-in, at most 5.0%")
    );
}

/// The log of a run whose model has become a quarter more perplexing to plain text, by a limit of 5%.
fn drifted(dir: &Dir, flags: &str) -> String {
    dir.run(&format!("tune base.gguf -o run.qes {ANY} {flags} {TINY}")).ok();
    let log = dir.text("run.qes");
    let last = log.lines().rfind(|line| line.starts_with("{\"evaluation\"")).unwrap();
    let texts = last.split_once("\"texts\":").unwrap().1.split_once(',').unwrap().0;
    let number = log.lines().position(|line| line == last).unwrap() + 1;
    let log = forged(&log, 1, "\"max\":1000.0", "\"max\":0.05");
    forged(&log, number, &format!("\"texts\":{texts},"), "\"texts\":0.25,")
}

#[test]
fn a_model_that_got_worse_elsewhere_ends_with_its_own_exit_code() {
    let dir = with_sums();
    dir.write("run.qes", drifted(&dir, ""));
    let resumed = dir.run("tune base.gguf -o run.qes --resume").ends(3);
    assert!(
        resumed.stdout.contains("\ndrift           plain text +25.0%, own replies "),
        "{}",
        resumed.stdout
    );
    let told = "plain text is 25.0% more perplexing to it than to the base, the limit is 5.0% more (--max-drift); this model has \
                drifted";
    assert!(resumed.stderr.contains(told), "{}", resumed.stderr);
    assert!(dir.run("inspect run.qes").ok().contains(told));
    dir.run("report run.qes").ok();
    assert!(dir.text("report.html").contains(told));
    dir.run("export base.gguf run.qes -o tuned.gguf --card").ok();
    assert!(dir.text("README.md").contains("plain text +25.0%") && dir.text("README.md").contains(told));
    // What goes by the best evaluation goes by the limit.
    let best = dir.run("export base.gguf run.qes -o best.gguf --generation best").ok();
    assert!(best.contains("after 0 of 3 generations"), "{best}");
    assert!(
        dir.run("verify base.gguf run.qes best.gguf --generation best").ok().contains("after 0 generations")
    );
    dir.run("eval base.gguf --log run.qes --generation best --problems 4").ok();
    let line = "tune base.gguf -o run.qes --resume --json";
    let said = dir.run(line).ends(3).stdout;
    let done: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!((&done["damage"], &done["drift"]["texts"]), (&json!([told]), &json!(0.25)), "{done}");
}

#[test]
fn with_patience_a_run_leaves_a_model_within_the_limit() {
    let dir = with_sums();
    dir.write("run.qes", drifted(&dir, "--patience 9"));
    let said = dir.run("tune base.gguf -o run.qes --resume --export tuned.gguf").ok();
    assert!(said.contains("best            after 0 generations"), "{said}");
    assert!(dir.read("tuned.gguf") == dir.read("base.gguf"));
}

#[test]
fn programs_are_told_the_same() {
    let dir = with_sums();
    let lines = dir.run(&format!("tune base.gguf -o run.qes --json {ANY} {TINY}")).json_lines();
    let first = &lines.iter().find(|line| line["event"] == "evaluation").unwrap()["drift"];
    assert_eq!((&first["texts"], &first["own_replies"]), (&json!(0.0), &json!(0.0)), "{first}");
    assert_eq!((&first["replies"], &first["evaluations"]), (&json!(10), &json!(2 + 2 + 10)), "{first}");
    let done = lines.last().unwrap();
    assert!(done["drift"]["texts"].as_f64().is_some_and(|texts| texts != 0.0), "{done}");
    assert!(done["displacement"].as_f64() > Some(0.05), "{done}");
    assert_eq!((&done["damage"], &done["samples"][0]["held_out"]), (&json!([]), &json!(false)), "{done}");
    assert_eq!(
        (done["samples"].as_array().unwrap().len(), &done["samples"][1]["held_out"]),
        (3, &json!(true))
    );
}

#[test]
fn a_resumed_run_measures_as_one_that_was_never_interrupted() {
    let dir = with_sums();
    let tune = "tune base.gguf --neutral sums.jsonl --max-drift none --task arith --generations 4 --population 4 --prompts 8 \
                --eval-problems 16 --eval-every 2 --alpha 0.1";
    dir.run(&format!("{tune} -o whole.qes")).ok();
    // Header, evaluation, two generations.
    dir.cut("whole.qes", 4, "cut.qes");
    dir.run("tune base.gguf -o cut.qes --resume").ok();
    assert_eq!(dir.text("cut.qes"), dir.text("whole.qes"));
    dir.cut("whole.qes", 4, "cut.qes");
    dir.write("sums.jsonl", SUMS.replace("12", "13"));
    dir.run("tune base.gguf -o cut.qes --resume")
        .fails(1, &["neutral set", "is not what it was when the run began"]);
}

#[test]
fn nonsense_is_told_in_a_sentence() {
    let dir = with_sums();
    dir.write("empty.jsonl", "");
    dir.write("other.jsonl", "{\"prompt\":\"Hi\"}\n[]\n");
    dir.write("long.jsonl", format!("{{\"prompt\":\"{}\"}}\n", "12+34=46 ".repeat(150)));
    let names = dir.names();
    for (flags, code, part) in [
        ("--max-drift -1%", 2, "which the base model itself exceeds"),
        ("--max-drift 0", 2, "the base has a drift of 0%"),
        ("--max-drift lots", 2, "must be a percentage such as 5%, or none"),
        (
            "--neutral none --max-drift 5%",
            2,
            "--max-drift is a limit on what --neutral measures, which is none",
        ),
        ("--neutral nowhere.jsonl", 1, "nowhere.jsonl"),
        ("--neutral empty.jsonl", 1, "neither a prompt nor a text"),
        ("--neutral other.jsonl", 1, "line 2 is neither"),
        ("--neutral long.jsonl", 1, "the neutral set does not fit"),
    ] {
        dir.run(&format!("tune base.gguf -o run.qes {TINY} {flags}")).fails(code, &[part]);
        assert_eq!(dir.names(), names, "{flags}");
    }
    dir.run(&format!("tune base.gguf -o run.qes --neutral none {TINY}")).ok();
    dir.run("tune base.gguf -o run.qes --resume --neutral sums.jsonl")
        .fails(2, &["--neutral cannot be used with --resume"]);
}
