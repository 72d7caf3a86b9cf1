//! Files that fail by their keys and values.

use super::builder::{Builder, array, string};
use super::{error, small_model};
use crate::gguf::{GgufError, Section};

/// Offset of the first entry behind the architecture.
const SECOND_ENTRY: u64 = 24 + 8 + 20 + 4 + 8 + 5;

#[test]
fn truncated_in_the_metadata() {
    let bytes = Builder::new().text("general.name", "Small").build();
    let error = error(&bytes[..bytes.len() - 1]);
    let (offset, expected) = (bytes.len() as u64 - 5, bytes.len() as u64);
    let section = Section::Metadata;
    assert_eq!(error, GgufError::Truncated { section, offset, expected, actual: expected - 1 });
    assert!(error.to_string().contains("the download is probably incomplete"));
}

#[test]
fn key_longer_than_allowed() {
    for length in [65_536, u64::MAX] {
        let bytes = Builder::new().entry(&[&length.to_le_bytes()[..], &[b'k'; 100]].concat()).build();
        let what = "the metadata key";
        assert_eq!(error(&bytes), GgufError::TooLong { what, offset: SECOND_ENTRY, length, limit: 65_535 });
    }
}

#[test]
fn key_beyond_the_file() {
    let bytes = Builder::new().entry(&[&60_000_u64.to_le_bytes()[..], b"short"].concat()).build();
    assert_truncated(&bytes, SECOND_ENTRY + 8, 60_000);
}

#[test]
fn string_longer_than_allowed() {
    let bytes = Builder::new().raw("k", 8, &u64::MAX.to_le_bytes()).build();
    let offset = SECOND_ENTRY + 8 + 1 + 4;
    let (what, length, limit) = ("the metadata string", u64::MAX, 1 << 30);
    assert_eq!(error(&bytes), GgufError::TooLong { what, offset, length, limit });
}

#[test]
fn string_beyond_the_file() {
    let bytes = Builder::new().raw("k", 8, &(1_u64 << 30).to_le_bytes()).build();
    assert_truncated(&bytes, SECOND_ENTRY + 8 + 1 + 4 + 8, 1 << 30);
}

#[test]
fn string_in_an_array_beyond_the_file() {
    let bytes = Builder::new().raw("k", 9, &[array(8, 1), 1000_u64.to_le_bytes().to_vec()].concat()).build();
    assert_truncated(&bytes, SECOND_ENTRY + 8 + 1 + 4 + 12 + 8, 1000);
}

#[test]
fn array_longer_than_allowed() {
    for value_type in [0, 8, 9, 12] {
        let bytes = Builder::new().raw("k", 9, &array(value_type, u64::MAX)).build();
        let offset = SECOND_ENTRY + 8 + 1 + 4 + 4;
        let (what, length, limit) = ("the metadata array", u64::MAX, 1 << 30);
        assert_eq!(error(&bytes), GgufError::TooLong { what, offset, length, limit });
    }
}

#[test]
fn array_beyond_the_file() {
    for (value_type, least) in [(0, 1), (8, 8), (9, 12), (12, 8)] {
        let bytes = Builder::new().raw("k", 9, &array(value_type, 1 << 30)).build();
        assert_truncated(&bytes, SECOND_ENTRY + 8 + 1 + 4 + 12, least << 30);
    }
}

#[test]
fn arrays_nested_too_deep() {
    let nested = |depth: usize| [array(9, 1).repeat(depth - 1), array(0, 0)].concat();
    let model = |depth: usize| Builder::new().raw("k", 9, &nested(depth)).build();
    assert!(crate::gguf::Gguf::parse(&model(4)).is_ok());
    let offset = SECOND_ENTRY + 8 + 1 + 4 + 4 * 12;
    assert_eq!(error(&model(5)), GgufError::NestedTooDeep { key: "k".into(), offset, limit: 4 });
    assert!(matches!(error(&model(100_000)), GgufError::NestedTooDeep { .. }));
}

