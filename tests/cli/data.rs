//! What `data` shows of the user's examples.

use serde_json::json;

use super::gguf_bytes::with_chat_template;
use super::helper::{Dir, Q4_K, bundled, sums};
use super::tasks::data;

#[test]
fn what_a_model_will_see_is_shown() {
    let dir = data();
    let said = dir.run("data sums.jsonl --model base.gguf --show 2").ok();
    for part in [
        "data: sums.jsonl, 32 examples tuned on, 8 held out\n",
        "examples        40 examples with \"prompt\" and \"completion\"; without a chat template in the form \"instruct\"\n",
        "tokens            median      90%      99%     most\n",
        "\nexample 1 (sums.jsonl, line ",
        "  scored  \"",
        "\nexample 2 (sums.jsonl, line ",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(!said.contains("example 3") && !said.contains("too long"), "{said}");
    assert_eq!(dir.run("data sums.jsonl --show 0").ok().lines().count(), 2, "no model, no tokens");
}

#[test]
fn everything_that_is_odd_is_told() {
    let dir = data();
    let mut lines = sums(|sum| json!({"completion": sum.to_string(), "source": "me"}));
    lines += "{\"prompt\":\"1+1=\",\"completion\":\"2\\r\\n\"}\n";
    lines += &"{\"prompt\":\"1+2=\",\"completion\":\"3\"}\n".repeat(3);
    lines += "{\"prompt\":\"1+3=\",\"completion\":\"4\",\"weight\":0}\n";
    lines += &format!("{{\"prompt\":\"{}\",\"completion\":\"4\"}}\n", "7".repeat(2000));
    dir.write("odd.jsonl", lines);
    std::fs::create_dir(dir.path("odd")).unwrap();
    std::fs::rename(dir.path("odd.jsonl"), dir.path("odd/train.jsonl")).unwrap();
    dir.write("odd/valid.jsonl", sums(|sum| json!({"completion": sum.to_string()})));
    let said = dir.run("data odd --model base.gguf").ok();
    for part in [
        "data: odd/train.jsonl, 45 examples tuned on, 40 held out of odd/valid.jsonl\n",
        "not used        the keys source\n",
        "line ends       made those of Unix in 1 of 86 examples\n",
        "left out        1 reply with the weight 0\n",
        "twice           2 examples tuned on as before, prompt and reply\n",
        "too long        1 example for a context of 1,024 tokens, which -c 2048 has room for; or --skip-long leaves them out: \
         odd/train.jsonl, line 46 (2,0",
        "note: 40 of 40 held-out examples have prompts that are tuned on too",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let skipped = dir.run("data odd --model base.gguf --skip-long").ok();
    assert!(
        skipped.contains("1 example for a context of 1,024 tokens, left out by --skip-long"),
        "{skipped}"
    );
}

#[test]
fn conversations_are_shown_in_the_form_that_they_get() {
    let talk = json!({"messages": [
        {"role": "user", "content": "10+11="}, {"role": "assistant", "content": "21"},
        {"role": "user", "content": "12+13="}, {"role": "assistant", "content": "25"},
    ]});
    let text = format!("{talk}\n{}\n", talk.to_string().replace("12+13", "12+14"));
    let dir = data();
    dir.write("talks.jsonl", &text);
    // The bundled models have no token for a space as their tokenizer writes it.
    let shown = |line: &str| dir.run(line).ok().replace('\u{2581}', " ");
    let said = shown("data talks.jsonl --model base.gguf --show 9");
    for part in [
        "data: talks.jsonl, 4 replies of 2 conversations, 2 examples tuned on, 2 held out\n",
        "prompt  \"<s>### Instruction:\\n10+11=\\n\\n### Response:\\n\"\n  scored  \"21</s>\"\n",
        "### Response:\\n21\\n\\n### Instruction:\\n12+1",
        "note: 1 of 2 held-out examples have prompts that are tuned on too",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    let lines = dir.run("data talks.jsonl --prompt-form 'Q: {prompt}\\nA:' --show 1").ok();
    assert!(lines.contains("prompt  \"Q: 10+11=\\nA:\"\n"), "{lines}");
    let seen =
        shown("data talks.jsonl --model base.gguf --task exact --prompt-form 'Q: {prompt}\\nA:' --show 1");
    assert!(seen.contains("prompt  \"<s>Q: 10+11=\\nA:\"\n  wanted  \"21\"\n"), "{seen}");
    dir.run("data talks.jsonl --prompt-form Q:").ends(2);
    let chat = Dir::with_base(with_chat_template(&std::fs::read(bundled(Q4_K)).unwrap()));
    chat.write("talks.jsonl", &text);
    let told = chat.run("data talks.jsonl --model base.gguf --json").json();
    let prompt = told["shown"][0]["prompt"].as_str().unwrap();
    assert!(prompt.contains("10+11=") && !prompt.contains("### Instruction"), "{prompt}");
}

#[test]
fn names_of_control_tokens_are_told() {
    let dir = data();
    dir.write("names.jsonl", sums(|sum| json!({"completion": format!("{sum}</s>")})));
    let said = dir.run("data names.jsonl --model base.gguf").ok();
    assert!(said.contains("note: 40 of 40 examples name control tokens, first names.jsonl, line "), "{said}");
    assert!(said.contains("  scored  \"") && !said.contains("</s></s>"), "{said}");
    let warnings = dir.run("data names.jsonl --model base.gguf --json").json()["warnings"].clone();
    assert!(warnings.to_string().contains("</s> in the reply"), "{warnings}");
    let letters = dir.run("data names.jsonl --model base.gguf --special text").ok();
    assert!(!letters.contains("control tokens") && letters.contains("</s></s>"), "{letters}");
}

#[test]
fn what_data_cannot_show_is_refused() {
    let dir = data();
    dir.run("data sums.jsonl --data answers.jsonl").fails(2, &["named twice"]);
    dir.run("data nosuch.jsonl").fails(1, &["nosuch.jsonl cannot be found"]);
    dir.run("data sums.jsonl --task arith").fails(2, &["--data says nothing to --task arith"]);
    dir.run("data sums.jsonl --task prefer")
        .fails(1, &["sums.jsonl, line 1", "expected \"prompt\", \"chosen\""]);
    dir.run("data sums.jsonl --task reward --reward-cmd nosuch").ok();
}
