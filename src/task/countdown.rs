//! Countdown: make a target from some numbers, each used exactly once, with `+ - * /` and parentheses.
//!
//! A problem is made backwards, from a random expression over random numbers whose intermediate values are whole and
//! positive, so each has a solution. A fifth is held out, chosen by a hash of the sorted numbers and the target (see
//! `split.rs`): the same numbers in another order are the same problem.

mod ask;
pub mod range;
mod reply;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use reply::FORMAT_REWARD;

use super::split;
use crate::rng::Stream;

/// Valid counts of numbers in a problem.
const COUNTS: RangeInclusive<u32> = 2..=6;
/// Valid numbers in a problem; products of six stay within `u64`.
const NUMBERS: RangeInclusive<u32> = 1..=1000;
/// Valid targets of a problem.
const TARGETS: RangeInclusive<u32> = 1..=1_000_000;

/// Expressions that are drawn to check that options give enough problems.
const TRIALS: usize = 20_000;
/// Fewest trials that must give a training problem; with fewer, drawing takes too long.
const MIN_HITS: usize = 20;

/// Which problems are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct CountdownOptions {
    /// Range of the count of numbers, such as `3-4`.
    #[serde(with = "range")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub counts: RangeInclusive<u32>,
    /// Range of the numbers, each equally likely.
    #[serde(with = "range")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub numbers: RangeInclusive<u32>,
    /// Range of the targets.
    #[serde(with = "range")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub targets: RangeInclusive<u32>,
}

impl Default for CountdownOptions {
    fn default() -> Self {
        Self { counts: 3..=4, numbers: 1..=99, targets: 10..=99 }
    }
}

impl CountdownOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// For the first invalid one.
    pub fn validate(&self) -> Result<(), CountdownOptionsError> {
        let Self { counts, numbers, targets } = self;
        for (what, given, allowed) in
            [("--counts", counts, COUNTS), ("--numbers", numbers, NUMBERS), ("--targets", targets, TARGETS)]
        {
            if given.is_empty() || !allowed.contains(given.start()) || !allowed.contains(given.end()) {
                return Err(CountdownOptionsError::Range { what, given: given.clone(), allowed });
            }
        }
        Ok(())
    }
}

/// Errors of options.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum CountdownOptionsError {
    #[error(
        "{what} is {}, but must be a range within {}, its lower end first", range::text(.given), range::text(.allowed)
    )]
    Range { what: &'static str, given: RangeInclusive<u32>, allowed: RangeInclusive<u32> },
    #[error(
        "too few expressions over these numbers reach a target of {}: allow more --targets or other --numbers",
        range::text(.0)
    )]
    OutOfReach(RangeInclusive<u32>),
}

/// A problem and one of its solutions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Puzzle {
    /// Numbers to use, each exactly once.
    pub numbers: Vec<u32>,
    /// Number to make.
    pub target: u32,
    /// An expression that makes it.
    pub solution: String,
    /// The solution's operations one by one, such as `25 - 4 = 21`.
    pub steps: Vec<String>,
}

/// Countdown with certain options.
#[derive(Clone, Debug)]
pub struct Countdown {
    options: CountdownOptions,
}

impl Countdown {
    /// Returns the task with these options.
    ///
    /// # Errors
    /// When they are invalid, or leave too few problems.
    pub fn new(options: CountdownOptions) -> Result<Self, CountdownOptionsError> {
        options.validate()?;
        let countdown = Self { options };
        let mut stream = split::held_out_stream(split::COUNTDOWN_DRAWS);
        let found = (0..TRIALS).filter_map(|_| countdown.attempt(&mut stream));
        let (held_out, to_train): (Vec<_>, Vec<_>) =
            found.partition(|puzzle| split::is_held_out(&puzzle.key()));
        if held_out.is_empty() || to_train.len() < MIN_HITS {
            return Err(CountdownOptionsError::OutOfReach(countdown.options.targets));
        }
        Ok(countdown)
    }

    /// Returns training problems, drawn from (seed, generation); none of them is held out.
    pub fn puzzles(&self, seed: u64, generation: u64, count: usize) -> Vec<Puzzle> {
        split::training((seed, generation), count, |stream| self.draw(stream))
    }

    /// Returns the first `count` held-out problems, in an order that never changes; fewer if there are fewer.
    pub fn held_out_puzzles(&self, count: usize) -> Vec<Puzzle> {
        split::held_out(split::COUNTDOWN_DRAWS, count, |stream| self.draw(stream))
    }

