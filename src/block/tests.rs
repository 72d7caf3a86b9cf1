use std::ops::Range;

use super::*;
use crate::with_layout;

/// A block of bytes without a pattern that could hide a misplaced code.
fn scrambled(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Every bit of the block that no code of the type lives in.
fn bits_outside_codes<B: CodeBlock>(block: &[u8]) -> Vec<u8> {
    let mut cleared = block.to_vec();
    for index in 0..B::LEN {
        B::write(&mut cleared, index, 0);
    }
    cleared
}

fn every_code_round_trips<B: CodeBlock>() {
    assert_eq!(Some((B::LO, B::HI)), B::TYPE.code_range());
    let original = scrambled(B::BYTES);
    for index in 0..B::LEN {
        for code in B::LO..=B::HI {
            let mut block = original.clone();
            B::write(&mut block, index, code);
            assert_eq!(B::read(&block, index), code, "{} code {index}", B::TYPE);
            assert_eq!(bits_outside_codes::<B>(&block), bits_outside_codes::<B>(&original));
            for other in (0..B::LEN).filter(|&other| other != index) {
                assert_eq!(B::read(&block, other), B::read(&original, other), "{} code {other}", B::TYPE);
            }
        }
    }
}

fn nudging_stops_at_the_range_ends<B: CodeBlock>() {
    let mut bytes = scrambled(B::BYTES * 3);
    for index in [0, B::LEN, 3 * B::LEN - 1] {
        let block = index / B::LEN * B::BYTES;
        B::write(&mut bytes[block..block + B::BYTES], index % B::LEN, B::HI);
        let mut codes = Codes::<B>::of_file(&mut bytes);
        let mut nudge = |delta| {
            let moved = OfCodes::<B>::nudge(&mut codes, index, delta);
            (moved, codes.read(index))
        };
        assert_eq!(nudge(1), (false, B::HI));
        assert_eq!(nudge(B::LO - B::HI), (true, B::LO));
        for delta in [-1, i16::MIN, i16::MAX] {
            assert_eq!(nudge(delta), (false, B::LO));
        }
    }
    if B::LO < 0 {
        // A code outside its range, as files may hold, is never touched.
        let mut bytes = vec![0x80; B::BYTES];
        assert!(!OfCodes::<B>::nudge(&mut Codes::<B>::of_file(&mut bytes), 3, 16));
        assert_eq!(bytes, vec![0x80; B::BYTES]);
    }
}

#[test]
fn every_tunable_type_passes() {
    for tensor_type in TensorType::TUNABLE {
        with_block!(tensor_type, B => {
            assert_eq!(B::TYPE, tensor_type);
            assert_eq!(B::LEN as u64, tensor_type.block_len());
            assert_eq!(B::BYTES as u64, tensor_type.block_bytes());
            assert_eq!(B::has(Field::Codes), tensor_type.code_range().is_some());
            if B::has(Field::Codes) {
                every_code_round_trips::<B>();
                nudging_stops_at_the_range_ends::<B>();
            }
        });
    }
}

/// The 256 values (i * 37 % 101 - 50) / 10 quantized by ggml's reference quantizer, and the codes ggml's own
/// dequantizer reads from those bytes; `tests/ggml_codes.rs` makes both anew and compares.
#[test]
fn codes_of_bytes_that_ggml_made() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/block/testdata");
    for tensor_type in TensorType::TUNABLE.into_iter().filter(|of| of.code_range().is_some()) {
        let name = format!("ggml-{}", tensor_type.name().to_lowercase());
        let bytes = std::fs::read(folder.join(format!("{name}.bin"))).unwrap();
        let codes = std::fs::read_to_string(folder.join(format!("{name}.codes"))).unwrap();
        let codes: Vec<i16> = codes.split_whitespace().map(|code| code.parse().unwrap()).collect();
        assert_eq!(codes.len(), 256);
        let read: Vec<i16> =
            with_block!(tensor_type, B => (0..256).map(|i| read_code::<B>(&bytes, i)).collect());
        assert_eq!(read, codes, "{tensor_type}");
    }
}

