use proptest::prelude::*;

use super::*;
use crate::block::{Arrangement, Field, OfCodes, Q4K, integers_of_block};
use crate::noise::OneByOne;
use crate::tensor_type::TensorType;
use crate::with_integers;

/// Interleaved rows of a part of a tensor: whole groups of each layout.
const ROWS: usize = 16;

/// Each field of each layout of each tunable type, with rows of some blocks.
fn arrangement() -> impl Strategy<Value = (Arrangement, Field)> {
    let of_type = |(tensor_type, blocks): (TensorType, usize)| {
        let row_blocks = blocks * if tensor_type.block_len() == 32 { 4 } else { 1 };
        let plain = Arrangement { row_blocks, ..Arrangement::plain(tensor_type) };
        let fields = Field::ALL.into_iter().filter(move |field| integers_of_block(tensor_type, *field) > 0);
        let all: Vec<_> = std::iter::once(plain)
            .chain(Arrangement::interleaved(tensor_type, row_blocks))
            .flat_map(|arrangement| fields.clone().map(move |field| (arrangement, field)))
            .collect();
        prop::sample::select(all)
    };
    (prop::sample::select(TensorType::TUNABLE.to_vec()), 1_usize..4).prop_flat_map(of_type)
}

/// A part of a tensor with random bytes, integers at the range ends and outside included.
fn part() -> impl Strategy<Value = ((Arrangement, Field), Vec<u8>)> {
    arrangement().prop_flat_map(|(arrangement, field)| {
        let byte = prop_oneof![any::<u8>(), Just(0x00), Just(0xff), Just(0x7f), Just(0x80)];
        let len = ROWS * arrangement.row_blocks * arrangement.tensor_type.block_bytes() as usize;
        (Just((arrangement, field)), prop::collection::vec(byte, len))
    })
}

/// All integers of a part from a block on.
fn integers_from<I: Integers>(bytes: &mut [u8], row_blocks: usize, first: usize) -> Vec<i16> {
    let integers = (ROWS * row_blocks - first) * I::PER_BLOCK;
    let mut blocks = Codes::new(bytes, row_blocks, first);
    (0..integers).map(|index| I::read(&mut blocks, index)).collect()
}

proptest! {
    #[test]
    fn edits_give_the_member_and_restore_random_blocks(
        ((arrangement, field), original) in part(),
        seed: u64,
        (sigma, hit) in prop::sample::select(vec![(0.1, 1), (0.3, 1), (1.0, 1), (2.0, 5), (20.0, 80), (400.0, 500)]),
        plus: bool,
        first in 0..9_usize,
        short in 0..9_usize,
    ) {
        let sign = if plus { Sign::Plus } else { Sign::Minus };
        let (other, noise, seed) = (sign.other(), Noise::new(sigma, hit).unwrap(), NoiseSeed::new(seed));
        let mut applied = Applied::default();
        let row_blocks = arrangement.row_blocks;
        let mut bytes = original.clone();
        with_integers!(arrangement, field, I => {
            // A tile begins and ends with a block, but anywhere in a row.
            let before = integers_from::<I>(&mut bytes, row_blocks, first);
            let len = before.len() - (short * I::PER_BLOCK).min(before.len() / 2) / I::PER_BLOCK * I::PER_BLOCK;
            let tile = Tile { tensor: 3, field, first: 8192, len };
            let mut drawn = OneByOne(vec![0; before.len()]);
            draw_tile(&noise, &seed, &tile, &mut drawn);
            let is_member = |bytes: &mut [u8], sign: Sign| {
                let after = integers_from::<I>(bytes, row_blocks, first);
                (0..before.len()).all(|i| {
                    let wanted = i32::from(before[i]) + i32::from(sign.factor() * drawn.0[i]);
                    let range = i32::from(I::LO)..=i32::from(I::HI);
                    let fits = range.contains(&i32::from(before[i])) && range.contains(&wanted);
                    i32::from(after[i]) == if fits { wanted } else { before[i].into() }
                })
            };
            let mut edit = |what, sign, bytes: &mut [u8]| {
                let blocks = &mut Codes::new(bytes, row_blocks, first);
                edit::<I>(what, blocks, &tile, &noise, Member { seed: &seed, sign }, &mut applied)
            };
            edit(Edit::Perturb, sign, &mut bytes);
            prop_assert!(is_member(&mut bytes, sign), "{arrangement:?} {field}: perturbed");
            edit(Edit::Mirror, sign, &mut bytes);
            prop_assert!(is_member(&mut bytes, other), "{arrangement:?} {field}: mirrored");
            edit(Edit::Restore, other, &mut bytes);
            prop_assert!(bytes == original, "{arrangement:?} {field}: restored after mirroring");
            edit(Edit::Perturb, other, &mut bytes);
            prop_assert!(is_member(&mut bytes, other), "{arrangement:?} {field}: perturbed again");
            edit(Edit::Restore, other, &mut bytes);
        });
        prop_assert!(bytes == original, "{arrangement:?} {field}: restored");
    }
}

#[test]
fn mirrored_members_are_each_others_negative() {
    let noise = Noise::new(0.4, 1).unwrap();
    let tile = Tile { tensor: 0, field: Field::Codes, first: 0, len: 2048 };
    // All codes in the middle of the range, so that nothing is gated.
    let middle = vec![0x88; 144 * 8];
    let codes = |sign| {
        let mut bytes = middle.clone();
        let member = Member { seed: &NoiseSeed::new(0), sign };
        let blocks = &mut Codes::of_file(&mut bytes);
        edit::<OfCodes<Q4K>>(Edit::Perturb, blocks, &tile, &noise, member, &mut Applied::default());
        assert!(bytes != middle);
        read_codes::<Q4K>(&bytes)
    };
    for (plus, minus) in codes(Sign::Plus).into_iter().zip(codes(Sign::Minus)) {
        assert_eq!(plus - 8, 8 - minus);
    }
}
