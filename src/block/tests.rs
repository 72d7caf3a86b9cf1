use super::*;

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
    assert_eq!(B::LEN as u64, B::TYPE.block_len());
    assert_eq!(B::BYTES as u64, B::TYPE.block_bytes());
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
        assert!(!nudge::<B>(&mut bytes, index, 1));
        assert_eq!(read_code::<B>(&bytes, index), B::HI);
        assert!(nudge::<B>(&mut bytes, index, B::LO - B::HI));
        assert_eq!(read_code::<B>(&bytes, index), B::LO);
        assert!(!nudge::<B>(&mut bytes, index, -1));
        assert!(!nudge::<B>(&mut bytes, index, i16::MIN));
        assert!(!nudge::<B>(&mut bytes, index, i16::MAX));
        assert_eq!(read_code::<B>(&bytes, index), B::LO);
    }
}

#[test]
fn every_tunable_type_passes() {
    for tensor_type in TensorType::TUNABLE {
        with_block!(tensor_type, B => {
            assert_eq!(B::TYPE, tensor_type);
            every_code_round_trips::<B>();
            nudging_stops_at_the_range_ends::<B>();
        });
    }
}

/// The 256 values (i * 37 % 101 - 50) / 10 quantized by ggml's reference quantizer, and the codes ggml's own
/// dequantizer reads from those bytes; `tests/ggml_codes.rs` makes both anew and compares.
#[test]
fn codes_of_bytes_that_ggml_made() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/block/testdata");
    for tensor_type in TensorType::TUNABLE {
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