/// A tensor of 16 rows of 3 blocks in the file's layout, and in another one by what ggml's `repack.cpp` says of it: the
/// scales of all rows, then those of their minimums, then other bytes in whatever order, then pieces of codes that take turns,
/// their bits turned over where they are signed.
fn file_and_interleaved(arrangement: Arrangement, qs: Range<usize>, flipped: u8) -> (Vec<u8>, Vec<u8>) {
    let Arrangement { tensor_type, rows, piece, row_blocks } = arrangement;
    let bytes = tensor_type.block_bytes() as usize;
    let file = scrambled(16 * row_blocks * bytes);
    let mut interleaved = Vec::new();
    for rows_of_group in file.chunks(rows * row_blocks * bytes) {
        for column in 0..row_blocks {
            let block = |row: usize| &rows_of_group[(row * row_blocks + column) * bytes..][..bytes];
            let floats = with_block!(tensor_type, B => B::FLOATS);
            for offset in floats {
                interleaved.extend((0..rows).flat_map(|row| &block(row)[*offset..offset + 2]));
            }
            interleaved.extend(std::iter::repeat_n(0xa5, rows * (bytes - qs.len() - 2 * floats.len())));
            for start in qs.clone().step_by(piece) {
                let pieces = (0..rows).flat_map(|row| &block(row)[start..start + piece]);
                interleaved.extend(pieces.map(|byte| byte ^ flipped));
            }
        }
    }
    assert_eq!(interleaved.len(), file.len());
    (file, interleaved)
}

fn interleaved_codes_are_those_of_the_file<L: CodeLayout>(
    arrangement: Arrangement,
    qs: Range<usize>,
    flipped: u8,
) {
    let (mut file, mut interleaved) = file_and_interleaved(arrangement, qs.clone(), flipped);
    let count = 16 * arrangement.row_blocks * L::Block::LEN;
    let (lo, hi) = (L::Block::LO, L::Block::HI);
    let original = interleaved.clone();
    for first in [0, 5] {
        let mut there = Codes::<L>::new(&mut interleaved, arrangement.row_blocks, first);
        let mut here = Codes::<L::Block>::new(&mut file, 1, first);
        for index in 0..count - first * L::Block::LEN {
            assert_eq!(
                there.read(index),
                here.read(index),
                "{arrangement:?}, code {index} from block {first}"
            );
        }
        // All the way up and down again, in rising order, and back in falling order.
        for (index, delta) in (0..100).map(|i| (i * 7, hi - lo)).chain((0..100).rev().map(|i| (i * 7, -1))) {
            let moved = OfCodes::<L>::nudge(&mut there, index, delta);
            assert_eq!(moved, OfCodes::<L::Block>::nudge(&mut here, index, delta));
            assert_eq!(there.read(index), here.read(index));
        }
    }
    assert_ne!(interleaved, original);
    let group = L::ROWS * L::Block::BYTES;
    for (after, before) in interleaved.chunks(group).zip(original.chunks(group)) {
        let codes = group - L::ROWS * qs.len();
        assert_eq!(after[..codes], before[..codes], "all else is as it was");
    }
}

fn packing_is_unpacking_reversed<L: CodeLayout>(arrangement: Arrangement, qs: Range<usize>, flipped: u8) {
    let (file, interleaved) = file_and_interleaved(arrangement, qs, flipped);
    let (bytes, columns) = (L::Block::BYTES, arrangement.row_blocks);
    let mut packed = interleaved.clone();
    packed.iter_mut().filter(|byte| **byte != 0xa5).for_each(|byte| *byte = 0);
    for (number, block) in file.chunks(bytes).enumerate() {
        let (row, column) = (number / columns, number % columns);
        let start = (row / L::ROWS * columns + column) * L::ROWS * bytes;
        let mut unpacked = block.to_vec();
        (0..L::Block::LEN).for_each(|index| L::Block::write(&mut unpacked, index, 0));
        L::Block::FLOATS.iter().for_each(|&offset| unpacked[offset..offset + 2].fill(0));
        L::unpack(&interleaved[start..start + L::ROWS * bytes], row % L::ROWS, &mut unpacked);
        assert_eq!(unpacked, block, "{arrangement:?}");
        L::pack(&mut packed[start..start + L::ROWS * bytes], row % L::ROWS, block);
    }
    assert_eq!(packed, interleaved, "{arrangement:?}");
}

#[test]
fn every_interleaved_layout_passes() {
    for (tensor_type, qs, flipped) in [
        (TensorType::Q4_0, 2..18, 0x88),
        (TensorType::Q8_0, 2..34, 0),
        (TensorType::Q2_K, 16..80, 0),
        (TensorType::Q4_K, 16..144, 0),
        (TensorType::Q5_K, 16..176, 0),
        (TensorType::Q6_K, 0..192, 0),
        (TensorType::IQ4_NL, 2..18, 0),
    ] {
        let arrangements: Vec<Arrangement> = Arrangement::interleaved(tensor_type, 3).collect();
        assert!(!arrangements.is_empty());
        for arrangement in arrangements {
            assert_eq!(arrangement.apart(), arrangement.rows * 3 * tensor_type.block_len() as usize);
            with_layout!(arrangement, L => {
                assert_eq!(<L as CodeLayout>::ROWS, arrangement.rows);
                interleaved_codes_are_those_of_the_file::<L>(arrangement, qs.clone(), flipped);
                packing_is_unpacking_reversed::<L>(arrangement, qs.clone(), flipped);
            });
        }
    }
}

