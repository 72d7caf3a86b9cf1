//! From an object's keys to what it holds.

use serde_json::{Map, Value};

use super::error::{self, keys, kind};
use super::messages::{self, Style};
use super::{Content, Example, Message, Problem, Prompt, Shape};

/// One set of keys that makes a shape.
#[derive(Debug)]
pub(super) struct Layout {
    shape: Shape,
    keys: &'static [&'static str],
    /// The keys in words.
    words: &'static str,
    read: fn(&Map<String, Value>) -> Result<Content, Problem>,
}

/// All layouts; of those that fit an object and have the same shape, the first counts.
static LAYOUTS: [Layout; 13] = [
    Layout {
        shape: Shape::Chat,
        keys: &["messages"],
        words: "\"messages\" that end with the assistant's reply",
        read: |object| chat(object, "messages"),
    },
    Layout {
        shape: Shape::Chat,
        keys: &["conversations"],
        words: "\"conversations\" that end with the assistant's reply",
        read: |object| chat(object, "conversations"),
    },
    Layout {
        shape: Shape::Completion,
        keys: &["prompt", "completion"],
        words: "\"prompt\" and \"completion\"",
        read: |object| pair(object, "prompt", "completion"),
    },
    Layout {
        shape: Shape::Completion,
        keys: &["prompt", "response"],
        words: "\"prompt\" and \"response\"",
        read: |object| pair(object, "prompt", "response"),
    },
    Layout {
        shape: Shape::Completion,
        keys: &["instruction", "output"],
        words: "\"instruction\" and \"output\"",
        read: instruction,
    },
    Layout {
        shape: Shape::Answer,
        keys: &["prompt", "answer"],
        words: "\"prompt\" and \"answer\"",
        read: |object| pair(object, "prompt", "answer"),
    },
    Layout {
        shape: Shape::Question,
        keys: &["question", "answer"],
        words: "\"question\" and \"answer\"",
        read: |object| pair(object, "question", "answer"),
    },
    Layout {
        shape: Shape::Preference,
        keys: &["prompt", "chosen", "rejected"],
        words: "\"prompt\", \"chosen\" and \"rejected\"",
        read: preference,
    },
    Layout {
        shape: Shape::Preference,
        keys: &["chosen", "rejected"],
        words: "\"chosen\" and \"rejected\" without \"prompt\"",
        read: whole_conversations,
    },
    Layout { shape: Shape::Text, keys: &["text"], words: "\"text\"", read: text },
    Layout {
        shape: Shape::Prompt,
        keys: &["messages"],
        words: "\"messages\" that end before a reply",
        read: |object| asked(object, "messages"),
    },
    Layout {
        shape: Shape::Prompt,
        keys: &["conversations"],
        words: "\"conversations\" that end before a reply",
        read: |object| asked(object, "conversations"),
    },
    Layout {
        shape: Shape::Prompt,
        keys: &["prompt"],
        words: "\"prompt\" without a reply",
        read: |object| Ok(Content::Prompt(prompt(object, "prompt")?)),
    },
];

impl Layout {
    fn fits(&self, object: &Map<String, Value>) -> bool {
        if !self.keys.iter().all(|key| object.contains_key(*key)) {
            return false;
        }
        match self.keys {
            [key @ ("messages" | "conversations")] => {
                messages::ends_with_reply(object.get(*key), Style::of_key(key)) == (self.shape == Shape::Chat)
            }
            _ => true,
        }
    }

    /// The first layout of these shapes, in their order, that an object fits.
    fn of(object: &Map<String, Value>, shapes: &[Shape]) -> Option<&'static Self> {
        let mut rows = shapes.iter().flat_map(|shape| LAYOUTS.iter().filter(|row| row.shape == *shape));
        rows.find(|layout| layout.fits(object))
    }
}

/// Reads objects that are all to be as the first.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    wanted: &'a [Shape],
    /// The first object's layout and line.
    first: Option<(&'static Layout, u64)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(wanted: &'a [Shape]) -> Self {
        Self { wanted, first: None }
    }

    /// The shape of what was read; `None` before the first object.
    pub(super) fn shape(&self) -> Option<Shape> {
        self.first.map(|(layout, _)| layout.shape)
    }

    pub(super) fn read(&mut self, line: u64, object: Map<String, Value>) -> Result<Example, Problem> {
        let found = Layout::of(&object, self.wanted);
        let layout = match (self.first, found) {
            (None, Some(layout)) => layout,
            (Some((first, _)), Some(layout)) if std::ptr::eq(layout, first) => layout,
            (first, found) => return Err(self.unfit(first, found, &object)),
        };
        let content = (layout.read)(&object)?;
        self.first.get_or_insert((layout, line));
        Ok(Example { content, line: Some(line), object })
    }

    /// Why an object cannot be used, or not behind the first.
    fn unfit(
        &self,
        first: Option<(&Layout, u64)>,
        wanted: Option<&'static Layout>,
        object: &Map<String, Value>,
    ) -> Problem {
        let found = wanted.or_else(|| Layout::of(object, &Shape::ALL));
        // What is wrong inside may be why it is not what it was meant to be.
        if let Some(problem) = found.and_then(|layout| (layout.read)(object).err()) {
            return problem;
        }
        let of_keys = || keys(object);
        match (first, found) {
            (Some((first, line)), found) => Problem::OtherShape {
                found: found.map_or_else(of_keys, |layout| layout.words.to_owned()),
                expected: first.words,
                first: line,
            },
            (None, Some(layout)) => {
                Problem::Unwanted { found: layout.words, wanted: error::shapes(self.wanted) }
            }
            (None, None) => Problem::NoShape { found: of_keys(), wanted: error::shapes(self.wanted) },
        }
    }
}

