//! The paper's own rule, with a full residual: it looks at the codes.
//!
//! A member's perturbation counts in the gradient estimate only for the codes that it did change, which those are that it
//! leaves in range; and the residual keeps what could not be applied: e := v - what the code moved by. So the residual
//! depends on the codes of every generation, and it takes a pass over the whole log from the base model's codes to get it
//! back.

use super::{Moves, StepRule};
use crate::block::{CodeBlock, CodeLayout, Codes};
use crate::noise::{Noise, Pair, Sink};
use crate::perturb::draw_tile;
use crate::tile::Tile;

/// Reads the codes of a tile into `read`.
pub fn read<L: CodeLayout>(read: &mut Vec<i16>, codes: &mut Codes<'_, L>, len: usize) {
    read.clear();
    read.extend((0..len).map(|index| codes.read(index)));
}

/// Sum over the members of weight * u for every code of the tile, gated members left out; both members of a pair have its
/// weight, with the sign that u has. `codes` are those that the members perturbed. Pairs are added in their order.
pub fn weighted_sum<B: CodeBlock>(
    sum: &mut [f32],
    codes: &[i16],
    tile: &Tile,
    noise: &Noise,
    pairs: &[Pair],
    weights: &[f32],
) {
    sum.fill(0.0);
    let range = (B::LO, B::HI);
    for (pair, &weight) in pairs.iter().zip(weights) {
        if weight != 0.0 {
            draw_tile(noise, pair, tile, &mut Accumulate { sum, codes, range, weight });
        }
    }
}

struct Accumulate<'a> {
    sum: &'a mut [f32],
    codes: &'a [i16],
    range: (i16, i16),
    weight: f32,
}

impl Accumulate<'_> {
    #[inline]
    fn contribution(&self, code: i16, u: i16) -> f32 {
        let fits = |code: i16| u8::from(code >= self.range.0) & u8::from(code <= self.range.1);
        let members = fits(code + u) + fits(code - u);
        f32::from(members) * self.weight * f32::from(u)
    }
}

impl Sink for Accumulate<'_> {
    #[inline]
    fn hit(&mut self, index: usize, u: i16) {
        self.sum[index] += self.contribution(self.codes[index], u);
    }

    #[inline]
    fn values(&mut self, first: usize, values: &[i16]) {
        let codes = &self.codes[first..];
        for (offset, (&code, &u)) in codes.iter().zip(values).enumerate() {
            self.sum[first + offset] += self.contribution(code, u);
        }
    }
}

