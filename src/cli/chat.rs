//! The flags of chat templates, and the display of prompts.

use anyhow::Result;
use serde_json::{Map, Value};
use terminal_size::{Width, terminal_size_of};

use super::args::TaskArgs;
use super::given::text;
use super::{UsageError, out};
use crate::chat::{ChatSettings, knows_thoughts};
use crate::engine::Engine;
use crate::evaluation::{Evaluator, PromptedExample};
use crate::llama::LlamaEngine;
use crate::model::Model;
use crate::store::today;
use crate::task::{Definition, Problem};

/// Most columns of an example's lines, and their number if the output is no terminal.
const COLUMNS: usize = 160;

/// Fewest columns of an example's lines.
const LEAST_COLUMNS: usize = 60;

/// Changes settings by the flags that are given.
///
/// # Errors
/// When a flag makes no sense, or a file cannot be read.
pub fn change(settings: &mut ChatSettings, args: &TaskArgs) -> Result<()> {
    let (given, file) = (&args.chat_template, &args.chat_template_file);
    if let Some((from, text)) = text(("--chat-template", given), ("--chat-template-file", file))? {
        if file.is_some() && !text.contains('{') {
            return Err(UsageError(format!("{from} is no Jinja template: it has no {{{{ }}}}")).into());
        }
        settings.template = Some(text);
        settings.text(None).map_err(|error| UsageError(format!("--chat-template: {error}")))?;
    }
    if let Some(text) = &args.chat_template_kwargs {
        settings.kwargs = kwargs(text)?;
    }
    settings.special = args.special.map_or(settings.special, Into::into);
    Ok(())
}

fn kwargs(text: &str) -> Result<Map<String, Value>> {
    let wrong = |what: String| {
        UsageError(format!(
            "--chat-template-kwargs {what}; write an object such as {{\"enable_thinking\": false}}"
        ))
    };
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(wrong("is no JSON object".to_owned()).into()),
        Err(error) => Err(wrong(format!("is no JSON: {error}")).into()),
    }
}

/// Fixes today's date for a new run, if the template in use asks for it.
pub fn settle_date(definition: &mut Definition, model: &Model) {
    definition.chat.settle_date(model.gguf.metadata_str("tokenizer.chat_template"), today());
}

/// Warns of likely damage to prompts and replies: llama.cpp's warnings about the model, and control tokens in the data.
///
/// # Errors
/// When the chat template cannot be read.
pub fn warn(evaluator: &Evaluator, engine: &LlamaEngine) -> Result<()> {
    warn_of_model(engine);
    evaluator.notes(engine)?.into_iter().for_each(|note| out::warn(format!("warning: {note}")));
    note_on_thoughts(evaluator, engine).into_iter().for_each(out::warn);
    Ok(())
}

/// Returns a note if thoughts before replies are in the data, but unknown to the model's own template.
fn note_on_thoughts(evaluator: &Evaluator, engine: &LlamaEngine) -> Option<String> {
    let given = evaluator.given();
    let thinks = |problem: &&&Problem| {
        problem.wanted.as_ref().is_some_and(|wanted| wanted.trim_start().starts_with("<think>"))
    };
    let count = given.iter().filter(thinks).count();
    let template = engine.vocabulary().chat_template.as_deref().unwrap_or_default();
    (count > 0 && !knows_thoughts(template)).then(|| {
        format!(
            "note: {count} of {} replies begin with <think>, which the model's own chat template does not know: thoughts are learned as \
             the text of replies, and stay in the earlier turns of conversations",
            given.len()
        )
    })
}

/// Passes on llama.cpp's warnings about the model's quality.
pub fn warn_of_model(engine: &LlamaEngine) {
    if !engine.warnings().is_empty() {
        out::warn(format!("warning: llama.cpp says of this model: {}", engine.warnings().join("; ")));
    }
}

/// Returns an example as text, in two lines as wide as the terminal.
pub fn lines(example: &PromptedExample) -> String {
    let width = terminal_size_of(std::io::stdout()).map_or(COLUMNS, |(Width(width), _)| usize::from(width));
    lines_of(example, width.clamp(LEAST_COLUMNS, COLUMNS))
}

fn lines_of(PromptedExample { place, prompt, scored }: &PromptedExample, width: usize) -> String {
    let room = width - LABEL;
    let scored = match scored {
        Some(scored) => format!("scored          {}", shortened(scored, room)),
        None => "scored          what the model replies".to_owned(),
    };
    let place = if place.contains("line") { format!(" ({place})") } else { String::new() };
    format!("example 1{place}, as the model sees it\nprompt          {}\n{scored}", shortened(prompt, room))
}

/// Columns before the texts.
const LABEL: usize = 16;

/// Returns a text on one line, its middle left out if it is longer than `room`: the start shows the system message,
/// the end the text before the reply.
fn shortened(text: &str, room: usize) -> String {
    let visible: Vec<char> = text.chars().flat_map(visible).collect();
    if visible.len() <= room {
        return visible.into_iter().collect();
    }
    let kept = room - GAP.len();
    let (head, tail) = (kept / 2, kept - kept / 2);
    let (head, tail) = (&visible[..head], &visible[visible.len() - tail..]);
    head.iter().chain(GAP.iter()).chain(tail).collect()
}

/// Placeholder for the text that is left out.
const GAP: [char; 5] = [' ', '.', '.', '.', ' '];

/// Returns a character in a form that does not control the terminal.
fn visible(letter: char) -> impl Iterator<Item = char> {
    let escaped = match letter {
        '\n' | '\r' | '\t' => letter.escape_default().collect(),
        _ if letter.is_control() => vec![char::REPLACEMENT_CHARACTER],
        _ => vec![letter],
    };
    escaped.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_shortened_in_their_middle() {
        let prompt = format!("<s>{}\n[/INST]", "x".repeat(200));
        let example = PromptedExample {
            place: "a.jsonl, line 1".to_owned(),
            prompt,
            scored: Some(" yes\u{1b}</s>".to_owned()),
        };
        let text = lines_of(&example, 60);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "example 1 (a.jsonl, line 1), as the model sees it");
        assert!(
            lines[1].starts_with("prompt          <s>xxx") && lines[1].ends_with(r"x\n[/INST]"),
            "{text}"
        );
        assert_eq!(lines[1].chars().count(), 60);
        assert_eq!(lines[2], "scored           yes\u{fffd}</s>");
        let replied = PromptedExample { scored: None, place: "a generated problem".to_owned(), ..example };
        assert!(lines_of(&replied, 60).ends_with("what the model replies"));
    }

    #[test]
    fn variables_of_templates_are_an_object() {
        assert_eq!(kwargs(r#"{"enable_thinking": false}"#).unwrap()["enable_thinking"], false);
        for (text, part) in [("[]", "no JSON object"), ("{", "no JSON: "), ("", "no JSON: ")] {
            let error = kwargs(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("enable_thinking"), "{error}");
        }
    }
}
