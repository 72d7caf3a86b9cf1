//! Applies a member's perturbation to the codes of one tile, turns it into its mirror image, and takes it back exactly.
//!
//! A code whose result would leave its range is skipped (gated). To take a perturbation back the same noise is drawn
//! again; which of its hits were gated is remembered in one bit a hit, not in a mask over the codes. Going from one
//! member of a pair to the other in one pass saves one of four draws. Dense noise, where a draw costs more than all the
//! rest, can be kept from the first pass on, for a byte a code.

mod applied;

use applied::{Bits, Kept};

pub use applied::Applied;

use crate::block::{CodeBlock, CodeLayout, Codes};
use crate::noise::{Noise, Pair, RunAddress, Sink};
use crate::tile::Tile;

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
    Member { pair, sign }: Member<'_>,
    applied: &mut Applied,
) {
    let sign = sign.factor();
    let mut kept = applied.lend_kept();
    match what {
        Edit::Perturb => {
            applied.clear();
            let change = |code, delta, _| shift::<L::Block>(code, delta);
            let mut editor = Editor { codes, bits: applied.bits(), sign, change };
            match &mut kept {
                Some(kept) => kept.draw(noise, pair, tile, &mut editor),
                None => draw_tile(noise, pair, tile, &mut editor),
            }
            editor.bits.finish();
        }
        Edit::Mirror => {
            let change = |code, delta, was| shift::<L::Block>(unshift(code, delta, was), -delta);
            let mut editor = Editor { codes, bits: applied.bits(), sign, change };
            draw_again(noise, pair, tile, kept.as_ref(), &mut editor);
            editor.bits.finish();
        }
        Edit::Restore => {
            let change = |code, delta, was| (unshift(code, delta, was), false);
            let mut editor = Editor { codes, bits: applied.bits(), sign, change };
            draw_again(noise, pair, tile, kept.as_ref(), &mut editor);
        }
    }
    applied.return_kept(kept);
}

/// Repeats a draw: from what was kept of it, or else as it was made.
#[inline]
fn draw_again(noise: &Noise, pair: &Pair, tile: &Tile, kept: Option<&Kept>, sink: &mut impl Sink) {
    if !kept.is_some_and(|kept| kept.repeat(sink)) {
        draw_tile(noise, pair, tile, sink);
    }
}

/// The code moved by `delta`, and whether it was: not when it would leave its range.
#[inline]
fn shift<B: CodeBlock>(code: i16, delta: i16) -> (i16, bool) {
    let moved = code + delta;
    let fits = (B::LO..=B::HI).contains(&moved);
    (if fits { moved } else { code }, fits)
}

#[inline]
fn unshift(code: i16, delta: i16, was_shifted: bool) -> i16 {
    if was_shifted { code - delta } else { code }
}

/// Passes every hit through `change`: (code, `sign` times its perturbation, the hit's bit) to (code, bit).
struct Editor<'a, 'b, L, F> {
    codes: &'a mut Codes<'b, L>,
    bits: Bits<'a>,
    sign: i16,
    change: F,
}

/// Dense noise is worked off in pieces of this many codes: the shortest block, and a divisor of every other.
const PIECE: usize = 32;

impl<L: CodeLayout, F: Fn(i16, i16, bool) -> (i16, bool)> Sink for Editor<'_, '_, L, F> {
    #[inline]
    fn hit(&mut self, index: usize, u: i16) {
        let (group, row, index) = self.codes.at(index);
        let code = L::read_row(group, row, index);
        let (code, now) = (self.change)(code, self.sign * u, self.bits.was() & 1 == 1);
        L::write_row(group, row, index, code);
        self.bits.pass(1, now.into());
    }

    #[inline]
    fn values(&mut self, first: usize, values: &[i16]) {
        for (piece, values) in values.as_chunks::<PIECE>().0.iter().enumerate() {
            let (group, row, offset) = self.codes.at(first + piece * PIECE);
            // A multiple of PIECE; said so that the compiler sees that no index leaves the block.
            let offset = offset / PIECE * PIECE;
            let was = self.bits.was() as u32;
            let mut now = 0;
            for (i, &u) in values.iter().enumerate() {
                let code = L::read_row(group, row, offset + i);
                let (code, changed) = (self.change)(code, self.sign * u, was >> i & 1 == 1);
                L::write_row(group, row, offset + i, code);
                now |= u32::from(changed) << i;
            }
            self.bits.pass(PIECE, now.into());
        }
    }
}

