//! Model files: [`Gguf::parse`], and choosing tensors by what it found.

use qes_gguf::gguf::Gguf;
use qes_gguf::select::select;

use super::{Seeds, told};

#[allow(dead_code)] // What only the library's own tests call.
#[path = "../../src/gguf/tests/builder.rs"]
mod builder;

use builder::{Builder, F32, Q4_K, Q8_0, array, shape_of, string};

pub fn run(bytes: &[u8]) {
    match Gguf::parse(bytes) {
        Ok(model) => check(&model, bytes),
        Err(error) => told(&error),
    }
}

/// All that a value of the type is said to prove.
fn check(model: &Gguf, bytes: &[u8]) {
    assert!(!model.architecture().is_empty() && model.alignment().is_power_of_two());
    let mut ranges: Vec<_> = model.tensors().iter().map(|tensor| tensor.range.clone()).collect();
    ranges.sort_by_key(|range| range.start);
    assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start));
    for tensor in model.tensors() {
        assert!(bytes.get(tensor.byte_range()).is_some_and(|bytes| !bytes.is_empty()));
        assert!(tensor.range.start.is_multiple_of(model.alignment()));
        assert!(tensor.shape[0].is_multiple_of(tensor.tensor_type.block_len()));
        let size = tensor.range.end - tensor.range.start;
        assert_eq!(tensor.tensor_type.bytes_of(tensor.elements()), Some(size));
        assert_eq!(model.tensor(&tensor.name), Some(tensor));
    }
    let _ = (model.name(), model.has_chat_template(), model.context_length());
    match select(model, None) {
        Ok(tensors) => assert!(tensors.iter().all(|tensor| tensor.tensor_type.is_tunable())),
        Err(error) => told(&error),
    }
}

pub fn seeds() -> Seeds {
    [counts(), lengths(), tensors(), places(), metadata()].concat()
}

const HUGE: u64 = 1 << 63;

fn one() -> Builder {
    Builder::new().tensor("blk.0.attn_q.weight", &[256, 2], Q4_K)
}

fn cut(mut bytes: Vec<u8>, to: usize) -> Vec<u8> {
    bytes.truncate(to);
    bytes
}

/// Headers that count what is not there.
fn counts() -> Seeds {
    let claiming = |tensors, entries| one().claiming(tensors, entries).build();
    vec![
        (
            "sound",
            one().tensor("output_norm.weight", &[5], F32).tensor("token_embd.weight", &[64, 3], Q8_0).build(),
        ),
        ("tensors-2-63", claiming(Some(HUGE), None)),
        ("tensors-max", claiming(Some(u64::MAX), None)),
        ("tensors-a-million", claiming(Some(1_000_000), None)),
        ("tensors-one-more", claiming(Some(2), None)),
        ("tensors-none", claiming(Some(0), None)),
        ("entries-2-63", claiming(None, Some(HUGE))),
        ("entries-max", claiming(None, Some(u64::MAX))),
        ("entries-a-hundred-thousand", claiming(None, Some(100_000))),
        ("entries-one-more", claiming(None, Some(2))),
        ("entries-none", claiming(None, Some(0))),
        ("version-2", one().version(2).build()),
        ("version-swapped", one().version(3_u32.swap_bytes()).build()),
        ("cut-in-the-header", cut(one().build(), 20)),
        ("cut-in-the-list", cut(one().build(), 90)),
        ("cut-in-the-data", cut(one().build(), 300)),
    ]
}

/// Strings and arrays that say they are longer than the file.
fn lengths() -> Seeds {
    let text = |length: u64| Builder::new().raw("general.name", 8, &length.to_le_bytes()).build();
    let key = |length: u64| Builder::new().entry(&length.to_le_bytes()).build();
    let of_array = |value_type, length| Builder::new().raw("a", 9, &array(value_type, length)).build();
    let name = |length: u64| {
        Builder::new().listed(&[&length.to_le_bytes()[..], &shape_of(&[32])].concat(), F32, 0, 128).build()
    };
    vec![
        ("string-of-4-gib", text(1 << 32)),
        ("string-of-1-gib", text(1 << 30)),
        ("string-2-63", text(HUGE)),
        ("string-max", text(u64::MAX)),
        ("key-of-4-gib", key(1 << 32)),
        ("key-max", key(u64::MAX)),
        ("bytes-2-63", of_array(0, HUGE)),
        ("numbers-2-61", of_array(10, 1 << 61)),
        ("strings-of-1-gib", of_array(8, 1 << 30)),
        ("arrays-of-1-gib", of_array(9, 1 << 30)),
        ("name-of-4-gib", name(1 << 32)),
        ("name-max", name(u64::MAX)),
    ]
}

