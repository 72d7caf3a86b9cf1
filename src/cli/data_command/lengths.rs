//! Lengths of examples in tokens.

use anyhow::Result;

use crate::engine::{Engine, Length};
use crate::evaluation::Evaluator;
use crate::task::Definition;

/// The tokens of each example, training examples first, and the limits on them.
pub struct Lengths {
    lengths: Vec<Length>,
    needed: Vec<usize>,
    /// Most tokens of a prompt and its reply together.
    pub room: usize,
    /// Length in tokens above which examples are left out, if they are.
    pub longest: Option<usize>,
}

/// Percentiles of the examples' lengths that are printed.
const PERCENTS: [usize; 4] = [50, 90, 99, 100];

impl Lengths {
    /// Counts the tokens of all examples.
    pub fn of<E: Engine>(evaluator: &Evaluator, engine: &E, definition: &Definition) -> Result<Self> {
        let lengths = evaluator.lengths(engine)?;
        let is_chat = evaluator.is_chat(engine)?;
        let needed = lengths.iter().map(|length| evaluator.needed(*length, is_chat)).collect();
        let longest = definition.problems.data().and_then(|options| options.longest);
        Ok(Self { lengths, needed, room: engine.room(), longest: longest.map(|tokens| tokens as usize) })
    }

    /// Returns the tokens that an example needs, its reply included.
    pub fn needed(&self, number: usize) -> usize {
        self.needed.get(number).copied().unwrap_or(0)
    }

    /// Returns the numbers of the examples that fit.
    pub fn that_fit(&self) -> impl Iterator<Item = usize> {
        let most = self.most();
        self.needed.iter().enumerate().filter(move |(_, needed)| **needed <= most).map(|(number, _)| number)
    }

    /// Returns the numbers of the examples that are too long, and the tokens that they need.
    pub fn too_long(&self) -> Vec<(usize, usize)> {
        let most = self.most();
        self.needed.iter().copied().enumerate().filter(|(_, needed)| *needed > most).collect()
    }

    fn most(&self) -> usize {
        self.longest.unwrap_or(usize::MAX).min(self.room)
    }

    /// Returns the lengths of prompts, of replies and of both that [`PERCENTS`] of the examples do not exceed.
    pub fn percentiles(&self) -> [(&'static str, [usize; 4]); 3] {
        [
            ("prompt", percentiles(self.lengths.iter().map(|length| length.prompt))),
            ("reply", percentiles(self.lengths.iter().map(|length| length.reply))),
            ("both", percentiles(self.lengths.iter().map(|length| length.both))),
        ]
    }
}

/// Returns the percentiles [`PERCENTS`] of some numbers; 0 if there are none.
fn percentiles(numbers: impl Iterator<Item = usize>) -> [usize; 4] {
    let mut sorted: Vec<usize> = numbers.collect();
    sorted.sort_unstable();
    PERCENTS.map(|percent| {
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numbers_of_the_list() {
        assert_eq!(percentiles((1..=200).rev()), [100, 180, 198, 200]);
        assert_eq!(percentiles([7].into_iter()), [7; 4]);
        assert_eq!(percentiles([3, 1, 2].into_iter()), [2, 3, 3, 3]);
        assert_eq!(percentiles(std::iter::empty()), [0; 4]);
    }
}
