//! Applies a member's perturbation to the codes of one tile, turns it into its mirror image, and takes it back exactly.
//!
//! A code whose result would leave its range is skipped (gated). To take a perturbation back the same noise is drawn
//! again; which of its hits were gated is remembered in one bit a hit, not in a mask over the codes. Going from one
//! member of a pair to the other in one pass saves one of four draws. Where there is memory for it, what either member
//! changes is kept from the first pass on, which then is the only one that draws.

mod applied;
mod editor;
mod hits;
mod patches;

use applied::Memory;

pub use applied::Applied;

use crate::block::{CodeBlock, CodeLayout, Codes};
use crate::noise::{Noise, Pair, RunAddress, Sink};
use crate::tensor_type::TensorType;
use crate::tile::Tile;
use crate::with_block;

/// Codes side by side that are worked on at once: as many as dense noise draws at once.
const RUN: usize = 256;

/// Which of the two members of an antithetic (mirrored) pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Adds the perturbation.
    Plus,
    /// Subtracts it.
    Minus,
}

impl Sign {
    /// +1 or -1.
    pub fn factor(self) -> i16 {
        match self {
            Self::Plus => 1,
            Self::Minus => -1,
        }
    }

    /// The sign of the pair's other member.
    pub fn other(self) -> Self {
        match self {
            Self::Plus => Self::Minus,
            Self::Minus => Self::Plus,
        }
    }
}

/// One member of a population: a pair's perturbation with one of the two signs.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The pair.
    pub pair: &'a Pair,
    /// The sign.
    pub sign: Sign,
}

/// Draws the pair's perturbation of a tile into `sink`, which addresses the codes by their place in the tile.
#[inline]
pub(crate) fn draw_tile(noise: &Noise, pair: &Pair, tile: &Tile, sink: &mut impl Sink) {
    let mut batches = pair.batches();
    for (run, codes) in tile.runs(noise.run_len()) {
        noise.draw(&mut batches, RunAddress { tensor: tile.tensor, run }, codes, sink);
    }
}

/// What [`edit`] does to the codes of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Adds the member's perturbation to each code whose result stays in range, and remembers which did.
    Perturb,
    /// Takes the member's perturbation back and applies its pair's other member.
    Mirror,
    /// Takes the member's perturbation back, exactly.
    Restore,
}

/// Edits the codes of `tile` by the perturbation of one member of a pair. `applied` goes from call to call:
/// [`Edit::Perturb`] fills it, the others need it as the call before left it.
pub fn edit<L: CodeLayout>(
    what: Edit,
    codes: &mut Codes<'_, L>,
    tile: &Tile,
    noise: &Noise,
    member: Member<'_>,
    applied: &mut Applied,
) {
    match (&mut applied.0, what) {
        (Memory::Patches(patches), Edit::Perturb) => patches.perturb(codes, tile, noise, member),
        (Memory::Patches(patches), Edit::Mirror) => patches.mirror(codes),
        (Memory::Patches(patches), Edit::Restore) => patches.restore(codes, member.sign),
        (Memory::Bits(bits), what) => editor::edit(what, codes, tile, noise, member, bits),
    }
}

/// The code moved by `delta`, and whether it was: not when it would leave its range.
#[inline]
fn shift<B: CodeBlock>(code: i16, delta: i16) -> (i16, bool) {
    let moved = code + delta;
    let fits = (B::LO..=B::HI).contains(&moved);
    (if fits { moved } else { code }, fits)
}

/// Bytes that [`Applied::keeping`] takes for a tensor with so many codes, at most.
pub fn kept_bytes(tensor_type: TensorType, noise: &Noise, codes: u64) -> u64 {
    if noise.is_dense() {
        return 2 * codes;
    }
    let planes = with_block!(tensor_type, B => B::CODES.count());
    let hits = (codes as f64 * noise.hit_probability()).ceil() as u64;
    // Lists grow by doubling, so up to half of one is free.
    2 * 6 * planes * hits
}

/// All codes of a sequence of whole blocks.
pub fn read_codes<B: CodeBlock>(bytes: &[u8]) -> Vec<i16> {
    (0..bytes.len() / B::BYTES * B::LEN).map(|index| crate::block::read_code::<B>(bytes, index)).collect()
}

#[cfg(test)]
mod tests;
