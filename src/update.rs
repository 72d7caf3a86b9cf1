//! THE one step: from a generation's gradient estimate and the residual to code deltas, by one of four methods.
//!
//! Error feedback (QES, arXiv 2602.03120, section 3): v = alpha * g + decay * e, delta = round(v) with ties to even, e
//! := v - delta. The residual never looks at the codes: e := v - delta whether or not a code could move, so that it is
//! a function of seeds and weights alone and can be replayed exactly (docs/ALGORITHM.md). The other methods are for
//! comparison: `gated` is the paper's own rule, `rounding` has no feedback. Live tuning, resuming and exporting all
//! use this module. The arithmetic is f32 in a fixed order without fused multiply-add, so every machine gets the same
//! bits.

mod anchor;
mod gated;
mod rounding;

use serde::{Deserialize, Serialize};

pub use anchor::Anchor;

use crate::block::{Codes, Integers};
use crate::noise::{Noise, NoiseSeed, Sink};
use crate::perturb::draw_tile;
use crate::rng::{Domain, Source};
use crate::tile::Tile;

/// By which rule a generation's sums move the codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Method {
    /// Error feedback that never looks at the codes.
    Qes,
    /// Error feedback by the paper's own rule, which does.
    QesGated,
    /// Rounding at random, without feedback.
    Quzo,
    /// Rounding to the nearest, without feedback.
    EsRound,
}

impl Method {
    /// Returns whether it has a residual, which keeps evidence too small for a step.
    pub fn has_residual(self) -> bool {
        matches!(self, Self::Qes | Self::QesGated)
    }

    /// Returns whether its residual depends on the codes of earlier generations, so that it cannot be replayed by itself.
    pub fn looks_at_codes(self) -> bool {
        self == Self::QesGated
    }

    /// Returns the name in logs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qes => "qes",
            Self::QesGated => "qes-gated",
            Self::Quzo => "quzo",
            Self::EsRound => "es-round",
        }
    }
}

/// Step of one generation on one field of the tensors of one type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRule {
    /// alpha / sigma, the factor from the weighted sum of perturbations to steps of the integers.
    pub alpha_over_sigma: f32,
    /// Share of the residual that the next generation keeps, 0.0..=1.0.
    pub decay: f32,
}

impl StepRule {
    /// Returns the rule of a generation with this alpha and sigma (both in steps of the integers).
    pub fn new(alpha: f64, sigma: f64, decay: f64) -> Self {
        Self { alpha_over_sigma: (alpha / sigma) as f32, decay: decay as f32 }
    }
}

/// Integers that a step changed, and integers that it could not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Integers that changed.
    pub moved: u64,
    /// Integers whose delta would have left their range, so that they stayed.
    pub gated: u64,
    /// Integers that the anchor then pulled one step towards their base value.
    pub pulled: u64,
}

impl Moves {
    /// Counts an integer with a delta.
    #[inline]
    fn count(&mut self, moved: bool) {
        self.moved += u64::from(moved);
        self.gated += u64::from(!moved);
    }
}

impl std::ops::Add for Moves {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            moved: self.moved + other.moved,
            gated: self.gated + other.gated,
            pulled: self.pulled + other.pulled,
        }
    }
}

/// The blocks of a tile, and the bytes that they have in the base model's file.
#[derive(Debug)]
pub struct TileOfBase<'a, I: Integers> {
    /// The present blocks.
    pub blocks: Codes<'a, I::Layout>,
    /// The blocks before any tuning, in the file's layout.
    pub base: &'a [u8],
}

/// Arrays of a tile's length for an update; reused.
#[derive(Clone, Debug, Default)]
pub struct Buffers {
    /// Weighted sums, and then deltas.
    pub sum: Vec<f32>,
    /// Integers, for the method that looks at them.
    integers: Vec<i16>,
}

/// One generation's update of one field of the tensors of one type: [`Update::weigh`] computes its sums and
/// [`Update::apply`] consumes them.
#[derive(Clone, Debug)]
pub struct Update<'a> {
    /// The method.
    pub method: Method,
    /// Seed of the run.
    pub seed: u64,
    /// Number of the generation, from 0.
    pub generation: u64,
    /// `true` if each perturbation has two members, one for each sign.
    pub mirror: bool,
    /// Noise of the perturbations.
    pub noise: &'a Noise,
    /// The sources of the generation's perturbations.
    pub seeds: Vec<NoiseSeed>,
    /// The weight of each.
    pub weights: &'a [f32],
    /// Rule from sums to steps.
    pub rule: StepRule,
    /// Pull of codes back to the base after the step.
    pub anchor: Option<&'a Anchor>,
}

