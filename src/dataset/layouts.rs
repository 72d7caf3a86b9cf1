//! The sets of keys that make up an example.

use serde_json::{Map, Value};

use super::contents::{
    Found, asked_and_answered, chat, only_asked, open_chat, pair, preference, prompt_alone, text,
    whole_conversations,
};
use super::messages;
use super::{Fault, Shape};

/// A set of keys that makes up a shape.
#[derive(Debug)]
pub(super) struct KeySet {
    pub(super) shape: Shape,
    keys: &'static [&'static str],
    /// The keys in words.
    pub(super) words: &'static str,
    pub(super) read: fn(&Map<String, Value>) -> Result<Found, Fault>,
}

/// Keys that any layout may have besides its own.
const BESIDE: [&str; 6] = ["system", "history", "weight", "input", "context", "reasoning_content"];

/// All keys that have a meaning.
pub(super) const KNOWN: [&str; 18] = [
    "messages",
    "conversations",
    "prompt",
    "completion",
    "response",
    "instruction",
    "input",
    "context",
    "output",
    "question",
    "answer",
    "chosen",
    "rejected",
    "text",
    "system",
    "history",
    "weight",
    "data",
];

/// All layouts; of those that fit an object and have the same shape, the first is taken.
static LAYOUTS: [KeySet; 20] = [
    KeySet {
        shape: Shape::Chat,
        keys: &["messages"],
        words: "\"messages\" that end with the assistant's reply",
        read: |object| chat(object, "messages"),
    },
    KeySet {
        shape: Shape::Chat,
        keys: &["conversations"],
        words: "\"conversations\" that end with the assistant's reply",
        read: |object| chat(object, "conversations"),
    },
    KeySet {
        shape: Shape::Completion,
        keys: &["prompt", "completion"],
        words: "\"prompt\" and \"completion\"",
        read: |object| pair(object, "prompt", "completion"),
    },
    KeySet {
        shape: Shape::Completion,
        keys: &["prompt", "response"],
        words: "\"prompt\" and \"response\"",
        read: |object| pair(object, "prompt", "response"),
    },
    KeySet {
        shape: Shape::Completion,
        keys: &["instruction", "output"],
        words: "\"instruction\" and \"output\"",
        read: |object| asked_and_answered(object, "instruction", Some("input"), "output"),
    },
    KeySet {
        shape: Shape::Completion,
        keys: &["instruction", "response"],
        words: "\"instruction\" and \"response\"",
        read: |object| asked_and_answered(object, "instruction", Some("context"), "response"),
    },
    KeySet {
        shape: Shape::Completion,
        keys: &["input", "output"],
        words: "\"input\" and \"output\"",
        read: |object| asked_and_answered(object, "input", None, "output"),
    },
    KeySet {
        shape: Shape::Answer,
        keys: &["prompt", "answer"],
        words: "\"prompt\" and \"answer\"",
        read: |object| pair(object, "prompt", "answer"),
    },
    KeySet {
        shape: Shape::Question,
        keys: &["question", "answer"],
        words: "\"question\" and \"answer\"",
        read: |object| asked_and_answered(object, "question", Some("context"), "answer"),
    },
    KeySet {
        shape: Shape::Preference,
        keys: &["prompt", "chosen", "rejected"],
        words: "\"prompt\", \"chosen\" and \"rejected\"",
        read: preference,
    },
    KeySet {
        shape: Shape::Preference,
        keys: &["instruction", "chosen", "rejected"],
        words: "\"instruction\", \"chosen\" and \"rejected\"",
        read: preference,
    },
    KeySet {
        shape: Shape::Preference,
        keys: &["question", "chosen", "rejected"],
        words: "\"question\", \"chosen\" and \"rejected\"",
        read: preference,
    },
    KeySet {
        shape: Shape::Preference,
        keys: &["chosen", "rejected"],
        words: "\"chosen\" and \"rejected\" without \"prompt\"",
        read: whole_conversations,
    },
    KeySet { shape: Shape::Text, keys: &["text"], words: "\"text\"", read: text },
    KeySet {
        shape: Shape::Prompt,
        keys: &["messages"],
        words: "\"messages\" that end before a reply",
        read: |object| open_chat(object, "messages"),
    },
    KeySet {
        shape: Shape::Prompt,
        keys: &["conversations"],
        words: "\"conversations\" that end before a reply",
        read: |object| open_chat(object, "conversations"),
    },
    KeySet {
        shape: Shape::Prompt,
        keys: &["prompt"],
        words: "\"prompt\" without a reply",
        read: prompt_alone,
    },
    KeySet {
        shape: Shape::Prompt,
        keys: &["instruction"],
        words: "\"instruction\" without a reply",
        read: |object| only_asked(object, "instruction", Some("input")),
    },
    KeySet {
        shape: Shape::Prompt,
        keys: &["question"],
        words: "\"question\" without a reply",
        read: |object| only_asked(object, "question", Some("context")),
    },
    KeySet {
        shape: Shape::Prompt,
        keys: &["input"],
        words: "\"input\" without a reply",
        read: |object| only_asked(object, "input", None),
    },
];

impl KeySet {
    fn fits(&self, object: &Map<String, Value>) -> bool {
        if !self.keys.iter().all(|key| object.contains_key(*key)) {
            return false;
        }
        match self.keys {
            [key @ ("messages" | "conversations")] => {
                messages::ends_with_reply(object.get(*key)) == (self.shape == Shape::Chat)
            }
            _ => true,
        }
    }

    /// Returns the first layout of these shapes, in their order, that an object fits.
    pub(super) fn of(object: &Map<String, Value>, shapes: &[Shape]) -> Option<&'static Self> {
        let mut rows = shapes.iter().flat_map(|shape| LAYOUTS.iter().filter(|row| row.shape == *shape));
        rows.find(|layout| layout.fits(object))
    }

    /// Returns whether it uses a key.
    pub(super) fn uses(&self, key: &str) -> bool {
        self.keys.contains(&key) || BESIDE.contains(&key)
    }
}

/// Checks whether these are the names of an example's keys, for a table's header row.
pub(super) fn is_example<'a>(names: impl Iterator<Item = &'a str>) -> bool {
    let names: Vec<&str> = names.collect();
    LAYOUTS.iter().any(|layout| layout.keys.iter().all(|key| names.contains(key)))
}

/// Returns the key that is meant by a name that differs from it in case, or in one letter.
pub(super) fn near(name: &str) -> Option<&'static str> {
    let lower = name.trim().to_lowercase();
    KNOWN.into_iter().find(|known| *known == lower || (known.len() > 4 && differs_by_one(known, &lower)))
}

/// Checks whether two words differ by one letter that is missing, superfluous or changed.
fn differs_by_one(a: &str, b: &str) -> bool {
    let (short, long) =
        if a.len() <= b.len() { (a.as_bytes(), b.as_bytes()) } else { (b.as_bytes(), a.as_bytes()) };
    if long.len() - short.len() > 1 {
        return false;
    }
    let same = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let rest = if short.len() == long.len() { short.get(same + 1..) } else { short.get(same..) };
    rest.is_some_and(|rest| long[same + 1..] == *rest)
}
