//! Files that fail by their first 24 bytes.

use super::builder::Builder;
use super::{error, small_model};
use crate::gguf::{GgufError, Section};

/// Returns the kind of file that the message names for these first bytes.
fn looks_like(bytes: &[u8]) -> &'static str {
    match error(bytes) {
        GgufError::NotGguf { looks_like, .. } => looks_like,
        other => panic!("not recognised as another format: {other}"),
    }
}

#[test]
fn empty_file() {
    assert_eq!(error(b""), GgufError::Empty);
}

#[test]
fn wrong_magic() {
    assert_eq!(looks_like(b"GGUE and more"), "a file of an unknown format");
    assert_eq!(looks_like(b"x"), "a file of an unknown format");
}

#[test]
fn safetensors() {
    assert_eq!(looks_like(b"\x10\x02\0\0\0\0\0\0{\"__metadata__\":{}}"), "a safetensors file");
}

#[test]
fn safetensors_whose_length_starts_like_a_pickle() {
    assert_eq!(looks_like(b"\x80\x02\0\0\0\0\0\0{\"__metadata__\":{}}"), "a safetensors file");
}

#[test]
fn pickle() {
    assert_eq!(looks_like(b"\x80\x02}q\0(X"), "a Python pickle (old PyTorch weights are one)");
}

#[test]
fn zip() {
    assert_eq!(looks_like(b"PK\x03\x04\0\0"), "a zip archive (PyTorch weights are one)");
}

#[test]
fn ggml_from_before_gguf() {
    for magic in [b"lmgg", b"fmgg", b"tjgg", b"ggml", b"ggjt"] {
        assert_eq!(looks_like(magic), "a GGML file from before GGUF");
    }
}

#[test]
fn git_lfs_pointer() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n";
    assert_eq!(looks_like(pointer), "a Git LFS pointer to one");
}

#[test]
fn web_page() {
    assert_eq!(looks_like(b"<!DOCTYPE html><html>"), "a web page");
}

#[test]
fn big_endian() {
    assert_eq!(error(&with_version(3_u32.swap_bytes())), GgufError::BigEndian);
}

#[test]
fn version_1() {
    assert_eq!(error(&with_version(1)), GgufError::Version1);
}

#[test]
fn version_2() {
    assert_eq!(error(&with_version(2)), GgufError::Version2);
    assert!(GgufError::Version2.to_string().contains("llama-quantize old.gguf new.gguf COPY"));
}

#[test]
fn unknown_versions() {
    for version in [0, 4, u32::MAX] {
        assert_eq!(error(&with_version(version)), GgufError::UnknownVersion { version });
    }
}

#[test]
fn truncated_in_the_header() {
    let bytes = small_model().build();
    for length in 1..24 {
        let expected =
            GgufError::Truncated { section: Section::Header, offset: 0, expected: 24, actual: length as u64 };
        assert_eq!(error(&bytes[..length]), expected);
    }
}

#[test]
fn more_metadata_than_allowed() {
    for count in [100_001, u64::MAX] {
        let bytes = Builder::new().claiming(None, Some(count)).build();
        assert_eq!(error(&bytes), GgufError::TooMany { what: "metadata entries", count, limit: 100_000 });
    }
}

#[test]
fn more_tensors_than_allowed() {
    for count in [1_000_001, u64::MAX] {
        let bytes = Builder::new().claiming(Some(count), None).build();
        assert_eq!(error(&bytes), GgufError::TooMany { what: "tensors", count, limit: 1_000_000 });
    }
}

#[test]
fn more_metadata_than_the_file_has_room_for() {
    let bytes = Builder::new().claiming(None, Some(100_000)).build();
    let (section, actual) = (Section::Metadata, bytes.len() as u64);
    assert_eq!(error(&bytes), GgufError::Truncated { section, offset: 24, expected: 24 + 1_300_000, actual });
}

#[test]
fn more_tensors_than_the_file_has_room_for() {
    let bytes = Builder::new().claiming(Some(1_000_000), None).build();
    let (section, actual) = (Section::TensorList, bytes.len() as u64);
    let expected = actual + 24_000_000;
    assert_eq!(error(&bytes), GgufError::Truncated { section, offset: actual, expected, actual });
}

fn with_version(version: u32) -> Vec<u8> {
    small_model().version(version).build()
}
