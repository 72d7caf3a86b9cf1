//! Conversations.

use serde_json::{Map, Value};

use super::error::{excerpt, kind};
use super::values::{is_nothing, weight};
use super::{DataPrompt, Fault, Message, ROLES};

/// The keys of a message's role and text, in OpenAI's and in ShareGPT's form. A file may have either under any name of
/// the list.
const PAIRS: [(&str, &str); 2] = [("role", "content"), ("from", "value")];

/// Names of roles that mean another one.
const ALIASES: [(&str, &str); 2] = [("human", "user"), ("gpt", "assistant")];

/// Names that are not roles, and the role that was probably meant.
const MISTAKEN: [(&str, &str); 10] = [
    ("human", "user"),
    ("prompter", "user"),
    ("customer", "user"),
    ("gpt", "assistant"),
    ("chatgpt", "assistant"),
    ("bot", "assistant"),
    ("model", "assistant"),
    ("ai", "assistant"),
    ("function", "tool"),
    ("observation", "tool"),
];

/// A message, and its weight if it is a reply.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) message: Message,
    pub(super) weight: f64,
}

/// Returns the messages without weights.
pub(super) fn bare(turns: Vec<Turn>) -> Vec<Message> {
    turns.into_iter().map(|turn| turn.message).collect()
}

/// Returns the role with a name, aliases included.
fn role(name: &str) -> Option<&'static str> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, role)| role);
    ROLES.into_iter().find(|role| *role == name)
}

/// Returns the role that an invalid name probably means.
fn meant(name: &str) -> Option<&'static str> {
    let lower = name.trim().to_ascii_lowercase();
    let mistaken = || MISTAKEN.iter().find(|(name, _)| *name == lower).map(|(_, role)| *role);
    ROLES.into_iter().find(|role| *role == lower).or_else(mistaken)
}

/// Checks whether the last of a list of messages, if it is one, is the assistant's.
pub(super) fn ends_with_reply(list: Option<&Value>) -> bool {
    let last = list.and_then(Value::as_array).and_then(|list| list.last()).and_then(Value::as_object);
    let name = last.and_then(|message| message.get(pair_of(message).0)).and_then(Value::as_str);
    name.is_some_and(|name| role(name).or(meant(name)) == Some("assistant"))
}

/// Returns the pair of keys that a message has.
fn pair_of(message: &Map<String, Value>) -> (&'static str, &'static str) {
    PAIRS.into_iter().find(|(role, _)| message.contains_key(*role)).unwrap_or(PAIRS[0])
}

/// Reads the list of messages under `key`.
pub(super) fn read(list: &[Value], key: &str) -> Result<Vec<Turn>, Fault> {
    let numbered = list.iter().enumerate();
    numbered.map(|(place, value)| message(value, &format!("message {} of \"{key}\"", place + 1))).collect()
}

fn message(value: &Value, what: &str) -> Result<Turn, Fault> {
    let Value::Object(object) = value else {
        return Err(Fault::WrongType { what: what.to_owned(), found: kind(value), expected: "an object" });
    };
    check_showable(object, what)?;
    let (role_key, content_key) = pair_of(object);
    let named = field(object, role_key, what)?;
    let Value::String(name) = named else {
        return Err(wrong(named, role_key, what, "a string"));
    };
    let role = role(name).ok_or_else(|| Fault::Role {
        what: format!("\"{role_key}\" in {what}"),
        found: excerpt(name, 40),
        meant: meant(name),
    })?;
    let content = content(field(object, content_key, what)?, content_key, what)?;
    let content = match reasoning(object, Some(what))? {
        Some(_) if role != "assistant" => return Err(Fault::Reasoning { what: what.to_owned() }),
        Some(thoughts) => with_reasoning(thoughts, &content, what)?,
        None => content,
    };
    let weight = weight(object, || format!("\"weight\" in {what}"))?;
    Ok(Turn { message: Message { role: role.to_owned(), content }, weight })
}

