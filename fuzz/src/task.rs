//! What a task file, and a log's header, say of a task: read from TOML or JSON, checked, and made to ask.

use qes_gguf::judge::{Json, Pattern};
use qes_gguf::task::arith::Arith;
use qes_gguf::task::countdown::Countdown;
use qes_gguf::task::{Definition, Message, Problems, PromptForm, RewardKind, Task};

use super::{Seeds, told};

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for definition in
        [toml::from_str::<Definition>(text).ok(), serde_json::from_str(text).ok()].into_iter().flatten()
    {
        match definition.validate() {
            Ok(()) => accepted(&definition, bytes.len()),
            Err(error) => told(&error),
        }
    }
}

fn accepted(definition: &Definition, len: usize) {
    let written = serde_json::to_string(definition).expect("JSON");
    assert_eq!(serde_json::from_str::<Definition>(&written).expect("what was written"), *definition);
    let _ = (definition.rewards_text(), definition.reads_replies());
    for reward in &definition.rewards {
        match &reward.kind {
            RewardKind::Json { schema, .. } => drop(schema.as_ref().map(Json::of_schema)),
            RewardKind::Regex { pattern } => drop(pattern.as_ref().map(|pattern| Pattern::for_all(pattern))),
            // As a program's patience.
            RewardKind::Command { timeout, .. } => drop(timeout.map(std::time::Duration::from_secs_f64)),
            _ => (),
        }
    }
    match &definition.problems {
        Problems::Arith(options) => ask(Arith::new(options.clone()).expect("options that were checked")),
        // Thousands of draws to see whether it can be asked at all.
        Problems::Countdown(options) if len.is_multiple_of(8) => {
            drop(Countdown::new(options.clone()).map(ask))
        }
        Problems::Countdown(_) | Problems::Code => (),
        Problems::Gsm8k(options) | Problems::Data(options) => {
            assert!(options.held_out > 0.0 && options.held_out < 1.0 && options.longest != Some(0));
            let form = options.prompt_form.clone().unwrap_or_default();
            let prompt = form.written(&[Message::user("{prompt} {system}")]);
            assert!(prompt.contains("{prompt} {system}"));
            assert!(form.to_string().parse::<PromptForm>().is_ok());
        }
    }
}

/// Draws problems; each has an answer that its task takes for right.
fn ask(task: impl Task) {
    for problem in task.training(7, 1 << 24, 3) {
        let wanted = problem.wanted.as_deref().expect("generated problems have answers");
        assert!(task.judge(&problem, wanted).right && !task.judge(&problem, "").right);
    }
}

pub fn seeds() -> Seeds {
    let reward = "[[rewards]]\nkind = \"exact\"\n";
    let arith = |options: &str| format!("{reward}[problems]\nsource = \"arith\"\n{options}").into_bytes();
    let countdown = |options: &str| {
        let mut text = format!("{reward}[problems]\nsource = \"countdown\"\n{options}\n");
        text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
        text.into_bytes()
    };
    let data = |before: &str, rewards: &str| {
        format!("{before}\n[problems]\nsource = \"data\"\npath = \"x.jsonl\"\nheld-out = 0.1\n{rewards}")
            .into_bytes()
    };
    vec![
        ("arith", arith("operations = [\"+\", \"-\"]\ndigits = 3\noperands = 3\n")),
        ("arith-large", arith("operations = [\"+\", \"-\"]\ndigits = 9\noperands = 8\n")),
        ("arith-products", arith("operations = [\"*\"]\ndigits = 9\noperands = 2\n")),
        ("arith-too-large", arith("digits = 4294967295\noperands = 4294967295\n")),
        ("arith-zero", arith("digits = 0\noperands = 0\n")),
        ("arith-no-operations", arith("operations = []\n")),
        ("countdown", countdown("counts = \"3-4\"\nnumbers = \"1-99\"\ntargets = \"10-99\"")),
        ("countdown-largest", countdown("counts = \"6\"\nnumbers = \"1000\"\ntargets = \"1-1000000\"")),
        ("countdown-backwards", countdown("counts = \"4-3\"")),
        ("countdown-beyond", countdown("numbers = \"0-4294967295\"")),
        ("countdown-out-of-reach", countdown("numbers = \"1-1\"\ntargets = \"1000000-1000000\"")),
        (
            "data",
            data(
                "predict = 6\ntemp = 0.5\nstop = [\"\\n\"]\nsystem = \"Be brief.\"",
                "[[rewards]]\nkind = \"numeric\"\n[[rewards]]\nkind = \"loglik\"\nweight = 0.1\n",
            ),
        ),
        (
            "data-options",
            br#"{"problems":{"source":"data","path":"x","replies":"last","prompt-form":"{system}\n{prompt}\\n","longest":9,"shared":1},"rewards":[{"kind":"json","equal":true}]}"#.to_vec(),
        ),
        (
            "form-without-prompt",
            br#"{"problems":{"source":"gsm8k","path":"x","prompt-form":"Q:"},"rewards":[{"kind":"command","command":"x","on-timeout":-1}]}"#.to_vec(),
        ),
        ("regex", data("", "[[rewards]]\nkind = \"regex\"\npattern = \"(a|b)*\\\\d{9}\"\n")),
        ("regex-large", data("", "[[rewards]]\nkind = \"regex\"\npattern = \"(\\\\w{1000}){1000}\"\n")),
        (
            "schema",
            data(
                "",
                "[[rewards]]\nkind = \"json\"\n[rewards.schema]\ntype = \"object\"\nrequired = [\"a\"]\n",
            ),
        ),
        ("schema-endless", data("", "[[rewards]]\nkind = \"json\"\n[rewards.schema]\n\"$ref\" = \"#\"\n")),
        (
            "schema-dates",
            data("", "[[rewards]]\nkind = \"json\"\n[rewards.schema]\nconst = 1979-05-27T07:32:00Z\n"),
        ),
        ("grammar", data("", "[[rewards]]\nkind = \"grammar\"\ngrammar = \"root ::= root\"\n")),
        ("command", data("", "[[rewards]]\nkind = \"command\"\ncommand = \"true\"\ntimeout = 86400\n")),
        (
            "timeout-least",
            data("", "[[rewards]]\nkind = \"command\"\ncommand = \"true\"\ntimeout = 5e-324\n"),
        ),
        ("timeout-nan", data("", "[[rewards]]\nkind = \"command\"\ncommand = \"true\"\ntimeout = nan\n")),
        ("weight-infinite", data("", "[[rewards]]\nkind = \"loglik\"\nweight = -inf\n")),
        ("temp-nan", data("temp = nan", reward)),
        ("predict-negative", data("predict = -1", reward)),
        ("predict-max", data("predict = 9223372036854775807", reward)),
        ("stop-empty", data("stop = [\"\"]", reward)),
        ("no-rewards", data("rewards = []", "")),
        ("nested", format!("rewards = {}{}", "[".repeat(2000), "]".repeat(2000)).into_bytes()),
        (
            "json",
            br#"{"problems":{"source":"gsm8k","path":"x","held-out":0.5},"rewards":[{"kind":"exact"}]}"#
                .to_vec(),
        ),
        ("json-nested", "[".repeat(5000).into_bytes()),
    ]
}
