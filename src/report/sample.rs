//! A problem that a model was asked before and after it was tuned.

use crate::evaluation::ProblemOutcome;

/// A reply, and what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The reply.
    pub text: String,
    /// Its outcomes.
    pub outcome: ProblemOutcome,
}

/// A problem, and what was replied to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The prompt, as the model got it.
    pub prompt: String,
    /// The wanted reply, where one is known.
    pub wanted: Option<String>,
    /// The base model's reply.
    pub before: Reply,
    /// The tuned model's.
    pub after: Reply,
}
