//! Parts of a split model, merged.

use super::builder::{Builder, F32, Q4_K, Q8_0};
use crate::gguf::{Gguf, GgufError, MergeError, Merged, SplitFile, merge};

fn split(part: Builder, number: u16, count: u16, tensors: i32) -> Vec<u8> {
    part.raw("split.no", 2, &number.to_le_bytes())
        .raw("split.count", 2, &count.to_le_bytes())
        .raw("split.tensors.count", 5, &tensors.to_le_bytes())
        .build()
}

/// Three parts as llama.cpp splits: the first has the metadata, and may have no tensors.
fn parts() -> Vec<Vec<u8>> {
    let first = Builder::bare().alignment(64).text("general.architecture", "llama").u32("Odd-Key", 5);
    vec![
        split(first, 0, 3, 3),
        split(Builder::bare().tensor("a", &[32, 3], Q8_0).tensor("b", &[3], F32), 1, 3, 3),
        split(Builder::bare().tensor("c", &[256, 2], Q4_K), 2, 3, 3),
    ]
}

fn merged(files: &[Vec<u8>]) -> Result<Merged, (usize, MergeError)> {
    let parts: Vec<SplitFile> = files.iter().map(|file| SplitFile::parse(file).unwrap()).collect();
    merge(&parts, &files[0])
}

#[test]
fn parts_make_the_model_that_they_were_split_from() {
    let files = parts();
    let Merged { start, pieces } = merged(&files).unwrap();
    let mut whole = start;
    for piece in pieces {
        whole.extend(&files[piece.part][piece.range]);
        whole.extend(vec![0; piece.padding]);
    }
    let gguf = Gguf::parse(&whole).unwrap();
    assert_eq!((gguf.architecture(), gguf.alignment(), gguf.metadata_u64("Odd-Key")), ("llama", 64, Some(5)));
    assert_eq!(gguf.metadata_u64("split.count"), None);
    for (name, part, shape) in [("a", 1, &[32, 3][..]), ("b", 1, &[3]), ("c", 2, &[256, 2])] {
        let of_part = SplitFile::parse(&files[part]).unwrap();
        let (there, here) = (gguf.tensor(name).unwrap(), of_part.gguf().tensor(name).unwrap());
        assert_eq!((&there.shape[..], there.tensor_type), (shape, here.tensor_type));
        assert_eq!(whole[there.byte_range()], files[part][here.byte_range()], "{name}");
    }
    assert_eq!(gguf.tensors().len(), 3);
}

#[test]
fn what_is_no_set_of_parts_is_refused() {
    let refused = |change: fn(&mut Vec<Vec<u8>>)| {
        let mut files = parts();
        change(&mut files);
        merged(&files).unwrap_err()
    };
    let misplaced = |found, expected| MergeError::Misplaced { found, count: 3, expected, of: 3 };
    assert_eq!(refused(|files| files.swap(1, 2)), (1, misplaced(3, 2)));
    assert_eq!(refused(|files| files[2] = files[1].clone()), (2, misplaced(2, 3)));
    let other = |files: &mut Vec<Vec<u8>>| {
        files[2] = split(Builder::bare().tensor("a", &[256, 2], Q4_K), 2, 3, 3);
    };
    assert_eq!(refused(other), (2, MergeError::DuplicateTensor("a".to_owned())));
    let fewer = |files: &mut Vec<Vec<u8>>| files[2] = split(Builder::bare(), 2, 3, 3);
    assert_eq!(refused(fewer), (2, MergeError::Tensors { found: 2, expected: 3 }));
    assert_eq!(refused(|files| files[0] = Builder::new().build()), (0, MergeError::Whole));
    assert_eq!(merge(&[], &[]), Err((0, MergeError::Whole)));
}

#[test]
fn only_later_parts_may_lack_the_architecture() {
    assert!(SplitFile::parse(&parts()[1]).is_ok());
    assert_eq!(SplitFile::parse(&split(Builder::bare(), 0, 3, 3)), Err(GgufError::MissingArchitecture));
    assert_eq!(SplitFile::parse(&Builder::bare().build()), Err(GgufError::MissingArchitecture));
    assert_eq!(SplitFile::parse(&parts()[0]).unwrap().count(), 3);
}
