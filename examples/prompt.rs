//! Writes prompts: `prompt MODEL [TEMPLATE]` reads conversations from the standard input, each a JSON list of messages on a line of
//! its own, and prints what the model's chat template, or the one in a file, makes of them, with the tokens of that; or why it makes
//! nothing of them.

use std::io::Read;

use anyhow::{Context, anyhow};
use qes_gguf::chat::{ChatSettings, Template};
use qes_gguf::engine::Engine;
use qes_gguf::llama::{LlamaEngine, LlamaOptions};
use qes_gguf::store::{WorkingCopy, today};
use qes_gguf::task::Message;
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let model =
        arguments.next().ok_or_else(|| anyhow!("usage: prompt MODEL [TEMPLATE] < conversations.jsonl"))?;
    let given = arguments.next().map(std::fs::read_to_string).transpose().context("reading the template")?;
    let engine = LlamaEngine::load(WorkingCopy::open(&model)?, Vec::new(), &LlamaOptions::default())?;
    let vocabulary = engine.vocabulary();
    let settings = ChatSettings { date: Some(today()), ..ChatSettings::default() };
    let text =
        given.as_ref().or(vocabulary.chat_template.as_ref()).context("the model has no chat template")?;
    let template = Template::new(text, &vocabulary.speaker, &settings)?;
    let mut lines = String::new();
    std::io::stdin().read_to_string(&mut lines).context("reading conversations")?;
    for line in lines.lines() {
        let list: Vec<Value> = serde_json::from_str(line)?;
        let part = |message: &Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
        let message = |value: &Value| Message { role: part(value, "role"), content: part(value, "content") };
        let conversation: Vec<Message> = list.iter().map(message).collect();
        let written = template.render(&conversation, true);
        let object = match written {
            Ok(prompt) => {
                json!({ "tokens": engine.tokens(&prompt), "prompt": prompt, "bos": vocabulary.speaker.bos })
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        println!("{object}");
    }
    Ok(())
}
