//! A problem with a model's replies before and after tuning.

use crate::evaluation::ProblemOutcome;

/// A reply, and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleReply {
    /// The reply.
    pub text: String,
    /// Its outcomes.
    pub outcome: ProblemOutcome,
}

/// A problem, and the replies to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The prompt, as the model saw it.
    pub prompt: String,
    /// The wanted reply, if there is one.
    pub wanted: Option<String>,
    /// The base model's reply.
    pub before: SampleReply,
    /// The tuned model's.
    pub after: SampleReply,
}
