//! What a model is tuned on: prompts, the replies that are wanted, and what a reply is worth.
//!
//! Every task splits its problems in two for good: those that tuning draws from and those that only evaluation sees.

pub mod arith;
pub mod countdown;
pub mod expression;
pub mod gsm8k;
pub mod number;
mod split;

use crate::engine::Request;

/// One problem, in both forms that a model may be asked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The text that a model without a chat template continues with the answer.
    pub plain: String,
    /// The question for a model with a chat template.
    pub question: String,
    /// The wanted reply.
    pub answer: String,
}

impl Problem {
    /// The problem as the engine is asked, with the chat prompt of its question where the model has a chat template.
    pub fn request(&self, chat_prompt: Option<String>) -> Request {
        Request { prompt: chat_prompt.unwrap_or_else(|| self.plain.clone()), completion: self.answer.clone() }
    }
}

/// A source of problems and a judge of replies.
pub trait Task {
    /// The name on the command line and in logs.
    fn name(&self) -> &'static str;

    /// Problems to tune on, drawn from (seed, generation): the same for every member of a generation, and never one of
    /// the held-out problems.
    fn training(&self, seed: u64, generation: u64, count: usize) -> Vec<Problem>;

    /// The first `count` held-out problems, in an order of the task's own that never changes; fewer when it has fewer.
    fn held_out(&self, count: usize) -> Vec<Problem>;

    /// Whether a chat model's reply solves the problem.
    fn is_right(&self, problem: &Problem, reply: &str) -> bool;

    /// New tokens to let a chat model reply with.
    fn reply_tokens(&self) -> usize;
}

/// The task with this name.
pub fn by_name(name: &str) -> Option<Box<dyn Task>> {
    match name {
        arith::NAME => Some(Box::new(arith::Arith::default())),
        _ => None,
    }
}

/// Names of all tasks.
pub const NAMES: [&str; 1] = [arith::NAME];
