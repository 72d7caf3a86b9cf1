//! Faults of a data file.

use std::fmt;

use serde_json::{Map, Value};
use thiserror::Error;

use super::{EXTENSIONS, ROLES, Shape};

/// Error of a data file.
#[derive(Debug, Error, PartialEq)]
#[error("{file}{}: {problem}", LineNumber(*line))]
pub struct DatasetError {
    /// The file, as the caller named it.
    pub file: String,
    /// The line, from 1, if the fault is in one line.
    pub line: Option<u64>,
    /// The fault.
    pub problem: Fault,
}

/// A line number in a message, if there is one.
struct LineNumber(Option<u64>);

impl fmt::Display for LineNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ", line {line}"))
    }
}

/// The role that was probably meant, for a message.
struct Meant(Option<&'static str>);

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |role| write!(f, "; write \"{role}\""))
    }
}

/// Fault of a file, or of a line of it.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum Fault {
    #[error("cannot tell what the file holds; its name should end in one of: .{}", EXTENSIONS.join(", ."))]
    UnknownEnding,
    #[error("the file holds nothing; give one with at least one example")]
    Empty,
    #[error("the file is in UTF-16; save it as UTF-8")]
    Utf16,
    #[error("the bytes are not UTF-8; save the file as UTF-8")]
    NotUtf8,
    #[error("plain text cannot be used here; give a .jsonl or .csv file with {wanted}")]
    PlainText { wanted: String },
    #[error("broken JSON at column {column}: {what}{hint}")]
    Json { column: usize, what: String, hint: &'static str },
    #[error(
        "half of a character at column {column}: an escape from \\ud800 to \\udfff without its other half, which a cut emoji leaves \
         behind; take it out"
    )]
    Surrogate { column: usize },
    #[error("there is a zero byte (\\u0000), which no model's text has; take it out")]
    ZeroByte,
    #[error("broken CSV: {what}")]
    Csv { what: String },
    #[error("found {found} instead of an object such as {{\"prompt\": \"...\", \"completion\": \"...\"}}")]
    NotAnObject { found: &'static str },
    #[error("found {found}, which make no example; expected {wanted}{hint}")]
    NoShape { found: String, wanted: String, hint: String },
    #[error("found {found}, which cannot be used here; expected {wanted}")]
    Unwanted { found: &'static str, wanted: String },
    #[error("found {found}, but line {first} holds {expected}; a file's lines are all of one kind")]
    OtherShape { found: String, expected: &'static str, first: u64 },
    #[error("{what} is {found}; expected {expected}")]
    WrongType { what: String, found: &'static str, expected: &'static str },
    #[error("{what} is blank")]
    Blank { what: String },
    #[error("{what} is missing")]
    Missing { what: String },
    #[error(
        "{what} is {found}; expected a string: write it as one, with the very text that the model is to reply"
    )]
    StructuredReply { what: String, found: &'static str },
    #[error("{what} is \"{found}\"; expected one of {}{}", ROLES.join(", "), Meant(*meant))]
    Role { what: String, found: String, meant: Option<&'static str> },
    #[error("the last message of {what} is of the role {found}; expected the assistant's reply")]
    NoReply { what: String, found: String },
    #[error("the prompt ends with a message of the assistant; expected it to end before the reply")]
    Answered,
    #[error("there is no message before the reply; expected at least the user's")]
    NothingAsked,
    #[error("{what} differs from the prompt in the messages before its reply")]
    OtherPrompt { what: String },
    #[error("message {at} of the assistant follows another of the assistant; join the two")]
    TwoReplies { at: usize },
    #[error("there is a \"system\" beside messages that begin with one; keep one of them")]
    TwoSystems,
    #[error("{what} is no number from 0 to 1000000")]
    Weight { what: String },
    #[error("{what} cannot be put to a model by this program; remove it or the line")]
    Unshowable { what: String },
    #[error(
        "thoughts stand beside {what}, which is no reply of the assistant's or has a </think> of its own; write them into the reply once, \
         as <think>...</think> before the answer, or remove them"
    )]
    Reasoning { what: String },
}

impl Shape {
    /// Returns the name of the shape in JSON output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "completion",
            Self::Answer => "answer",
            Self::Question => "question",
            Self::Preference => "preference",
            Self::Text => "text",
            Self::Prompt => "prompt",
        }
    }

    /// Returns a short description of files of this shape.
    pub fn described(self) -> &'static str {
        match self {
            Self::Chat => "\"messages\" that end with the assistant's reply",
            Self::Completion => "\"prompt\" and \"completion\"",
            Self::Answer => "\"prompt\" and \"answer\"",
            Self::Question => "\"question\" and \"answer\"",
            Self::Preference => "\"prompt\", \"chosen\" and \"rejected\"",
            Self::Text => "\"text\"",
            Self::Prompt => "a \"prompt\", or \"messages\" that end before a reply",
        }
    }
}

/// Returns the shapes in one sentence.
pub(super) fn shapes(wanted: &[Shape]) -> String {
    let described: Vec<&str> = wanted.iter().map(|shape| shape.described()).collect();
    described.join("; or ")
}

/// Returns the article and name of a value's type.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Keys named in a message at most.
const MANY: usize = 8;

/// Returns an object's keys as a message names them.
pub(super) fn keys(object: &Map<String, Value>) -> String {
    let named: Vec<String> =
        object.keys().take(MANY).map(|key| format!("\"{}\"", excerpt(key, 40))).collect();
    match (object.len(), named.join(", ")) {
        (0, _) => "no keys".to_owned(),
        (count, named) if count > MANY => format!("the keys {named} and {} more", count - MANY),
        (_, named) => format!("the keys {named}"),
    }
}

/// Returns the start of a text for a message: at most `characters` characters, on one line.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    let mut start = String::new();
    for character in text.chars().take(characters) {
        match character {
            '"' | '\'' | '\\' => start.push(character),
            other => start.extend(other.escape_debug()),
        }
    }
    if text.chars().nth(characters).is_some() {
        start.push_str("...");
    }
    start
}
