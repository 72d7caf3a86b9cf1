//! Errors of reward programs.

use std::fmt;
use std::io;

use thiserror::Error;

use crate::dataset::excerpt;

/// Most characters of the command, of a question and of an answer in a message.
const SHOWN: usize = 200;

/// Error of a reward program.
#[derive(Debug, Error)]
#[error("the program `{command}`{}: {wrong}", QuestionName(asked.as_deref()))]
pub struct CommandError {
    /// The command, shortened.
    pub command: String,
    /// The question, shortened, if the error is about one.
    pub asked: Option<String>,
    /// The cause.
    #[source]
    pub wrong: Wrong,
}

impl CommandError {
    pub(super) fn new(command: &str, asked: Option<&String>, wrong: Wrong) -> Self {
        let asked = asked.filter(|_| wrong.is_about_a_question());
        Self {
            command: excerpt(command, SHOWN),
            asked: asked.map(|line| excerpt(line.trim_end(), SHOWN)),
            wrong,
        }
    }
}

/// The question in a message, if there is one.
struct QuestionName<'a>(Option<&'a str>);

impl fmt::Display for QuestionName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |asked| write!(f, ", given {asked}"))
    }
}

/// Cause of a reward program's failure.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum Wrong {
    #[error("cannot start the shell: {0}")]
    Start(io::Error),
    #[error("cannot write an example as JSON: {0}")]
    Question(serde_json::Error),
    #[error("the shell cannot run it ({how}); check that the program is there and may be run")]
    NotFound { how: String },
    #[error(
        "it {how} without an answer, after {restarts} restarts too; it must write one line for each line that it reads"
    )]
    Ended { how: String, restarts: u32 },
    #[error(
        "no answer within {seconds} s; it must answer each line before it waits for the next, flush what it writes, and may need a longer --reward-timeout; --reward-on-timeout 0 gives such a reply the reward 0 and goes on"
    )]
    Silent { seconds: f64 },
    #[error(
        "said {}, which is {what}; expected one number, or an object with a number as \"reward\"",
        quoted(said)
    )]
    NoReward { said: Vec<u8>, what: String },
    #[error("said {} without being asked; it must write one line for each line that it reads", quoted(said))]
    Unasked { said: Vec<u8> },
    #[error(
        "said {} and so on, without a line end; it must write one line for each line that it reads",
        quoted(said)
    )]
    Endless { said: Vec<u8> },
    #[error("it reports an error: {0}")]
    Reported(String),
}

impl Wrong {
    fn is_about_a_question(&self) -> bool {
        !matches!(self, Self::Start(_) | Self::Question(_) | Self::NotFound { .. } | Self::Unasked { .. })
    }
}

/// Quotes a program's output for a message.
fn quoted(said: &[u8]) -> String {
    format!("\"{}\"", excerpt(&String::from_utf8_lossy(said), SHOWN))
}
