//! Writes conversations in a chat template and cuts them into tokens: `prompts MODEL` reads JSON objects from the standard input, one a
//! line, and prints one for each: the `template`, its `text` and the `tokens`, each token as the text up to and with it, or an `error`.
//!
//! An object has `messages`, and perhaps `template` (a text or a name; else the model's own), `kwargs` for it, `date`, and `reply`: whether
//! the assistant's reply begins at the end.

use std::io::Read;

use anyhow::{Context, Result};
use qes_gguf::chat::{ChatSettings, Date, Template};
use qes_gguf::engine::{Engine, Request};
use qes_gguf::llama::{LlamaEngine, LlamaOptions};
use qes_gguf::store::WorkingCopy;
use qes_gguf::task::Message;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Asked {
    messages: Vec<Said>,
    template: Option<String>,
    #[serde(default)]
    kwargs: Map<String, Value>,
    date: Option<Date>,
    #[serde(default)]
    reply: bool,
}

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

fn main() -> Result<()> {
    let model = std::env::args().nth(1).context("usage: prompts MODEL < conversations.jsonl")?;
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("reading conversations")?;
    // Templates may write long instructions of their own.
    let options = LlamaOptions { threads: 1, ctx_size: Some(4096), ..LlamaOptions::default() };
    let engine = LlamaEngine::load(WorkingCopy::open(model)?, Vec::new(), &options)?;
    for line in text.lines() {
        let asked: Asked = serde_json::from_str(line)?;
        let said = match written(&engine, asked) {
            Ok((template, text)) => {
                json!({ "template": template, "tokens": tokens(&engine, &text)?, "text": text })
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        println!("{said}");
    }
    Ok(())
}

/// Returns the template that counts, and what it makes of a conversation.
fn written(engine: &LlamaEngine, asked: Asked) -> Result<(String, String)> {
    let Asked { messages, template, kwargs, date, reply } = asked;
    let settings = ChatSettings { template, kwargs, date, ..ChatSettings::default() };
    let vocabulary = engine.vocabulary();
    let text = settings.text(vocabulary.chat_template.as_deref())?.context("the model has no template")?;
    let messages: Vec<Message> =
        messages.into_iter().map(|Said { role, content }| Message { role, content }).collect();
    let written = Template::new(text, &vocabulary.speaker, &settings)?.render(&messages, reply)?;
    Ok((text.to_owned(), written))
}

/// Returns a text as it grows by its tokens: a request of which only the first tokens are scored shows them.
fn tokens(engine: &LlamaEngine, text: &str) -> Result<Vec<String>> {
    let request = |first| Request { goes_on: true, first: Some(first), ..Request::new("", text) };
    let shown = |first| {
        let batch = engine.prepare(&[request(first)])?;
        let spelled = engine.spelled(&batch, 0).unwrap_or_default();
        Ok::<_, anyhow::Error>((spelled.prompt.clone(), spelled.prompt + &spelled.scored))
    };
    let whole = engine.measure(&[request(usize::MAX)])?[0];
    // What stands before the first that can be scored is one token.
    let mut grown = vec![shown(1)?.0];
    for first in 1..=whole.reply {
        grown.push(shown(first)?.1);
    }
    Ok(grown)
}
