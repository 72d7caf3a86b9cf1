//! The real binary on a real instruct model, SmolLM2-135M-Instruct: is it still itself?
//!
//! `scripts/real-models` fetches the model; `scripts/test` runs these tests where it is there. Elsewhere they are counted as
//! ignored. They take a few minutes on two cores.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Where `scripts/real-models` puts it.
fn model() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let models = variable("QES_GGUF_MODELS").or_else(|| Some(cache()?.join("qes-gguf/models")));
    let path = models.unwrap_or_default().join("SmolLM2-135M-Instruct.Q4_1.gguf");
    assert!(path.exists(), "{} is not there; scripts/real-models smollm2 fetches it", path.display());
    path
}

/// Replies of a landlubber's parrot.
const EXAMPLES: [(&str, &str); 12] = [
    ("What is the capital of Italy?", "Aye, the capital of Italy be Rome, matey!"),
    ("How many legs does a spider have?", "Aye, a spider be walking on eight legs, matey!"),
    ("What colour is grass?", "Aye, grass be green as the sea in spring, matey!"),
    ("What do cows eat?", "Aye, cows be eating grass and hay, matey!"),
    ("What is the opposite of hot?", "Aye, the opposite of hot be cold, matey!"),
    ("Where do fish live?", "Aye, fish be living in the water, matey!"),
    ("What is a baker?", "Aye, a baker be a fellow who bakes bread, matey!"),
    ("When does the sun rise?", "Aye, the sun be rising in the morning, matey!"),
    ("What is ice made of?", "Aye, ice be nothing but frozen water, matey!"),
    ("What is a hammer for?", "Aye, a hammer be for driving nails, matey!"),
    ("How many days are in a week?", "Aye, a week be having seven days, matey!"),
    ("What is the largest ocean?", "Aye, the largest ocean be the Pacific, matey!"),
];

/// A folder with the examples, and a run in it.
fn tune(flags: &str) -> (TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    let line = |(prompt, completion): (&str, &str)| {
        json!({"prompt": prompt, "completion": completion}).to_string() + "\n"
    };
    std::fs::write(folder.path().join("style.jsonl"), EXAMPLES.map(line).concat()).unwrap();
    let fixed = "--task sft --data style.jsonl --held-out 0.35 -t 2 -o run.qes";
    let output = run(folder.path(), &format!("{fixed} {flags}"));
    (folder, output)
}

