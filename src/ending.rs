//! Whether a model's replies are right but go on: what they lack is an end, and that is one token's row.
//!
//! A model that was tuned to chat explains what it has just said. Where a program reads the reply, an object in JSON or a number,
//! that makes a right reply wrong. No likelihood is needed to see it: the base model's replies are judged as they are, and once
//! more ended after each of their words. Where that makes enough of them right, the row of the token that ends replies is the
//! place to learn it: some hundred integers, which hardly anything else depends on (docs/ALGORITHM.md).

use crate::engine::Engine;
use crate::evaluation::{EvaluationError, Evaluator, Worth};

/// Problems whose replies are looked at.
const REPLIES: usize = 32;

/// The end is what replies lack when to end sooner gains this share of all that could be gained,
const CLEAR: f64 = 0.5;

/// and this share of what a reply can be worth.
const LEAST: f64 = 0.05;

/// What an end would do for a model's replies.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The token that ends replies, by its number.
    pub token: u64,
    /// Its text.
    pub text: String,
    /// What replies are worth.
    pub worth: Worth,
}

impl Ending {
    /// Returns whether to tune this token's row and nothing else is worth while.
    pub fn is_clear(&self) -> bool {
        let Worth { reward, ended_sooner, most, .. } = self.worth;
        let gained = ended_sooner - reward;
        gained >= LEAST * most && gained >= CLEAR * (most - reward)
    }
}

/// Has the base model reply to the first problems that the run is tuned on, and judges the replies whole and in part. `None` where
/// no single token ends replies.
///
/// # Errors
/// When inference or a judge fails.
pub fn ending<E: Engine>(
    engine: &mut E,
    evaluator: &mut Evaluator,
) -> Result<Option<Ending>, EvaluationError> {
    let Some(token) = evaluator.end_token(engine)? else { return Ok(None) };
    let worth = evaluator.worth_of_replies(engine, REPLIES)?;
    Ok(Some(Ending { token: token as u64, text: engine.spelled_token(token), worth }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_what_lacks_where_it_gains_most_of_what_could_be_gained() {
        let is_clear = |reward, ended_sooner| {
            let worth = Worth { replies: 32, reward, ended_sooner, most: 1.0 };
            Ending { token: 2, text: String::new(), worth }.is_clear()
        };
        assert!(is_clear(0.75, 1.0) && is_clear(0.0, 0.5));
        assert!(!is_clear(0.75, 0.87), "too small a part of what lacks");
        assert!(!is_clear(0.96, 1.0), "too little in all");
        assert!(!is_clear(0.5, 0.5) && !is_clear(1.0, 1.0));
    }
}
