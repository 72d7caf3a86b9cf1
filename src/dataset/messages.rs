//! Conversations.

use serde_json::{Map, Value};

use super::error::{excerpt, kind};
use super::{Message, Problem, Prompt, ROLES};

/// The two ways in which messages are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    /// `role` and `content`, as OpenAI has them.
    RoleContent,
    /// `from` and `value`, as ShareGPT has them.
    FromValue,
}

impl Style {
    /// The style of messages under this key.
    pub(super) fn of_key(key: &str) -> Self {
        if key == "conversations" { Self::FromValue } else { Self::RoleContent }
    }

    fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::RoleContent => ("role", "content"),
            Self::FromValue => ("from", "value"),
        }
    }

    /// The role that is meant by a name.
    fn role(self, name: &str) -> Option<&'static str> {
        let name = match (self, name) {
            (Self::FromValue, "human") => "user",
            (Self::FromValue, "gpt") => "assistant",
            _ => name,
        };
        ROLES.into_iter().find(|role| *role == name)
    }
}

/// Whether the last of what may be messages is the assistant's.
pub(super) fn ends_with_reply(list: Option<&Value>, style: Style) -> bool {
    let last = list.and_then(Value::as_array).and_then(|list| list.last());
    let role = last.and_then(|message| message.get(style.keys().0)).and_then(Value::as_str);
    role.and_then(|name| style.role(name)) == Some("assistant")
}

/// Reads the list of messages under `key`.
pub(super) fn read(list: &[Value], key: &str, style: Style) -> Result<Vec<Message>, Problem> {
    let numbered = list.iter().enumerate();
    numbered
        .map(|(place, value)| message(value, &format!("message {} of \"{key}\"", place + 1), style))
        .collect()
}

fn message(value: &Value, what: &str, style: Style) -> Result<Message, Problem> {
    let Value::Object(object) = value else {
        return Err(Problem::WrongType { what: what.to_owned(), found: kind(value), expected: "an object" });
    };
    if object.get("tool_calls").is_some_and(|calls| !calls.is_null()) {
        return Err(Problem::Tools { what: format!("\"tool_calls\" in {what}") });
    }
    let (role_key, content_key) = style.keys();
    let named = field(object, role_key, what)?;
    let Value::String(name) = named else {
        return Err(wrong(named, role_key, what, "a string"));
    };
    let role = style.role(name).ok_or_else(|| Problem::Role {
        what: format!("\"{role_key}\" in {what}"),
        found: excerpt(name, 40),
    })?;
    let content = content(field(object, content_key, what)?, content_key, what)?;
    Ok(Message { role: role.to_owned(), content })
}

fn field<'a>(object: &'a Map<String, Value>, key: &str, what: &str) -> Result<&'a Value, Problem> {
    object.get(key).ok_or_else(|| Problem::Missing { what: format!("\"{key}\" in {what}") })
}

fn wrong(value: &Value, key: &str, what: &str, expected: &'static str) -> Problem {
    Problem::WrongType { what: format!("\"{key}\" in {what}"), found: kind(value), expected }
}

/// What is said: a string, or OpenAI's list of parts where all of them are text.
fn content(value: &Value, key: &str, what: &str) -> Result<String, Problem> {
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

/// Messages as a prompt.
pub(super) fn prompt(messages: Vec<Message>, key: &str) -> Result<Prompt, Problem> {
    let last = messages.last().ok_or(Problem::NothingAsked)?;
    if last.role == "assistant" {
        return Err(Problem::Answered);
    }
    if last.content.trim().is_empty() {
        return Err(Problem::Blank { what: format!("the last message of the prompt in \"{key}\"") });
    }
    Ok(Prompt::Messages(messages))
}

/// Takes the reply off the end of a conversation.
pub(super) fn reply(mut messages: Vec<Message>, key: &str) -> Result<(Vec<Message>, String), Problem> {
    let last = messages.pop().ok_or_else(|| Problem::Blank { what: format!("\"{key}\"") })?;
    if last.role != "assistant" {
        return Err(Problem::NoReply { what: format!("\"{key}\""), found: last.role });
    }
    if last.content.trim().is_empty() {
        return Err(Problem::Blank { what: format!("the reply at the end of \"{key}\"") });
    }
    Ok((messages, last.content))
}
