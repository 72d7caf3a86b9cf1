//! Tasks: problems, wanted replies, and the rewards of replies.
//!
//! Every task splits its problems permanently in two: training problems, and held-out ones for evaluation alone. A
//! [`Definition`] names the task and its rewards; it is common to task files, the command line and a log's header.

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

/// A prompt, in the forms for models with and without a chat template.
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
    /// The wanted reply, if there is one.
    pub wanted: Option<String>,
    /// A reply that is less wanted.
    pub rejected: Option<String>,
    /// `true` if the text goes on after the wanted reply, so that the model should not end there.
    pub goes_on: bool,
    /// Factor on its reward, if that is not 1.
    pub weight: Option<f64>,
    /// Its place in the user's data; empty for a generated one.
    pub place: Place,
    /// Other facts: the example of the user's data, or facts by which the task judges.
    pub facts: Arc<Map<String, Value>>,
}

impl Problem {
    /// Creates a problem that every model gets as this text, to be continued by the wanted reply. All other fields are
    /// empty.
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
    /// The first line of the example, from 1; `None` for a piece of a plain text.
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

/// The task's verdict on a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// `true` if the reply solves the problem.
    pub right: bool,
    /// The reward: 1 for a right reply, and any other part that the task rewards.
    pub reward: f64,
}

impl Verdict {
    /// Returns a verdict with the reward 1 for a right reply, 0 for any other.
    pub fn of(right: bool) -> Self {
        Self { right, reward: f64::from(right) }
    }
}

/// A source of problems and a judge of replies, which may run on another thread than the one that created it.
pub trait Task: Send {
    /// Returns training problems, drawn from (seed, generation): the same for every member of a generation, and never
    /// one of the held-out problems.
    fn training(&self, seed: u64, generation: u64, count: usize) -> Vec<Problem>;

    /// Returns the first `count` held-out problems, in an order of the task's own that never changes; fewer if it has
    /// fewer.
    fn held_out(&self, count: usize) -> Vec<Problem>;

    /// Returns all problems if they are given, not generated, so that they can be checked before a run.
    fn given(&self) -> Vec<&Problem> {
        Vec::new()
    }

    /// Leaves out the given problems that `is_out` accepts. A task with generated problems has none.
    fn leave_out(&mut self, is_out: &mut dyn FnMut(&Problem) -> bool) {
        let _ = is_out;
    }

    /// Judges a reply.
    fn judge(&self, problem: &Problem, reply: &str) -> Verdict;

    /// Returns whether every problem has a right reply, so that an accuracy is meaningful.
    fn has_right_replies(&self) -> bool {
        true
    }

    /// Returns whether a model without a chat template must reply with exactly the wanted text and then end. One
    /// forward pass over the wanted text can check that.
    fn is_exact_in_plain(&self) -> bool {
        false
    }

    /// Returns the default limit on the new tokens of a reply.
    fn reply_tokens(&self) -> usize;
}