/// ggml's names of the scales of each type, by their place in its structs, for all types that can be tuned.
#[test]
fn scales_are_where_ggml_has_them() {
    let places: Vec<(&str, &[usize])> = TensorType::TUNABLE
        .into_iter()
        .map(|tensor_type| with_block!(tensor_type, B => (B::TYPE.name(), B::FLOATS)))
        .collect();
    let expected: [(&str, &[usize]); 20] = [
        ("Q4_0", &[0]),
        ("Q4_1", &[0, 2]),
        ("Q5_0", &[0]),
        ("Q5_1", &[0, 2]),
        ("Q8_0", &[0]),
        ("Q2_K", &[80, 82]),
        ("Q3_K", &[108]),
        ("Q4_K", &[0, 2]),
        ("Q5_K", &[0, 2]),
        ("Q6_K", &[208]),
        ("IQ2_XXS", &[0]),
        ("IQ2_XS", &[0]),
        ("IQ3_XXS", &[0]),
        ("IQ1_S", &[0]),
        ("IQ4_NL", &[0]),
        ("IQ3_S", &[0]),
        ("IQ2_S", &[0]),
        ("IQ4_XS", &[0]),
        ("TQ1_0", &[52]),
        ("TQ2_0", &[64]),
    ];
    assert_eq!(places, expected);
}

fn scale_steps_stay_positive_finite_and_of_one_sign<L: CodeLayout, const MIN: bool>(row_blocks: usize) {
    let blocks = 16 * row_blocks;
    let original = scrambled(blocks * L::Block::BYTES);
    let mut bytes = original.clone();
    let places: Vec<(usize, u16)> = (0..blocks)
        .map(|index| {
            let mut there = Codes::<L>::new(&mut bytes, row_blocks, 0);
            (index, OfScales::<L, MIN>::read(&mut there, index) as u16)
        })
        .collect();
    for (index, magnitude) in places {
        let mut there = Codes::<L>::new(&mut bytes, row_blocks, 0);
        let is_number = (1..=0x7bff).contains(&magnitude);
        for delta in [1, -1, 300, -300, i16::MAX, i16::MIN] {
            let wanted = i32::from(magnitude) + i32::from(delta);
            let fits = is_number && (1..=0x7bff).contains(&wanted);
            assert_eq!(OfScales::<L, MIN>::nudge(&mut there, index, delta), fits, "{magnitude:#x} {delta}");
            let after = OfScales::<L, MIN>::read(&mut there, index);
            assert_eq!(i32::from(after), if fits { wanted } else { magnitude.into() });
            if fits {
                OfScales::<L, MIN>::write(&mut there, index, magnitude as i16);
            }
        }
    }
    assert!(bytes == original, "signs, and all else, are as they were");
    // Each is a number of its own.
    for index in 0..blocks {
        let mut there = Codes::<L>::new(&mut bytes, row_blocks, 0);
        OfScales::<L, MIN>::write(&mut there, index, 1 + index as i16);
    }
    let mut there = Codes::<L>::new(&mut bytes, row_blocks, 0);
    assert!((0..blocks).all(|index| OfScales::<L, MIN>::read(&mut there, index) == 1 + index as i16));
}

/// Every arrangement of every tunable type, with rows of three blocks.
fn arrangements() -> impl Iterator<Item = Arrangement> {
    let of_type = |tensor_type| {
        let plain = Arrangement { row_blocks: 3, ..Arrangement::plain(tensor_type) };
        std::iter::once(plain).chain(Arrangement::interleaved(tensor_type, 3))
    };
    TensorType::TUNABLE.into_iter().flat_map(of_type)
}

#[test]
fn scales_of_every_layout_pass() {
    for arrangement in arrangements() {
        with_layout!(arrangement, L => {
            scale_steps_stay_positive_finite_and_of_one_sign::<L, false>(3);
            if <L as CodeLayout>::Block::has(Field::Mins) {
                scale_steps_stay_positive_finite_and_of_one_sign::<L, true>(3);
            }
        });
    }
}

#[test]
fn rows_too_long_for_places_of_32_bits_are_not_interleaved() {
    let count = |row_blocks| Arrangement::interleaved(TensorType::Q4_K, row_blocks).count();
    assert_eq!((count(1 << 15), count((1 << 15) + 1)), (2, 0));
}
