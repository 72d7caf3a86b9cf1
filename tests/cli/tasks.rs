//! Every task from `tune` to a model that verifies, on data in every shape.

use serde_json::json;

use super::forge::contents;
use super::gguf_bytes::with_chat_template;
use super::helper::{Dir, Q4_K, bundled, sums};

/// As short as a run can be that moves many codes and has a middle to be resumed from.
const RUN: &str =
    "--generations 2 --population 4 --prompts 8 --eval-problems 8 --eval-every 1 --window 1 --alpha 5%";

/// The same for rewards that are 0 or 1, which tell fewer members apart.
const COARSE: &str =
    "--generations 2 --population 8 --prompts 16 --eval-problems 8 --window 1 --sigma 0.2 --alpha 5%";

/// What the reward program of [`data`] is: the number that a reply is, as digits behind a point.
pub const PROGRAM: &str = r#"
while read -r line; do
    rest=${line#*\"reply\":\"}
    reply=${rest%%\"*}
    case $reply in '' | *[!0-9]*) echo 0 ;; *) echo "0.$reply" ;; esac
done
"#;

/// A folder with data for every task.
pub fn data() -> Dir {
    let dir = Dir::new();
    dir.write("sums.jsonl", sums(|sum| json!({"completion": sum.to_string()})));
    dir.write("answers.jsonl", sums(|sum| json!({"answer": sum})));
    dir.write(
        "pairs.jsonl",
        sums(|sum| json!({"chosen": sum.to_string(), "rejected": (sum + 1).to_string()})),
    );
    dir.write("prompts.jsonl", sums(|_| json!({})));
    let questions = sums(|sum| json!({"answer": format!("That is\n#### {sum}")}));
    dir.write("questions.jsonl", questions.replace("\"prompt\"", "\"question\""));
    dir.write("program.sh", PROGRAM);
    dir
}

/// Tunes on a task, checks that the run moved codes and verifies, and that it ends the same when it died in its middle.
fn assert_tuned(run: &str, flags: &[&str]) {
    let dir = data();
    for flags in flags {
        dir.run(&format!("tune base.gguf -o run.qes --overwrite --export tuned.gguf {flags} {run}")).ok();
        dir.run("verify base.gguf run.qes tuned.gguf").ok();
        assert!(dir.read("tuned.gguf") != dir.read("base.gguf"), "no code moved: {flags}");
        // Header, evaluation, and the first of two generations.
        dir.cut("run.qes", 3, "died.qes");
        dir.run("tune base.gguf -o died.qes --resume --trust-log").ok();
        assert_eq!(dir.text("died.qes"), dir.text("run.qes"), "{flags}");
    }
}

#[test]
fn generated_problems() {
    let run = RUN.replace("--prompts 8 --eval-problems 8", "--prompts 2 --eval-problems 1");
    assert_tuned(
        &run,
        &[
            "--task arith --operations +-* --digits 1 --operands 3",
            "--task arith --reward soft-loglik",
            "--task countdown:counts=2,numbers=1-20,targets=2-50,reward=loglik -n 8",
        ],
    );
    assert_tuned(COARSE, &["--task arith --reward exact --temp 1"]);
}

#[test]
fn likelihoods_of_examples() {
    assert_tuned(
        RUN,
        &[
            "--task sft --data sums.jsonl",
            "--task prefer --data pairs.jsonl",
            "--task gsm8k --data questions.jsonl --reward loglik -n 4",
        ],
    );
}

#[test]
fn replies_by_rules() {
    assert_tuned(
        COARSE,
        &[
            "--task exact --data sums.jsonl -n 6 --temp 0.7 --stop +",
            "--task numeric --data answers.jsonl -n 6",
            "--task regex --data sums.jsonl -n 6",
            "--task regex --data prompts.jsonl -n 6 --pattern [05]$",
            "--task json --data prompts.jsonl -n 6 -j {\"type\":\"integer\",\"multipleOf\":5}",
            "--task json --data sums.jsonl -n 6 --json-equal",
            "--task grammar --data prompts.jsonl -n 6 --grammar 'root ::= [0-9]+ [02468]'",
        ],
    );
}

#[test]
fn replies_by_a_program() {
    assert_tuned(
        COARSE,
        &[
            "--task reward --data sums.jsonl -n 6 --temp 1 --reward-cmd '. ./program.sh' --reward-timeout 20",
            "--task reward --data prompts.jsonl -n 6 --reward-cmd 'sh program.sh'",
        ],
    );
}

