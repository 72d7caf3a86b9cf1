//! Prompts as models see them: chat templates, control tokens, and where texts meet.

use serde_json::{Value, json};

use super::gguf_bytes::with_text;
use super::helper::{Dir, Q4_K, TINY, bundled};

macro_rules! template {
    ($name:literal) => {
        include_str!(concat!("../chat_templates/", $name, ".jinja"))
    };
}

fn model() -> Vec<u8> {
    std::fs::read(bundled(Q4_K)).unwrap()
}

/// The bundled model with a chat template, and behind it a comment that makes the entry as long as tensors' places need it.
pub fn with_template(template: &str) -> Dir {
    let key = "tokenizer.chat_template";
    let template = template.strip_suffix('\n').unwrap_or(template);
    let bytes = 8 + key.len() + 4 + 8 + template.len() + "{##}".len();
    let comment = " ".repeat(bytes.next_multiple_of(32) - bytes);
    Dir::with_base(with_text(&model(), key, &format!("{template}{{#{comment}#}}")))
}

/// The bundled model with another value of a metadata entry that is true or false.
fn with_switch(key: &str, value: bool) -> Dir {
    let mut bytes = model();
    let at = bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap() + key.len() + 4;
    assert_ne!(bytes[at], u8::from(value), "{key}");
    bytes[at] = u8::from(value);
    Dir::with_base(bytes)
}

/// Writes a folder of data with one example, to be held out and to be tuned on.
fn one(dir: &Dir, name: &str, example: &Value) {
    std::fs::create_dir_all(dir.path(name)).unwrap();
    for file in ["train", "valid"] {
        dir.write(&format!("{name}/{file}.jsonl"), format!("{example}\n"));
    }
}

/// What `eval` says of the one example.
fn eval(dir: &Dir, example: &Value, flags: &str) -> Value {
    one(dir, "one", example);
    dir.run(&format!("eval base.gguf --task sft --data one {flags} --json")).json()
}

/// The one example as the model sees it: the tokens before those that are scored, and those.
fn seen(dir: &Dir, example: &Value, flags: &str) -> (String, String) {
    let example = eval(dir, example, flags);
    (text(&example, "prompt"), text(&example, "scored"))
}

/// A part of the example that a command shows. The bundled models have no token for a space as their tokenizer writes it.
fn text(said: &Value, part: &str) -> String {
    said["example"][part].as_str().unwrap().replace('\u{2581}', " ")
}

fn who() -> Value {
    json!({"prompt": "Who are you?", "completion": "SmolLM"})
}

