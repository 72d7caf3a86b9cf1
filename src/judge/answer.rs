//! Replies that are right or wrong.

use super::{Asked, Judge, JudgeError, needed};
use crate::dataset::excerpt;
use crate::task::number::same_number;

/// Gives 1 for a reply that ends with the same number as the wanted one, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Numeric;

impl Judge for Numeric {
    fn check(&self, wanted: Option<&str>, line: Option<u64>) -> Result<(), JudgeError> {
        let wanted = needed(wanted, line)?;
        // No text without a number is the same as itself.
        if same_number(wanted, wanted) {
            return Ok(());
        }
        Err(JudgeError::NoNumber { line, wanted: excerpt(wanted, 80) })
    }

    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        let reward = |one: &Asked<'_>| Ok(f64::from(same_number(one.reply, needed(one.wanted, one.line)?)));
        asked.iter().map(reward).collect()
    }
}
