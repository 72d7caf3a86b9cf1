//! Hits by the gaps between them: each integer is hit with one probability, independently, and integers that are not hit cost
//! nothing.
//!
//! Gaps between hits are geometric. One 32-bit word draws a gap through an alias table, and a sign by its lowest bit.

use std::ops::Range;

use super::RunAddress;
use super::alias::{AliasTable, OUTCOMES};
use crate::rng::Batches;

/// The last outcome of the table: this many integers without a hit, then draw again.
pub(super) const NO_HIT: u16 = OUTCOMES as u16 - 1;

/// Draws the integers that are hit.
#[derive(Clone, Debug)]
pub struct Hits(pub(super) AliasTable);

impl Hits {
    /// Creates hits of this probability, from 0 to 1, to within 2^-32.
    pub fn new(probability: f64) -> Self {
        // The distribution of the number of integers before the next hit.
        let mut none_yet = 1.0;
        let mut gaps = Vec::with_capacity(OUTCOMES);
        for _ in 0..NO_HIT {
            gaps.push(none_yet * probability);
            none_yet *= 1.0 - probability;
        }
        gaps.push(none_yet);
        Self(AliasTable::new(&gaps))
    }

    /// Returns everything that determines a draw, for digests.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes()
    }

    /// Draws the hits of a run whose integers are `integers`: calls `hit(index, is_negative)` for each, in rising
    /// order, with a random sign.
    #[inline]
    pub fn draw(
        &self,
        batches: &mut Batches,
        run: RunAddress,
        integers: Range<usize>,
        mut hit: impl FnMut(usize, bool),
    ) {
        batches.start(run.stream());
        let mut index = integers.start;
        loop {
            let words = batches.next_batch();
            for (gap, word) in self.0.draw(&words).into_iter().zip(words) {
                index += usize::from(gap);
                if index >= integers.end {
                    return;
                }
                if gap != NO_HIT {
                    hit(index, word & 1 == 1);
                    index += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Field;
    use crate::rng::{Domain, Source};

    const RUN: usize = 8192;

    /// Returns the places of the hits in a run of this many codes.
    fn of_run(hits: &Hits, batches: &mut Batches, run: u64, codes: usize) -> Vec<usize> {
        let mut drawn = Vec::new();
        let address = RunAddress { tensor: 1, field: Field::Codes, run };
        hits.draw(batches, address, 9..codes + 9, |index, _| drawn.push(index - 9));
        drawn
    }

    /// Returns the hits of one run after the other.
    fn drawn(hits: &Hits, seed: u64, runs: u64) -> Vec<Vec<usize>> {
        let mut batches = Source::new(seed, Domain::Perturbation).batches();
        (0..runs).map(|run| of_run(hits, &mut batches, run, RUN)).collect()
    }

    #[test]
    fn codes_are_hit_with_the_probability_wherever_they_are() {
        for p in [1e-4, 0.003, 0.01, 0.3, 0.97] {
            let runs = drawn(&Hits::new(p), 5, 400);
            let off = |count: usize, of: usize| {
                (count as f64 - p * of as f64).abs() / (of as f64 * p * (1.0 - p)).sqrt()
            };
            let all: usize = runs.iter().map(Vec::len).sum();
            assert!(off(all, 400 * RUN) < 4.0, "{p}: {all}");
            for part in 0..8 {
                let within = |place: &&usize| **place / (RUN / 8) == part;
                let count = runs.iter().flatten().filter(within).count();
                assert!(off(count, 400 * RUN / 8) < 4.0, "{p}: {count} in part {part}");
            }
        }
    }

    #[test]
    fn never_and_always_are_exact() {
        assert!(drawn(&Hits::new(0.0), 0, 9).iter().all(Vec::is_empty));
        assert!(drawn(&Hits::new(1.0), 0, 9).iter().all(|places| places.iter().copied().eq(0..RUN)));
    }

    #[test]
    fn a_part_of_a_run_has_the_hits_of_the_whole() {
        for p in [1e-6, 0.01, 0.5] {
            let hits = Hits::new(p);
            let mut batches = Source::new(5, Domain::Perturbation).batches();
            let whole = drawn(&hits, 5, 3).pop().unwrap_or_default();
            let part = of_run(&hits, &mut batches, 2, RUN / 3);
            assert!(whole.into_iter().take_while(|place| *place < RUN / 3).eq(part));
        }
    }
}
