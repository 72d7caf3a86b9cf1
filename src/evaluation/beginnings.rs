//! Beginnings of the base model's own replies to everyday prompts.
//!
//! Where a model uses one matrix for output and embeddings, the row of the token that ends replies is in every prompt of a conversation.
//! Any change of it changes all replies a little; where the model wavers between two first words, it may turn a good reply into one that
//! makes no sense. So the log-likelihood of the first tokens of the base model's replies is part of the fitness.

use super::own_replies::fitting;
use super::{EvaluationError, FreePrompt};
use crate::engine::{Decoding, Engine, Reply, Request, Score};
use crate::fitness;

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
        let begun = prompts.into_iter().zip(replies).filter_map(|(prompt, reply)| begun(prompt, &reply));
        let requests = fitting(engine, begun.collect(), 0)?;
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

/// Returns the request that scores the beginning of a reply, without the part of a character that the limit on tokens may leave at its
/// end; `None` if that leaves nothing, or its tokens cannot be told from its text.
fn begun(prompt: Request, Reply { text, ended }: &Reply) -> Option<Request> {
    let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
    let can_be_told = !whole.is_empty() && !whole.contains(char::REPLACEMENT_CHARACTER);
    let goes_on = !ended || whole.len() < text.len();
    can_be_told.then(|| Request { completion: whole.to_owned(), goes_on, ..prompt })
}

fn mean(scores: &[Score]) -> f64 {
    fitness::mean(&scores.iter().map(|score| score.log_likelihood).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_ends_with_a_whole_character() {
        let begun = |text: &str, ended| {
            let request = begun(Request::new("p", ""), &Reply { text: text.to_owned(), ended });
            request.map(|request| (request.completion, request.goes_on))
        };
        assert_eq!(begun("Yes.", true), Some(("Yes.".to_owned(), false)));
        assert_eq!(begun("Yes and", false), Some(("Yes and".to_owned(), true)));
        assert_eq!(begun("So \u{fffd}\u{fffd}", false), Some(("So ".to_owned(), true)));
        assert_eq!(
            (begun("\u{fffd}", false), begun("a\u{fffd}b", false), begun("", true)),
            (None, None, None)
        );
    }
}
