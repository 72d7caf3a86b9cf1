//! The paper's own rule, with a full residual: it looks at the codes.
//!
//! A member's perturbation is counted in the gradient estimate only for the codes that it did change, those that stay
//! in range; and the residual keeps what could not be applied: e := v - the code's move. So the residual depends on
//! the codes of every generation, and restoring it takes a pass over the whole log from the base model's codes.

use super::{Buffers, Moves, StepRule, Update};
use crate::block::{Codes, Integers};
use crate::noise::Sink;
use crate::perturb::draw_tile;
use crate::tile::Tile;

/// Computes for every integer of the tile the sum over the members of weight * u, without gated members. Both members
/// of a mirrored pair have its weight, with the sign of u. Perturbations are added in their order.
pub fn weigh<I: Integers>(
    update: &Update<'_>,
    blocks: &mut Codes<'_, I::Layout>,
    tile: &Tile,
    Buffers { sum, integers }: &mut Buffers,
) {
    integers.clear();
    integers.extend((0..tile.len).map(|index| I::read(blocks, index)));
    sum.clear();
    sum.resize(tile.len, 0.0);
    let fits = |value: i16, u: i16| I::holds(value) && I::holds(value.saturating_add(u));
    let members = |value: i16, u: i16| {
        u8::from(fits(value, u)) + u8::from(update.mirror && fits(value, u.saturating_neg()))
    };
    for (seed, &weight) in update.seeds.iter().zip(update.weights) {
        if weight != 0.0 {
            let mut sink = AccumulateGated { sum, integers, members, weight };
            draw_tile(update.noise, seed, tile, &mut sink);
        }
    }
}

struct AccumulateGated<'a, F> {
    sum: &'a mut [f32],
    integers: &'a [i16],
    /// Returns the number of members that change an integer of this value by this perturbation.
    members: F,
    weight: f32,
}

impl<F: Fn(i16, i16) -> u8> Sink for AccumulateGated<'_, F> {
    #[inline]
    fn hit(&mut self, index: usize, u: i16) {
        let members = (self.members)(self.integers[index], u);
        self.sum[index] += f32::from(members) * self.weight * f32::from(u);
    }
}

/// Adds the deltas to the integers of a tile if the result stays in range; the rest stays in the residual.
pub fn step<I: Integers>(
    blocks: &mut Codes<'_, I::Layout>,
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
            let moved = I::nudge(blocks, index, delta as i16);
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
    use crate::block::{Field, OfCodes, Q4K, Q8_0};
    use crate::noise::{Noise, NoiseSeed};
    use crate::perturb::{Applied, Edit, Member, Sign, edit, read_codes};
    use crate::update::{self, Method};

    const RULE: StepRule = StepRule { alpha_over_sigma: 0.25, decay: 0.9 };
    const TILE: Tile = Tile { tensor: 1, field: Field::Codes, first: 0, len: 2048 };

    fn update<'a>(noise: &'a Noise, weights: &'a [f32], seed: u64, mirror: bool) -> Update<'a> {
        let seeds = (seed..).take(weights.len()).map(NoiseSeed::new).collect();
        let method = Method::QesGated;
        Update { method, seed: 0, generation: 0, mirror, noise, seeds, weights, rule: RULE, anchor: None }
    }

    proptest! {
        /// Sums are of the changes that `perturb` made to the codes.
        #[test]
        fn sums_are_of_what_the_members_changed(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x00), Just(0xff)], 144 * 8),
            hit in prop::sample::select(vec![1, 3, 9]),
            weight in -3.0_f32..3.0,
            seed in 0..u64::MAX,
            mirror: bool,
        ) {
            let (noise, mut buffers) = (Noise::new(0.5, hit).unwrap(), Buffers::default());
            let before = read_codes::<Q4K>(&bytes);
            let weights = [weight];
            let update = update(&noise, &weights, seed, mirror);
            let mut live = bytes.clone();
            weigh::<OfCodes<Q4K>>(&update, &mut Codes::of_file(&mut live), &TILE, &mut buffers);
            let changed = |sign| {
                let mut bytes = bytes.clone();
                let (member, codes) = (Member { seed: &update.seeds[0], sign }, &mut Codes::of_file(&mut bytes));
                edit::<OfCodes<Q4K>>(Edit::Perturb, codes, &TILE, &noise, member, &mut Applied::default());
                read_codes::<Q4K>(&bytes)
            };
            let minus = if mirror { changed(Sign::Minus) } else { before.clone() };
            for (((sum, before), plus), minus) in buffers.sum.iter().zip(&before).zip(changed(Sign::Plus)).zip(minus) {
                // Both differences have the perturbation's sign and size, or are 0; their sum is exact.
                let both = (plus - before) + (before - minus);
                prop_assert!((sum - weight * f32::from(both)).abs() <= 1e-4 * sum.abs(), "{sum}");
            }
        }

        #[test]
        fn away_from_the_ends_it_is_the_ungated_rule(
            weights in prop::collection::vec(-3.0_f32..3.0, 3),
            mut residual in prop::collection::vec(-0.5_f32..=0.5, 2048),
            mirror: bool,
        ) {
            let noise = Noise::new(1.5, 4).unwrap();
            let update = update(&noise, &weights, 0, mirror);
            let (mut buffers, mut ungated) = (Buffers::default(), Vec::new());
            let mut bytes = vec![0; 34 * 64];
            weigh::<OfCodes<Q8_0>>(&update, &mut Codes::of_file(&mut bytes), &TILE, &mut buffers);
            update.weigh_blindly(&TILE, &mut ungated);
            prop_assert_eq!(&buffers.sum, &ungated);

            let mut residual_of_codes = residual.clone();
            let moves = step::<OfCodes<Q8_0>>(&mut Codes::of_file(&mut bytes), &buffers.sum, &mut residual_of_codes, RULE);
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
        OfCodes::<Q4K>::nudge(&mut codes, 0, 7);
        let mut residual = [0.0; 3];
        let rule = StepRule { alpha_over_sigma: 1.0, decay: 0.5 };
        assert_eq!(
            step::<OfCodes<Q4K>>(&mut codes, &[2.25, 2.25, 0.25], &mut residual, rule),
            Moves { moved: 1, gated: 1, pulled: 0 }
        );
        assert_eq!(residual, [2.25, 0.25, 0.25]);
        assert_eq!([0, 1].map(|index| codes.read(index)), [15, 10]);
        // It counts when evidence turns round: 0.5 * 2.25 - 2.25 rounds to -1.
        step::<OfCodes<Q4K>>(&mut codes, &[-2.25, 0.0, 0.0], &mut residual, rule);
        assert_eq!(codes.read(0), 14);
        assert_eq!(residual[0], -0.125);
    }
}