/// Shapes and types that no tensor has.
fn tensors() -> Seeds {
    let with = |shape: &[u64], ggml_id| Builder::new().tensor("t", shape, ggml_id).build();
    let dimensions = |count: u32| {
        let start = [string(b"t"), count.to_le_bytes().to_vec(), vec![1; 64]].concat();
        Builder::new().listed(&start, F32, 0, 0).build()
    };
    vec![
        ("no-length", with(&[0], F32)),
        ("no-rows", with(&[32, 0], Q8_0)),
        ("no-dimensions", dimensions(0)),
        ("five-dimensions", dimensions(5)),
        ("dimensions-max", dimensions(u32::MAX)),
        ("product-too-large", with(&[1 << 32, 1 << 32], F32)),
        ("product-wraps-to-one", with(&[u64::MAX, u64::MAX], F32)),
        ("signed-too-large", with(&[HUGE], 24)),
        ("bytes-too-large", with(&[1 << 61, 1, 2], F32)),
        ("uneven-row", with(&[33, 2], Q8_0)),
        ("unknown-type", with(&[32], 999)),
        ("removed-type", with(&[32], 4)),
        ("not-a-number", nan_data()),
        ("no-name", Builder::new().tensor("", &[32], F32).build()),
        ("name-with-zero", Builder::new().tensor("a\0b", &[32], F32).build()),
        ("two-of-a-name", Builder::new().tensor("t", &[32], F32).tensor("t", &[32], F32).build()),
        (
            "many",
            (0..40)
                .fold(Builder::new(), |file, n| file.tensor(&format!("blk.{n}.w.weight"), &[32, 1], Q8_0))
                .build(),
        ),
    ]
}

/// Weights that are no numbers: floats, and the scales of blocks.
fn nan_data() -> Vec<u8> {
    let mut bytes = Builder::new().tensor("norm", &[8], F32).tensor("blk.0.a.weight", &[32, 2], Q8_0).build();
    let model = Gguf::parse(&bytes).expect("a sound file");
    let ranges: Vec<_> = model.tensors().iter().map(|tensor| tensor.byte_range()).collect();
    for (number, value) in
        bytes[ranges[0].clone()].chunks_mut(4).zip([f32::NAN, f32::INFINITY, -f32::INFINITY].iter().cycle())
    {
        number.copy_from_slice(&value.to_le_bytes());
    }
    bytes[ranges[1].clone()]
        .chunks_mut(34)
        .for_each(|block| block[..2].copy_from_slice(&0x7e00_u16.to_le_bytes()));
    bytes
}

/// Data where no data can be.
fn places() -> Seeds {
    let at = |offset| Builder::new().tensor("a", &[32], F32).tensor_at("b", &[32], F32, offset).build();
    let aligned =
        |alignment| Builder::new().alignment(alignment).tensor("a", &[3], F32).tensor("b", &[3], F32).build();
    vec![
        ("past-the-end", at(1 << 19)),
        ("offset-2-63", at(HUGE)),
        ("offset-last", at(u64::MAX - 31)),
        ("overlapping", at(96)),
        ("the-same-place", at(0)),
        ("misaligned", at(129)),
        ("apart", at(4096)),
        ("alignment-0", Builder::new().u32("general.alignment", 0).tensor("a", &[3], F32).build()),
        ("alignment-1", aligned(1)),
        ("alignment-3", Builder::new().u32("general.alignment", 3).tensor("a", &[3], F32).build()),
        ("alignment-2-31", Builder::new().u32("general.alignment", 1 << 31).tensor("a", &[3], F32).build()),
        ("alignment-text", Builder::new().text("general.alignment", "32").tensor("a", &[3], F32).build()),
    ]
}

/// Keys and values that no model has.
fn metadata() -> Seeds {
    let nested = |depth: usize| {
        let inner = [(0..depth).flat_map(|_| array(9, 1)).collect(), array(0, 1), vec![7]].concat();
        Builder::new().raw("nested", 9, &inner).build()
    };
    let float = |value: f32| Builder::new().raw("llama.scale", 6, &value.to_le_bytes()).build();
    vec![
        ("nested-3", nested(3)),
        ("nested-5", nested(5)),
        ("nested-1000", nested(1000)),
        ("nan", float(f32::NAN)),
        ("infinite", float(f32::INFINITY)),
        ("two-of-a-key", Builder::new().u32("k", 1).u32("k", 2).build()),
        ("two-architectures", Builder::new().text("general.architecture", "gemma").build()),
        ("no-architecture", Builder::bare().u32("k", 1).build()),
        ("empty-architecture", Builder::bare().text("general.architecture", "").build()),
        ("empty-key", Builder::new().u32("", 1).build()),
        ("key-with-zero", Builder::new().u32("a\0", 1).build()),
        ("unknown-value", Builder::new().raw("k", 13, &[0; 8]).build()),
        ("boolean-2", Builder::new().raw("k", 7, &[2]).build()),
        ("text-not-utf-8", Builder::new().raw("general.name", 8, &string(b"a\xff")).build()),
        ("split", one().raw("split.count", 2, &2_u16.to_le_bytes()).build()),
        ("vocabulary", Builder::new().strings("tokenizer.ggml.tokens", &["<s>", "", "\u{1f600}"]).build()),
    ]
}
