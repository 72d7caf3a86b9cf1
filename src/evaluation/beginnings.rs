//! Beginnings of the base model's own replies to everyday prompts.
//!
//! The row of a token that ends replies is also the token's embedding, and so in every prompt of a conversation. Any change of it
//! changes all replies a little; where the model wavers between two first words, it may turn a good reply into one that makes no sense.
//! So the log-likelihood of the first tokens of the base model's replies is part of the fitness.

use super::own_replies::fitting;
use super::{EvaluationError, FreePrompt};
use crate::engine::{Decoding, Engine, Reply, Request, Score};

/// Tokens of a reply that are scored.
const TOKENS: usize = 8;

/// The base model's beginnings, ready to be scored.
pub(super) struct Beginnings {
    requests: Vec<Request>,
    /// Their mean log-likelihood by the base model.
    base: f64,
}

impl Beginnings {
    /// Has the base model, which `engine` must hold, reply to these prompts. Leaves out those that do not fit into the context.
    ///
    /// # Errors
    /// When inference fails.
    pub(super) fn of<E: Engine>(engine: &mut E, prompts: Vec<FreePrompt>) -> Result<Self, EvaluationError> {
        let prompts = prompts.into_iter().map(|prompt| prompt.request).collect();
        let prompts = fitting(engine, prompts, TOKENS)?;
        if prompts.is_empty() {
            return Ok(Self { requests: Vec::new(), base: 0.0 });
        }
        let replies = engine.reply(&engine.prepare(&prompts)?, &Decoding::greedy(TOKENS))?;
        let begun = prompts.into_iter().zip(replies).filter(|(_, reply)| !reply.text.is_empty());
        let request = |(prompt, Reply { text, ended }): (Request, Reply)| Request {
            completion: text,
            goes_on: !ended,
            ..prompt
        };
        let requests = fitting(engine, begun.map(request).collect(), 0)?;
        let base = if requests.is_empty() { 0.0 } else { mean(&engine.score(&engine.prepare(&requests)?)?) };
        Ok(Self { requests, base })
    }

    /// Returns the requests that score them.
    pub(super) fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Returns the change of their mean log-likelihood from the base model's, from the scores of a member; 0 if there are none.
    pub(super) fn kept(&self, scores: &[Score]) -> f64 {
        if scores.is_empty() { 0.0 } else { mean(scores) - self.base }
    }
}

fn mean(scores: &[Score]) -> f64 {
    scores.iter().map(|score| score.log_likelihood).sum::<f64>() / scores.len() as f64
}
