//! Access to the codes of a model for edits, one tensor at a time.

use std::ops::Range;

use crate::block::Arrangement;

/// The bytes of one tunable tensor: those of inference or a copy that will be written there, and those before tuning.
#[derive(Debug)]
pub struct TensorBytes<'a> {
    /// Position in the list of tunable tensors that the engine was made with.
    pub index: usize,
    /// Whole blocks.
    pub bytes: &'a mut [u8],
    /// Layout of the blocks in them.
    pub arrangement: Arrangement,
    /// As many bytes, from the base model's file.
    pub base: &'a [u8],
}

/// Edits the bytes of a tensor, and returns the ranges that may have changed. It may be called for several tensors at
/// a time.
pub type TensorEdit<'a> = dyn Fn(&mut TensorBytes<'_>) -> Changed + Sync + 'a;

/// Ranges of a tensor's bytes that may have changed: all others are unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed(Vec<Range<usize>>);

impl Changed {
    /// Creates it from ranges of bytes in any order, which may overlap.
    pub fn of(ranges: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut ranges: Vec<Range<usize>> = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        ranges.sort_by_key(|range| range.start);
        ranges.dedup_by(|next, before| {
            let meets = next.start <= before.end;
            if meets {
                before.end = before.end.max(next.end);
            }
            meets
        });
        Self(ranges)
    }

    /// Returns the ranges in rising order; they neither overlap nor touch.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Returns the number of bytes in them.
    pub fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_meet_become_one() {
        let of = |pairs: &[[usize; 2]]| pairs.iter().map(|&[start, end]| start..end).collect::<Vec<_>>();
        for (given, expected) in [
            (&[][..], &[][..]),
            (&[[3, 3]], &[]),
            (&[[4, 6], [0, 4]], &[[0, 6]]),
            (&[[0, 9], [2, 3], [12, 14]], &[[0, 9], [12, 14]]),
            (&[[8, 9], [0, 2], [1, 3], [7, 8]], &[[0, 3], [7, 9]]),
        ] {
            let (changed, expected) = (Changed::of(of(given)), of(expected));
            assert_eq!(changed.ranges(), expected, "{given:?}");
            assert_eq!(changed.len(), expected.iter().map(Range::len).sum::<usize>());
            assert_eq!(changed.is_empty(), expected.is_empty());
        }
    }
}
