//! Replies that are right or wrong.

use super::{Asked, Judge, JudgeError, needed};
use crate::dataset::excerpt;

/// 1 for a reply with the same number as the wanted one, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Numeric {
    /// Whether a reply, the first, has the number of the wanted one, the second. No text without a number is the same as
    /// itself.
    pub same: fn(&str, &str) -> bool,
}

impl Judge for Numeric {
    fn check(&self, wanted: Option<&str>, line: Option<u64>) -> Result<(), JudgeError> {
        let wanted = needed(wanted, line)?;
        if (self.same)(wanted, wanted) {
            return Ok(());
        }
        Err(JudgeError::NoNumber { line, wanted: excerpt(wanted, 80) })
    }

    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        right(asked, self.same)
    }
}

/// 1 for each reply that is the same as the wanted one.
fn right(asked: &[Asked<'_>], same: impl Fn(&str, &str) -> bool) -> Result<Vec<f64>, JudgeError> {
    let reward = |one: &Asked<'_>| Ok(f64::from(same(one.reply, needed(one.wanted, one.line)?)));
    asked.iter().map(reward).collect()
}
