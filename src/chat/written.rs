//! A conversation and the reply to it, rendered by a template.

use std::ops::Range;

use super::{Template, TemplateError};
use crate::dataset::Message;

/// Placeholder for a reply, used to find the text around one. Templates strip white space and reasoning, and it has
/// neither.
const MARK: &str = "QESREPLYMARK";

/// Ways in which a prompt may begin the reasoning of a reply.
const REASONING: [&str; 2] = ["<think>\n", "<think>"];

/// Mark after the first character of a control token's name that is meant literally. It is not a character of Unicode,
/// so no text has it.
const MEANT_LITERALLY: char = '\u{fdd0}';

/// A prompt and its continuation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The text up to the start of the reply.
    pub prompt: String,
    /// The reply and the text that ends it.
    pub completion: String,
    /// Text that the template writes between the prompt and a reply.
    pub lead: String,
    /// Text that the template writes after a reply; empty if it cannot be determined.
    pub end: String,
}

impl Template {
    /// Renders a conversation and the reply to it. The completion includes the text after the assistant's turn, which
    /// is found by comparing the template's output for the conversation with and without that turn.
    ///
    /// If the template's prompt differs from how it begins an assistant's turn (some prompts open the reasoning of a
    /// reply, and turns leave it out), the reply follows the prompt as it is given.
    ///
    /// # Errors
    /// When the template refuses the conversation, fails, or does not end.
    pub fn write(&self, conversation: &[Message], reply: &str) -> Result<Written, TemplateError> {
        let prompt = self.render(conversation, true)?;
        let with = |reply: &str| {
            let message = Message { role: "assistant".to_owned(), content: reply.to_owned() };
            self.render(&[conversation, &[message]].concat(), false)
        };
        // A template that does not write a reply at all says nothing about its end.
        let marked = with(MARK).unwrap_or_default();
        let (before, end) = match marked.split_once(MARK) {
            Some((before, after)) if !after.contains(MARK) => (before, after.to_owned()),
            _ => ("", String::new()),
        };
        let lead = before.strip_prefix(&*prompt).unwrap_or_default().to_owned();
        let whole = with(reply).unwrap_or_default();
        let completion = match whole.strip_prefix(&*prompt) {
            Some(completion) if !end.is_empty() || !before.is_empty() => completion.to_owned(),
            _ => {
                let opened = REASONING.iter().find(|tag| prompt.ends_with(**tag) && reply.starts_with(**tag));
                let reply = opened.and_then(|tag| reply.strip_prefix(*tag)).unwrap_or(reply);
                format!("{reply}{end}")
            }
        };
        Ok(Written { prompt, completion, lead, end })
    }
}

/// Returns the text without its `MEANT_LITERALLY` marks, and the place in it of each name that had one.
pub fn literally(text: &str) -> (String, Vec<usize>) {
    let (mut bare, mut places) = (String::with_capacity(text.len()), Vec::new());
    for letter in text.chars() {
        match (letter, bare.chars().next_back()) {
            (MEANT_LITERALLY, Some(first)) => places.push(bare.len() - first.len_utf8()),
            (MEANT_LITERALLY, None) => (),
            _ => bare.push(letter),
        }
    }
    (bare, places)
}

/// Returns a text with marks in the names of control tokens, whose places are `names`, in ascending order.
pub fn marked(text: &str, names: impl Iterator<Item = Range<usize>>) -> String {
    let (mut marked, mut from) = (String::with_capacity(text.len() + 16), 0);
    for name in names {
        let first = text[name.start..].chars().next().map_or(0, char::len_utf8);
        marked.push_str(&text[from..name.start + first]);
        marked.push(MEANT_LITERALLY);
        from = name.start + first;
    }
    marked.push_str(&text[from..]);
    marked
}
