//! What programs read.

use serde_json::Value;

use super::helper::{Dir, LONG, TINY};

fn assert_numbers(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object[key].is_number(), "{key} in {object}");
    }
}

#[test]
fn eval_prints_one_object() {
    let evaluation = Dir::new().run("eval base.gguf --task arith --problems 16 --json").json();
    assert_eq!(evaluation["task"], "arith");
    assert_eq!(evaluation["model"], "base.gguf");
    assert_eq!(evaluation["log"], Value::Null);
    assert_eq!(evaluation["problems"], 16);
    assert_numbers(
        &evaluation,
        &["correct", "accuracy", "ci95_low", "ci95_high", "mean_loglik", "peak_rss_bytes"],
    );
    let number = |key: &str| evaluation[key].as_f64().unwrap();
    assert_eq!(number("accuracy"), number("correct") / 16.0);
    assert!(0.0 <= number("ci95_low") && number("ci95_low") < number("accuracy"), "{evaluation}");
    assert!(number("accuracy") < number("ci95_high") && number("ci95_high") <= 1.0, "{evaluation}");
    assert!(number("mean_loglik") < 0.0, "{evaluation}");
}

#[test]
fn tune_prints_an_object_a_line_and_ends_with_done() {
    let dir = Dir::new();
    let lines = dir.run(&format!("tune base.gguf -o run.qes --json {TINY}")).json_lines();
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events[0], "start");
    assert_eq!(events.iter().filter(|event| **event == "generation").count(), 3);
    let done = lines.last().unwrap();
    assert_eq!(done["event"], "done");
    assert_eq!(done["generations"], 3);
    let keys = ["accuracy_before", "accuracy_after", "seconds", "outside_inference", "peak_rss_bytes"];
    assert_numbers(done, &keys);
    assert_eq!(done["log_bytes"], dir.read("run.qes").len());
    let share = done["outside_inference"].as_f64().unwrap();
    assert!(0.0 < share && share < 1.0, "{done}");
}

#[test]
fn an_evaluation_follows_its_generation() {
    let lines =
        Dir::new().run(&format!("tune base.gguf -o run.qes --json {TINY} --eval-every 2")).json_lines();
    let told = |line: &Value| match line["event"].as_str().unwrap() {
        "generation" => format!("generation {}", line["generation"]),
        "evaluation" => format!("evaluation of {}", line["generations"]),
        other => other.to_owned(),
    };
    let order =
        ["start", "evaluation of 0", "generation 1", "generation 2", "evaluation of 2", "generation 3"];
    assert_eq!(lines.iter().map(told).collect::<Vec<_>>()[..6], order);
}

#[test]
fn tune_tells_the_same_numbers_as_the_log() {
    let dir = Dir::tuned();
    let lines = dir.run(&format!("tune base.gguf -o again.qes --json {TINY}")).json_lines();
    let log = dir.run("inspect run.qes --json").json();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).cloned().collect::<Vec<_>>();
    for (told, logged) in of("generation").iter().zip(log["generations"].as_array().unwrap()) {
        assert_eq!(told["generation"], logged["generation"]);
        assert_eq!(told["fitness_mean"], logged["fitness"]["mean"]);
        assert_eq!(told["alpha"], logged["alpha"]);
    }
    let moved: u64 = of("generation").iter().map(|told| told["moved"].as_u64().unwrap()).sum();
    assert!(moved > 10_000, "these tests are worth little when codes do not move: {moved}");
    for (told, logged) in of("evaluation").iter().zip(log["evaluations"].as_array().unwrap()) {
        assert_eq!(told["generations"], logged["generations"]);
        assert_eq!(told["mean_loglik"], logged["mean_loglik"]);
    }
}

#[test]
fn inspect_describes_a_model() {
    let dir = Dir::new();
    let model = dir.run("inspect base.gguf --json").json();
    assert_eq!(model["kind"], "model");
    assert_eq!(model["architecture"], "llama");
    assert_eq!(model["bytes"], dir.read("base.gguf").len());
    assert_eq!(model["tuned_codes"], 3_407_872);
    let tensors = model["tensors"].as_array().unwrap();
    assert_eq!(tensors.len(), 39);
    assert_eq!(tensors.iter().filter(|tensor| tensor["tuned_by_default"] == true).count(), 28);
    let norm = tensors.iter().find(|tensor| tensor["name"] == "output_norm.weight").unwrap();
    assert_eq!((&norm["type"], &norm["tunable"]), (&"F32".into(), &false.into()));
}

#[test]
fn inspect_describes_a_log() {
    let dir = Dir::tuned();
    let log = dir.run("inspect run.qes --json").json();
    assert_eq!(log["kind"], "log");
    assert_eq!(log["header"]["settings"]["population"], 4);
    assert_eq!(log["header"]["task"]["definition"]["name"], "arith");
    assert_eq!(log["header"]["task"]["definition"]["problems"]["source"], "arith");
    assert_eq!(log["generations"].as_array().unwrap().len(), 3);
    assert_eq!(log["evaluations"].as_array().unwrap().len(), 2);
    assert_eq!(log["bytes"], dir.read("run.qes").len());
    assert_eq!(log["torn_bytes"], 0);
    assert!(dir.text("run.qes").ends_with(&format!("{}\"}}\n", log["hash"].as_str().unwrap())));
}

#[test]
fn an_interrupted_run_ends_with_an_object_too() {
    let dir = Dir::new();
    let mut run = dir.spawn(&format!("tune base.gguf -o run.qes --json {LONG}"));
    run.until_lines("run.qes", 2);
    run.signal("INT");
    let done = run.wait().ends(130);
    let last: Value = serde_json::from_str(done.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "interrupted");
    assert_eq!(last["log_bytes"], dir.read("run.qes").len());
}

/// A process that a large one has started is not as large.
#[test]
fn peak_memory_is_of_this_process_alone() {
    let large = std::hint::black_box(vec![1_u8; 300 << 20]);
    let evaluation = Dir::new().run("eval base.gguf --task arith --problems 4 --json").json();
    let peak = evaluation["peak_rss_bytes"].as_u64().unwrap();
    assert!((4 << 20..large.len() as u64 / 2).contains(&peak), "{peak} bytes");
}
