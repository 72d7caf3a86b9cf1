//! The codes of a model as they are lent to be edited, one tensor at a time.

use std::ops::Range;

use crate::block::Arrangement;

/// The bytes of one tunable tensor, where inference reads them or as they will be brought there, and as they were before tuning.
#[derive(Debug)]
pub struct TensorBytes<'a> {
    /// Position in the list of tunable tensors that the engine was made with.
    pub index: usize,
    /// Whole blocks.
    pub bytes: &'a mut [u8],
    /// How the blocks lie in them.
    pub arrangement: Arrangement,
    /// The same number of bytes as they are in the base model's file.
    pub base: &'a [u8],
}

/// Edits the bytes of a tensor, and returns where they may have changed. It may be called for several tensors at a time.
pub type TensorEdit<'a> = dyn Fn(&mut TensorBytes<'_>) -> Changed + Sync + 'a;

/// Where the bytes of a tensor may have changed: all that lies outside is as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed(Vec<Range<usize>>);

impl Changed {
    /// Takes ranges of bytes in any order, which may overlap.
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

    /// Returns the ranges in rising order; there is a byte that is in none between any two.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// Returns how many bytes there are in them.
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