impl Update<'_> {
    /// Computes the sums of a tile by a method that does not look at the codes.
    ///
    /// For every integer this is the sum over the perturbations of weight * u, sigma times the gradient estimate. Both members
    /// of a mirrored pair contribute, hence a factor of 2 there. Perturbations are added in their order.
    pub fn weigh_blindly(&self, tile: &Tile, sum: &mut Vec<f32>) {
        sum.clear();
        sum.resize(tile.len, 0.0);
        let members = if self.mirror { 2.0 } else { 1.0 };
        for (seed, &weight) in self.seeds.iter().zip(self.weights) {
            if weight != 0.0 {
                draw_tile(self.noise, seed, tile, &mut Accumulate { sum, factor: members * weight });
            }
        }
    }

    /// Computes the sums of a tile whose integers are those that the generation's members perturbed.
    pub fn weigh<I: Integers>(&self, tuned: &mut TileOfBase<'_, I>, tile: &Tile, buffers: &mut Buffers) {
        if self.method.looks_at_codes() {
            gated::weigh::<I>(self, &mut tuned.blocks, tile, buffers);
        } else {
            self.weigh_blindly(tile, &mut buffers.sum);
        }
    }

    /// Moves the integers of a tile by the sums, which are consumed. `residual` is empty for a method that has none.
    pub fn apply<I: Integers>(
        &self,
        tuned: &mut TileOfBase<'_, I>,
        tile: &Tile,
        residual: &mut [f32],
        Buffers { sum, .. }: &mut Buffers,
    ) -> Moves {
        let blocks = &mut tuned.blocks;
        let scale = self.rule.alpha_over_sigma;
        let moves = match self.method {
            Method::Qes => {
                step(sum, residual, self.rule);
                apply::<I>(blocks, sum)
            }
            Method::QesGated => gated::step::<I>(blocks, sum, residual, self.rule),
            Method::Quzo => {
                let source = Source::of_generation(self.seed, self.generation, Domain::Rounding);
                rounding::at_random(sum, scale, tile, &source);
                apply::<I>(blocks, sum)
            }
            Method::EsRound => {
                rounding::to_nearest(sum, scale);
                apply::<I>(blocks, sum)
            }
        };
        let pulled = self.anchor.map_or(0, |anchor| anchor.pull(tuned, tile, self.generation));
        Moves { pulled, ..moves }
    }
}

struct Accumulate<'a> {
    sum: &'a mut [f32],
    factor: f32,
}

impl Sink for Accumulate<'_> {
    #[inline]
    fn hit(&mut self, index: usize, u: i16) {
        self.sum[index] += self.factor * f32::from(u);
    }
}

/// Advances the residual by one step: consumes the weighted sums of a generation and leaves the deltas in their place.
pub fn step(sum_to_delta: &mut [f32], residual: &mut [f32], rule: StepRule) {
    for (value, e) in sum_to_delta.iter_mut().zip(residual) {
        let v = rule.alpha_over_sigma * *value + rule.decay * *e;
        let delta = v.round_ties_even();
        *e = v - delta;
        *value = delta;
    }
}

