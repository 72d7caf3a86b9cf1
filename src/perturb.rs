//! Applies a member's perturbation to the integers of one tile, mirrors it, and reverts it exactly.
//!
//! An integer whose result would leave its range is skipped (gated). To revert a perturbation, the same noise is drawn
//! again; the gated hits are remembered by one bit a hit, not by a mask over the integers.

mod applied;

use applied::Bits;

pub use applied::Applied;

use crate::block::{CodeBlock, Codes, Integers};
use crate::noise::{Noise, NoiseSeed, Sink};
use crate::tile::Tile;

/// The sign with which a perturbation is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Adds the perturbation.
    Plus,
    /// Subtracts it: the second member of a mirrored pair.
    Minus,
}

impl Sign {
    /// Returns +1 or -1.
    pub fn factor(self) -> i16 {
        match self {
            Self::Plus => 1,
            Self::Minus => -1,
        }
    }

    /// Returns the other sign.
    pub fn other(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}

/// One member of a population: a perturbation with a sign.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Seed of the perturbation.
    pub seed: &'a NoiseSeed,
    /// The sign; always plus if members are not mirrored.
    pub sign: Sign,
}

/// Draws the perturbation of a tile into `sink`, with indices relative to the tile.
#[inline]
pub(crate) fn draw_tile(noise: &Noise, seed: &NoiseSeed, tile: &Tile, sink: &mut impl Sink) {
    let mut batches = seed.batches();
    for (address, integers) in tile.runs(noise.run_len()) {
        noise.draw(&mut batches, address, integers, sink);
    }
}

/// A change by [`edit`] of the integers of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Adds the member's perturbation to each integer whose result stays in range, and remembers which ones.
    Perturb,
    /// Reverts the member's perturbation and applies its mirror image.
    Mirror,
    /// Reverts the member's perturbation, exactly.
    Restore,
}

/// Edits the integers of `tile` by the perturbation of one member. `applied` is passed from call to call:
/// [`Edit::Perturb`] fills it, the others need it as the previous call left it.
pub fn edit<I: Integers>(
    what: Edit,
    blocks: &mut Codes<'_, I::Layout>,
    tile: &Tile,
    noise: &Noise,
    Member { seed, sign }: Member<'_>,
    applied: &mut Applied,
) {
    let factor = sign.factor();
    if what == Edit::Perturb {
        applied.0.clear();
    }
    let bits = Bits::new(&mut applied.0);
    match what {
        Edit::Perturb => {
            let change = |index, u: i16, _| I::nudge(blocks, index, factor * u);
            draw_tile(noise, seed, tile, &mut Editor { bits, change });
        }
        Edit::Mirror => {
            let change = |index, u: i16, was| {
                let _ = was && I::nudge(blocks, index, -factor * u);
                I::nudge(blocks, index, -factor * u)
            };
            draw_tile(noise, seed, tile, &mut Editor { bits, change });
        }
        Edit::Restore => {
            let change = |index, u: i16, was| was && I::nudge(blocks, index, -factor * u);
            draw_tile(noise, seed, tile, &mut Editor { bits, change });
        }
    }
}

/// Sink that passes every hit through `change`: from (index, perturbation, the hit's bit of the last edit) to the
/// hit's bit.
struct Editor<'a, F> {
    bits: Bits<'a>,
    change: F,
}

impl<F: FnMut(usize, i16, bool) -> bool> Sink for Editor<'_, F> {
    #[inline(always)]
    fn hit(&mut self, index: usize, u: i16) {
        let applied = (self.change)(index, u, self.bits.was());
        self.bits.pass(applied);
    }
}

/// Returns all codes of a sequence of whole blocks.
pub fn read_codes<B: CodeBlock>(bytes: &[u8]) -> Vec<i16> {
    (0..bytes.len() / B::BYTES * B::LEN).map(|index| crate::block::read_code::<B>(bytes, index)).collect()
}

#[cfg(test)]
mod tests;
