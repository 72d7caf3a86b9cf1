use proptest::prelude::*;

use super::*;
use crate::block::{Arrangement, Q4K};
use crate::noise::CodeByCode;
use crate::tensor_type::TensorType;
use crate::with_layout;

/// Interleaved rows of a part of a tensor: whole groups of each layout.
const ROWS: usize = 16;

/// Each layout of each tunable type, with rows of some blocks.
fn arrangement() -> impl Strategy<Value = Arrangement> {
    let of_type = |(tensor_type, blocks): (TensorType, usize)| {
        let row_blocks = blocks * if tensor_type.block_len() == 32 { 4 } else { 1 };
        let plain = Arrangement { row_blocks, ..Arrangement::plain(tensor_type) };
        let all: Vec<_> =
            std::iter::once(plain).chain(Arrangement::interleaved(tensor_type, row_blocks)).collect();
        prop::sample::select(all)
    };
    (prop::sample::select(TensorType::TUNABLE.to_vec()), 1_usize..4).prop_flat_map(of_type)
}

/// A part of a tensor with random bytes, codes at the range ends included.
fn part() -> impl Strategy<Value = (Arrangement, Vec<u8>)> {
    arrangement().prop_flat_map(|arrangement| {
        let byte = prop_oneof![any::<u8>(), Just(0x00), Just(0xff), Just(0x7f), Just(0x80)];
        let len = ROWS * arrangement.row_blocks * arrangement.tensor_type.block_bytes() as usize;
        (Just(arrangement), prop::collection::vec(byte, len))
    })
}

/// All codes of a part from a block on.
fn codes_from<L: CodeLayout>(bytes: &mut [u8], row_blocks: usize, first: usize) -> Vec<i16> {
    let codes = (ROWS * row_blocks - first) * L::Block::LEN;
    let mut there = Codes::<L>::new(bytes, row_blocks, first);
    (0..codes).map(|index| there.read(index)).collect()
}

proptest! {
    #[test]
    fn edits_give_the_member_and_restore_the_codes_of_random_blocks(
        (arrangement, original) in part(),
        seed: u64,
        sigma in prop::sample::select(vec![0.01, 0.1, 0.3, 0.6, 2.0, 20.0, 60.0]),
        plus: bool,
        keeping: bool,
        first in 0..9_usize,
        short in 0..9_usize,
    ) {
        let sign = if plus { Sign::Plus } else { Sign::Minus };
        let (other, noise, pair) = (sign.other(), Noise::new(sigma).unwrap(), Pair::new(seed));
        let mut applied = if keeping { Applied::keeping() } else { Applied::default() };
        let Arrangement { tensor_type, row_blocks, .. } = arrangement;
        let mut bytes = original.clone();
        with_layout!(arrangement, L => {
            // A tile begins and ends with a block, but anywhere in a row.
            let before = codes_from::<L>(&mut bytes, row_blocks, first);
            let len = before.len() - (short * tensor_type.block_len() as usize).min(before.len() / 2);
            let len = len / tensor_type.block_len() as usize * tensor_type.block_len() as usize;
            let tile = Tile { tensor: 3, first: 8192, len };
            let mut drawn = CodeByCode(vec![0; before.len()]);
            draw_tile(&noise, &pair, &tile, &mut drawn);
            let is_member = |bytes: &mut [u8], sign: Sign| {
                let after = codes_from::<L>(bytes, row_blocks, first);
                (0..before.len()).all(|i| {
                    let wanted = before[i] + sign.factor() * drawn.0[i];
                    let (lo, hi) = (<L as CodeLayout>::Block::LO, <L as CodeLayout>::Block::HI);
                    after[i] == if (lo..=hi).contains(&wanted) { wanted } else { before[i] }
                })
            };
            let mut edit = |what, sign, bytes: &mut [u8]| {
                let codes = &mut Codes::<L>::new(bytes, row_blocks, first);
                edit(what, codes, &tile, &noise, Member { pair: &pair, sign }, &mut applied)
            };
            edit(Edit::Perturb, sign, &mut bytes);
            prop_assert!(is_member(&mut bytes, sign), "{arrangement:?}: perturbed");
            edit(Edit::Mirror, sign, &mut bytes);
            prop_assert!(is_member(&mut bytes, other), "{arrangement:?}: mirrored");
            edit(Edit::Restore, other, &mut bytes);
            prop_assert!(bytes == original, "{arrangement:?}: restored after mirroring");
            edit(Edit::Perturb, other, &mut bytes);
            prop_assert!(is_member(&mut bytes, other), "{arrangement:?}: perturbed again");
            edit(Edit::Restore, other, &mut bytes);
        });
        prop_assert!(bytes == original, "{arrangement:?}: restored");
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
        edit(Edit::Perturb, &mut Codes::<Q4K>::of_file(&mut bytes), &tile, &noise, member, &mut applied);
        assert!(bytes != middle);
        read_codes::<Q4K>(&bytes)
    };
    for (plus, minus) in codes(Sign::Plus).into_iter().zip(codes(Sign::Minus)) {
        assert_eq!(plus - 8, 8 - minus);
    }
}
