//! The anchor: after an update, each integer that is away from its base value moves one step back towards it, with one
//! probability for all, independently.
//!
//! The pulled integers are drawn by the gaps between them, from streams addressed by (run seed, generation, tensor,
//! field, run), so that the cost is proportional to the rate, and base values are read for those alone.

use super::TileOfBase;
use crate::block::Integers;
use crate::noise::Hits;
use crate::rng::{Domain, Source};
use crate::tile::{Tile, UPDATE_RUN};

/// Pulls integers back to the base model.
#[derive(Clone, Debug)]
pub struct Anchor {
    seed: u64,
    hits: Hits,
}

impl Anchor {
    /// Creates the anchor of the run with this seed, which pulls an integer with probability `rate`; `None` if that is 0.
    pub fn new(seed: u64, rate: f64) -> Option<Self> {
        (rate > 0.0).then(|| Self { seed, hits: Hits::new(rate) })
    }

    /// Pulls the integers of a tile after the update of a generation, and returns the number that moved.
    pub fn pull<I: Integers>(&self, tuned: &mut TileOfBase<'_, I>, tile: &Tile, generation: u64) -> u64 {
        let mut batches = Source::of_generation(self.seed, generation, Domain::Pull).batches();
        let mut moved = 0;
        for (address, integers) in tile.runs(UPDATE_RUN) {
            self.hits.draw(&mut batches, address, integers, |index, _| moved += u64::from(tuned.pull(index)));
        }
        moved
    }
}

impl<I: Integers> TileOfBase<'_, I> {
    /// Moves the integer at `index` one step towards its base value; returns `false` if it has that value.
    #[inline]
    fn pull(&mut self, index: usize) -> bool {
        let away = I::read_file(self.base, index) - I::read(&mut self.blocks, index);
        away != 0 && I::nudge(&mut self.blocks, index, away.signum())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::{Codes, Field, OfCodes, Q4K, Q8_0};
    use crate::perturb::read_codes;

    const TILE: Tile = Tile { tensor: 3, field: Field::Codes, first: 16_384, len: 8192 + 256 };

    /// Returns blocks of Q4_K with all codes of one value.
    fn blocks(code: u8) -> Vec<u8> {
        vec![code << 4 | code; TILE.len / 256 * 144]
    }

    /// Returns which codes of the tile the anchor pulls, if all are one step away.
    fn pulled(rate: f64, seed: u64, generation: u64, tile: &Tile) -> Vec<bool> {
        let (base, mut live) = (blocks(5), blocks(6));
        let tuned = &mut TileOfBase::<OfCodes<Q4K>> { blocks: Codes::of_file(&mut live), base: &base };
        let moved = Anchor::new(seed, rate).unwrap().pull(tuned, tile, generation);
        let pulled: Vec<bool> = read_codes::<Q4K>(&live).into_iter().map(|code| code == 5).collect();
        assert_eq!(pulled.iter().filter(|pulled| **pulled).count() as u64, moved);
        pulled
    }

    proptest! {
        #[test]
        fn a_code_moves_one_step_towards_its_base_or_stays(
            base in prop::collection::vec(any::<u8>(), 34 * 64),
            live in prop::collection::vec(any::<u8>(), 34 * 64),
            rate in prop::sample::select(vec![1e-6, 0.01, 0.5, 1.0]),
            generation: u64,
        ) {
            let tile = Tile { tensor: 0, field: Field::Codes, first: 0, len: 2048 };
            let mut after = live.clone();
            let tuned = &mut TileOfBase::<OfCodes<Q8_0>> { blocks: Codes::of_file(&mut after), base: &base };
            Anchor::new(1, rate).unwrap().pull(tuned, &tile, generation);
            let codes = [&base, &live, &after].map(|bytes| read_codes::<Q8_0>(bytes));
            for ((base, live), after) in codes[0].iter().zip(&codes[1]).zip(&codes[2]) {
                let step = (base - live).signum();
                // A file may hold -128, which is out of range: such a code is neither gone back to nor moved.
                let pulled = if *live < -127 || live + step < -127 { *live } else { live + step };
                prop_assert!(*after == pulled || rate < 1.0 && after == live, "{live} to {after}, base {base}");
            }
            for (live, after) in live.chunks(34).zip(after.chunks(34)) {
                prop_assert_eq!(&live[..2], &after[..2], "scales are never touched");
            }
        }
    }

    #[test]
    fn no_rate_is_no_anchor_and_full_rate_pulls_every_code() {
        assert!(Anchor::new(0, 0.0).is_none());
        assert!(pulled(1.0, 0, 0, &TILE).iter().all(|pulled| *pulled));
    }

    #[test]
    fn codes_are_pulled_at_the_rate() {
        for rate in [0.001, 0.01, 0.2, 0.9] {
            let generations = 300;
            let count: usize =
                (0..generations).map(|g| pulled(rate, 8, g, &TILE).iter().filter(|p| **p).count()).sum();
            let codes = (TILE.len * generations as usize) as f64;
            let deviations = (count as f64 - rate * codes) / (codes * rate * (1.0 - rate)).sqrt();
            assert!(deviations.abs() < 4.0, "rate {rate}: {deviations:.1} standard deviations off");
        }
    }

    #[test]
    fn pulls_of_neighbours_generations_seeds_and_tensors_are_independent() {
        let rate = 0.3;
        let next = Tile { first: TILE.first + 8192, ..TILE };
        let other = Tile { tensor: 4, ..TILE };
        let cases: [(&str, u64, u64, &Tile, usize); 5] = [
            ("a neighbour", 0, 0, &TILE, 1),
            ("another generation", 0, 1, &TILE, 0),
            ("another seed", 1, 0, &TILE, 0),
            ("another run", 0, 0, &next, 0),
            ("another tensor", 0, 0, &other, 0),
        ];
        for (what, seed, generation, tile, lag) in cases {
            // Both of two are pulled with the square of the probability.
            let (mut both, mut codes) = (0, 0);
            for number in 0..100 {
                let first = pulled(rate, 2 * number, 2 * number, &TILE);
                let second = pulled(rate, 2 * number + seed, 2 * number + generation, tile);
                both += first.iter().zip(&second[lag..]).filter(|(a, b)| **a && **b).count();
                codes += first.len() - lag;
            }
            let (p, codes) = (rate * rate, codes as f64);
            let deviations = (both as f64 - p * codes) / (codes * p * (1.0 - p)).sqrt();
            assert!(deviations.abs() < 4.0, "{what}: {deviations:.1} standard deviations off");
        }
    }

    /// These pin the draws: a change here means that old logs no longer replay, and that the log's format version rises.
    #[test]
    fn golden_pulls() {
        let first = |rate, seed, generation, tile| {
            let pulled = pulled(rate, seed, generation, tile);
            (0..TILE.len).filter(|&index| pulled[index]).take(6).collect::<Vec<_>>()
        };
        let far = Tile { tensor: 0, field: Field::Codes, first: 8192 << 20, len: TILE.len };
        let drawn = [first(0.01, 0, 0, &TILE), first(0.01, u64::MAX, 1 << 24, &far), first(0.5, 7, 3, &TILE)];
        let golden = [[69, 97, 172, 200, 305, 477], [15, 207, 339, 350, 366, 613], [1, 2, 3, 6, 7, 8]];
        assert_eq!(drawn, golden);
    }
}