#[test]
fn empty_key() {
    let bytes = Builder::new().u32("", 1).build();
    assert_eq!(error(&bytes), GgufError::EmptyName { what: "the metadata key", offset: SECOND_ENTRY });
}

#[test]
fn key_that_is_not_text() {
    for key in [&b"k\xff"[..], b"k\0"] {
        let bytes = Builder::new().entry(&[&string(key)[..], &[0; 5]].concat()).build();
        assert_eq!(error(&bytes), GgufError::NotText { what: "the metadata key", offset: SECOND_ENTRY });
    }
}

#[test]
fn duplicate_key() {
    let bytes = Builder::new().u32("general.architecture", 1).build();
    let key = "general.architecture".into();
    assert_eq!(error(&bytes), GgufError::DuplicateKey { key, offset: SECOND_ENTRY });
}

#[test]
fn unknown_value_type() {
    let bytes = Builder::new().raw("k", 13, &[0; 8]).build();
    let offset = SECOND_ENTRY + 8 + 1;
    assert_eq!(error(&bytes), GgufError::UnknownValueType { key: "k".into(), offset, id: 13 });
}

#[test]
fn unknown_value_type_in_an_array() {
    let bytes = Builder::new().raw("k", 9, &array(99, 1)).build();
    let offset = SECOND_ENTRY + 8 + 1 + 4;
    assert_eq!(error(&bytes), GgufError::UnknownValueType { key: "k".into(), offset, id: 99 });
}

#[test]
fn a_message_repeats_only_the_start_of_a_long_key_and_no_control_characters() {
    let message = error(&Builder::new().raw(&"\u{1b}[2J".repeat(1000), 99, &[]).build()).to_string();
    assert!(message.len() < 600 && !message.contains('\u{1b}'), "{message}");
}

#[test]
fn alignment_of_zero() {
    assert_eq!(error(&Builder::new().u32("general.alignment", 0).build()), GgufError::Alignment { value: 0 });
}

#[test]
fn alignment_that_is_no_power_of_two() {
    assert_eq!(
        error(&Builder::new().u32("general.alignment", 24).build()),
        GgufError::Alignment { value: 24 }
    );
}

#[test]
fn alignment_beyond_32_bits() {
    let value = 1 << 40;
    let bytes = Builder::new().raw("general.alignment", 10, &u64::to_le_bytes(value)).build();
    assert_eq!(error(&bytes), GgufError::Alignment { value });
}

#[test]
fn alignment_that_is_no_integer() {
    assert_eq!(error(&Builder::new().text("general.alignment", "32").build()), GgufError::AlignmentType);
}

#[test]
fn part_of_a_split_model() {
    // Only the first part repeats the architecture.
    let bytes = Builder::bare().raw("split.count", 2, &3_u16.to_le_bytes()).build();
    assert_eq!(error(&bytes), GgufError::Split { count: 3 });
    assert!(error(&bytes).to_string().contains("qes-gguf merge"));
}

#[test]
fn a_split_into_one_part_is_accepted() {
    let bytes = small_model().raw("split.count", 2, &1_u16.to_le_bytes()).build();
    assert!(crate::gguf::Gguf::parse(&bytes).is_ok());
}

#[test]
fn missing_architecture() {
    assert_eq!(error(&Builder::bare().build()), GgufError::MissingArchitecture);
}

#[test]
fn empty_architecture() {
    assert_eq!(
        error(&Builder::bare().text("general.architecture", "").build()),
        GgufError::MissingArchitecture
    );
}

#[test]
fn architecture_that_is_no_string() {
    assert_eq!(
        error(&Builder::bare().u32("general.architecture", 1).build()),
        GgufError::MissingArchitecture
    );
}

fn assert_truncated(bytes: &[u8], offset: u64, needed: u64) {
    let (section, actual) = (Section::Metadata, bytes.len() as u64);
    assert_eq!(error(bytes), GgufError::Truncated { section, offset, expected: offset + needed, actual });
}
