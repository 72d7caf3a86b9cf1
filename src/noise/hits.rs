//! Hits by the gaps between them: each code is hit with one probability, independently, and codes that are not hit cost
//! nothing.
//!
//! Gaps between hits are geometric. One 32-bit word draws a gap through an alias table; its lowest bit is left to whoever
//! wants a sign.

use std::ops::Range;

use super::RunAddress;
use super::alias::{AliasTable, OUTCOMES};
use crate::rng::Batches;

/// The last outcome of the table means: that many codes without a hit, draw again.
pub(super) const NO_HIT: u16 = OUTCOMES as u16 - 1;

/// Draws which codes are hit.
#[derive(Clone, Debug)]
pub struct Hits(pub(super) AliasTable);

impl Hits {
    /// Hits of this probability, from 0 to 1, to within 2^-32.
    pub fn new(probability: f64) -> Self {
        // The distribution of the number of codes before the next hit.
        let mut none_yet = 1.0;
        let mut gaps = Vec::with_capacity(OUTCOMES);
        for _ in 0..NO_HIT {
            gaps.push(none_yet * probability);
            none_yet *= 1.0 - probability;
        }
        gaps.push(none_yet);
        Self(AliasTable::new(&gaps))
    }

    /// Everything that decides a draw, for digests.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes()
    }

    /// Calls `hit(index, word)` for the hits of a run, whose codes are `codes`, in rising order. The lowest bit of the word
    /// that drew it is free to be used.
    #[inline]
    pub fn draw(
        &self,
        batches: &mut Batches,
        run: RunAddress,
        codes: Range<usize>,
        mut hit: impl FnMut(usize, u32),
    ) {
        batches.start(run.stream());
        let mut index = codes.start;
        loop {
            let words = batches.next_batch();
            for (gap, word) in self.0.draw(&words).into_iter().zip(words) {
                index += usize::from(gap);
                if index >= codes.end {
                    return;
                }
                if gap != NO_HIT {
                    hit(index, word);
                    index += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Domain, Source};

    const RUN: usize = 8192;

    /// The hits of one run after the other.
    fn drawn(hits: &Hits, seed: u64, runs: u64) -> Vec<Vec<usize>> {
        let mut batches = Source::new(seed, Domain::Perturbation).batches();
        let draw = |run| {
            let mut places = Vec::new();
            hits.draw(&mut batches, RunAddress { tensor: 1, run }, 0..RUN, |index, _| places.push(index));
            places
        };
        (0..runs).map(draw).collect()
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
            let mut part = Vec::new();
            let address = RunAddress { tensor: 1, run: 2 };
            hits.draw(&mut batches, address, 100..100 + RUN / 3, |index, _| part.push(index - 100));
            assert!(whole.into_iter().take_while(|place| *place < RUN / 3).eq(part));
        }
    }
}
