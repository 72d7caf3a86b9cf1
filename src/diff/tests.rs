//! Diffs lead both ways, and whatever is done to their bytes is survived.

use proptest::prelude::*;

use super::*;
use crate::gguf::Splice;
use crate::tensor_type::TensorType;

/// Bytes of two blocks of Q8_0 and three of Q4_K.
const TENSORS: [(TensorType, u64); 2] = [(TensorType::Q8_0, 64), (TensorType::Q4_K, 768)];

fn header() -> DiffHeader {
    let tensor = |(number, (tensor_type, codes)): (usize, &(TensorType, u64))| TensorSpec {
        name: format!("blk.{number}.w"),
        tensor_type: *tensor_type,
        codes: *codes,
        rows: None,
    };
    DiffHeader {
        version: FORMAT_VERSION,
        tool: "qes-gguf test".to_owned(),
        base: BaseModel { file: "base.gguf".to_owned(), bytes: 1000, sha256: "00".repeat(32) },
        result: Digest { bytes: 1000, sha256: "11".repeat(32) },
        log_sha256: "22".repeat(32),
        generations: 3,
        tensors: TENSORS.iter().enumerate().map(tensor).collect(),
    }
}

/// A start that was "0123456789" and has two parts replaced.
fn start() -> (Vec<u8>, HeaderStart) {
    let splices = vec![Splice { before: 2..3, after: 2..5 }, Splice { before: 6..8, after: 8..8 }];
    (b"0123456789".to_vec(), HeaderStart { bytes: b"01abc34589".to_vec(), splices })
}

/// The tensors before and after: some blocks are the same.
fn tensors() -> Vec<(Vec<u8>, Vec<u8>)> {
    let bytes = |(tensor_type, codes): &(TensorType, u64)| {
        let before: Vec<u8> = (0..tensor_type.bytes_of(*codes).unwrap()).map(|i| (i * 7) as u8).collect();
        let mut after = before.clone();
        let last = after.len() - 1;
        (after[5], after[last]) = (99, after[last] ^ 1);
        (before, after)
    };
    TENSORS.iter().map(bytes).collect()
}

fn encoded() -> Vec<u8> {
    let (base, result) = start();
    let mut bytes = encode_header(&header()).unwrap().into_bytes();
    bytes.extend(encode_start(&base, &result));
    for ((before, after), (tensor_type, _)) in tensors().iter().zip(TENSORS) {
        bytes.extend(encode_tensor(before, after, tensor_type.block_bytes() as usize));
    }
    bytes
}

/// Applies all parts of the diff to the model before it, or after it.
fn taken(bytes: &[u8], diff: &Diff, way: Direction) -> Result<(Vec<u8>, Vec<Vec<u8>>), DiffError> {
    let (base, result) = start();
    let from = if way == Direction::Forward { base } else { result.bytes };
    let made = diff.start(bytes, &from, way)?;
    let patched = |(number, (before, after)): (usize, (Vec<u8>, Vec<u8>))| {
        let mut bytes_of = if way == Direction::Forward { before } else { after };
        diff.patch(bytes, number, &mut bytes_of).map(|()| bytes_of)
    };
    Ok((made, tensors().into_iter().enumerate().map(patched).collect::<Result<_, _>>()?))
}

#[test]
fn a_diff_leads_there_and_back() {
    let bytes = encoded();
    let diff = Diff::parse(&bytes).unwrap();
    assert_eq!(*diff.header(), header());
    let (base, result) = start();
    let (before, after): (Vec<_>, Vec<_>) = tensors().into_iter().unzip();
    assert_eq!(taken(&bytes, &diff, Direction::Forward).unwrap(), (result.bytes, after));
    assert_eq!(taken(&bytes, &diff, Direction::Back).unwrap(), (base, before));
}

#[test]
fn only_changed_blocks_are_in_it() {
    let (before, after) = &tensors()[1];
    let section = section::of_tensor(before, after, 144);
    // The first and the last of three blocks.
    assert_eq!(section.len(), 2 * (16 + 144));
    assert!(section::of_tensor(before, before, 144).is_empty());
    assert_eq!(section::of_tensor(before, &vec![0; before.len()], 144).len(), 16 + before.len());
}

