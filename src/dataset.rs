//! The user's own data: from the bytes of a file to examples.
//!
//! A file is JSON (one object a line, objects over several lines, one array of objects, or an object whose `data` is
//! such an array), a table (its header row names the keys, and commas, semicolons or tabs separate its columns), or
//! plain text; the extension decides which of the three. An object's keys decide its [`Shape`]. The first object
//! decides for the whole file: a line that does not fit it is an error that names the line. Only blank lines are
//! skipped. A UTF-8 byte order mark is removed. Line ends, between lines and in texts, may be those of Windows or of
//! old Macs, and are converted to those of Unix.

use serde_json::{Map, Value};

mod clean;
mod contents;
mod error;
mod fields;
mod keys;
mod layouts;
mod lines;
mod messages;
mod overlap;
mod pieces;
mod split;
mod table;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use error::excerpt;
pub use error::{DatasetError, Fault};
use messages::bare;
pub use overlap::{Overlap, overlap};
pub use pieces::pieces;
pub use split::{FEWEST_HELD_OUT, HELD_OUT_SHARE, Split, SplitError, split};

/// The endings of files that can be read, the usual one first.
pub const EXTENSIONS: [&str; 7] = ["jsonl", "ndjson", "json", "csv", "tsv", "txt", "md"];

/// Shape of a file's objects.
///
/// | shape | keys |
/// |---|---|
/// | [`Chat`](Self::Chat) | `messages` or `conversations`, each message with `role` and `content` or with `from` and `value`, the last of the assistant |
/// | [`Completion`](Self::Completion) | `prompt` and `completion` or `response`; `instruction`, perhaps `input`, and `output`; `instruction`, perhaps `context`, and `response`; `input` and `output` |
/// | [`Answer`](Self::Answer) | `prompt` and `answer` |
/// | [`Question`](Self::Question) | `question` and `answer` |
/// | [`Preference`](Self::Preference) | `chosen` and `rejected`, with a `prompt`, `instruction` or `question` where they are not whole conversations |
/// | [`Text`](Self::Text) | `text` |
/// | [`Prompt`](Self::Prompt) | `prompt`, `instruction`, `question` or `input` alone, or `messages` or `conversations`, the last not of the assistant |
///
/// A prompt is a string or a list of messages, a reply a string or a list whose last message is the assistant's; an
/// `answer` may be a number. An object may also have `system`, a system message, `history`, pairs of earlier questions
/// and replies, and `weight`, the weight of the example (1 by default, 0 leaves it out). Other keys are kept in
/// [`Example::object`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A conversation and the assistant's last reply in it.
    Chat,
    /// A prompt and how it continues.
    Completion,
    /// A prompt, and the answer that the reply must contain.
    Answer,
    /// A question, and the answer that the reply must contain, perhaps after a worked solution (GSM8K).
    Question,
    /// A prompt with a better and a worse reply.
    Preference,
    /// Text without a prompt.
    Text,
    /// A prompt without any reply.
    Prompt,
}

impl Shape {
    /// All shapes, those with more contents first: a good order of preference for a task that can use every shape.
    pub const ALL: [Self; 7] = [
        Self::Preference,
        Self::Chat,
        Self::Completion,
        Self::Question,
        Self::Answer,
        Self::Text,
        Self::Prompt,
    ];
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// One of [`ROLES`].
    pub role: String,
    /// The text.
    pub content: String,
}

impl Message {
    /// Returns a message of the user.
    pub fn user(content: impl Into<String>) -> Self {
        Self { role: "user".to_owned(), content: content.into() }
    }
}

/// The roles that a message can have.
pub const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];

/// A prompt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DataPrompt {
    /// One text, which a model without a chat template continues as it stands.
    Text(String),
    /// A conversation, at least one message, the last not of the assistant.
    Messages(Vec<Message>),
}

/// Contents of one example. Neither prompt nor reply is blank.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// A prompt and the wanted reply ([`Shape::Chat`], [`Shape::Completion`], [`Shape::Answer`], [`Shape::Question`]).
    Reply {
        /// The prompt.
        prompt: DataPrompt,
        /// The wanted reply.
        reply: String,
    },
    /// A prompt with a better and a worse reply.
    Preference {
        /// The prompt.
        prompt: DataPrompt,
        /// The better reply.
        chosen: String,
        /// The worse reply.
        rejected: String,
    },
    /// Text without a prompt.
    Text {
        /// The text.
        text: String,
        /// `true` if the document ends with it, `false` for an inner piece of a plain text.
        ends: bool,
    },
    /// A prompt without any reply.
    Prompt(DataPrompt),
}

/// A reply inside of a conversation, before the last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Earlier {
    /// Its index among the messages of the prompt.
    pub at: usize,
    /// Weight of the reply.
    pub weight: f64,
}

