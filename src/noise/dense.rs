//! Noise that hits many codes: every code gets sixteen random bits, a sign and fifteen that draw its magnitude.
//!
//! Fifteen bits are too few for the distribution, so they draw it in two parts. Each magnitude gets as many of the 2^15
//! states as its probability has whole ones; the few that are left over (fewer than there are magnitudes) send a code to a
//! second draw, of 31 bits, from the distribution of what was cut off. Together that is the distribution to within 2^-36.
//!
//! The magnitude of a code is then the number of thresholds that its state reaches, which compilers turn into vector
//! instructions, where a table look-up for every code would not be one.

use super::alias::AliasTable;
use super::signed;
use crate::rng::{BATCH, Batches};

/// States that the fifteen bits have.
const STATES: u16 = 1 << 15;

/// Codes of a run, as a power of two: whole blocks of every ggml type, and whole batches of words.
pub(super) const RUN_BITS: u32 = 8;
const RUN: usize = 1 << RUN_BITS;

/// Codes that the words of a batch draw.
const OF_BATCH: usize = 2 * BATCH;

/// Codes that are counted together, in vector registers.
const LANES: usize = 32;

/// Draws dense noise.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    /// The lowest states are for second draws: this many.
    second: u16,
    /// From which state on the magnitude is at least 1, 2, and so on; as far as states are left for them.
    thresholds: Vec<u16>,
    /// The magnitudes of second draws.
    rest: AliasTable,
    largest: u16,
}

impl Dense {
    /// Noise whose magnitudes 0, 1, 2 and so on have these probabilities, which add up to one.
    pub(super) fn new(probabilities: &[f64]) -> Self {
        let states: Vec<f64> = probabilities.iter().map(|p| p * f64::from(STATES)).collect();
        let whole: u16 = states.iter().map(|states| states.floor() as u16).sum();
        let second = STATES - whole;
        let mut threshold = second;
        let mut thresholds = Vec::new();
        for states in &states {
            threshold += states.floor() as u16;
            if threshold < STATES {
                thresholds.push(threshold);
            }
        }
        let fractions: Vec<f64> = states.iter().map(|states| states - states.floor()).collect();
        let largest = probabilities.len().saturating_sub(1) as u16;
        Self { second, thresholds, rest: AliasTable::new(&fractions), largest }
    }

    /// The largest magnitude.
    pub(super) fn largest(&self) -> u16 {
        self.largest
    }

    /// Everything that decides a draw, for digests.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        let states = std::iter::once(&self.second).chain(&self.thresholds);
        states.flat_map(|states| states.to_le_bytes()).chain(self.rest.bytes())
    }

    /// The perturbation of a whole run, from the beginning of its stream. Second draws have the words after those of all
    /// codes, one each, in the order of the codes.
    #[inline]
    pub(super) fn draw(&self, batches: &mut Batches) -> [i16; RUN] {
        let (mut halves, mut values) = ([0; RUN], [0; RUN]);
        for halves in halves.as_chunks_mut::<OF_BATCH>().0 {
            split(&batches.next_batch(), halves);
        }
        for (values, halves) in values.as_chunks_mut::<LANES>().0.iter_mut().zip(halves.as_chunks().0) {
            *values = self.first_draws(halves);
        }
        // No short-circuit, which would keep this from becoming vector instructions.
        if halves.iter().fold(false, |any, half| any | (half >> 1 < self.second)) {
            self.second_draws(&halves, &mut values, batches);
        }
        values
    }

    #[inline]
    fn first_draws(&self, halves: &[u16; LANES]) -> [i16; LANES] {
        let mut magnitudes = [0; LANES];
        for &threshold in &self.thresholds {
            for (magnitude, half) in magnitudes.iter_mut().zip(halves) {
                *magnitude += u16::from(half >> 1 >= threshold);
            }
        }
        std::array::from_fn(|i| signed(halves[i].into(), magnitudes[i]))
    }

    #[cold]
    fn second_draws(&self, halves: &[u16; RUN], values: &mut [i16; RUN], batches: &mut Batches) {
        let mut magnitudes = [0; BATCH];
        let wanted = values.iter_mut().zip(halves).filter(|(_, half)| **half >> 1 < self.second);
        for (drawn, (value, &half)) in wanted.enumerate() {
            if drawn % BATCH == 0 {
                magnitudes = self.rest.draw(&batches.next_batch());
            }
            *value = signed(half.into(), magnitudes[drawn % BATCH]);
        }
    }

    /// The magnitude of the code with these sixteen bits, by definition; `rest` is the word of its second draw.
    #[cfg(test)]
    pub(super) fn value(&self, half: u16, rest: &mut impl FnMut() -> u32) -> i16 {
        let state = half >> 1;
        let reached = self.thresholds.iter().filter(|&&threshold| state >= threshold).count() as u16;
        let magnitude = if state < self.second { self.rest.draw(&[rest()])[0] } else { reached };
        signed(half.into(), magnitude)
    }

    /// How many of the 2^15 * 2^31 states of both draws have each magnitude.
    #[cfg(test)]
    pub(super) fn states(&self) -> Vec<u64> {
        let mut states: Vec<u64> =
            self.rest.states().iter().map(|states| states * u64::from(self.second)).collect();
        let ends = self.thresholds.iter().copied().chain([STATES]);
        let starts = std::iter::once(self.second).chain(self.thresholds.iter().copied());
        for (states, (start, end)) in states.iter_mut().zip(starts.zip(ends)) {
            *states += u64::from(end - start) << 31;
        }
        states
    }
}