fn quoted(key: &str) -> String {
    format!("\"{key}\"")
}

fn wrong_type(key: &str, value: Option<&Value>, expected: &'static str) -> Problem {
    match value {
        Some(value) => Problem::WrongType { what: quoted(key), found: kind(value), expected },
        None => Problem::Missing { what: quoted(key) },
    }
}

fn not_blank<'a>(text: &'a str, key: &str) -> Result<&'a str, Problem> {
    if text.trim().is_empty() { Err(Problem::Blank { what: quoted(key) }) } else { Ok(text) }
}

fn string<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a str, Problem> {
    object.get(key).and_then(Value::as_str).ok_or_else(|| wrong_type(key, object.get(key), "a string"))
}

/// A prompt: a string or messages.
fn prompt(object: &Map<String, Value>, key: &str) -> Result<Prompt, Problem> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(Prompt::Text(not_blank(text, key)?.to_owned())),
        Some(Value::Array(list)) => messages::prompt(messages::read(list, key, Style::RoleContent)?, key),
        other => Err(wrong_type(key, other, "a string or a list of messages")),
    }
}

/// A reply: a string, an answer that is a number, or messages of which the last counts and the others repeat the prompt.
fn reply(object: &Map<String, Value>, key: &str, prompt: &Prompt) -> Result<String, Problem> {
    match object.get(key) {
        Some(Value::String(text)) => Ok(not_blank(text, key)?.to_owned()),
        Some(Value::Number(number)) if key == "answer" => Ok(number.to_string()),
        Some(Value::Array(list)) => {
            let (before, reply) = messages::reply(messages::read(list, key, Style::RoleContent)?, key)?;
            let repeats = match prompt {
                Prompt::Messages(asked) => before == *asked,
                Prompt::Text(asked) => matches!(before.as_slice(), [one] if one.content == *asked),
            };
            if before.is_empty() || repeats {
                Ok(reply)
            } else {
                Err(Problem::OtherPrompt { what: quoted(key) })
            }
        }
        other => Err(wrong_type(key, other, "a string")),
    }
}

fn text(object: &Map<String, Value>) -> Result<Content, Problem> {
    let text = not_blank(string(object, "text")?, "text")?;
    Ok(Content::Text { text: text.to_owned(), ends: true })
}

fn pair(object: &Map<String, Value>, asked: &str, answer: &str) -> Result<Content, Problem> {
    let prompt = prompt(object, asked)?;
    let reply = reply(object, answer, &prompt)?;
    Ok(Content::Reply { prompt, reply })
}

/// An instruction with what it is about, if anything, below it.
fn instruction(object: &Map<String, Value>) -> Result<Content, Problem> {
    let instruction = not_blank(string(object, "instruction")?, "instruction")?;
    let input = match object.get("input") {
        None | Some(Value::Null) => "",
        Some(_) => string(object, "input")?,
    };
    let about = if input.trim().is_empty() { String::new() } else { format!("\n\n{input}") };
    let prompt = Prompt::Text(format!("{instruction}{about}"));
    let reply = reply(object, "output", &prompt)?;
    Ok(Content::Reply { prompt, reply })
}

/// The messages under `key`, of an object that asks for nothing else.
fn conversation(object: &Map<String, Value>, key: &str) -> Result<Vec<Message>, Problem> {
    if object.get("tools").is_some_and(|tools| !tools.is_null()) {
        return Err(Problem::Tools { what: quoted("tools") });
    }
    let list = object.get(key).and_then(Value::as_array);
    let list = list.ok_or_else(|| wrong_type(key, object.get(key), "a list of messages"))?;
    messages::read(list, key, Style::of_key(key))
}

fn chat(object: &Map<String, Value>, key: &str) -> Result<Content, Problem> {
    let (before, reply) = messages::reply(conversation(object, key)?, key)?;
    Ok(Content::Reply { prompt: messages::prompt(before, key)?, reply })
}

fn asked(object: &Map<String, Value>, key: &str) -> Result<Content, Problem> {
    Ok(Content::Prompt(messages::prompt(conversation(object, key)?, key)?))
}

fn preference(object: &Map<String, Value>) -> Result<Content, Problem> {
    let prompt = prompt(object, "prompt")?;
    let chosen = reply(object, "chosen", &prompt)?;
    let rejected = reply(object, "rejected", &prompt)?;
    Ok(Content::Preference { prompt, chosen, rejected })
}

/// A preference between two whole conversations, the same up to the last reply.
fn whole_conversations(object: &Map<String, Value>) -> Result<Content, Problem> {
    let whole = |key| {
        let list = object.get(key).and_then(Value::as_array).ok_or_else(|| {
            wrong_type(key, object.get(key), "a list of messages, as there is no \"prompt\"")
        })?;
        messages::reply(messages::read(list, key, Style::RoleContent)?, key)
    };
    let (before, chosen) = whole("chosen")?;
    let (also_before, rejected) = whole("rejected")?;
    if before != also_before {
        return Err(Problem::OtherPrompt { what: quoted("rejected") });
    }
    Ok(Content::Preference { prompt: messages::prompt(before, "chosen")?, chosen, rejected })
}
