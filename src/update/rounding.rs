//! Rounding without feedback: the remainder is lost.

use crate::rng::{BATCH, Source};
use crate::tile::{Tile, UPDATE_RUN};

/// Number of values of a random word.
const WORDS: f32 = (1_u64 << 32) as f32;

/// Replaces the weighted sums of a generation by `scale` times them, rounded to the nearest whole number, ties to even.
pub fn to_nearest(sum_to_delta: &mut [f32], scale: f32) {
    for value in sum_to_delta {
        *value = (scale * *value).round_ties_even();
    }
}

/// As [`to_nearest`], but each value is rounded up or down at random, so that the mean over draws is the value itself.
///
/// Value i of a run uses word i of the run's stream, whether it needs it or not.
pub fn at_random(sum_to_delta: &mut [f32], scale: f32, tile: &Tile, source: &Source) {
    let mut batches = source.batches();
    for (address, integers) in tile.runs(UPDATE_RUN) {
        batches.start(address.stream());
        for values in sum_to_delta[integers].chunks_mut(BATCH) {
            for (value, word) in values.iter_mut().zip(batches.next_batch()) {
                *value = round(scale * *value, word);
            }
        }
    }
}

/// Rounds `value` at random: away from 0 with a probability equal to its fractional part, to within 2^-32, else towards 0.
#[inline]
fn round(value: f32, word: u32) -> f32 {
    let magnitude = value.abs();
    let whole = magnitude.trunc();
    // Exact: neither the difference nor the multiplication rounds.
    let up = word < ((magnitude - whole) * WORDS) as u32;
    (whole + f32::from(up)).copysign(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::Field;
    use crate::rng::Domain;

    proptest! {
        #[test]
        fn a_value_is_rounded_to_one_of_its_neighbours(value in -1e6_f32..1e6, word: u32) {
            let rounded = round(value, word);
            prop_assert!(rounded == value.floor() || rounded == value.ceil(), "{value} to {rounded}");
        }
    }

    #[test]
    fn the_share_of_words_that_round_up_is_the_fraction() {
        for (value, low, threshold) in [(0.25, 0.0, 1_u32 << 30), (-3.5, -3.0, 1 << 31), (1e-9, 0.0, 4)] {
            let high = low + 1.0_f32.copysign(value);
            assert_eq!(round(value, threshold - 1), high, "{value}");
            assert_eq!(round(value, threshold), low, "{value}");
        }
        for value in [0.0, -2.0, 7.0, 1e30, -0.0] {
            assert_eq!(round(value, 0), value);
        }
    }

    fn rounded(value: f32, seed: u64, generation: u64, tile: &Tile) -> Vec<f32> {
        let mut values = vec![value; tile.len];
        at_random(&mut values, 0.5, tile, &Source::of_generation(seed, generation, Domain::Rounding));
        values
    }

    #[test]
    fn the_mean_of_rounded_values_is_the_value() {
        let tile = Tile { tensor: 1, field: Field::Codes, first: 0, len: 1 << 16 };
        for value in [0.01_f32, -0.3, 2.5, -7.9] {
            let (mut sum, mut count) = (0.0, 0.0);
            for generation in 0..20 {
                for rounded in rounded(2.0 * value, 3, generation, &tile) {
                    (sum, count) = (sum + f64::from(rounded), count + 1.0);
                }
            }
            let p = f64::from(value.abs().fract());
            let deviations = (sum / count - f64::from(value)) / (p * (1.0 - p) / count).sqrt();
            assert!(deviations.abs() < 4.0, "{value}: {deviations:.1} standard deviations off");
        }
    }

    #[test]
    fn a_code_is_rounded_alike_wherever_a_tile_begins_and_whatever_its_neighbours_are() {
        let whole = Tile { tensor: 2, field: Field::Codes, first: 0, len: 3 * 8192 };
        let cut = Tile { first: 2 * 8192, len: 8192 - 96, ..whole };
        let of_whole = rounded(0.7, 4, 9, &whole);
        assert_eq!(rounded(0.7, 4, 9, &cut), of_whole[2 * 8192..3 * 8192 - 96]);
        let mut sparse: Vec<f32> = (0..cut.len).map(|i| if i % 97 == 5 { 0.7 } else { 0.0 }).collect();
        at_random(&mut sparse, 0.5, &cut, &Source::of_generation(4, 9, Domain::Rounding));
        for (index, value) in sparse.iter().enumerate() {
            assert_eq!(*value, if index % 97 == 5 { of_whole[2 * 8192 + index] } else { 0.0 });
        }
    }

    #[test]
    fn ties_round_to_even_without_draws() {
        let mut values = [0.5, 1.5, -0.5, 2.5, 0.4999];
        to_nearest(&mut values, 1.0);
        assert_eq!(values, [0.0, 2.0, 0.0, 2.0, 0.0]);
    }

    /// These pin the draws: a change here means that old logs no longer replay, and that the log's format version rises.
    #[test]
    fn golden_roundings() {
        let ups = |seed, generation, tile| {
            let rounded = rounded(1.0, seed, generation, tile);
            (0..32).fold(0_u32, |bits, index| bits | (rounded[index] as u32) << index)
        };
        let tile = Tile { tensor: 3, field: Field::Codes, first: 16_384, len: 8192 };
        let far = Tile { tensor: 0, field: Field::Codes, first: 8192 << 20, len: 64 };
        let golden = [3_487_251_176, 1_283_210_929, 3_674_686_756];
        assert_eq!([ups(0, 0, &tile), ups(u64::MAX, 1 << 24, &far), ups(7, 3, &tile)], golden);
    }
}
