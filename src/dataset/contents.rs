//! Reads the contents of an object by the keys of its shape.

use serde_json::{Map, Value};

use super::fields::{
    conversation, not_blank, prompt, quoted, reply, some_string, string, with_columns, wrong_type,
};
use super::messages::{self, bare};
use super::{Content, DataPrompt, Earlier, Fault, Message};

/// Contents found in an object.
pub(super) struct Found {
    pub(super) content: Content,
    pub(super) earlier: Vec<Earlier>,
    /// Weight of the last reply, apart from the example's own weight.
    pub(super) weight: f64,
}

impl From<Content> for Found {
    fn from(content: Content) -> Self {
        Self { content, earlier: Vec::new(), weight: 1.0 }
    }
}

/// Reads a text.
pub(super) fn text(object: &Map<String, Value>) -> Result<Found, Fault> {
    let text = not_blank(string(object, "text")?, "text")?;
    Ok(Content::Text { text: text.to_owned(), ends: true }.into())
}

/// Reads a prompt as it stands and its reply.
pub(super) fn pair(object: &Map<String, Value>, asked: &str, answer: &str) -> Result<Found, Fault> {
    let prompt = prompt(object, asked)?;
    let reply = reply(object, answer, &prompt)?;
    Ok(Content::Reply { prompt: with_columns(object, prompt)?, reply }.into())
}

pub(super) fn prompt_alone(object: &Map<String, Value>) -> Result<Found, Fault> {
    Ok(Content::Prompt(with_columns(object, prompt(object, "prompt")?)?).into())
}

/// Reads an instruction or question, and the answer.
pub(super) fn asked_and_answered(
    object: &Map<String, Value>,
    asked: &str,
    about: Option<&str>,
    answer: &str,
) -> Result<Found, Fault> {
    let prompt = asked_of(object, asked, about)?;
    let reply = reply(object, answer, &prompt)?;
    Ok(Content::Reply { prompt: with_columns(object, prompt)?, reply }.into())
}

/// Reads an instruction or question.
pub(super) fn only_asked(
    object: &Map<String, Value>,
    asked: &str,
    about: Option<&str>,
) -> Result<Found, Fault> {
    Ok(Content::Prompt(with_columns(object, asked_of(object, asked, about)?)?).into())
}

/// Returns an instruction or question with its input, if there is one, below it.
fn asked_of(object: &Map<String, Value>, asked: &str, about: Option<&str>) -> Result<DataPrompt, Fault> {
    let text = match object.get(asked) {
        Some(Value::Array(_)) => return prompt(object, asked),
        _ => not_blank(string(object, asked)?, asked)?,
    };
    let about = about.map_or(Ok(None), |key| some_string(object, key))?;
    let about = about.map_or(String::new(), |about| format!("\n\n{about}"));
    Ok(DataPrompt::Messages(vec![Message::user(format!("{text}{about}"))]))
}

/// Reads a conversation that ends with a reply. Replies before it count as well.
pub(super) fn chat(object: &Map<String, Value>, key: &str) -> Result<Found, Fault> {
    let turns = conversation(object, key)?;
    let weight = turns.last().map_or(1.0, |turn| turn.weight);
    let weights: Vec<f64> = turns.iter().map(|turn| turn.weight).collect();
    let (before, reply) = messages::reply(bare(turns), key)?;
    let asked = messages::prompt(before, key)?;
    let asked = with_columns(object, asked)?;
    let DataPrompt::Messages(messages) = &asked else { return Err(Fault::NothingAsked) };
    // What a system message and a history put before them.
    let shift = messages.len() + 1 - weights.len();
    let earlier = earlier(messages, shift, &weights)?;
    Ok(Found { content: Content::Reply { prompt: asked, reply }, earlier, weight })
}

/// Returns the replies in a conversation's prompt that follow a message of the user.
fn earlier(messages: &[Message], shift: usize, weights: &[f64]) -> Result<Vec<Earlier>, Fault> {
    let mut found = Vec::new();
    let mut is_asked = false;
    for (at, message) in messages.iter().enumerate() {
        if message.role == "user" {
            is_asked = true;
        }
        if message.role != "assistant" || !is_asked || at < shift || message.content.trim().is_empty() {
            continue;
        }
        if messages[at - 1].role == "assistant" {
            return Err(Fault::TwoReplies { at: at - shift + 1 });
        }
        found.push(Earlier { at, weight: weights[at - shift] });
    }
    Ok(found)
}

/// Reads a conversation that ends before a reply.
pub(super) fn open_chat(object: &Map<String, Value>, key: &str) -> Result<Found, Fault> {
    let asked = messages::prompt(bare(conversation(object, key)?), key)?;
    Ok(Content::Prompt(with_columns(object, asked)?).into())
}

pub(super) fn preference(object: &Map<String, Value>) -> Result<Found, Fault> {
    let asked = if object.contains_key("prompt") {
        prompt(object, "prompt")?
    } else if object.contains_key("instruction") {
        asked_of(object, "instruction", Some("input"))?
    } else {
        asked_of(object, "question", None)?
    };
    let chosen = reply(object, "chosen", &asked)?;
    let rejected = reply(object, "rejected", &asked)?;
    Ok(Content::Preference { prompt: with_columns(object, asked)?, chosen, rejected }.into())
}

/// Reads a preference between two whole conversations, the same up to the last reply.
pub(super) fn whole_conversations(object: &Map<String, Value>) -> Result<Found, Fault> {
    let whole = |key| {
        let list = object.get(key).and_then(Value::as_array).ok_or_else(|| {
            wrong_type(key, object.get(key), "a list of messages, as there is no \"prompt\"")
        })?;
        messages::reply(bare(messages::read(list, key)?), key)
    };
    let (before, chosen) = whole("chosen")?;
    let (also_before, rejected) = whole("rejected")?;
    if before != also_before {
        return Err(Fault::OtherPrompt { what: quoted("rejected") });
    }
    let asked = with_columns(object, messages::prompt(before, "chosen")?)?;
    Ok(Content::Preference { prompt: asked, chosen, rejected }.into())
}
