//! Regular expressions.

use std::collections::HashMap;

use regex::{Regex, RegexBuilder};

use super::{Asked, Judge, JudgeError, needed};
use crate::dataset::excerpt;

/// Most memory of one compiled expression.
const SIZE_LIMIT: usize = 10 << 20;
/// Most memory of one expression in use; beyond it matching is slower, not wrong.
const DFA_LIMIT: usize = 1 << 20;

/// Gives 1 for a reply in which a regular expression is found, else 0.
///
/// The match may be anywhere in the reply, as in `grep`; `^` and `$` tie it to the ends, and flags such as `(?i)` and
/// `(?s)`, with which `.` also matches line ends, may be at the start of the expression. The syntax is that of the
/// crate `regex`, which has neither look-around nor back-references and takes time in proportion to the reply's
/// length, whatever the expression.
#[derive(Debug)]
pub struct Pattern {
    /// The one expression for all replies; if `None`, the wanted replies are the expressions.
    for_all: Option<Regex>,
    /// The expressions of the replies that were judged last. The same examples are judged for every member of a generation.
    of_last: HashMap<String, Regex>,
    across: Across,
}

/// Counts of the matches with and without `.` matching line ends.
#[derive(Debug, Default)]
struct Across {
    /// Expressions whose `.` does, compiled when needed.
    regexes: HashMap<String, Option<Regex>>,
    /// Replies that matched the expression as it is.
    matched: u64,
    /// Replies that would have matched the changed one.
    would: u64,
}

/// Most of the changed expressions that are kept.
const MOST_ACROSS: usize = 64;

impl Across {
    /// Counts a reply. Once one has matched, the expression can be met, and nothing more is tried.
    fn note(&mut self, pattern: &str, reply: &str, matched: bool) {
        self.matched += u64::from(matched);
        if self.matched > 0 || !reply.contains('\n') || !pattern.contains('.') {
            return;
        }
        if !self.regexes.contains_key(pattern) && self.regexes.len() == MOST_ACROSS {
            return;
        }
        let regex = self
            .regexes
            .entry(pattern.to_owned())
            .or_insert_with(|| builder(pattern).dot_matches_new_line(true).build().ok());
        self.would += u64::from(regex.as_ref().is_some_and(|regex| regex.is_match(reply)));
    }
}

impl Pattern {
    /// Creates a judge with one expression for all replies.
    ///
    /// # Errors
    /// When it is not a regular expression, or too large.
    pub fn for_all(pattern: &str) -> Result<Self, JudgeError> {
        Ok(Self { for_all: Some(compiled(pattern, None)?), ..Self::of_each() })
    }

    /// Creates a judge with the wanted reply of each example as the expression for replies to it.
    pub fn of_each() -> Self {
        Self { for_all: None, of_last: HashMap::new(), across: Across::default() }
    }
}

impl Judge for Pattern {
    fn check(&self, wanted: Option<&str>, line: Option<u64>) -> Result<(), JudgeError> {
        match self.for_all {
            Some(_) => Ok(()),
            None => compiled(needed(wanted, line)?, line).map(drop),
        }
    }

    fn forget(&mut self) {
        self.across = Across::default();
    }

    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        if let Some(regex) = &self.for_all {
            let across = &mut self.across;
            let reward = |one: &Asked<'_>| {
                let matched = regex.is_match(one.reply);
                across.note(regex.as_str(), one.reply, matched);
                f64::from(matched)
            };
            return Ok(asked.iter().map(reward).collect());
        }
        let mut before = std::mem::take(&mut self.of_last);
        let mut rewards = Vec::with_capacity(asked.len());
        for one in asked {
            let pattern = needed(one.wanted, one.line)?;
            if !self.of_last.contains_key(pattern) {
                let regex = before.remove(pattern).map_or_else(|| compiled(pattern, one.line), Ok)?;
                self.of_last.insert(pattern.to_owned(), regex);
            }
            let matched = self.of_last[pattern].is_match(one.reply);
            self.across.note(pattern, one.reply, matched);
            rewards.push(f64::from(matched));
        }
        Ok(rewards)
    }

    fn hint(&self) -> Option<String> {
        let Across { matched, would, .. } = self.across;
        (matched == 0 && would > 0).then(|| {
            format!(
                "no reply has matched the regular expression, but {would} would have if \".\" matched line ends too: put (?s) at its \
                 start"
            )
        })
    }
}

/// Compiles the expression of a line.
fn compiled(pattern: &str, line: Option<u64>) -> Result<Regex, JudgeError> {
    builder(pattern).build().map_err(|source| JudgeError::Pattern {
        line,
        pattern: excerpt(pattern, 80),
        hint: if looks_around(&source) {
            "; a program can, which --reward-cmd runs (--task reward)"
        } else {
            ""
        },
        source: Box::new(source),
    })
}

/// Returns whether the fault is a feature of other engines.
fn looks_around(error: &regex::Error) -> bool {
    let text = error.to_string();
    text.contains("look-around") || text.contains("backreferences")
}

fn builder(pattern: &str) -> RegexBuilder {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(SIZE_LIMIT).dfa_size_limit(DFA_LIMIT);
    builder
}
