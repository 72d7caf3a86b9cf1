//! Usage of a model in the form in which it was tuned.

use std::fmt::Write;

use super::{Card, code, literal, shell, shown};
use crate::chat::{ChatSettings, NONE, named};
use crate::task::Message;

/// Describes how to run it as it was tuned: with the same system message, prompts in the same form, and the same ends
/// of replies.
pub(super) fn usage(card: &Card<'_>) -> String {
    let file = shell(&card.file);
    let task = &card.log.header.task.definition;
    let flags = chat_flags(&task.chat);
    let system = task.system.as_deref().map_or(String::new(), |system| format!(" -sys {}", shell(system)));
    let mut text = format!("## Use\n\n{}\n\n", prompt_form(card));
    if let Some(system) = &task.system {
        let _ =
            write!(text, "Each conversation began with the system message {}.\n\n", code(&literal(system)));
    }
    if !task.stop.is_empty() {
        let stops: Vec<String> = task.stop.iter().map(|stop| code(&literal(stop))).collect();
        let _ =
            write!(text, "Replies end at {}, which is to be given as a stop string.\n\n", stops.join(" or "));
    }
    let _ = write!(text, "```sh\nllama-cli -m {file}{flags}{system}\nllama-server -m {file}{flags}\n```\n\n");
    if !system.is_empty() {
        text += "With a server, the system message begins each conversation.\n\n";
    }
    if card.has_modelfile {
        text += "For Ollama there is a `Modelfile` with all of this:\n\n\
                 ```sh\nollama create NAME -f Modelfile\nollama run NAME\n```\n\n";
    }
    text
}

/// Returns the flags with which llama.cpp renders prompts as in the run.
fn chat_flags(chat: &ChatSettings) -> String {
    // llama.cpp takes the names of most of our templates for templates that write just this name.
    let template = match chat.template.as_deref() {
        None | Some(NONE) => String::new(),
        Some(template) => format!(" --jinja --chat-template {}", typed(named(template).unwrap_or(template))),
    };
    let kwargs = serde_json::Value::from(chat.kwargs.clone()).to_string();
    let has_kwargs = !chat.kwargs.is_empty() && chat.template.as_deref() != Some(NONE);
    let kwargs =
        if has_kwargs { format!(" --chat-template-kwargs {}", typed(&kwargs)) } else { String::new() };
    template + &kwargs
}

/// Describes the form of the prompts.
fn prompt_form(card: &Card<'_>) -> String {
    let task = &card.log.header.task.definition;
    let has_template = card.base.metadata_str("tokenizer.chat_template").is_some();
    match task.chat.template.as_deref() {
        Some(NONE) if has_template => {
            "Prompts were put to it as they stand, without its chat template; so ask it through `/completion` of a server.".to_owned()
        }
        Some(name) if named(name).is_some() => format!("It was asked in the chat template {}.", code(name)),
        Some(template) if template != NONE => "It was asked in a chat template of the user's own.".to_owned(),
        None if has_template => "It was asked in its own chat template.".to_owned(),
        _ => {
            let form = task.problems.data().and_then(|options| options.prompt_form.as_ref());
            let form = form.map_or(String::new(), |form| {
                let example = literal(&form.written(&[Message::user("{prompt}")]));
                format!(", and conversations as {}", code(&example))
            });
            format!("The model has no chat template: it was asked prompts as they stand{form}.")
        }
    }
}

/// Returns a text of several lines for a shell.
fn typed(text: &str) -> String {
    let lines: Vec<String> = text.replace("```", "\u{2bc}").split('\n').map(shown).collect();
    format!("'{}'", lines.join("\n").replace('\'', "'\\''"))
}
