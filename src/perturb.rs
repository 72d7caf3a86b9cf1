//! Applies a member's perturbation to the codes of one tile, and takes it back exactly.
//!
//! A code whose result would leave its range is skipped (gated). To take a perturbation back the same noise is drawn
//! again; which of its hits were gated is remembered in one bit a hit, not in a mask over the codes.

use crate::block::{CodeBlock, nudge, read_code};
use crate::noise::{Noise, Pair, RunAddress};
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
}

/// One bit for each hit of a tile, in drawing order: whether the code was changed. Reused from member to member.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// Full words of 64 hits.
    words: Vec<u64>,
    /// The hits after them.
    pending: u64,
    len: usize,
}

impl Applied {
    fn clear(&mut self) {
        self.words.clear();
        self.pending = 0;
        self.len = 0;
    }

    #[inline]
    fn push(&mut self, changed: bool) {
        self.pending |= u64::from(changed) << (self.len % 64);
        self.len += 1;
        if self.len.is_multiple_of(64) {
            self.words.push(std::mem::take(&mut self.pending));
        }
    }

    #[inline]
    fn get(&self, hit: usize) -> bool {
        self.words.get(hit / 64).unwrap_or(&self.pending) >> (hit % 64) & 1 == 1
    }

    /// Hits of the tile, gated ones included.
    pub fn hits(&self) -> usize {
        self.len
    }

    /// Hits that were gated.
    pub fn gated(&self) -> usize {
        let changed = |word: &u64| word.count_ones() as usize;
        self.len - self.words.iter().map(changed).sum::<usize>() - changed(&self.pending)
    }
}

/// Calls `hit(code within the tile, u)` for every code of the tile that the pair perturbs, in rising order.
#[inline]
pub(crate) fn for_each_hit(noise: &Noise, pair: &Pair, tile: &Tile, mut hit: impl FnMut(usize, i16)) {
    for (run, codes) in tile.runs(noise.run_len()) {
        let address = RunAddress { pair, tensor: tile.tensor, run };
        let start = codes.start;
        noise.for_each_hit(address, codes.len(), |position, u| hit(start + position, u));
    }
}

/// Adds `sign` times the pair's perturbation to the codes of `tile` (`bytes` are its blocks), where the result stays
/// in range, and remembers in `applied` where it did.
pub fn perturb<B: CodeBlock>(
    bytes: &mut [u8],
    tile: &Tile,
    noise: &Noise,
    pair: &Pair,
    sign: Sign,
    applied: &mut Applied,
) {
    applied.clear();
    for_each_hit(noise, pair, tile, |code, u| {
        applied.push(nudge::<B>(bytes, code, sign.factor() * u));
    });
}

/// Takes back exactly what [`perturb`] did with the same arguments.
pub fn restore<B: CodeBlock>(
    bytes: &mut [u8],
    tile: &Tile,
    noise: &Noise,
    pair: &Pair,
    sign: Sign,
    applied: &Applied,
) {
    let mut hit = 0;
    for_each_hit(noise, pair, tile, |code, u| {
        if applied.get(hit) {
            let block = &mut bytes[code / B::LEN * B::BYTES..][..B::BYTES];
            let original = B::read(block, code % B::LEN) - sign.factor() * u;
            B::write(block, code % B::LEN, original);
        }
        hit += 1;
    });
}

/// All codes of a sequence of whole blocks.
pub fn read_codes<B: CodeBlock>(bytes: &[u8]) -> Vec<i16> {
    (0..bytes.len() / B::BYTES * B::LEN).map(|index| read_code::<B>(bytes, index)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
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
        fn restore_undoes_perturb_on_random_blocks(
            (tensor_type, original) in typed_blocks(),
            seed: u64,
            sigma in prop::sample::select(vec![0.01, 0.1, 0.3, 0.6, 2.0, 20.0]),
            plus: bool,
        ) {
            let sign = if plus { Sign::Plus } else { Sign::Minus };
            let noise = Noise::new(sigma).unwrap();
            let tile = Tile { tensor: 3, first: 8192, len: 2048 };
            let pair = Pair::new(seed);
            let mut applied = Applied::default();
            let mut bytes = original.clone();
            with_block!(tensor_type, B => {
                perturb::<B>(&mut bytes, &tile, &noise, &pair, sign, &mut applied);
                let before = read_codes::<B>(&original);
                let after = read_codes::<B>(&bytes);
                let mut moved = vec![0; 2048];
                for_each_hit(&noise, &pair, &tile, |code, u| moved[code] = sign.factor() * u);
                for i in 0..2048 {
                    let wanted = before[i] + moved[i];
                    let expected = if (B::LO..=B::HI).contains(&wanted) { wanted } else { before[i] };
                    prop_assert_eq!(after[i], expected, "code {}", i);
                }
                restore::<B>(&mut bytes, &tile, &noise, &pair, sign, &applied);
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
            perturb::<crate::block::Q4K>(&mut bytes, &tile, &noise, &Pair::new(0), sign, &mut applied);
            assert_eq!(applied.gated(), 0);
            assert!(applied.hits() > 100);
            read_codes::<crate::block::Q4K>(&bytes)
        };
        for (plus, minus) in codes(Sign::Plus).into_iter().zip(codes(Sign::Minus)) {
            assert_eq!(plus - 8, 8 - minus);
        }
    }
}