/// So that a run ends that nobody watches: the same reply comes again when it is resumed.
#[test]
fn a_program_that_hangs_may_cost_a_reward() {
    let dir = data();
    let hang = PROGRAM.replace("do\n", "do\n case $line in *'\"prompt\":\"11+17=\"'*) sleep 60 ;; esac\n");
    dir.write("hang.sh", hang);
    let line = format!(
        "tune base.gguf -o run.qes --overwrite --task reward --data sums.jsonl -n 6 {RUN} --prompts 32 --reward-cmd 'sh hang.sh' \
         --reward-timeout 1"
    )
    .replace("--prompts 8 ", "");
    dir.run(&line).fails(1, &["no answer within 1 s", "--reward-on-timeout 0"]);
    dir.run(&format!("{line} --reward-on-timeout 0")).ok();
    dir.run("verify base.gguf run.qes").ok();
    assert!(dir.text("run.qes").contains("\"on-timeout\":0.0"));
}

/// A conversation is a reward for each of its replies, in the weight that it has.
#[test]
fn replies_of_a_conversation_count() {
    let dir = data();
    let talk = |weight: f64| {
        let said = |role: &str, content: &str| json!({"role": role, "content": content});
        json!({"messages": [
            said("user", "10+11="), {"role": "assistant", "content": "21", "weight": weight},
            said("user", "12+13="), said("assistant", "25"),
        ]})
        .to_string()
    };
    let two = |weight: f64| [talk(weight), talk(weight).replace("12", "14").replace("25", "27")].join("\n");
    dir.write("talks.jsonl", two(1.0));
    let counts = |flags: &str| {
        let told = dir.run(&format!("data talks.jsonl {flags} --json")).json();
        ["examples", "training", "held_out", "weightless", "passed_over"]
            .map(|key| told[key].as_u64().unwrap())
    };
    assert_eq!(counts(""), [2, 2, 2, 0, 0]);
    assert_eq!(counts("--replies last"), [2, 1, 1, 0, 2]);
    dir.write("talks.jsonl", two(0.0));
    assert_eq!(counts(""), [2, 1, 1, 2, 0]);
    // The weight of an example multiplies its reward.
    let loglik = |name: &str, weight: f64| {
        let weighed = format!("\"weight\":{weight},\"completion\"");
        dir.write(
            name,
            sums(|sum| json!({"completion": sum.to_string()})).replace("\"completion\"", &weighed),
        );
        let told = dir.run(&format!("eval base.gguf --task sft --data {name} --problems 8 --json")).json();
        (told["mean_reward"].as_f64().unwrap(), told["mean_loglik"].as_f64().unwrap())
    };
    let (one, half) = (loglik("one.jsonl", 1.0), loglik("half.jsonl", 0.5));
    assert_eq!((one.0 * 0.5, one.1), half);
}

/// A program's rewards have a scale of their own, so nothing is called right or wrong by them.
#[test]
fn a_programs_rewards_are_told_as_they_are() {
    let dir = data();
    let line = "tune base.gguf -o run.qes --task reward --data sums.jsonl -n 6 --reward-cmd 'sh program.sh'";
    let said = dir.run(&format!("{line} {RUN}")).ok();
    assert!(said.contains("before: held-out mean reward 0."), "{said}");
    let evaluation = dir.run("eval base.gguf --log run.qes --trust-log --json").json();
    assert_eq!(
        (&evaluation["accuracy"], &evaluation["correct"], &evaluation["reward"]),
        (&json!(null), &json!(null), &json!("command"))
    );
    assert!(evaluation["mean_reward"].as_f64().unwrap() > 0.1, "{evaluation}");
    assert!(evaluation["mean_loglik"].as_f64().unwrap() < 0.0, "{evaluation}");
}

#[test]
fn the_documentation_shows_the_examples_as_they_are() {
    let read = |name: &str| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
    };
    let page = read("docs/TASKS.md");
    for (kind, example) in [("python", "examples/reward.py"), ("toml", "examples/task.toml")] {
        assert!(page.contains(&format!("```{kind}\n{}```", read(example))), "{example}");
    }
}

#[test]
fn the_example_of_a_task_file_runs() {
    let task = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/task.toml");
    let evaluation = Dir::new().run(&format!("eval base.gguf --task {task} --problems 8 --json")).json();
    assert_eq!(
        (&evaluation["task"], &evaluation["reward"]),
        (&json!("task"), &json!("numeric + 0.1 loglik"))
    );
}

#[test]
#[ignore = "needs python3"]
fn the_example_of_a_reward_program_runs() {
    let dir = data();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/reward.py");
    let path = std::env::var("PATH").unwrap();
    let line = format!(
        "eval base.gguf --task reward --data sums.jsonl -n 6 --reward-cmd 'python3 {program}' --json"
    );
    let reward = dir.run_with(&[("PATH", &path)], &line).json()["mean_reward"].as_f64().unwrap();
    let exact = dir.run("eval base.gguf --task exact --data sums.jsonl -n 6 --json").json();
    let exact = exact["mean_reward"].as_f64().unwrap();
    assert!((exact..exact + 0.1).contains(&reward), "{exact} {reward}");
}