/// The halves of each word, the lower one first.
#[inline]
fn split(words: &[u32; BATCH], halves: &mut [u16; OF_BATCH]) {
    for (halves, word) in halves.as_chunks_mut::<2>().0.iter_mut().zip(words) {
        *halves = [*word as u16, (word >> 16) as u16];
    }
}

#[cfg(test)]
mod tests {
    use super::super::distribution::magnitudes;
    use super::*;

    #[test]
    fn both_draws_together_are_the_distribution() {
        let rising = (0..60).map(|i| 0.16 * 1.1_f64.powi(i)).filter(|&sigma| sigma < 64.0);
        for sigma in rising.chain([3.2, 64.0]) {
            let probabilities = magnitudes(sigma);
            let states = Dense::new(&probabilities).states();
            assert_eq!(states.iter().sum::<u64>(), 1 << 46, "sigma {sigma}");
            for (k, (states, p)) in states.iter().zip(&probabilities).enumerate() {
                let difference = (*states as f64 / (1_u64 << 46) as f64 - p).abs();
                assert!(difference < 1.5e-11, "sigma {sigma}: magnitude {k} is off by {difference:e}");
            }
        }
    }

    #[test]
    fn every_half_of_a_word_draws_what_the_states_say() {
        for sigma in [0.16, 0.6, 3.2, 64.0] {
            let dense = Dense::new(&magnitudes(sigma));
            let (mut counts, mut second) = (vec![0_u16; dense.thresholds.len() + 1], 0);
            for half in 0..=u16::MAX {
                let mut drawn_again = false;
                let value = dense.value(half, &mut || {
                    drawn_again = true;
                    0
                });
                if drawn_again {
                    second += 1;
                } else {
                    assert!(value == 0 || (value < 0) == (half & 1 == 1));
                    counts[usize::from(value.unsigned_abs())] += 1;
                }
            }
            assert_eq!(second, 2 * dense.second, "sigma {sigma}");
            let ends = dense.thresholds.iter().copied().chain([STATES]);
            let starts = std::iter::once(dense.second).chain(dense.thresholds.iter().copied());
            let expected: Vec<u16> = starts.zip(ends).map(|(start, end)| 2 * (end - start)).collect();
            assert_eq!(counts, expected, "sigma {sigma}");
        }
    }

    #[test]
    fn probabilities_of_whole_states_need_no_second_draw() {
        let dense = Dense::new(&[0.5, 0.25, 0.25]);
        assert_eq!((dense.second, dense.thresholds.as_slice()), (0, &[16_384, 24_576][..]));
        assert_eq!(dense.value(0, &mut || unreachable!()), 0);
        assert_eq!(dense.value(u16::MAX, &mut || unreachable!()), -2);
    }
}
