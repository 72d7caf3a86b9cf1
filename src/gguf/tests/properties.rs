//! Parsing of any bytes ends without a panic, and accepted files are sound.

use std::io::Cursor;

use gguf_rs_lib::reader::file_reader::GGUFFileReader;
use proptest::prelude::*;

use super::builder::Builder;
use super::small_model;
use crate::gguf::Gguf;

/// Parses, and where that succeeds checks all that [`Gguf`] promises.
fn parse_soundly(bytes: &[u8]) -> Option<Gguf> {
    let model = Gguf::parse(bytes).ok()?;
    assert!(!model.architecture().is_empty() && model.alignment().is_power_of_two());
    let mut ranges: Vec<_> = model.tensors().iter().map(|tensor| tensor.range.clone()).collect();
    ranges.sort_by_key(|range| range.start);
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
    assert!(ranges.iter().all(|range| range.start < range.end && range.end <= bytes.len() as u64));
    for tensor in model.tensors() {
        assert!(tensor.range.start.is_multiple_of(model.alignment()));
        assert!(tensor.shape[0].is_multiple_of(tensor.tensor_type.block_len()));
        let size = tensor.range.end - tensor.range.start;
        assert_eq!(tensor.tensor_type.bytes_of(tensor.elements()), Some(size));
    }
    Some(model)
}

/// Where `gguf-rs-lib` accepts the file as well, both tell the same tensors.
fn assert_agreement(bytes: &[u8], model: &Gguf) -> bool {
    let Ok(reader) = GGUFFileReader::new(Cursor::new(bytes)) else { return false };
    let start = reader.tensor_data_offset();
    for (ours, theirs) in model.tensors().iter().zip(reader.tensor_infos()) {
        assert_eq!((ours.name.as_str(), &ours.shape[..]), (theirs.name(), theirs.shape().dims()));
        assert_eq!(ours.tensor_type.ggml_id(), theirs.tensor_type() as u32);
        assert_eq!(ours.range.start, start + theirs.data_offset());
        assert_eq!(ours.range.end - ours.range.start, theirs.checked_expected_data_size().unwrap());
    }
    assert_eq!(model.tensors().len(), reader.tensor_infos().len());
    assert_eq!(reader.metadata().get_string("general.architecture"), Some(model.architecture()));
    true
}

#[test]
fn agrees_with_gguf_rs_lib_on_a_small_model() {
    let bytes = small_model().build();
    assert!(assert_agreement(&bytes, &parse_soundly(&bytes).unwrap()));
}

#[test]
fn every_truncation_is_rejected() {
    let bytes = small_model().build();
    for length in 0..bytes.len() {
        assert!(Gguf::parse(&bytes[..length]).is_err(), "accepted with {length} of {} bytes", bytes.len());
    }
}

#[test]
fn every_single_byte_change_is_survived() {
    let bytes = small_model().build();
    let data = Gguf::parse(&bytes).unwrap().tensors()[0].range.start as usize;
    for at in 0..data {
        for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
            let mut changed = bytes.clone();
            changed[at] = value;
            parse_soundly(&changed).map(|model| assert_agreement(&changed, &model));
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        parse_soundly(&bytes);
    }

    #[test]
    fn arbitrary_bytes_behind_a_header_are_survived(
        bytes in prop::collection::vec(prop_oneof![Just(0), 0..16_u8, any::<u8>()], 0..500),
        tensors in 0..5_u64,
        entries in 0..5_u64,
    ) {
        let claims = Builder::bare().claiming(Some(tensors), Some(entries));
        parse_soundly(&[claims.build(), bytes].concat());
    }

    #[test]
    fn changed_bytes_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = small_model().build();
        let header = Gguf::parse(&bytes).unwrap().tensors()[0].range.start as usize;
        for (at, value) in changes {
            bytes[at.index(header)] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        parse_soundly(&bytes).map(|model| assert_agreement(&bytes, &model));
    }

    #[test]
    fn changed_words_are_survived(
        at in any::<prop::sample::Index>(),
        word in prop_oneof![any::<u64>(), Just(u64::MAX), Just(i64::MAX as u64), (0..64_u32).prop_map(|bit| 1 << bit)],
    ) {
        let mut bytes = small_model().build();
        let header = Gguf::parse(&bytes).unwrap().tensors()[0].range.start as usize;
        let at = at.index(header - 8);
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        parse_soundly(&bytes).map(|model| assert_agreement(&bytes, &model));
    }

    #[test]
    fn well_formed_models_are_accepted(
        tensors in prop::collection::vec((0..35_usize, 1..4_u64, prop::collection::vec(1..4_u64, 0..4)), 0..6),
        alignment in (0..8_u32).prop_map(|bit| 1 << bit),
    ) {
        let types: Vec<_> = (0..64).filter_map(crate::tensor_type::TensorType::from_ggml_id).collect();
        let mut builder = Builder::new().alignment(alignment);
        for (number, (pick, blocks, rest)) in tensors.iter().enumerate() {
            let tensor_type = types[*pick];
            let shape = [&[blocks * tensor_type.block_len()][..], rest].concat();
            builder = builder.tensor(&format!("blk.{number}.weight"), &shape, tensor_type.ggml_id());
        }
        let bytes = builder.build();
        let model = parse_soundly(&bytes).unwrap();
        prop_assert_eq!(model.tensors().len(), tensors.len());
        // gguf-rs-lib wants multiples of 8.
        prop_assert_eq!(assert_agreement(&bytes, &model), alignment >= 8);
    }
}
