//! New starts of files: all that is not replaced is there as it was, and the file is a model again.

use proptest::prelude::*;

use super::builder::{Builder, F32, Q4_K, array, string};
use super::small_model;
use crate::gguf::{Entry, Gguf, HeaderStart, Value};

/// The whole file with its new start.
fn rewritten(file: &[u8], entries: &[Entry], is_dropped: impl Fn(&str) -> bool) -> (Vec<u8>, HeaderStart) {
    let gguf = Gguf::parse(file).unwrap();
    let start = gguf.start_with(file, entries, is_dropped);
    let whole = [&start.bytes[..], &file[gguf.data_start() as usize..]].concat();
    (whole, start)
}

/// The bytes of a tensor.
fn data<'a>(file: &'a [u8], gguf: &Gguf, name: &str) -> &'a [u8] {
    &file[gguf.tensor(name).unwrap().byte_range()]
}

/// Checks that splices lead from one start to the other, and back.
fn assert_splices(file: &[u8], data_start: usize, start: &HeaderStart) {
    let mut made: Vec<u8> = Vec::new();
    let (mut at, mut back) = (0, 0);
    for splice in &start.splices {
        assert_eq!(&file[at..splice.before.start], &start.bytes[back..splice.after.start]);
        made.extend(&file[at..splice.before.start]);
        made.extend(&start.bytes[splice.after.clone()]);
        (at, back) = (splice.before.end, splice.after.end);
    }
    made.extend(&file[at..data_start]);
    assert!(made == start.bytes);
}

#[test]
fn what_is_added_is_read_back() {
    let file = small_model().build();
    let entries = [
        Entry::new("qes.number", 7_u32),
        Entry::new("qes.large", u64::MAX),
        Entry::new("qes.share", 0.9),
        Entry::new("general.name", "Other"),
        Entry::new("qes.texts", vec!["a".to_owned(), String::new(), "ü".to_owned()]),
    ];
    let (whole, start) = rewritten(&file, &entries, |key| key == "tokenizer.chat_template");
    let (before, after) = (Gguf::parse(&file).unwrap(), Gguf::parse(&whole).unwrap());
    assert_splices(&file, before.data_start() as usize, &start);
    assert_eq!(after.metadata_u64("qes.number"), Some(7));
    assert_eq!(after.metadata_u64("qes.large"), Some(u64::MAX));
    assert_eq!(after.name(), Some("Other"));
    assert_eq!(after.metadata_texts(&whole, "qes.texts").unwrap(), ["a", "", "ü"]);
    assert!(!after.has_chat_template());
    assert_eq!(after.context_length(), Some(512));
    assert_eq!(after.metadata_texts(&whole, "tokenizer.ggml.tokens").unwrap(), ["<s>", "a", "b"]);
    for tensor in before.tensors() {
        assert_eq!(data(&file, &before, &tensor.name), data(&whole, &after, &tensor.name));
    }
}

#[test]
fn without_changes_the_file_is_as_it_was() {
    let file = small_model().build();
    let (whole, start) = rewritten(&file, &[], |_| false);
    assert!(whole == file);
    assert_splices(&file, Gguf::parse(&file).unwrap().data_start() as usize, &start);
}

/// Entries of every kind, known or odd, come through as bytes and in order.
#[test]
fn what_nobody_knows_is_copied() {
    let odd = [
        Builder::new().raw("odd bool", 7, &[2]),
        Builder::new().raw("Some-KEY of others", 6, &1.5_f32.to_le_bytes()),
        Builder::new().raw("nested", 9, &[array(9, 1), array(0, 2), vec![1, 2]].concat()),
        Builder::new().raw("not UTF-8", 9, &[array(8, 1), string(&[0xff])].concat()),
    ];
    for model in odd {
        let file = model.clone().tensor("t", &[256], Q4_K).build();
        let expected = model.u32("qes.n", 1).tensor("t", &[256], Q4_K).build();
        assert!(rewritten(&file, &[Entry::new("qes.n", 1_u32)], |_| false).0 == expected);
    }
}

#[test]
fn tensor_data_stays_aligned_whatever_the_start_grows_by() {
    for alignment in [1, 8, 32, 4096] {
        let model = Builder::new().alignment(alignment);
        let file = model.tensor("a", &[3], F32).tensor("b", &[256, 3], Q4_K).build();
        for length in 0..40 {
            let (whole, start) = rewritten(&file, &[Entry::new("k", "x".repeat(length))], |_| false);
            let (before, after) = (Gguf::parse(&file).unwrap(), Gguf::parse(&whole).unwrap());
            assert_splices(&file, before.data_start() as usize, &start);
            assert_eq!(start.bytes.len() as u64, after.data_start());
            for name in ["a", "b"] {
                assert_eq!(data(&file, &before, name), data(&whole, &after, name), "{alignment}, {length}");
            }
        }
    }
}

#[test]
fn only_arrays_of_texts_are_read_as_such() {
    let file = small_model()
        .raw("numbers", 9, &[array(4, 1), 7_u32.to_le_bytes().to_vec()].concat())
        .raw("bytes", 9, &[array(8, 1), string(&[0xff])].concat())
        .build();
    let gguf = Gguf::parse(&file).unwrap();
    for key in ["numbers", "bytes", "general.name", "llama.context_length", "absent"] {
        assert_eq!(gguf.metadata_texts(&file, key), None, "{key}");
    }
    assert_eq!(gguf.metadata_texts(&file[..30], "tokenizer.ggml.tokens"), None);
}

proptest! {
    /// Each added entry is there, and a second rewriting that drops them all gives the first file again.
    #[test]
    fn rewriting_is_undone_by_dropping_what_was_added(
        texts in prop::collection::vec(".{0,40}", 0..6),
        alignment in (0..9_u32).prop_map(|bit| 1 << bit),
    ) {
        let file = Builder::new().alignment(alignment).u32("u", 5).tensor("a", &[256, 2], Q4_K).build();
        let number = |(number, text): (usize, &String)| Entry::new(format!("qes.{number}"), text.as_str());
        let entries: Vec<Entry> = texts.iter().enumerate().map(number).collect();
        let (whole, start) = rewritten(&file, &entries, |_| false);
        assert_splices(&file, Gguf::parse(&file).unwrap().data_start() as usize, &start);
        let after = Gguf::parse(&whole).unwrap();
        for entry in &entries {
            prop_assert_eq!(after.metadata_str(&entry.key).map(Value::from), Some(entry.value.clone()));
        }
        let (again, _) = rewritten(&whole, &[], |key| key.starts_with("qes."));
        prop_assert!(again == file);
    }
}