/// One example of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its contents.
    pub content: Content,
    /// Replies inside of its prompt.
    pub earlier: Vec<Earlier>,
    /// Weight of the example, from 0; usually 1.
    pub weight: f64,
    /// Its first line, from 1; `None` for a piece of a plain text.
    pub line: Option<u64>,
    /// The whole object, for programs of the user that need more of it; empty for a piece of a plain text.
    pub object: Map<String, Value>,
}

impl Example {
    /// Returns an example for each reply of a conversation, the last reply last, with the messages before it as the
    /// prompt. Any other example is returned as it is.
    pub fn by_reply(self) -> Vec<Self> {
        let Content::Reply { prompt: DataPrompt::Messages(messages), .. } = &self.content else {
            return vec![self];
        };
        let of_earlier = |one: &Earlier| Self {
            content: Content::Reply {
                prompt: DataPrompt::Messages(messages[..one.at].to_vec()),
                reply: messages[one.at].content.clone(),
            },
            earlier: Vec::new(),
            weight: one.weight,
            line: self.line,
            object: self.object.clone(),
        };
        let mut replies: Vec<Self> = self.earlier.iter().map(of_earlier).collect();
        replies.push(Self { earlier: Vec::new(), ..self });
        replies
    }
}

/// Remarks on a file besides its examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Examples whose line ends were converted to those of Unix.
    pub line_ends: u64,
    /// Keys that are not used, in order.
    pub unused: Vec<String>,
}

/// The examples of a file, all of one shape; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Their shape.
    pub shape: Shape,
    /// The examples, in the order of the file.
    pub examples: Vec<Example>,
    /// Remarks on the file.
    pub notes: Notes,
}

/// Reads a file.
///
/// `file` is its name, for its extension and for messages. If its first object could be read as several shapes (one
/// with `prompt`, `chosen` and `rejected` is a prompt as well), the first one in `wanted` is taken. A plain text is
/// cut into `pieces` of up to `piece_bytes`, a short one into smaller ones; the texts of other files stay whole.
///
/// # Errors
/// For the first line that does not fit the others, or a file that cannot be read at all.
pub fn parse(
    file: &str,
    bytes: &[u8],
    wanted: &[Shape],
    piece_bytes: usize,
) -> Result<Dataset, DatasetError> {
    let fails = |line, problem| DatasetError { file: file.to_owned(), line, problem };
    let text = decoded(bytes).map_err(|(line, problem)| fails(line, problem))?;
    let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    let parsed = match ending.as_str() {
        "jsonl" | "ndjson" | "json" => lines::parse(text, wanted),
        "csv" | "tsv" => table::parse(text, wanted),
        "txt" | "md" => plain(text, wanted, piece_bytes),
        _ => Err((None, Fault::UnknownEnding)),
    };
    parsed.map_err(|(line, problem)| fails(line, problem))
}

/// A fault with its line, before the file's name is added.
type Located = (Option<u64>, Fault);

/// Counter of lines for ascending places in a text.
struct LineCounter<'a> {
    bytes: &'a [u8],
    passed: usize,
    line: u64,
}

impl<'a> LineCounter<'a> {
    fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), passed: 0, line: 1 }
    }

    /// Returns the line of the byte at `offset`, which must not be before the last one that was asked for.
    fn at(&mut self, offset: usize) -> u64 {
        let between = self.bytes.get(self.passed..offset).unwrap_or_default();
        self.line += newlines(between);
        self.passed = offset;
        self.line
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Returns the text of a file, without a byte order mark.
fn decoded(bytes: &[u8]) -> Result<&str, Located> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err((None, Fault::Utf16));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|error| (Some(1 + newlines(&bytes[..error.valid_up_to()])), Fault::NotUtf8))?;
    match text.find('\0') {
        Some(at) => Err((Some(1 + newlines(&bytes[..at])), Fault::ZeroByte)),
        None if text.trim().is_empty() => Err((None, Fault::Empty)),
        None => Ok(text),
    }
}

/// Fewest pieces that a plain text is cut into, as long as they have [`LEAST_PIECE`] bytes.
const FEWEST_PIECES: usize = 5;
/// Bytes of the pieces of a very short text.
const LEAST_PIECE: usize = 24;

/// Returns the pieces of a plain text.
fn plain(text: &str, wanted: &[Shape], piece_bytes: usize) -> Result<Dataset, Located> {
    if !wanted.contains(&Shape::Text) {
        return Err((None, Fault::PlainText { wanted: error::shapes(wanted) }));
    }
    let text = clean::unix_lines(text);
    let of_short = text.trim().len().div_ceil(FEWEST_PIECES).max(LEAST_PIECE);
    let example = |(piece, ends): (&str, bool)| Example {
        content: Content::Text { text: piece.to_owned(), ends },
        earlier: Vec::new(),
        weight: 1.0,
        line: None,
        object: Map::new(),
    };
    let examples = pieces(&text, piece_bytes.min(of_short)).map(example).collect();
    Ok(Dataset { shape: Shape::Text, examples, notes: Notes::default() })
}
