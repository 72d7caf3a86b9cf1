//! Split models: several files, and the one file merged from them.
//!
//! The first part has the model's metadata; each has a list of the tensors whose data it holds. In the merged file,
//! the metadata lacks the keys of the split, and the tensors follow each other in the parts' order.

use std::collections::HashSet;
use std::ops::Range;

use thiserror::Error;

use super::{Gguf, GgufError};

/// Prefix of the keys that describe a split.
const SPLIT: &str = "split.";

/// One file of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitFile {
    gguf: Gguf,
    /// Its number, from 0.
    number: u64,
    /// Number of files of the model.
    count: u64,
    /// Number of tensors of the model, if the file has it.
    tensors: Option<u64>,
}

/// Reasons for which parts do not make up a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum MergeError {
    #[error("it is no part of a split model; use it as it is")]
    Whole,
    #[error(
        "it is part {found} of {count}, but part {expected} of {of} belongs here; its name was changed, or it is of another model"
    )]
    Misplaced { found: u64, count: u64, expected: u64, of: u64 },
    #[error("tensor {0:?} is in two of the parts; they are of different models")]
    DuplicateTensor(String),
    #[error(
        "the parts have {found} tensors together, but the model has {expected}; they are of different models"
    )]
    Tensors { found: u64, expected: u64 },
}

impl SplitFile {
    /// Parses one file of a split model.
    ///
    /// # Errors
    /// A [`GgufError`] for the first fault found.
    pub fn parse(bytes: &[u8]) -> Result<Self, GgufError> {
        let gguf = Gguf::read(bytes, true)?;
        let number = |key: &str| gguf.metadata_u64(key);
        let (count, tensors) = (number("split.count").unwrap_or(1), number("split.tensors.count"));
        let number = number("split.no").unwrap_or(0);
        if number == 0 && gguf.architecture.is_empty() {
            return Err(GgufError::MissingArchitecture);
        }
        Ok(Self { gguf, number, count, tensors })
    }

    /// Returns the file's own header; of later parts it has neither architecture nor other facts of the model.
    pub fn gguf(&self) -> &Gguf {
        &self.gguf
    }

    /// Returns the number of files of the model.
    pub fn count(&self) -> u64 {
        self.count
    }
}

/// The file merged from parts: its start, then pieces of the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// All bytes before the tensor data.
    pub start: Vec<u8>,
    /// The tensors' data in order.
    pub pieces: Vec<Piece>,
}

/// A tensor's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The part that holds it, counted from 0.
    pub part: usize,
    /// Its byte range in the part's file.
    pub range: Range<usize>,
    /// Zeros that follow it.
    pub padding: usize,
}

/// Merges the parts of a model, all of them in order; `first` are the bytes of the first one's file.
///
/// # Errors
/// When they are not the parts of one model; with the number, from 0, of the part at fault.
pub fn merge(parts: &[SplitFile], first: &[u8]) -> Result<Merged, (usize, MergeError)> {
    let Some(SplitFile { gguf, count, tensors, .. }) = parts.first().filter(|part| part.count > 1) else {
        return Err((0, MergeError::Whole));
    };
    let mut names = HashSet::new();
    let (mut list, mut pieces, mut offset) = (Vec::new(), Vec::new(), 0_u64);
    for (number, part) in parts.iter().enumerate() {
        if (part.number, part.count) != (number as u64, *count) {
            let (found, expected) = (part.number.saturating_add(1), number as u64 + 1);
            return Err((number, MergeError::Misplaced { found, count: part.count, expected, of: *count }));
        }
        for tensor in part.gguf.tensors() {
            if !names.insert(&tensor.name) {
                return Err((number, MergeError::DuplicateTensor(tensor.name.clone())));
            }
            list.extend((tensor.name.len() as u64).to_le_bytes());
            list.extend(tensor.name.as_bytes());
            list.extend((tensor.shape.len() as u32).to_le_bytes());
            list.extend(tensor.shape.iter().flat_map(|length| length.to_le_bytes()));
            list.extend(tensor.tensor_type.ggml_id().to_le_bytes());
            list.extend(offset.to_le_bytes());
            let range = tensor.byte_range();
            let end = offset + range.len() as u64;
            offset = end.next_multiple_of(gguf.alignment);
            pieces.push(Piece { part: number, range, padding: (offset - end) as usize });
        }
    }
    let found = names.len() as u64;
    match tensors {
        Some(expected) if *expected != found => {
            Err((parts.len() - 1, MergeError::Tensors { found, expected: *expected }))
        }
        _ => Ok(Merged { start: start(gguf, first, found, &list), pieces }),
    }
}

/// Returns the start of the merged file.
fn start(gguf: &Gguf, file: &[u8], tensors: u64, list: &[u8]) -> Vec<u8> {
    let places = gguf.metadata.places();
    let kept: Vec<_> = places.iter().filter(|(key, _)| !key.starts_with(SPLIT)).collect();
    // Magic and version.
    let mut start = file.get(..8).unwrap_or_default().to_vec();
    start.extend(tensors.to_le_bytes());
    start.extend((kept.len() as u64).to_le_bytes());
    kept.iter().for_each(|(_, place)| start.extend(file.get(place.clone()).unwrap_or_default()));
    start.extend(list);
    start.resize((start.len() as u64).next_multiple_of(gguf.alignment) as usize, 0);
    start
}