/// Adds the deltas to the integers of a tile, if the result stays in range.
pub fn apply<I: Integers>(blocks: &mut Codes<'_, I::Layout>, deltas: &[f32]) -> Moves {
    let mut moves = Moves::default();
    for (index, &delta) in deltas.iter().enumerate() {
        if delta != 0.0 {
            // A delta beyond i16 saturates; it is beyond every range, and so gated, either way.
            moves.count(I::nudge(blocks, index, delta as i16));
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use proptest::prelude::*;

    use super::*;
    use crate::block::{OfCodes, Q4K};
    use crate::perturb::read_codes;

    const RULE: StepRule = StepRule { alpha_over_sigma: 0.25, decay: 0.9 };

    /// Its square is rounded by 2^-24, to `SQUARE`.
    const ODD: f32 = 1.0 + 1.0 / 4096.0;
    const SQUARE: f32 = 1.0 + 2.0 / 4096.0;

    /// Rust compilers fuse nothing by themselves, on any processor; this test checks it for the loops that decide codes.
    #[test]
    fn products_are_rounded_before_they_are_added() {
        let fused = black_box(ODD).mul_add(black_box(ODD), -SQUARE);
        assert_eq!(fused, 1.0 / (1 << 24) as f32, "the numbers tell one rounding from two");

        let rule = black_box(StepRule { alpha_over_sigma: ODD, decay: ODD });
        let (mut sum, mut residual) = (vec![ODD; 67], vec![-ODD; 67]);
        step(&mut sum, &mut residual, rule);
        assert_eq!(residual, [0.0; 67]);

        let u = black_box([4097; 67]);
        let mut sum = vec![-4096.0 * SQUARE; 67];
        let mut sink = Accumulate { sum: &mut sum, factor: black_box(ODD) };
        (0..).zip(u).for_each(|(index, u)| sink.hit(index, u));
        assert_eq!(sum, [0.0; 67]);
    }

    proptest! {
        #[test]
        fn the_residual_stays_within_half_a_code(
            sums in prop::collection::vec(-1e4_f32..1e4, 64),
            mut residual in prop::collection::vec(-0.5_f32..=0.5, 64),
        ) {
            let mut deltas = sums;
            step(&mut deltas, &mut residual, RULE);
            for (e, delta) in residual.iter().zip(&deltas) {
                prop_assert!(e.abs() <= 0.5);
                prop_assert_eq!(delta.fract(), 0.0);
            }
        }

        #[test]
        fn the_residual_does_not_look_at_the_codes(
            sums in prop::collection::vec(-40.0_f32..40.0, 256),
            bytes in prop::collection::vec(any::<u8>(), 144),
        ) {
            // Only `apply` sees codes, and it hands nothing back: the same sums leave the same residual after any codes.
            let run = |mut bytes: Vec<u8>| {
                let mut residual = vec![0.0; 256];
                for _ in 0..3 {
                    let mut deltas = sums.clone();
                    step(&mut deltas, &mut residual, RULE);
                    apply::<OfCodes<Q4K>>(&mut Codes::<Q4K>::of_file(&mut bytes), &deltas);
                }
                residual
            };
            prop_assert_eq!(run(bytes), run(vec![0xff; 144]));
        }

        #[test]
        fn applying_moves_codes_by_their_delta_or_not_at_all(
            deltas in prop::collection::vec((-20_i16..20).prop_map(f32::from), 256),
            bytes in prop::collection::vec(any::<u8>(), 144),
        ) {
            let mut after = bytes.clone();
            let moves = apply::<OfCodes<Q4K>>(&mut Codes::<Q4K>::of_file(&mut after), &deltas);
            let mut expected = Moves::default();
            for ((before, after), delta) in read_codes::<Q4K>(&bytes).into_iter().zip(read_codes::<Q4K>(&after)).zip(&deltas) {
                let wanted = before + *delta as i16;
                let fits = (0..=15).contains(&wanted);
                prop_assert_eq!(after, if fits { wanted } else { before });
                expected.moved += u64::from(fits && *delta != 0.0);
                expected.gated += u64::from(!fits);
            }
            prop_assert_eq!(moves, expected);
            prop_assert_eq!(&bytes[..16], &after[..16], "scales are never touched");
        }
    }

    #[test]
    fn feedback_adds_up_evidence_that_plain_rounding_loses() {
        // Each generation speaks for a fifth of a code. Rounded alone that is nothing, ten times over.
        let rule = StepRule { alpha_over_sigma: 0.2, decay: 1.0 };
        let (mut with_feedback, mut residual) = (0.0, [0.0]);
        let mut without_feedback = 0.0;
        for _ in 0..10 {
            let mut delta = [1.0];
            step(&mut delta, &mut residual, rule);
            with_feedback += delta[0];
            let mut delta = [1.0];
            step(&mut delta, &mut [0.0], rule);
            without_feedback += delta[0];
        }
        assert_eq!((with_feedback, without_feedback), (2.0, 0.0));
    }

    #[test]
    fn ties_round_to_even() {
        let mut deltas = [0.5, 1.5, -0.5, 2.5];
        step(&mut deltas, &mut [0.0; 4], StepRule { alpha_over_sigma: 1.0, decay: 0.0 });
        assert_eq!(deltas, [0.0, 2.0, 0.0, 2.0]);
    }

    #[test]
    fn absurd_deltas_are_gated() {
        let mut bytes = vec![0x88; 144];
        let mut deltas = vec![0.0; 256];
        (deltas[0], deltas[1], deltas[2]) = (1e30, -1e30, f32::INFINITY);
        let moves = apply::<OfCodes<Q4K>>(&mut Codes::<Q4K>::of_file(&mut bytes), &deltas);
        assert_eq!(moves, Moves { moved: 0, gated: 3, pulled: 0 });
        assert_eq!(bytes, vec![0x88; 144]);
    }
}