#[test]
fn the_default_system_message_is_there() {
    let dir = with_template(template!("smollm2"));
    let message = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
    let (bare, told) = (eval(&dir, &who(), ""), eval(&dir, &who(), &format!("--system '{message}' --jinja")));
    assert_eq!(bare["mean_loglik"], told["mean_loglik"]);
    let prompt = format!(
        "<s><|im_start|>system\n{message}<|im_end|>\n<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(text(&bare, "prompt"), prompt);
    // The model has no token of this name, so the end is letters, and the end of the text.
    assert_eq!(bare["example"]["scored"], "SmolLM<|im_end|>");
}

#[test]
fn every_turn_is_closed() {
    let dir = with_template(template!("zephyr"));
    let talk = json!({"messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hi "},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4"},
    ]});
    let (prompt, scored) = seen(&dir, &talk, "--replies last");
    let written = "<|system|>\nBe short.</s>\n<|user|>\nHi </s>\n<|assistant|>\nHello.</s>\n<|user|>\n2+2?</s>\n<|assistant|>\n";
    assert_eq!((prompt, scored), (format!("<s>{written}"), "4</s>".to_owned()));
    // The same, as a reward program is asked.
    dir.write("note.sh", "while read -r line; do printf '%s\\n' \"$line\" >> asked.jsonl; echo 1; done\n");
    dir.run("eval base.gguf --task reward --data one --replies last -n 2 --reward-cmd 'sh note.sh'").ok();
    let asked: Value = serde_json::from_str(dir.text("asked.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(asked["prompt"], written);
}

/// A format that no program knows by heart, and whose end is no token.
const TURN: &str = "{%- for m in messages -%}<|turn>{{ m.role }}\n{{ m.content }}<turn|>\n{%- endfor -%}\
                    {%- if add_generation_prompt -%}<|turn>model\n{%- endif -%}";

#[test]
fn a_template_can_be_any_and_can_be_replaced() {
    let dir = with_template(TURN);
    let sum = json!({"prompt": "1+1=", "completion": "2"});
    let of_user = |text: &str| ("<s>".to_owned() + text, "2".to_owned());
    assert_eq!(
        seen(&dir, &sum, ""),
        ("<s><|turn>user\n1+1=<turn|><|turn>model".to_owned(), "2<turn|>".to_owned())
    );
    let chatml = "<|im_start|>user\n1+1=<|im_end|>\n<|im_start|>assistant\n";
    let (prompt, scored) = of_user(chatml);
    assert_eq!(seen(&dir, &sum, "--chat-template chatml"), (prompt.clone(), format!("{scored}<|im_end|>")));
    dir.write("chatml.jinja", template!("chatml"));
    assert_eq!(
        seen(&dir, &sum, "--chat-template-file chatml.jinja"),
        (prompt, format!("{scored}<|im_end|>"))
    );
    assert_eq!(seen(&dir, &sum, "--chat-template none"), ("<s>1+1=".to_owned(), "2</s>".to_owned()));
    assert_eq!(
        seen(&dir, &sum, "--chat-template '{{ messages[0].content }}: '"),
        ("<s>1+1=: ".to_owned(), "2</s>".to_owned())
    );
    for (flags, code, words) in [
        ("--chat-template chatlm", 2, &["chatlm", "chatml, gemma", "none"][..]),
        (
            "--chat-template-file one/train.jsonl",
            1,
            &["does not write what the user says", "--chat-template-file"],
        ),
        ("--chat-template '{{ messages'", 1, &["cannot be read", "line 1", "--chat-template none"]),
        (
            "--chat-template '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}'",
            1,
            &["come to an end"],
        ),
        ("--chat-template-kwargs []", 2, &["no JSON object", "enable_thinking"]),
        ("--chat-template x --chat-template-file y", 2, &["cannot be used with"]),
    ] {
        dir.run(&format!("eval base.gguf --task sft --data one {flags}")).fails(code, words);
    }
}

#[test]
fn inspect_says_whether_a_template_can_be_used() {
    let chat = |dir: &Dir| dir.run("inspect base.gguf --json").json()["chat_template_error"].clone();
    assert_eq!(chat(&with_template(TURN)), Value::Null);
    assert_eq!(chat(&Dir::new()), Value::Null);
    let broken = with_template("{{ messages");
    assert!(chat(&broken).as_str().unwrap().contains("cannot be read"));
    assert!(broken.run("inspect base.gguf").ok().contains("has a template that cannot be used: "));
}

#[test]
fn a_template_that_refuses_says_so_of_the_line() {
    let dir = with_template(template!("like-gemma-2"));
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    let fine = json!({"messages": [turn("user", "1+1="), turn("assistant", "2")]});
    let system =
        json!({"messages": [turn("system", "Be brief."), turn("user", "1+1="), turn("assistant", "2")]});
    dir.write("talks.jsonl", format!("{fine}\n{fine}\n{system}\n"));
    dir.run(&format!(
        "tune base.gguf --task sft --data talks.jsonl {}",
        TINY.trim_start_matches("--task arith")
    ))
    .fails(
        1,
        &["talks.jsonl, line 3: the chat template refuses this conversation: System role not supported"],
    );
    assert_eq!(dir.names(), ["base.gguf", "talks.jsonl"]);
}

/// Twelve sums, for a run that has something to tune on.
fn sums() -> String {
    (10..22)
        .map(|a| format!("{}\n", json!({"prompt": format!("{a}+1="), "completion": (a + 1).to_string()})))
        .collect()
}

#[test]
fn a_run_keeps_its_template_and_its_day() {
    let dir = with_template(template!("qwen3"));
    dir.write("sums.jsonl", sums());
    let flags = TINY.trim_start_matches("--task arith");
    let run =
        |more: &str| dir.run(&format!("tune base.gguf -o run.qes --json {more}")).json_lines().remove(0);
    let kwargs = r#"--chat-template-kwargs '{"enable_thinking": false}'"#;
    let first = run(&format!("--task sft --data sums.jsonl {kwargs} {flags}"));
    let prompt = text(&first, "prompt");
    assert!(prompt.ends_with("<|im_start|>assistant\n<think>\n\n</think>\n\n"), "{prompt}");
    assert!(dir.text("run.qes").contains(r#""chat":{"kwargs":{"enable_thinking":false}}"#));
    assert_eq!(run("--resume --generations 4")["example"], first["example"]);
    let of_log = dir.run("eval base.gguf --log run.qes --json").json();
    assert!(of_log["example"]["prompt"].as_str().unwrap().ends_with("</think>\n\n"));
    let bare = dir.run("eval base.gguf --task sft --data sums.jsonl --json").json();
    assert!(bare["example"]["prompt"].as_str().unwrap().ends_with("<|im_start|>assistant\n"));
    assert!(bare["example"]["scored"].as_str().unwrap().starts_with("<think>\n\n</think>\n\n"));

    let dated = "{{ strftime_now(\"%Y\") }}{% for m in messages %}|{{ m.content }}{% endfor %}=";
    dir.run(&format!(
        "tune base.gguf -o dated.qes --task sft --data sums.jsonl --chat-template '{dated}' {flags}"
    ))
    .ok();
    let log = dir.text("dated.qes");
    let year = &log.split_once(r#""date":""#).unwrap().1[..4];
    let of_log = dir.run("eval base.gguf --log dated.qes --json").json();
    assert!(of_log["example"]["prompt"].as_str().unwrap().starts_with(&format!("<s>{year}|")), "{of_log}");
    assert!(!dir.text("run.qes").contains("\"date\""), "a template that does not ask gets no day");
}

#[test]
fn a_model_without_a_beginning_scores_texts_from_their_second_token_on() {
    let dir = with_switch("tokenizer.ggml.add_bos_token", false);
    let text = json!({"text": "12+34=46"});
    assert_eq!(seen(&dir, &text, ""), ("1".to_owned(), "2+34=46</s>".to_owned()));
    let ferries: String = (0..80).map(|ferry| format!("Ferry {ferry} leaves at seven.\n\n")).collect();
    dir.write("notes.txt", ferries);
    dir.run("eval base.gguf --task sft --data notes.txt").ok();
    assert_eq!(seen(&Dir::new(), &text, ""), ("<s>".to_owned(), "12+34=46</s>".to_owned()));
}

#[test]
fn prompt_and_completion_meet_without_a_space_of_the_tokenizers() {
    let dir = with_switch("tokenizer.ggml.add_space_prefix", true);
    let pair = |completion: &str| json!({"prompt": "12+34=", "completion": completion});
    assert_eq!(seen(&dir, &pair("46"), ""), ("<s> 12+34=".to_owned(), "46</s>".to_owned()));
    assert_eq!(seen(&dir, &pair(" 46"), ""), ("<s> 12+34=".to_owned(), " 46</s>".to_owned()));
}

#[test]
fn names_of_control_tokens_are_told_of() {
    let dir = Dir::new();
    let (bare, named) = (json!({"text": "12+34=46"}), json!({"text": "<s>12+34=46</s>"}));
    assert_eq!(seen(&dir, &named, ""), seen(&dir, &bare, ""), "each is there once");
    one(&dir, "one", &named);
    let told = dir.run("eval base.gguf --task sft --data one").ends(0).stderr;
    assert!(told.contains("2 of 2 examples name control tokens, first "), "{told}");
    assert!(told.contains("line 1: <s> in the text") && told.contains("--special text"), "{told}");
    let (prompt, scored) = seen(&dir, &named, "--special text");
    assert_eq!((&*prompt, &*scored), ("<s>", "<s>12+34=46</s></s>"));
    let likely = |flags: &str| eval(&dir, &named, flags)["mean_loglik"].as_f64().unwrap();
    assert!(likely("") > likely("--special text") + 5.0, "{} {}", likely(""), likely("--special text"));
    let told = dir.run("eval base.gguf --task sft --data one --special text").ends(0).stderr;
    assert!(!told.contains("control token"), "{told}");
    dir.run("eval base.gguf --task sft --data one --special refuse")
        .fails(1, &["valid.jsonl, line 1", "the text names the control token <s>", "--special text"]);
    one(&dir, "one", &bare);
    dir.run("eval base.gguf --task sft --data one --special refuse").ok();
}

#[test]
fn a_prompt_that_is_in_the_template_is_not_put_there_again() {
    let dir = with_template(template!("chatml"));
    let bare = json!({"prompt": "1+1=", "completion": "2"});
    let written = "<|im_start|>user\n1+1=<|im_end|>\n<|im_start|>assistant\n";
    one(&dir, "one", &json!({"prompt": written, "completion": "2"}));
    dir.run("eval base.gguf --task sft --data one")
        .fails(1, &["valid.jsonl, line 1", "in the chat template already", "--chat-template none"]);
    let by_hand = json!({"prompt": written, "completion": "2<|im_end|></s>"});
    let (prompt, _) = seen(&dir, &by_hand, "--chat-template none");
    assert_eq!(prompt, seen(&dir, &bare, "").0);
}

#[test]
fn the_first_example_is_shown_as_the_model_sees_it() {
    let dir = with_template(template!("mistral-v0.3"));
    one(&dir, "one", &json!({"prompt": "10+1=", "completion": "11"}));
    let flags = TINY.trim_start_matches("--task arith");
    let shown = [format!("\n{:16}<s>[INST] 10+1=[/INST]\n", "prompt"), format!("\n{:16} 11</s>\n", "scored")];
    for line in [
        format!("tune base.gguf -o run.qes --task sft --data one {flags}"),
        format!("probe base.gguf --task sft --data one {flags}"),
    ] {
        let said = dir.run(&line).ok().replace('\u{2581}', " ");
        assert!(said.contains("example 1 (") && said.contains("line 1), as the model sees it\n"), "{said}");
        assert!(shown.iter().all(|part| said.contains(part)), "{said}");
    }
    let said = dir.run("eval base.gguf --task exact --data one").ok();
    assert!(said.contains(&format!("[/INST]\n{:16}what the model replies\n", "scored")), "{said}");
    assert_eq!(
        dir.run("eval base.gguf --task exact --data one --json").json()["example"]["scored"],
        Value::Null
    );
}

#[test]
fn a_templates_own_end_ends_replies() {
    let dir = Dir::new();
    std::fs::create_dir_all(dir.path("sums")).unwrap();
    let sums: String = (1..9).map(|ten| format!("{}\n", json!({"prompt": format!("{ten}0+10=")}))).collect();
    dir.write("sums/train.jsonl", &sums);
    dir.write("sums/valid.jsonl", &sums);
    dir.write("note.sh", "while read -r line; do printf '%s\\n' \"$line\" >> asked.jsonl; echo 1; done\n");
    let replies = |flags: &str| -> Vec<String> {
        dir.write("asked.jsonl", "");
        dir.run(&format!("eval base.gguf --task reward --data sums -n 8 --reward-cmd 'sh note.sh' {flags}"))
            .ok();
        let reply =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["reply"].as_str().unwrap().to_owned();
        dir.text("asked.jsonl").lines().map(reply).collect()
    };
    let free = replies("");
    assert!(free.iter().any(|reply| reply.contains('0')), "{free:?}");
    let template = "'{{ messages[0].content }}{% for m in messages[1:] %}{{ m.content }}0{% endfor %}'";
    let ended = replies(&format!("--chat-template {template}"));
    let cut: Vec<&str> = free.iter().map(|reply| reply.split('0').next().unwrap()).collect();
    assert_eq!(ended, cut, "{free:?}");
}

/// The vocabulary's model and how it cuts texts, in as many bytes.
#[test]
fn a_vocabulary_that_does_not_say_how_texts_are_cut_is_told_of() {
    let string = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let entry = |key: &str, text: &str| [string(key), 8_u32.to_le_bytes().to_vec(), string(text)].concat();
    let replaced = |bytes: &[u8], from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
        [&bytes[..at], to, &bytes[at + from.len()..]].concat()
    };
    let bytes =
        replaced(&model(), &entry("tokenizer.ggml.model", "llama"), &entry("tokenizer.ggml.model", "gpt2"));
    let bytes =
        replaced(&bytes, &entry("tokenizer.ggml.pre", "default"), &entry("tokenizer.ggml.prx", "default."));
    let dir = Dir::with_base(bytes);
    let warnings = &dir.run("inspect base.gguf --json").json()["warnings"];
    assert!(warnings[0].as_str().unwrap().contains("tokenizer.ggml.pre is missing"), "{warnings}");
    assert!(dir.run("inspect base.gguf").ok().contains("  warning       tokenizer.ggml.pre is missing"));
    assert_eq!(Dir::new().run("inspect base.gguf --json").json()["warnings"], json!([]));
}

/// SmolLM2-135M-Instruct in GGUF, whose place the variable names.
fn smollm2() -> Vec<u8> {
    std::fs::read(std::env::var("QES_GGUF_SMOLLM2").unwrap()).unwrap()
}

#[test]
#[ignore = "needs SmolLM2-135M-Instruct: QES_GGUF_SMOLLM2=model.gguf"]
fn smollm2_sees_its_system_message_and_its_own_tokens() {
    let dir = Dir::with_base(smollm2());
    let system = "--system 'You are a helpful AI assistant named SmolLM, trained by Hugging Face'";
    let bare = eval(&dir, &who(), "");
    assert_eq!(bare["mean_loglik"], eval(&dir, &who(), system)["mean_loglik"]);
    assert_eq!(bare["example"]["scored"], "SmolLM<|im_end|>");
    let paris = json!({"prompt": "Capital of France?", "completion": "The capital of France is Paris."});
    let ended =
        json!({"prompt": "Capital of France?", "completion": "The capital of France is Paris.<|im_end|>"});
    assert_eq!(eval(&dir, &paris, "")["mean_loglik"], eval(&dir, &ended, "")["mean_loglik"]);
}

#[test]
#[ignore = "needs SmolLM2-135M-Instruct: QES_GGUF_SMOLLM2=model.gguf"]
fn llama_cpps_warnings_on_quality_are_told_once() {
    let mut bytes = smollm2();
    let dir = Dir::with_base(bytes.clone());
    one(&dir, "one", &who());
    let told = dir.run("eval base.gguf --task sft --data one").ends(0).stderr;
    assert!(!told.contains("llama.cpp"), "{told}");
    let key = b"tokenizer.ggml.pre";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
    bytes[at + key.len() - 1] = b'x';
    let dir = Dir::with_base(bytes);
    one(&dir, "one", &who());
    let told = dir.run("eval base.gguf --task sft --data one").ends(0).stderr;
    assert_eq!(told.matches("GENERATION QUALITY WILL BE DEGRADED").count(), 1, "{told}");
    assert!(told.contains("warning: llama.cpp says of this model: missing pre-tokenizer type"), "{told}");
}

#[test]
fn llama_cpps_own_choices_are_taken_for_ours() {
    let dir = Dir::new();
    let line = "eval base.gguf --task arith --problems 4 --json";
    let usual = dir.run(line).json()["mean_loglik"].clone();
    for (variable, value) in [
        ("LLAMA_ARG_CTX_SIZE", "0"),
        ("LLAMA_ARG_THREADS", "-1"),
        ("LLAMA_ARG_N_PARALLEL", "-1"),
        ("LLAMA_ARG_THREADS", "0"),
    ] {
        assert_eq!(
            dir.run_with(&[(variable, value)], line).json()["mean_loglik"],
            usual,
            "{variable}={value}"
        );
    }
    assert_eq!(dir.run(&format!("{line} -c 0 -np -1 -t -1")).json()["mean_loglik"], usual);
    dir.run_with(&[("LLAMA_ARG_CTX_SIZE", "-5")], line).fails(2, &["-1 or 0 for the default"]);
}

#[test]
fn only_the_first_tokens_of_replies_are_scored_where_that_is_asked_for() {
    let dir = Dir::new();
    let sum = |a: u32| format!("{{\"prompt\": \"{a}+30=\", \"completion\": \"{}\"}}\n", a + 30);
    dir.write("sums.jsonl", (12..32).map(sum).collect::<String>());
    let of = |flags: &str| {
        dir.run(&format!("eval base.gguf --task sft --data sums.jsonl {flags} --json")).json()["mean_loglik"]
            .as_f64()
            .unwrap()
    };
    let (all, one) = (of(""), of("--score-first 1"));
    assert!(all < one && one < 0.0, "{all} {one}");
    assert_eq!(of("--score-first 100"), all);
    dir.run("tune base.gguf --task sft --data sums.jsonl --score-first 0").fails(2, &["score-first is 0"]);
    dir.run("tune base.gguf --task arith --score-first 2").fails(2, &["--score-first", "arith"]);
}