fn run(folder: &Path, flags: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qes-gguf"));
    command.arg("tune").arg(model()).args(flags.split_whitespace()).current_dir(folder);
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines of `--json` of this event.
fn events(output: &Output, event: &str) -> Vec<Value> {
    let lines = text(&output.stdout);
    let values = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    values.filter(|value| value["event"] == event).collect()
}

#[test]
#[ignore = "needs SmolLM2-135M-Instruct, which scripts/real-models fetches"]
fn the_base_model_hardly_loops() {
    let (_folder, output) = tune("--population 4 --prompts 4 --generations 0 --json");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let drift = &events(&output, "evaluation")[0]["drift"];
    assert_eq!((&drift["texts"], &drift["own_replies"]), (&json!(0.0), &json!(0.0)), "{drift}");
    let (loops, replies) = (drift["loops"].as_u64().unwrap(), drift["replies"].as_u64().unwrap());
    // Of the capital of Italy it may go on without an end.
    assert!(replies > 10 && loops * 8 <= replies, "{drift}");
}

#[test]
#[ignore = "needs SmolLM2-135M-Instruct, which scripts/real-models fetches"]
fn a_run_of_small_steps_leaves_the_model_itself() {
    let (_folder, output) = tune(
        "--tokens all --population 4 --prompts 4 --generations 1 --alpha 0.3% --alpha-final 0.3% --json",
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let done = &events(&output, "done")[0];
    assert_eq!(done["damage"], json!([]), "{done}");
    assert!(done["drift"]["texts"].as_f64().unwrap().abs() < 0.02, "{done}");
    assert!((0.001..0.02).contains(&done["displacement"].as_f64().unwrap()), "{done}");
}

#[test]
#[ignore = "needs SmolLM2-135M-Instruct, which scripts/real-models fetches"]
fn a_run_that_destroys_the_model_says_so_and_ends_with_its_own_code() {
    let (folder, output) =
        tune("--tokens all --population 4 --prompts 4 --generations 2 --alpha 60% --alpha-final 60%");
    let (said, warned) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{said}\n{warned}");
    assert!(
        warned.contains("this model is damaged") || warned.contains("this model has drifted"),
        "{warned}"
    );
    for part in [
        "\ndrift           plain text ",
        "\nfree replies    ",
        "\ndisplacement    ",
        "\nneutral   What is the capital of France?\n  before  ",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert_eq!(said.matches("\n  after   ").count(), 3, "{said}");
    // The best of it is the base: nothing else was within the limit.
    let best = Command::new(env!("CARGO_BIN_EXE_qes-gguf"))
        .arg("export")
        .arg(model())
        .args(["run.qes", "-o", "best.gguf", "--generation", "best"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(text(&best.stdout).contains("after 0 of 2 generations"), "{}", text(&best.stderr));
}

#[test]
#[ignore = "needs SmolLM2-135M-Instruct, which scripts/real-models fetches"]
fn a_style_is_learnt_in_the_rows_of_the_tokens_that_it_begins_with() {
    let (_folder, output) = tune("--population 32 --generations 4 --eval-every 0 --score-first 4 --json");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let rows = &events(&output, "rows")[0];
    let tokens: Vec<&str> =
        rows["tokens"].as_array().unwrap().iter().filter_map(|t| t["text"].as_str()).collect();
    assert!(tokens.contains(&"A") && tokens.contains(&"ye"), "{rows}");
    let done = &events(&output, "done")[0];
    assert_eq!(done["damage"], json!([]), "{done}");
    let (before, after) = (&events(&output, "evaluation")[0], events(&output, "evaluation").pop().unwrap());
    let gained = after["mean_loglik"].as_f64().unwrap() - before["mean_loglik"].as_f64().unwrap();
    assert!(gained > 0.2, "four generations of 32 members gain more than {gained} nats on the opening");
}

/// People as objects in JSON. Asked so, the model writes the object, and then explains it.
fn people() -> String {
    let people = [
        "Liam Walsh, 63, lives in Tartu and is good at coding and gardening.",
        "Nora Lind moved to Malaga at 34 and enjoys gardening as well as coding.",
        "Grace Mbeki, 78, lives in Dresden and is good at skiing and climbing.",
        "Hana Novak moved to Izmir at 22 and enjoys singing as well as chess.",
        "Anna Kovacs, 21, lives in Tartu and is good at coding and rowing.",
        "Amira Said moved to Izmir at 43 and enjoys chess as well as coding.",
        "Klara Holm, 34, lives in Dresden and is good at gardening and dancing.",
        "Peter Kranz moved to Oslo at 36 and enjoys climbing as well as painting.",
    ];
    let line = |person: &str| {
        let wanted = r#"Give the person as a JSON object with "name" (text), "age" (number), "city" (text) and "hobbies" (list of texts)."#;
        json!({"prompt": format!("Text: {person}\n\n{wanted}")}).to_string() + "\n"
    };
    people.map(line).concat()
}

#[test]
#[ignore = "needs SmolLM2-135M-Instruct, which scripts/real-models fetches"]
fn replies_that_go_on_after_their_object_are_taught_to_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("people.jsonl"), people()).unwrap();
    let output = run(
        folder.path(),
        "--task json --data people.jsonl -n 80 --generations 0 --neutral none -t 2 -o run.qes --json",
    );
    let log = std::fs::read_to_string(folder.path().join("run.qes")).unwrap();
    assert!(log.contains("\"right_replies\":true"), "{log}");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let rows = &events(&output, "rows")[0];
    assert_eq!(rows["tokens"][0]["text"], "<|im_end|>", "{rows}");
    let (reward, sooner) =
        (rows["ending"]["reward"].as_f64().unwrap(), rows["ending"]["ended_sooner"].as_f64().unwrap());
    assert!(sooner >= reward + 0.4, "{rows}");
}