/// All codes of a sequence of whole blocks.
pub fn read_codes<B: CodeBlock>(bytes: &[u8]) -> Vec<i16> {
    (0..bytes.len() / B::BYTES * B::LEN).map(|index| crate::block::read_code::<B>(bytes, index)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::noise::CodeByCode;
    use crate::tensor_type::TensorType;
    use crate::with_block;

    /// Blocks with random bytes, codes at the range ends included.
    fn blocks(tensor_type: TensorType) -> impl Strategy<Value = Vec<u8>> {
        let bytes = tensor_type.block_bytes() as usize;
        let blocks = 2048 / tensor_type.block_len() as usize;
        let byte = prop_oneof![any::<u8>(), Just(0x00), Just(0xff), Just(0x7f), Just(0x80)];
        prop::collection::vec(byte, bytes * blocks)
    }

    fn any_type() -> impl Strategy<Value = TensorType> {
        prop::sample::select(TensorType::TUNABLE.to_vec())
    }

    fn typed_blocks() -> impl Strategy<Value = (TensorType, Vec<u8>)> {
        any_type().prop_flat_map(|t| (Just(t), blocks(t)))
    }

    proptest! {
        #[test]
        fn edits_give_the_member_and_restore_the_codes_of_random_blocks(
            (tensor_type, original) in typed_blocks(),
            seed: u64,
            sigma in prop::sample::select(vec![0.01, 0.1, 0.3, 0.6, 2.0, 20.0, 60.0]),
            plus: bool,
            keeping: bool,
            short in prop::sample::select(vec![0, 32, 96, 192, 1824]),
        ) {
            let sign = if plus { Sign::Plus } else { Sign::Minus };
            let noise = Noise::new(sigma).unwrap();
            // A tensor ends with whole blocks, but anywhere in a run.
            let len = 2048 - short / tensor_type.block_len() as usize * tensor_type.block_len() as usize;
            let tile = Tile { tensor: 3, first: 8192, len };
            let original = original[..len / tensor_type.block_len() as usize * tensor_type.block_bytes() as usize].to_vec();
            let pair = Pair::new(seed);
            let mut applied = if keeping { Applied::keeping() } else { Applied::default() };
            let mut bytes = original.clone();
            with_block!(tensor_type, B => {
                let before = read_codes::<B>(&original);
                let mut drawn = CodeByCode(vec![0; len]);
                draw_tile(&noise, &pair, &tile, &mut drawn);
                let is_member = |bytes: &[u8], sign: Sign| {
                    let after = read_codes::<B>(bytes);
                    (0..len).all(|i| {
                        let wanted = before[i] + sign.factor() * drawn.0[i];
                        after[i] == if (B::LO..=B::HI).contains(&wanted) { wanted } else { before[i] }
                    })
                };
                let (other, none) = (sign.other(), original.clone());
                let mut edit = |what, sign, bytes: &mut [u8]| {
                    edit::<B>(what, &mut Codes::of_file(bytes), &tile, &noise, Member { pair: &pair, sign }, &mut applied)
                };
                edit(Edit::Perturb, sign, &mut bytes);
                prop_assert!(is_member(&bytes, sign), "perturbed");
                edit(Edit::Mirror, sign, &mut bytes);
                prop_assert!(is_member(&bytes, other), "mirrored");
                edit(Edit::Restore, other, &mut bytes);
                prop_assert_eq!(&bytes, &none, "restored after mirroring");
                edit(Edit::Perturb, other, &mut bytes);
                edit(Edit::Restore, other, &mut bytes);
            });
            prop_assert_eq!(bytes, original);
        }
    }

    #[test]
    fn members_of_a_pair_mirror_each_other() {
        let noise = Noise::new(0.2).unwrap();
        let tile = Tile { tensor: 0, first: 0, len: 2048 };
        // All codes in the middle of the range, so that nothing is gated.
        let middle = vec![0x88; 144 * 8];
        let codes = |sign| {
            let mut bytes = middle.clone();
            let mut applied = Applied::default();
            let member = Member { pair: &Pair::new(0), sign };
            let codes = &mut Codes::<crate::block::Q4K>::of_file(&mut bytes);
            edit(Edit::Perturb, codes, &tile, &noise, member, &mut applied);
            assert!(bytes != middle);
            read_codes::<crate::block::Q4K>(&bytes)
        };
        for (plus, minus) in codes(Sign::Plus).into_iter().zip(codes(Sign::Minus)) {
            assert_eq!(plus - 8, 8 - minus);
        }
    }
}