#[test]
fn every_cut_is_seen_and_what_follows_the_end_too() {
    let bytes = encoded();
    for length in 0..bytes.len() {
        assert!(Diff::parse(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
    let longer = [&bytes[..], b"more"].concat();
    assert!(matches!(Diff::parse(&longer), Err(DiffError::TooLong(4))));
}

/// No change leads to a panic; the compressed parts have checksums.
#[test]
fn every_changed_byte_behind_the_first_line_is_seen() {
    let bytes = encoded();
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    for at in line + 1..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let Ok(diff) = Diff::parse(&changed) else { continue };
            let made = taken(&changed, &diff, Direction::Forward);
            let right = taken(&bytes, &Diff::parse(&bytes).unwrap(), Direction::Forward).unwrap();
            // Some bits of a compressed part mean nothing.
            assert!(made.is_err() || made.unwrap() == right, "byte {at} ^ {flip}");
        }
    }
}

#[test]
fn what_the_first_line_should_not_say_is_refused() {
    let bytes = encoded();
    let message = |from: &str, to: &str| {
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let text = String::from_utf8(bytes[..line].to_vec()).unwrap();
        assert!(text.contains(from), "no {from} in {text}");
        let changed = [text.replacen(from, to, 1).as_bytes(), &bytes[line..]].concat();
        Diff::parse(&changed).unwrap_err().to_string()
    };
    for (from, to, word) in [
        ("\"version\":1", "\"version\":2,\"new\":0", "format version 2"),
        ("\"version\":1", "\"version\":\"1\"", "not a diff"),
        ("{\"diff\":", "{\"header\":", "not a diff"),
        ("\"tool\":", "\"stool\":", "stool"),
        ("blk.1.w", "blk.0.w", "blk.0.w twice"),
        ("\"codes\":768", "\"codes\":767", "no whole number"),
        ("\"type\":\"Q4_K\"", "\"type\":\"Q9_K\"", "Q9_K"),
    ] {
        let message = message(from, to);
        assert!(message.contains(word), "{from} to {to}: {message}");
    }
    for bytes in [&b""[..], b"{\"diff\":{\"version\":1", b"GGUF", b"{\"diff\":{\"version\":1}}\n"] {
        assert!(Diff::parse(bytes).is_err());
    }
}

#[test]
fn a_diff_of_another_model_does_not_fit() {
    let bytes = encoded();
    let diff = Diff::parse(&bytes).unwrap();
    for from in [&b"0183456789"[..], b"012", b""] {
        let made = diff.start(&bytes, from, Direction::Forward);
        assert!(matches!(made, Err(DiffError::Misfit(_))), "{made:?}");
    }
    let short = diff.patch(&bytes, 1, &mut [0; 144]);
    assert!(
        matches!(&short, Err(DiffError::Misfit(name) | DiffError::Damaged(name)) if name.contains("blk.1.w"))
    );
}

proptest! {
    #[test]
    fn any_two_tensors_are_led_to_each_other(
        blocks in prop::collection::vec((any::<[u8; 18]>(), prop::option::of(any::<[u8; 18]>())), 0..40),
    ) {
        let before: Vec<u8> = blocks.iter().flat_map(|(before, _)| *before).collect();
        let after: Vec<u8> = blocks.iter().flat_map(|(before, after)| after.unwrap_or(*before)).collect();
        let section = section::of_tensor(&before, &after, 18);
        prop_assert_eq!(&section::expand(&section::compress(&section), section.len() as u64).unwrap(), &section);
        let mut bytes = before.clone();
        section::patch(&section, &mut bytes, 18).unwrap();
        prop_assert_eq!(&bytes, &after);
        section::patch(&section, &mut bytes, 18).unwrap();
        prop_assert_eq!(&bytes, &before);
    }

    #[test]
    fn arbitrary_sections_are_survived(
        section in prop::collection::vec(prop_oneof![Just(0), 0..3_u8, any::<u8>()], 0..200),
        mut bytes in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let _ = section::splice(&section, &bytes, Direction::Forward);
        let _ = section::splice(&section, &bytes, Direction::Back);
        let _ = section::expand(&section, 1000);
        let _ = section::patch(&section, &mut bytes, 18);
    }

    #[test]
    fn arbitrary_bytes_behind_the_beginning_of_a_diff_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        prop_assert!(Diff::parse(&[HEADER_START, &bytes[..]].concat()).is_err());
    }
}