    fn draw(&self, stream: &mut Stream) -> (String, Puzzle) {
        loop {
            if let Some(puzzle) = self.attempt(stream) {
                return (puzzle.key(), puzzle);
            }
        }
    }

    /// Returns a random expression's problem, if its value is a target.
    fn attempt(&self, stream: &mut Stream) -> Option<Puzzle> {
        let mut within =
            |range: &RangeInclusive<u32>| range.start() + stream.below(range.end() - range.start() + 1);
        let count = within(&self.options.counts);
        let numbers: Vec<u32> = (0..count).map(|_| within(&self.options.numbers)).collect();
        let (value, solution, steps) = combine(&numbers, stream)?;
        let target = u32::try_from(value).ok().filter(|target| self.options.targets.contains(target))?;
        Some(Puzzle { numbers, target, solution, steps })
    }
}

/// A part of an expression under construction.
struct Operand {
    value: u64,
    text: String,
    /// The sign between its operands; `None` for a single number.
    sign: Option<char>,
}

impl Operand {
    /// Returns the part as an operand beside a sign, in parentheses if its value would change without.
    fn beside(&self, sign: char, on_the_right: bool) -> String {
        let is_sum = matches!(self.sign, Some('+' | '-'));
        let changes = match sign {
            '+' => false,
            '-' => is_sum && on_the_right,
            '*' => is_sum,
            _ => is_sum || self.sign.is_some() && on_the_right,
        };
        if changes { format!("({})", self.text) } else { self.text.clone() }
    }
}

/// Returns value, text and steps of a random expression that uses each number once. `None` for no numbers.
fn combine(numbers: &[u32], stream: &mut Stream) -> Option<(u64, String, Vec<String>)> {
    let part = |&number: &u32| Operand { value: number.into(), text: number.to_string(), sign: None };
    let mut parts: Vec<Operand> = numbers.iter().map(part).collect();
    let mut steps = Vec::new();
    while parts.len() > 1 {
        let mut take = |stream: &mut Stream| parts.swap_remove(stream.below(parts.len() as u32) as usize);
        let (mut left, mut right) = (take(stream), take(stream));
        if left.value < right.value {
            std::mem::swap(&mut left, &mut right);
        }
        let (a, b) = (left.value, right.value);
        let choices = [
            Some(('+', a + b)),
            (a > b).then(|| ('-', a - b)),
            Some(('*', a * b)),
            a.is_multiple_of(b).then(|| ('/', a / b)),
        ];
        let choices: Vec<(char, u64)> = choices.into_iter().flatten().collect();
        let (sign, value) = choices[stream.below(choices.len() as u32) as usize];
        steps.push(format!("{a} {sign} {b} = {value}"));
        let text = format!("{} {sign} {}", left.beside(sign, false), right.beside(sign, true));
        parts.push(Operand { value, text, sign: Some(sign) });
    }
    parts.pop().map(|whole| (whole.value, whole.text, steps))
}

impl Puzzle {
    /// Returns the problem's identity: its numbers in order of size, and its target.
    pub fn key(&self) -> String {
        let sorted: Vec<String> = self.sorted().iter().map(u32::to_string).collect();
        format!("{}={}", sorted.join(","), self.target)
    }

    fn sorted(&self) -> Vec<u32> {
        let mut numbers = self.numbers.clone();
        numbers.sort_unstable();
        numbers
    }

    /// Returns the question.
    pub fn prompt(&self) -> String {
        let numbers: Vec<String> = self.numbers.iter().map(u32::to_string).collect();
        format!(
            "Make {} from the numbers {}. Use every number exactly once; allowed are + - * / and parentheses. \
             Reason inside <think> </think>, then give nothing but the equation inside <answer> </answer>. \
             For example, to make 20 from 2, 3 and 7: \
             <think>7 + 3 = 10. 10 * 2 = 20.</think> <answer>(7 + 3) * 2 = 20</answer>",
            self.target,
            numbers.join(", "),
        )
    }

    /// Returns a reply that earns the whole reward.
    pub fn wanted_reply(&self) -> String {
        let Self { target, solution, steps, .. } = self;
        format!("<think>{}.</think> <answer>{solution} = {target}</answer>", steps.join(". "))
    }
}

#[cfg(test)]
mod tests;