/// One step: adds the deltas to the codes of a tile where the result stays in range; what is not added stays in the residual.
pub fn step<L: CodeLayout>(
    codes: &mut Codes<'_, L>,
    sum: &[f32],
    residual: &mut [f32],
    rule: StepRule,
) -> Moves {
    let mut moves = Moves::default();
    for (index, (sum, e)) in sum.iter().zip(residual).enumerate() {
        let v = rule.alpha_over_sigma * sum + rule.decay * *e;
        let delta = v.round_ties_even();
        *e = v;
        if delta != 0.0 {
            // As in `apply`, a delta beyond i16 is beyond every range.
            let moved = codes.nudge(index, delta as i16);
            if moved {
                *e -= delta;
            }
            moves.count(moved);
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::{Q4K, Q8_0};
    use crate::perturb::{Applied, Edit, Member, Sign, edit, read_codes};
    use crate::update;

    const RULE: StepRule = StepRule { alpha_over_sigma: 0.25, decay: 0.9 };

    proptest! {
        /// What counts is what the members did to the codes, as `perturb` has it.
        #[test]
        fn sums_are_of_what_the_members_changed(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x00), Just(0xff)], 144 * 8),
            sigma in prop::sample::select(vec![0.05, 0.3, 4.0]),
            weight in -3.0_f32..3.0,
            seed: u64,
        ) {
            let tile = Tile { tensor: 1, first: 0, len: 2048 };
            let (noise, pair) = (Noise::new(sigma).unwrap(), Pair::new(seed));
            let before = read_codes::<Q4K>(&bytes);
            let mut sum = vec![7.0; 2048];
            weighted_sum::<Q4K>(&mut sum, &before, &tile, &noise, std::slice::from_ref(&pair), &[weight]);
            let changed = |sign| {
                let mut bytes = bytes.clone();
                let member = Member { pair: &pair, sign };
                let codes = &mut Codes::<Q4K>::of_file(&mut bytes);
                edit(Edit::Perturb, codes, &tile, &noise, member, &mut Applied::default());
                read_codes::<Q4K>(&bytes)
            };
            for (((sum, before), plus), minus) in sum.iter().zip(&before).zip(changed(Sign::Plus)).zip(changed(Sign::Minus)) {
                // Both differences have the perturbation's sign and size, or are 0; their sum is exact.
                let both = (plus - before) + (before - minus);
                prop_assert!((sum - weight * f32::from(both)).abs() <= 1e-4 * sum.abs(), "{sum}");
            }
        }

        #[test]
        fn away_from_the_ends_it_is_the_ungated_rule(
            weights in prop::collection::vec(-3.0_f32..3.0, 3),
            mut residual in prop::collection::vec(-0.5_f32..=0.5, 2048),
        ) {
            let tile = Tile { tensor: 1, first: 0, len: 2048 };
            let noise = Noise::new(1.5).unwrap();
            let pairs: Vec<Pair> = (0..3).map(Pair::new).collect();
            let (mut sum, mut ungated) = (vec![0.0; 2048], vec![0.0; 2048]);
            weighted_sum::<Q8_0>(&mut sum, &[0; 2048], &tile, &noise, &pairs, &weights);
            update::weighted_sum(&mut ungated, &tile, &noise, &pairs, &weights);
            prop_assert_eq!(&sum, &ungated);

            let (mut bytes, mut residual_of_codes) = (vec![0; 34 * 64], residual.clone());
            let moves = step(&mut Codes::<Q8_0>::of_file(&mut bytes), &sum, &mut residual_of_codes, RULE);
            update::step(&mut ungated, &mut residual, RULE);
            prop_assert_eq!(residual_of_codes, residual);
            prop_assert_eq!(moves.gated, 0);
            let codes: Vec<f32> = read_codes::<Q8_0>(&bytes).into_iter().map(f32::from).collect();
            prop_assert_eq!(codes, ungated);
        }
    }

    #[test]
    fn what_a_code_cannot_take_stays_in_the_residual() {
        // The first code is at its upper end, the second in the middle.
        let mut bytes = vec![0x88; 144];
        let mut codes = Codes::<Q4K>::of_file(&mut bytes);
        codes.nudge(0, 7);
        let mut residual = [0.0; 3];
        let rule = StepRule { alpha_over_sigma: 1.0, decay: 0.5 };
        assert_eq!(
            step(&mut codes, &[2.25, 2.25, 0.25], &mut residual, rule),
            Moves { moved: 1, gated: 1, pulled: 0 }
        );
        assert_eq!(residual, [2.25, 0.25, 0.25]);
        assert_eq!([0, 1].map(|index| codes.read(index)), [15, 10]);
        // It counts when evidence turns round: 0.5 * 2.25 - 2.25 rounds to -1.
        step(&mut codes, &[-2.25, 0.0, 0.0], &mut residual, rule);
        assert_eq!(codes.read(0), 14);
        assert_eq!(residual[0], -0.125);
    }

    #[test]
    fn dense_values_and_hits_are_gated_alike() {
        let (codes, weight) = ([0, 15, 8, 1], 0.5);
        let u = [1, 1, -3, -2];
        let (mut by_hit, mut by_value) = ([0.0; 4], [0.0; 4]);
        let mut sink = Accumulate { sum: &mut by_hit, codes: &codes, range: (0, 15), weight };
        u.iter().enumerate().for_each(|(index, &u)| sink.hit(index, u));
        Accumulate { sum: &mut by_value, codes: &codes, range: (0, 15), weight }.values(0, &u);
        assert_eq!(by_hit, [0.5, 0.5, -3.0, -1.0]);
        assert_eq!(by_hit, by_value);
    }

    #[test]
    fn codes_are_read_in_their_order() {
        let mut bytes: Vec<u8> = (0..144).collect();
        let expected = read_codes::<Q4K>(&bytes);
        let mut into = vec![99; 3];
        read(&mut into, &mut Codes::<Q4K>::of_file(&mut bytes), 256);
        assert_eq!(into, expected);
    }
}
