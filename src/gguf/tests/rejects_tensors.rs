//! Files that fail by their tensors.

use super::builder::{Builder, F32, Q4_K, Q8_0, shape_of, string};
use super::{error, small_model};
use crate::gguf::{Gguf, GgufError, Section};
use crate::tensor_type::TensorType;

/// Offset of the first tensor's entry in a file with nothing but its architecture.
const FIRST_TENSOR: u64 = 24 + 8 + 20 + 4 + 8 + 5;

#[test]
fn truncated_in_the_tensor_list() {
    let bytes = Builder::new().tensor("t", &[8], F32).build();
    let error = error(&bytes[..FIRST_TENSOR as usize + 30]);
    let (offset, actual) = (FIRST_TENSOR + 8 + 1 + 4 + 8 + 4, FIRST_TENSOR + 30);
    let section = Section::TensorList;
    assert_eq!(error, GgufError::Truncated { section, offset, expected: offset + 8, actual });
    assert!(error.to_string().contains("the download is probably incomplete"));
}

#[test]
fn truncated_in_the_tensor_data() {
    let bytes = small_model().build();
    let model = Gguf::parse(&bytes).unwrap();
    let expected = bytes.len() as u64;
    for tensor in model.tensors() {
        let actual = tensor.range.end - 1;
        let error = error(&bytes[..actual as usize]);
        assert_eq!(error, GgufError::TruncatedData { tensor: tensor.name.clone(), expected, actual });
        assert!(error.to_string().contains("the download is probably incomplete"));
    }
}

#[test]
fn truncated_in_the_padding_ahead_of_the_tensor_data() {
    let bytes = Builder::new().tensor("t", &[8], F32).build();
    let (expected, actual) = (bytes.len() as u64, bytes.len() as u64 - 33);
    let tensor = "t".into();
    assert_eq!(error(&bytes[..actual as usize]), GgufError::TruncatedData { tensor, expected, actual });
}

#[test]
fn name_longer_than_llama_cpp_reads() {
    let length = 64;
    let bytes = Builder::new().tensor(&"n".repeat(length), &[8], F32).build();
    let (what, offset, length, limit) = ("the tensor name", FIRST_TENSOR, length as u64, 63);
    assert_eq!(error(&bytes), GgufError::TooLong { what, offset, length, limit });
}

#[test]
fn empty_name() {
    let bytes = Builder::new().tensor("", &[8], F32).build();
    assert_eq!(error(&bytes), GgufError::EmptyName { what: "the tensor name", offset: FIRST_TENSOR });
}

#[test]
fn name_that_is_not_text() {
    for name in [&b"t\xff"[..], b"t\0"] {
        let start = [string(name), shape_of(&[8])].concat();
        let bytes = Builder::new().listed(&start, F32, 0, 32).build();
        assert_eq!(error(&bytes), GgufError::NotText { what: "the tensor name", offset: FIRST_TENSOR });
    }
}

#[test]
fn duplicate_name() {
    let bytes = Builder::new().tensor("t", &[8], F32).tensor("t", &[8], F32).build();
    let offset = FIRST_TENSOR + 8 + 1 + 4 + 8 + 4 + 8;
    assert_eq!(error(&bytes), GgufError::DuplicateTensor { tensor: "t".into(), offset });
}

#[test]
fn no_dimensions() {
    assert_dimensions(&Builder::new().tensor("t", &[], F32).build(), 0);
}

#[test]
fn more_than_four_dimensions() {
    assert_dimensions(&Builder::new().tensor("t", &[1; 5], F32).build(), 5);
    let start = [string(b"t"), u32::MAX.to_le_bytes().to_vec()].concat();
    assert_dimensions(&Builder::new().listed(&start, F32, 0, 0).build(), u32::MAX);
}

#[test]
fn dimension_of_zero() {
    for shape in [[0, 4], [4, 0]] {
        let bytes = Builder::new().tensor("t", &shape, F32).build();
        assert_eq!(error(&bytes), GgufError::ZeroDimension { tensor: "t".into(), shape: shape.to_vec() });
    }
}

#[test]
fn element_count_that_overflows() {
    assert_too_many(&[1 << 32, 1 << 32], F32);
    assert_too_many(&[u64::MAX], F32);
}

#[test]
fn byte_count_that_overflows() {
    assert_too_many(&[1 << 62], F32);
    assert_too_many(&[1 << 61], F32);
}

#[test]
fn row_that_does_not_fill_blocks() {
    // 512 elements in all would fill two blocks.
    let bytes = Builder::new().tensor("t", &[128, 4], Q4_K).build();
    let (tensor, tensor_type) = ("t".into(), TensorType::Q4_K);
    assert_eq!(error(&bytes), GgufError::UnevenRow { tensor, tensor_type, row: 128 });
}

#[test]
fn unknown_type() {
    for id in [4, 5, 31, 36, 43, u32::MAX] {
        let bytes = Builder::new().tensor("t", &[256], id).build();
        assert_eq!(error(&bytes), GgufError::UnknownTensorType { tensor: "t".into(), id });
    }
}

#[test]
fn misaligned_offset() {
    let bytes = Builder::new().tensor_at("t", &[8], F32, 16).build();
    assert_eq!(error(&bytes), GgufError::Misaligned { tensor: "t".into(), offset: 16, alignment: 32 });
}

#[test]
fn offset_past_the_end() {
    for offset in [64, 1 << 40, u64::MAX - 31] {
        let bytes = Builder::new().tensor("a", &[8], F32).tensor_at("b", &[8], F32, offset).build();
        let cut = &bytes[..bytes.len().min(FIRST_TENSOR as usize + 2 * 33 + 60)];
        let (tensor, total) = ("b".into(), 64);
        assert_eq!(error(cut), GgufError::OffsetPastEnd { tensor, offset, total });
    }
}

#[test]
fn overlapping_ranges() {
    let model =
        |second: u64| Builder::new().tensor("a", &[32, 2], Q8_0).tensor_at("b", &[8], F32, second).build();
    for second in [0, 32, 64] {
        assert!(matches!(error(&model(second)), GgufError::Overlap { .. }), "offset {second}");
    }
    let start = Gguf::parse(&model(96)).unwrap().tensors()[0].range.start;
    let (first, second) = ("a".into(), "b".into());
    assert_eq!(error(&model(64)), GgufError::Overlap { first, second, offset: start + 64 });
}

fn assert_dimensions(bytes: &[u8], count: u32) {
    let (tensor, offset) = ("t".into(), FIRST_TENSOR + 8 + 1);
    assert_eq!(error(bytes), GgufError::Dimensions { tensor, offset, count });
}

fn assert_too_many(shape: &[u64], ggml_id: u32) {
    let bytes = Builder::new().tensor("t", shape, ggml_id).build();
    assert_eq!(error(&bytes), GgufError::TooManyElements { tensor: "t".into(), shape: shape.to_vec() });
}