/// Refuses a message that is more than a text.
fn check_showable(object: &Map<String, Value>, what: &str) -> Result<(), Fault> {
    let of_key = |key: &str| format!("\"{key}\" in {what}");
    let is_there = |key: &&&str| object.get(**key).is_some_and(|value| !value.is_null());
    if let Some(key) = ["tool_calls", "function_call"].iter().find(is_there) {
        return Err(Fault::Unshowable { what: of_key(key) });
    }
    let is_full = |key: &&&str| object.get(**key).is_some_and(|value| !is_nothing(value));
    if let Some(key) = ["images", "audio"].iter().find(is_full) {
        return Err(Fault::Unshowable { what: of_key(key) });
    }
    Ok(())
}

/// Keys of the thoughts before a reply.
const REASONING: [&str; 3] = ["reasoning_content", "reasoning", "thinking"];

/// Returns the thoughts in a key beside a reply; `what` is the message that has both. Of the keys of a whole example
/// only the first means thoughts.
pub(super) fn reasoning<'a>(
    object: &'a Map<String, Value>,
    what: Option<&str>,
) -> Result<Option<&'a str>, Fault> {
    let is_full = |key: &&&str| object.get(**key).is_some_and(|value| !is_nothing(value));
    let keys = if what.is_some() { &REASONING[..] } else { &REASONING[..1] };
    let Some(key) = keys.iter().find(is_full) else { return Ok(None) };
    let what = what.map_or(format!("\"{key}\""), |what| format!("\"{key}\" in {what}"));
    match object.get(*key).map(|value| (value.as_str(), kind(value))) {
        Some((Some(text), _)) => Ok(Some(text)),
        Some((None, found)) => Err(Fault::WrongType { what, found, expected: "a string" }),
        None => Ok(None),
    }
}

/// Returns a reply with the thoughts before it in the form of most models. A template with a separate place for
/// thoughts finds them by these marks.
pub(super) fn with_reasoning(thoughts: &str, reply: &str, what: &str) -> Result<String, Fault> {
    if thoughts.contains("</think>") || reply.contains("</think>") {
        return Err(Fault::Reasoning { what: what.to_owned() });
    }
    Ok(format!("<think>\n{}\n</think>\n\n{}", thoughts.trim(), reply.trim_start()))
}

fn field<'a>(object: &'a Map<String, Value>, key: &str, what: &str) -> Result<&'a Value, Fault> {
    object.get(key).ok_or_else(|| Fault::Missing { what: format!("\"{key}\" in {what}") })
}

fn wrong(value: &Value, key: &str, what: &str, expected: &'static str) -> Fault {
    Fault::WrongType { what: format!("\"{key}\" in {what}"), found: kind(value), expected }
}

/// Returns the text of a message: a string, or OpenAI's list of parts if all of them are text.
fn content(value: &Value, key: &str, what: &str) -> Result<String, Fault> {
    let part = |part: &Value| {
        let is_text = part.get("type").and_then(Value::as_str) == Some("text");
        part.get("text").and_then(Value::as_str).filter(|_| is_text).map(str::to_owned)
    };
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => parts
            .iter()
            .map(part)
            .collect::<Option<String>>()
            .ok_or_else(|| wrong(value, key, what, "a string, or a list of parts of the type \"text\"")),
        other => Err(wrong(other, key, what, "a string")),
    }
}

/// Converts messages to a prompt.
pub(super) fn prompt(messages: Vec<Message>, key: &str) -> Result<DataPrompt, Fault> {
    let last = messages.last().ok_or(Fault::NothingAsked)?;
    if last.role == "assistant" {
        return Err(Fault::Answered);
    }
    if last.content.trim().is_empty() {
        return Err(Fault::Blank { what: format!("the last message of the prompt in \"{key}\"") });
    }
    Ok(DataPrompt::Messages(messages))
}

/// Splits the reply off the end of a conversation.
pub(super) fn reply(mut messages: Vec<Message>, key: &str) -> Result<(Vec<Message>, String), Fault> {
    let last = messages.pop().ok_or_else(|| Fault::Blank { what: format!("\"{key}\"") })?;
    if last.role != "assistant" {
        return Err(Fault::NoReply { what: format!("\"{key}\""), found: last.role });
    }
    if last.content.trim().is_empty() {
        return Err(Fault::Blank { what: format!("the reply at the end of \"{key}\"") });
    }
    Ok((messages, last.content))
}
