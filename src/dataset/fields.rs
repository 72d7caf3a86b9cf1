//! The values under an object's keys.

use serde_json::{Map, Value};

use super::error::kind;
use super::messages::{self, Turn};
use super::values::is_nothing;
use super::{DataPrompt, Fault, Message, bare};

/// Returns a key as messages name it.
pub(super) fn quoted(key: &str) -> String {
    format!("\"{key}\"")
}

/// Returns the fault of a value that has none of the expected types.
pub(super) fn wrong_type(key: &str, value: Option<&Value>, expected: &'static str) -> Fault {
    match value {
        Some(value) => Fault::WrongType { what: quoted(key), found: kind(value), expected },
        None => Fault::Missing { what: quoted(key) },
    }
}

/// Returns a text that is not blank.
pub(super) fn not_blank<'a>(text: &'a str, key: &str) -> Result<&'a str, Fault> {
    if text.trim().is_empty() { Err(Fault::Blank { what: quoted(key) }) } else { Ok(text) }
}

/// Returns the string under a key.
pub(super) fn string<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a str, Fault> {
    object.get(key).and_then(Value::as_str).ok_or_else(|| wrong_type(key, object.get(key), "a string"))
}

/// Returns the string under a key that may be missing, null or blank.
pub(super) fn some_string<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Fault> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => Ok(Some(string(object, key)?).filter(|text| !text.trim().is_empty())),
    }
}

/// Reads a prompt: a string or messages.
pub(super) fn prompt(object: &Map<String, Value>, key: &str) -> Result<DataPrompt, Fault> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(DataPrompt::Text(not_blank(text, key)?.to_owned())),
        Some(Value::Array(list)) => messages::prompt(bare(messages::read(list, key)?), key),
        other => Err(wrong_type(key, other, "a string or a list of messages")),
    }
}

/// Reads a reply: a string, an answer that is a number, or messages of which the last counts and the others repeat the prompt.
pub(super) fn reply(object: &Map<String, Value>, key: &str, prompt: &DataPrompt) -> Result<String, Fault> {
    match object.get(key) {
        Some(Value::String(text)) => {
            let reply = not_blank(text, key)?;
            match messages::reasoning(object, None)?.filter(|_| of_one_reply(object)) {
                Some(thoughts) => messages::with_reasoning(thoughts, reply, &quoted(key)),
                None => Ok(reply.to_owned()),
            }
        }
        Some(Value::Number(number)) if key == "answer" => Ok(number.to_string()),
        Some(Value::Array(list)) => {
            let (before, reply) = messages::reply(bare(messages::read(list, key)?), key)?;
            let repeats = match prompt {
                DataPrompt::Messages(asked) => before == *asked,
                DataPrompt::Text(asked) => matches!(before.as_slice(), [one] if one.content == *asked),
            };
            if before.is_empty() || repeats {
                Ok(reply)
            } else {
                Err(Fault::OtherPrompt { what: quoted(key) })
            }
        }
        Some(found @ Value::Object(_)) => {
            Err(Fault::StructuredReply { what: quoted(key), found: kind(found) })
        }
        other => Err(wrong_type(key, other, "a string")),
    }
}

/// Returns the messages under a key.
pub(super) fn conversation(object: &Map<String, Value>, key: &str) -> Result<Vec<Turn>, Fault> {
    let list = object.get(key).and_then(Value::as_array);
    messages::read(list.ok_or_else(|| wrong_type(key, object.get(key), "a list of messages"))?, key)
}

/// Keys besides a conversation that change what a model should see, and that cannot be shown to it here.
const UNSHOWABLE: [&str; 9] =
    ["tools", "functions", "images", "image", "videos", "video", "audios", "audio", "reasoning_content"];

/// Returns whether thoughts in a key of their own belong to the only reply.
fn of_one_reply(object: &Map<String, Value>) -> bool {
    ["completion", "response", "output", "answer"]
        .iter()
        .any(|key| object.get(*key).is_some_and(Value::is_string))
}

/// Refuses an object with contents that a model cannot be shown.
pub(super) fn check_showable(object: &Map<String, Value>) -> Result<(), Fault> {
    let is_there = |key: &&&str| object.get(**key).is_some_and(|value| !is_nothing(value));
    match UNSHOWABLE.iter().find(is_there) {
        Some(&"reasoning_content") if of_one_reply(object) => Ok(()),
        Some(&"reasoning_content") => {
            Err(Fault::Reasoning { what: "several messages or replies".to_owned() })
        }
        Some(key) => Err(Fault::Unshowable { what: quoted(key) }),
        None => Ok(()),
    }
}

/// Puts the columns `system` and `history` before a prompt.
pub(super) fn with_columns(object: &Map<String, Value>, prompt: DataPrompt) -> Result<DataPrompt, Fault> {
    let (system, history) = (some_string(object, "system")?, history(object)?);
    if system.is_none() && history.is_empty() {
        return Ok(prompt);
    }
    let asked = match prompt {
        DataPrompt::Text(text) => vec![Message::user(text)],
        DataPrompt::Messages(messages) => messages,
    };
    if system.is_some() && asked.iter().any(|message| message.role == "system") {
        return Err(Fault::TwoSystems);
    }
    let system = system.map(|content| Message { role: "system".to_owned(), content: content.to_owned() });
    Ok(DataPrompt::Messages(system.into_iter().chain(history).chain(asked).collect()))
}

/// Reads the column `history`: pairs of earlier questions and replies.
fn history(object: &Map<String, Value>) -> Result<Vec<Message>, Fault> {
    const EXPECTED: &str = "a list of pairs of strings, what was asked and what was replied";
    let pairs = match object.get("history") {
        None => return Ok(Vec::new()),
        Some(value) if is_nothing(value) => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(|| wrong_type("history", Some(value), EXPECTED))?,
    };
    let mut messages = Vec::with_capacity(2 * pairs.len());
    for pair in pairs {
        let texts = pair.as_array().map(|pair| pair.iter().map(Value::as_str).collect::<Vec<_>>());
        let Some([Some(asked), Some(replied)]) = texts.as_deref() else {
            return Err(Fault::WrongType {
                what: quoted("history"),
                found: "a list of other things",
                expected: EXPECTED,
            });
        };
        messages.push(Message::user(*asked));
        messages.push(Message { role: "assistant".to_owned(), content: (*replied).to_owned() });
    }
    Ok(messages)
}
