//! Regular expressions.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::{Asked, Judge, JudgeError, needed};
use crate::dataset::excerpt;

/// Memory that one compiled expression may take.
const SIZE_LIMIT: usize = 10 << 20;
/// Memory that one expression may take while it is used; beyond it matching is slower, not wrong.
const DFA_LIMIT: usize = 1 << 20;

/// 1 for a reply in which a regular expression is found, else 0.
///
/// It is searched for anywhere in the reply, as `grep` would; `^` and `$` tie it to the ends, and flags such as `(?i)` and
/// `(?s)` may stand at its start. The syntax is that of the crate `regex`, which has neither look-around nor back-references
/// and takes time in proportion to the reply's length, whatever the expression.
#[derive(Debug)]
pub struct Pattern {
    /// The one expression for all replies; without it the wanted replies are the expressions.
    for_all: Option<Regex>,
    /// The expressions of the last replies that were judged. The same examples are judged for every member of a generation.
    of_last: HashMap<String, Regex>,
}

impl Pattern {
    /// One expression for all replies.
    ///
    /// # Errors
    /// When it is not a regular expression, or one that is too large.
    pub fn for_all(pattern: &str) -> Result<Self, JudgeError> {
        Ok(Self { for_all: Some(compiled(pattern, None)?), of_last: HashMap::new() })
    }

    /// The wanted reply of each example is the expression for replies to it.
    pub fn of_each() -> Self {
        Self { for_all: None, of_last: HashMap::new() }
    }
}

impl Judge for Pattern {
    fn check(&self, wanted: Option<&str>, line: Option<u64>) -> Result<(), JudgeError> {
        match self.for_all {
            Some(_) => Ok(()),
            None => compiled(needed(wanted, line)?, line).map(drop),
        }
    }

    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        if let Some(regex) = &self.for_all {
            return Ok(asked.iter().map(|one| f64::from(regex.is_match(one.reply))).collect());
        }
        let mut before = std::mem::take(&mut self.of_last);
        let mut rewards = Vec::with_capacity(asked.len());
        for one in asked {
            let pattern = needed(one.wanted, one.line)?;
            if !self.of_last.contains_key(pattern) {
                let regex = before.remove(pattern).map_or_else(|| compiled(pattern, one.line), Ok)?;
                self.of_last.insert(pattern.to_owned(), regex);
            }
            rewards.push(f64::from(self.of_last[pattern].is_match(one.reply)));
        }
        Ok(rewards)
    }
}

/// Compiles the expression of a line.
fn compiled(pattern: &str, line: Option<u64>) -> Result<Regex, JudgeError> {
    let built = RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).dfa_size_limit(DFA_LIMIT).build();
    built.map_err(|source| JudgeError::Pattern {
        line,
        pattern: excerpt(pattern, 80),
        source: Box::new(source),
    })
}
