//! Judges of replies: they give each reply a reward, and higher is better.
//!
//! [`Numeric`] and [`Pattern`] compare a reply with the wanted one and give 1 or 0; [`Json`] checks its form, and can
//! compare it too. A judge of the user's own is a program, behind the same trait.

use std::error::Error;
use std::fmt;

use serde_json::{Map, Value};
use thiserror::Error;

mod answer;
mod json;
mod pattern;
#[cfg(feature = "json-schema")]
mod schema;
#[cfg(not(feature = "json-schema"))]
#[path = "judge/schema/absent.rs"]
mod schema;
#[cfg(test)]
mod tests;

pub use answer::Numeric;
pub use json::Json;
pub use pattern::Pattern;

/// A reply to be judged, with the example that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The prompt.
    pub prompt: &'a str,
    /// The model's reply.
    pub reply: &'a str,
    /// The wanted reply, if the example has one.
    pub wanted: Option<&'a str>,
    /// The example's line in its file, from 1, for messages.
    pub line: Option<u64>,
    /// The example as it is in the file.
    pub example: Option<&'a Map<String, Value>>,
}

/// A judge of replies, which may run on another thread than the one that created it.
pub trait Judge: Send {
    /// Checks that replies to an example can be judged at all. It is called for every example before any work is done.
    ///
    /// # Errors
    /// When the example lacks something that this judge needs, or it is invalid.
    fn check(&self, wanted: Option<&str>, line: Option<u64>) -> Result<(), JudgeError> {
        let _ = (wanted, line);
        Ok(())
    }

    /// Returns the reward of each reply, finite, in the order of the replies. It depends on `asked` alone.
    ///
    /// # Errors
    /// When a reply cannot be judged; a bad reply is no error.
    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError>;

    /// Forgets the replies judged so far, if [`Judge::hint`] depends on them.
    fn forget(&mut self) {}

    /// Returns a hint for the user about the replies judged so far, such as a rule that nothing can meet.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Reasons for which replies cannot be judged.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum JudgeError {
    #[error("{}there is no wanted reply to compare with; give examples with a completion or an answer", LineStart(*line))]
    NothingWanted { line: Option<u64> },
    #[error("{}there is no number in the wanted reply \"{wanted}\"", LineStart(*line))]
    NoNumber { line: Option<u64>, wanted: String },
    #[error("{}the regular expression \"{pattern}\" cannot be used: {source}{hint}", LineStart(*line))]
    Pattern { line: Option<u64>, pattern: String, source: Box<regex::Error>, hint: &'static str },
    #[error("{}the wanted reply is no JSON: {source}", LineStart(*line))]
    WantedNoJson { line: Option<u64>, source: serde_json::Error },
    #[error("the JSON schema cannot be used{at}: {problem}")]
    Schema { at: String, problem: String },
    #[error(
        "this build of qes-gguf knows no JSON Schemas; judge replies without a schema, by whether they are JSON, or build it with \
         the feature json-schema, which is on by default"
    )]
    NoSchemas,
    #[error(transparent)]
    Program(Box<dyn Error + Send + Sync>),
}

/// A line number at the start of a message, if there is one.
struct LineStart(Option<u64>);

impl fmt::Display for LineStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, "line {line}: "))
    }
}

/// Returns the wanted reply, or an error if there is none.
fn needed(wanted: Option<&str>, line: Option<u64>) -> Result<&str, JudgeError> {
    wanted.ok_or(JudgeError::NothingWanted { line })
}
