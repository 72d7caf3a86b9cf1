//! Detects replies that are right but go on: they lack only the end, which one token's row can teach.
//!
//! A model that was tuned to chat explains its own reply. If a program reads the reply, such as an object in JSON or a
//! number, that makes a right reply wrong. Detecting it needs no likelihood: the base model's replies are judged as
//! they are, and once more cut off after each of their words. If that makes enough of them right, the row of the token
//! that ends replies is the place to learn it: some hundred integers, which hardly anything else depends on
//! (docs/ALGORITHM.md).

use crate::engine::Engine;
use crate::evaluation::{EvaluationError, Evaluator, Worth};

/// Problems whose replies are judged.
const REPLIES: usize = 32;

/// Replies lack only the end if ending sooner gains this share of all that could be gained,
const CLEAR: f64 = 0.5;

/// and this share of the most that a reply can be worth.
const LEAST: f64 = 0.05;

/// Effect of an earlier end on a model's replies.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The number of the token that ends replies.
    pub token: u64,
    /// Its text.
    pub text: String,
    /// The worth of replies.
    pub worth: Worth,
}

impl Ending {
    /// Returns whether it is worthwhile to tune this token's row and nothing else.
    pub fn is_clear(&self) -> bool {
        let Worth { reward, ended_sooner, most, .. } = self.worth;
        let gained = ended_sooner - reward;
        gained >= LEAST * most && gained >= CLEAR * (most - reward)
    }
}

/// Lets the base model reply to the first training problems, and judges the replies as a whole and in part. `None` if
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
