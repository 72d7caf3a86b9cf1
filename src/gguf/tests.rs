//! Tests of the validated view: files written by hand, one test for each rejection, and property tests.

pub(crate) mod builder;
mod parts;
mod properties;
mod rejects_header;
mod rejects_metadata;
mod rejects_tensors;
mod rewrites;

use self::builder::{Builder, F32, Q4_K, Q8_0};
use super::{Gguf, GgufError};
use crate::tensor_type::TensorType;

/// The error that parsing these bytes gives.
fn error(bytes: &[u8]) -> GgufError {
    Gguf::parse(bytes).expect_err("the file should be rejected")
}

/// A small model with all that a header can hold.
fn small_model() -> Builder {
    Builder::new()
        .text("general.name", "Small")
        .u32("llama.context_length", 512)
        .text("tokenizer.chat_template", "{{ messages }}")
        .strings("tokenizer.ggml.tokens", &["<s>", "a", "b"])
        .tensor("token_embd.weight", &[64, 3], Q8_0)
        .tensor("blk.0.attn_q.weight", &[256, 2], Q4_K)
        .tensor("output_norm.weight", &[5], F32)
}

#[test]
fn facts_of_a_model() {
    let model = Gguf::parse(&small_model().build()).unwrap();
    assert_eq!((model.version(), model.alignment()), (3, 32));
    assert_eq!(model.architecture(), "llama");
    assert_eq!(model.name(), Some("Small"));
    assert_eq!(model.context_length(), Some(512));
    assert!(model.has_chat_template());
    assert_eq!(model.metadata_str("llama.context_length"), None);
    assert_eq!(model.metadata_u64("general.name"), None);
    assert_eq!(model.metadata_str("tokenizer.ggml.tokens"), None);
    assert_eq!(model.metadata_u64("absent"), None);
}

#[test]
fn tensors_keep_file_order_and_ranges_cover_their_bytes() {
    let bytes = small_model().build();
    let model = Gguf::parse(&bytes).unwrap();
    let names: Vec<_> = model.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["token_embd.weight", "blk.0.attn_q.weight", "output_norm.weight"]);
    let attn = model.tensor("blk.0.attn_q.weight").unwrap();
    assert_eq!((attn.tensor_type, attn.elements()), (TensorType::Q4_K, 512));
    for (fill, tensor) in (1_u8..).zip(model.tensors()) {
        assert_eq!(tensor.range.start % 32, 0);
        assert_eq!(
            Some(tensor.range.end - tensor.range.start),
            tensor.tensor_type.bytes_of(tensor.elements())
        );
        let data = &bytes[tensor.range.start as usize..tensor.range.end as usize];
        assert!(data.iter().all(|byte| *byte == fill), "{} holds other bytes", tensor.name);
    }
    assert!(model.tensor("absent").is_none());
}

#[test]
fn a_file_without_tensors_is_accepted() {
    assert!(Gguf::parse(&Builder::new().build()).unwrap().tensors().is_empty());
}

#[test]
fn a_bare_model_has_no_optional_facts() {
    let model = Gguf::parse(&Builder::new().build()).unwrap();
    assert_eq!((model.name(), model.context_length()), (None, None));
    assert!(!model.has_chat_template());
}

#[test]
fn bytes_after_the_tensors_are_ignored() {
    let mut bytes = small_model().build();
    let model = Gguf::parse(&bytes).unwrap();
    bytes.extend([7; 100]);
    assert_eq!(Gguf::parse(&bytes).unwrap(), model);
}

#[test]
fn the_last_tensor_needs_no_padding() {
    let bytes = small_model().build();
    let end = Gguf::parse(&bytes).unwrap().tensors()[2].range.end as usize;
    assert!(Gguf::parse(&bytes[..end]).is_ok());
}

