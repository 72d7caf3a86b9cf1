//! Tasks: problems, the replies that are wanted, and the rewards of replies.
//!
//! Every task splits its problems in two for good: those that tuning draws from and those that only evaluation sees. A
//! [`Definition`] says which task it is and which rewards count; it is what a task file, the command line and a log's
//! header have in common.

pub mod arith;
pub mod countdown;
mod data_options;
mod definition;
mod examples;
pub mod expression;
mod form;
pub mod gsm8k;
pub mod number;
mod reward;
mod split;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use data_options::{DataError, DataOptions, Replies};
pub use definition::{Definition, DefinitionError, Problems};
pub use examples::{Examples, IsRight, is_wanted};
pub use form::{FormError, PromptForm};
pub use reward::{Reward, RewardError, RewardKind, SOFT_FLOOR};

pub use crate::dataset::Message;

/// A prompt, in both forms that a model may be asked in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// The text that a model without a chat template continues.
    pub plain: String,
    /// The conversation so far, for a model with a chat template; empty for a text that every model continues as it is.
    pub chat: Vec<Message>,
}

/// One problem.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problem {
    /// The prompt.
    pub prompt: Prompt,
    /// The wanted reply, where one is known.
    pub wanted: Option<String>,
    /// A reply that is less wanted.
    pub rejected: Option<String>,
    /// `true` if the text goes on after the wanted reply, so that the model should not end there.
    pub goes_on: bool,
    /// Factor on its reward, where that is not 1.
    pub weight: Option<f64>,
    /// Where the problem stands in the user's data; a generated one stands nowhere.
    pub place: Place,
    /// Other facts: the line of the user's data, or the facts that the task judges by.
    pub facts: Arc<Map<String, Value>>,
}

impl Problem {
    /// Creates a problem that every model gets as this text, to be continued by the wanted reply. A `chat` prompt, the `place` and
    /// the rest are as for nothing known.
    pub fn new(prompt: impl Into<String>, wanted: impl Into<String>) -> Self {
        let prompt = Prompt { plain: prompt.into(), chat: Vec::new() };
        Self { prompt, wanted: Some(wanted.into()), ..Self::default() }
    }
}

/// A place in the user's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's name; empty for no place.
    pub file: Arc<str>,
    /// The line that the example begins on, from 1; `None` for a piece of a plain text.
    pub line: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}", self.file),
            None if self.file.is_empty() => f.write_str("a generated problem"),
            None => f.write_str(&self.file),
        }
    }
}

/// The task's own judgement of a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// `true` if the reply solves the problem.
    pub right: bool,
    /// The reward: 1 for a right reply, and what else the task counts.
    pub reward: f64,
}

impl Verdict {
    /// 1 for a right reply, 0 for any other.
    pub fn of(right: bool) -> Self {
        Self { right, reward: f64::from(right) }
    }
}

/// A source of problems and a judge of replies, perhaps on another thread than the one that it was made on.
pub trait Task: Send {
    /// Problems to tune on, drawn from (seed, generation): the same for every member of a generation, and never one of
    /// the held-out problems.
    fn training(&self, seed: u64, generation: u64, count: usize) -> Vec<Problem>;

    /// Returns the first `count` held-out problems, in an order of the task's own that never changes; fewer when it has fewer.
    fn held_out(&self, count: usize) -> Vec<Problem>;

    /// Returns all problems, where they are given and few, to be checked before any is put.
    fn given(&self) -> Vec<&Problem> {
        Vec::new()
    }

    /// Leaves out those of the given problems for which `is_out` says so. A task whose problems are made has none.
    fn leave_out(&mut self, is_out: &mut dyn FnMut(&Problem) -> bool) {
        let _ = is_out;
    }

    /// Judges a reply.
    fn judge(&self, problem: &Problem, reply: &str) -> Verdict;

    /// Returns whether every problem has a right reply, so that an accuracy is meaningful.
    fn has_right_replies(&self) -> bool {
        true
    }

    /// Returns whether a model without a chat template must reply with exactly the wanted text and then end. One forward
    /// pass over the wanted text can check that.
    fn is_exact_in_plain(&self) -> bool {
        false
    }

    /// New tokens to let a model reply with where the user asks for no number.
    fn reply_tokens(&self) -> usize;
}