/// The same examples in another shape are the same run.
#[test]
fn examples_come_in_several_shapes() {
    let dir = data();
    let lines = dir.text("sums.jsonl");
    dir.write("list.json", format!("[{}]", lines.trim().replace('\n', ",\n ")));
    let csv =
        |line: &str| line.replace(['{', '}', '"'], "").replace("completion:", "").replace("prompt:", "");
    dir.write(
        "table.csv",
        lines.lines().fold("completion,prompt".to_owned(), |all, line| all + "\n" + &csv(line)),
    );
    let chat = |line: &str| {
        let line = line.replace("\"completion\":", "\"instruction\":\"");
        line.replace("\"instruction\":\"\"", "\"output\":\"").replace("\"prompt\"", "\"instruction\"")
    };
    let alpaca: String = lines.lines().map(|line| chat(line) + "\r\n").collect();
    // In folders, for a prompt and an instruction are not held out alike.
    for (folder, text) in [("pairs", &lines), ("alpaca", &alpaca)] {
        std::fs::create_dir(dir.path(folder)).unwrap();
        ["train", "valid"].iter().for_each(|side| dir.write(&format!("{folder}/{side}.jsonl"), text));
    }
    let generations = |file: &str| {
        dir.run(&format!("tune base.gguf -o run.qes --overwrite --task sft --data {file} {RUN}")).ok();
        contents(&dir.text("run.qes")).split_off(1)
    };
    let records = generations("sums.jsonl");
    for file in ["list.json", "table.csv"] {
        assert_eq!(generations(file), records, "{file}");
    }
    let records = generations("pairs");
    assert_eq!(generations("alpaca --prompt-form {prompt}"), records);
    assert_ne!(generations("alpaca"), records, "in a form that parts question and answer");
}

#[test]
fn a_folder_brings_its_own_held_out_examples_and_a_text_has_pieces() {
    let dir = data();
    let lines = dir.text("sums.jsonl");
    std::fs::create_dir(dir.path("folder")).unwrap();
    dir.write("folder/train.jsonl", &lines);
    dir.write(
        "folder/valid.jsonl",
        lines.lines().take(3).map(|line| format!("{line}\n")).collect::<String>(),
    );
    for name in ["text.txt", "text.md"] {
        dir.write(name, "12+12=24\n34+11=45\n\n".repeat(200));
    }
    let problems = |flags: &str| {
        dir.run(&format!("eval base.gguf --task sft {flags} --problems 4 --json")).json()["problems"].take()
    };
    assert_eq!(problems("--data folder"), 3);
    assert_eq!(problems("--data sums.jsonl --held-out 0.9"), 4);
    assert_eq!(problems("--data sums.jsonl --held-out 0.01"), 4, "not too few");
    std::fs::rename(dir.path("folder/valid.jsonl"), dir.path("folder/val.jsonl")).unwrap();
    assert_eq!(problems("--data folder"), 3, "by another name");
    assert_eq!(problems("--data text.txt"), problems("--data text.md"));
}

#[test]
fn a_stop_text_and_the_number_of_tokens_end_replies() {
    let dir = data();
    let matched = |flags: &str| {
        let line = format!("eval base.gguf --task regex --data prompts.jsonl {flags} --json");
        dir.run(&line).json()["accuracy"].as_f64().unwrap()
    };
    assert!(matched("--pattern ^[0-9]{2,}$ -n 6") > 0.9);
    assert_eq!(matched("--pattern ^[0-9]{2,}$ -n 1"), 0.0, "no second digit");
    let digits: String = (0..10).map(|digit| format!(" --stop {digit}")).collect();
    assert_eq!(matched(&format!("--pattern [0-9] -n 6 {digits}")), 0.0);
}

#[test]
fn a_system_message_is_for_models_with_a_chat_template() {
    let template = Dir::with_base(with_chat_template(&std::fs::read(bundled(Q4_K)).unwrap()));
    let loglik = |flags: &str| {
        let line = format!("eval base.gguf --task arith --problems 4 {flags} --json");
        template.run(&line).json()["mean_loglik"].as_f64().unwrap()
    };
    assert_ne!(loglik("--system 'Be brief.'"), loglik(""));
    assert_eq!(loglik("-sys 'Be brief.'"), loglik("--system 'Be brief.'"));
    template.write("text.txt", "12+12=24\n34+11=45\n\n".repeat(200));
    template
        .run("eval base.gguf --task sft --data text.txt --system brief")
        .fails(1, &["text.txt", "a text and no conversation", "leave the system message out"]);
    let line = format!("tune base.gguf -o run.qes --task arith --system brief {RUN}");
    template.run(&line).ok();
    assert!(template.text("run.qes").contains("\"system\":\"brief\""));
    let dir = Dir::new();
    dir.run(&line).fails(1, &["no chat template", "leave it out"]);
    assert_eq!(dir.names(), ["base.gguf"]);
}
