//! Tokens in the openings of a task's replies that surprise a model: said far more often than it expects, and rarely
//! elsewhere.
//!
//! A style, a format or a name is often a few tokens in a place where the model would not say them. A token's logit
//! depends on its row of the output matrix, and perturbing the rows of a few rare tokens hardly affects anything else
//! that the model says: the damage of noise in a row is proportional to p (1 - p) over all places, and rare tokens
//! have next to none. So if such tokens are most of the surprise in how replies begin, their rows are the place to
//! learn it: some thousand integers in place of millions, in which each step has that much less noise
//! (docs/ALGORITHM.md).
//!
//! Only openings are examined, half of a reply at most. Rows can learn a closing phrase too, but nothing that tells
//! whether it was said already, and then replies loop (docs/EVIDENCE.md).

use crate::drift::Neutral;
use crate::engine::{Engine, TokenTally};
use crate::evaluation::{EvaluationError, Evaluator};

/// Problems whose replies are examined.
const REPLIES: usize = 64;

/// Most tokens of the opening of a reply.
pub const OPENING: usize = 8;

/// A token stands out if it occurs this many times more per reply than expected, on average,
const LEAST_MORE: f64 = 0.1;

/// and if the square of that is this many times its leverage at a place of neutral text. For perturbations of whole
/// blocks the same ratio, signal over damage, is about 25.
const LEAST_RATIO: f64 = 250.0;

/// Added to the leverage, since less cannot be measured on a few hundred tokens.
const FLOOR: f64 = 1e-6;

/// Most tokens that are taken, those with the largest part first.
const MOST: usize = 64;

/// They are worth tuning alone if they are at least this share of the whole surprise in the openings,
const CLEAR: f64 = 0.5;

/// and at least this many nats a reply.
const LEAST_NATS: f64 = 3.0;

/// A token that stands out.
#[derive(Clone, Debug, PartialEq)]
pub struct Standout {
    /// Its number in the vocabulary.
    pub token: u64,
    /// Its text.
    pub text: String,
    /// Occurrences per reply beyond those expected, on average.
    pub more: f64,
}

/// The tokens that stand out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surprise {
    /// The tokens, those with the largest part first.
    pub tokens: Vec<Standout>,
    /// Surprise of these tokens in the opening of a reply, in nats, on average.
    pub nats: f64,
    /// Share of the opening's whole surprise that they make up, from 0 to 1.
    pub share: f64,
}

impl Surprise {
    /// Returns whether it is worthwhile to tune these tokens' rows and nothing else.
    pub fn is_clear(&self) -> bool {
        self.share >= CLEAR && self.nats >= LEAST_NATS
    }

    /// Finds the tokens that stand out in this many openings, by the tallies of these and of neutral text.
    fn of(replies: &[TokenTally], count: usize, neutral: &[TokenTally]) -> Self {
        let places: f64 = neutral.iter().map(|token| token.said).sum();
        let (nats, count) = (replies.iter().map(|token| token.nats).sum::<f64>(), count.max(1) as f64);
        let more = |tally: &TokenTally| (tally.said - tally.expected) / count;
        let stands_out = |(tally, neutral): (&TokenTally, &TokenTally)| {
            let (more, leverage) = (more(tally), neutral.leverage / places.max(1.0));
            more >= LEAST_MORE && more * more >= LEAST_RATIO * (leverage + FLOOR)
        };
        let mut found: Vec<(usize, &TokenTally)> = (0..)
            .zip(replies.iter().zip(neutral))
            .filter(|(_, tallies)| stands_out(*tallies))
            .map(|(token, (tally, _))| (token, tally))
            .collect();
        found.sort_by(|(_, a), (_, b)| more(b).total_cmp(&more(a)));
        found.truncate(MOST);
        let of_found: f64 = found.iter().map(|(_, tally)| tally.nats).sum();
        let standout = |(token, tally): (usize, &TokenTally)| Standout {
            token: token as u64,
            text: String::new(),
            more: more(tally),
        };
        let share = if nats > 0.0 { of_found / nats } else { 0.0 };
        Self { tokens: found.into_iter().map(standout).collect(), nats: of_found / count, share }
    }
}

/// Looks for tokens that stand out in the openings of the replies that a run is to learn, which all its problems must
/// have. Takes an evaluation of each examined reply and of the neutral texts. Finds none if these mean nothing to the
/// model.
///
/// # Errors
/// When inference fails.
pub fn surprise<E: Engine>(
    engine: &mut E,
    evaluator: &Evaluator,
    neutral: &Neutral,
) -> Result<Surprise, EvaluationError> {
    let of_texts = neutral.tally(engine)?;
    if of_texts.is_empty() {
        return Ok(Surprise::default());
    }
    let (of_openings, count) = evaluator.tally_of_openings(engine, REPLIES, OPENING)?;
    let mut surprise = Surprise::of(&of_openings, count, &of_texts);
    for standout in &mut surprise.tokens {
        standout.text = engine.spelled_token(standout.token as usize);
    }
    Ok(surprise)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(said: f64, expected: f64, nats: f64, leverage: f64) -> TokenTally {
        TokenTally { said, nats, expected, leverage }
    }

    #[test]
    fn tokens_stand_out_that_are_said_more_and_rarely_elsewhere() {
        let replies = [
            tally(10.0, 0.1, 80.0, 0.1),
            // As often as expected; more often, but everywhere; more often, but seldom; less often.
            tally(10.0, 9.5, 2.0, 1.0),
            tally(10.0, 4.0, 8.0, 4.0),
            tally(0.5, 0.0, 5.0, 0.0),
            tally(0.0, 9.0, 0.0, 1.0),
            tally(10.0, 5.0, 5.0, 3.0),
        ];
        let neutral = [
            tally(0.0, 0.0, 0.0, 1e-4),
            tally(900.0, 900.0, 9.0, 1e-4),
            tally(100.0, 90.0, 9.0, 50.0),
            TokenTally::default(),
            TokenTally::default(),
            tally(0.0, 0.0, 0.0, 0.1),
        ];
        let found = Surprise::of(&replies, 10, &neutral);
        assert_eq!(found.tokens.iter().map(|standout| standout.token).collect::<Vec<_>>(), [0, 5]);
        assert!((found.tokens[0].more - 0.99).abs() < 1e-12);
        assert_eq!((found.share, found.nats, found.is_clear()), (0.85, 8.5, true));
        let without = Surprise::of(&replies[1..5], 10, &neutral[1..5]);
        assert_eq!((without.tokens.len(), without.is_clear()), (0, false));
    }

    #[test]
    fn nothing_stands_out_of_nothing() {
        assert_eq!(Surprise::of(&[], 0, &[]), Surprise::default());
    }
}