#[test]
fn tensors_may_lie_in_any_order_and_apart() {
    let bytes = Builder::new().tensor_at("a", &[8], F32, 96).tensor_at("b", &[8], F32, 0).build();
    let model = Gguf::parse(&bytes).unwrap();
    assert_eq!(model.tensors()[0].range.start - model.tensors()[1].range.start, 96);
}

#[test]
fn any_power_of_two_aligns() {
    for alignment in [1, 4, 64, 4096] {
        let model = Builder::new().alignment(alignment).tensor("a", &[3], F32).tensor("b", &[3], F32);
        let model = Gguf::parse(&model.build()).unwrap();
        assert_eq!(model.alignment(), u64::from(alignment));
        assert!(model.tensors().iter().all(|tensor| tensor.range.start % model.alignment() == 0));
    }
}

#[test]
fn keys_of_hyphenated_architectures_are_read() {
    let model =
        Builder::bare().text("general.architecture", "gpt-oss").u32("gpt-oss.context_length", 131_072);
    assert_eq!(Gguf::parse(&model.build()).unwrap().context_length(), Some(131_072));
}

#[test]
fn integers_of_every_width_are_read_unless_negative() {
    let cases: [(u32, &[u8], Option<u64>); 10] = [
        (0, &[200], Some(200)),
        (1, &[100], Some(100)),
        (1, &[0xff], None),
        (2, &[1, 2], Some(0x0201)),
        (3, &[1, 2], Some(0x0201)),
        (4, &[1, 2, 3, 4], Some(0x0403_0201)),
        (5, &[1, 2, 3, 4], Some(0x0403_0201)),
        (7, &[1], None),
        (10, &[1, 0, 0, 0, 0, 0, 0, 0xff], Some(0xff00_0000_0000_0001)),
        (11, &[1, 0, 0, 0, 0, 0, 0, 0], Some(1)),
    ];
    for (id, bytes, expected) in cases {
        let model = Gguf::parse(&Builder::new().raw("k", id, bytes).build()).unwrap();
        assert_eq!(model.metadata_u64("k"), expected, "value type {id}");
    }
}

#[test]
fn values_that_nobody_asks_for_are_walked_over() {
    let nested =
        [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &0_u32.to_le_bytes(), &2_u64.to_le_bytes(), &[1, 2]];
    let model = Builder::new()
        .raw("f32", 6, &1.5_f32.to_le_bytes())
        .raw("f64", 12, &1.5_f64.to_le_bytes())
        .raw("odd bool", 7, &[2])
        .raw("nested", 9, &nested.concat())
        .raw(
            "tokens that are not UTF-8",
            9,
            &[&8_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &1_u64.to_le_bytes(), &[0xff]].concat(),
        )
        .u32("last", 7);
    assert_eq!(Gguf::parse(&model.build()).unwrap().metadata_u64("last"), Some(7));
}

#[test]
fn a_string_that_is_not_utf8_is_read_with_replacements() {
    let value = [&2_u64.to_le_bytes()[..], &[b'a', 0xff]].concat();
    let model = Gguf::parse(&Builder::new().raw("general.name", 8, &value).build()).unwrap();
    assert_eq!(model.name(), Some("a\u{fffd}"));
}

#[test]
fn every_known_type_is_sized_as_its_table_says() {
    for id in (0..64).filter_map(TensorType::from_ggml_id).map(TensorType::ggml_id) {
        let model = Gguf::parse(&Builder::new().tensor("t", &[512, 2], id).build()).unwrap();
        let range = &model.tensors()[0].range;
        assert_eq!(Some(range.end - range.start), model.tensors()[0].tensor_type.bytes_of(1024));
    }
}

#[test]
fn a_vocabulary_of_300_000_tokens_takes_no_time() {
    let tokens: Vec<_> = (0..300_000).map(|number| format!("token{number}")).collect();
    let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
    let bytes = Builder::new().strings("tokenizer.ggml.tokens", &tokens).build();
    let start = std::time::Instant::now();
    Gguf::parse(&bytes).unwrap();
    assert!(start.elapsed().as_millis() < 1000);
}
