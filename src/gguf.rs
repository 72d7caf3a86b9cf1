//! A validated view of a GGUF model: the metadata that tuning needs, and the byte range of each tensor.
//!
//! [`Gguf::parse`] borrows the whole file and copies only its descriptors. A value of [`Gguf`] is proof that the
//! header is sound: every tensor has a known type, whole blocks in each row, and a byte range that is aligned, inside
//! the file and disjoint from all others. Counts and lengths are checked against caps and against the remaining bytes
//! before anything is allocated for them.
//!
//! The header, the value types and the integers are read by `gguf-rs-lib`. The walk over the entries and the tensor
//! list is our own, because that crate (0.3.3) refuses files that llama.cpp loads: it requires every key in
//! `lower_snake_case`, which the keys of hyphenated architectures, such as `gpt-oss.context_length`, are not, and
//! every vocabulary entry in UTF-8; it decodes all arrays into memory; and its error for a bad tensor is a string that
//! seldom names the tensor.

mod cursor;
mod error;
mod header;
mod metadata;
mod parts;
mod rewrite;
mod tensors;
#[cfg(test)]
pub(crate) mod tests;

use std::ops::Range;

use self::cursor::Cursor;
pub use self::error::{GgufError, Section};
use self::metadata::Metadata;
pub use self::parts::{MergeError, Merged, Piece, SplitFile, merge};
pub use self::rewrite::{Entry, HeaderStart, Splice, Value};
use crate::tensor_type::TensorType;

/// Alignment of the tensor data if `general.alignment` is absent.
const DEFAULT_ALIGNMENT: u64 = gguf_rs_lib::format::GGUF_DEFAULT_ALIGNMENT as u64;

/// Validated view of a model file: the facts of its header that tuning needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gguf {
    version: u32,
    alignment: u64,
    architecture: String,
    metadata: Metadata,
    tensors: Vec<TensorEntry>,
    /// Byte range of the list of tensors: after the metadata, before the padding of the tensor data.
    list: Range<u64>,
}

/// One tensor of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name, such as `blk.0.attn_q.weight`; unique in the file.
    pub name: String,
    /// One to four dimensions, none zero, the contiguous one (the row length) first.
    pub shape: Vec<u64>,
    /// Type of the elements.
    pub tensor_type: TensorType,
    /// Absolute byte range in the file.
    pub range: Range<u64>,
}

impl TensorEntry {
    /// Returns the number of elements: the product of the shape, which [`Gguf::parse`] has checked against overflow.
    pub fn elements(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Returns the byte range as `usize`. It lies within a file that was mapped or read to be parsed, so nothing is lost.
    pub fn byte_range(&self) -> Range<usize> {
        self.range.start as usize..self.range.end as usize
    }
}

impl Gguf {
    /// Parses the header of a model from the bytes of its whole file.
    ///
    /// Bytes after the last tensor are ignored, and a file without tensors is accepted.
    ///
    /// # Errors
    /// A [`GgufError`] for the first fault found; each names a remedy.
    pub fn parse(bytes: &[u8]) -> Result<Gguf, GgufError> {
        Self::read(bytes, false)
    }

    /// Parses a header as [`parse`](Self::parse) does; if the file may be a part of a split model, it may also lack
    /// what only the first part has.
    fn read(bytes: &[u8], is_part: bool) -> Result<Gguf, GgufError> {
        let header = header::read(bytes)?;
        let mut cursor = Cursor::after_header(bytes);
        let metadata = Metadata::read(&mut cursor, header.metadata_kv_count)?;
        if !is_part {
            refuse_split(&metadata)?;
        }
        let alignment = alignment(&metadata)?;
        let architecture = match metadata.text("general.architecture") {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ if is_part => String::new(),
            _ => return Err(GgufError::MissingArchitecture),
        };
        let list = cursor.offset();
        let tensors = tensors::read(&mut cursor, header.tensor_count, alignment)?;
        let list = list..cursor.offset();
        Ok(Gguf { version: header.version, alignment, architecture, metadata, tensors, list })
    }

    /// Returns the version of the GGUF format; 3 today.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the alignment of the tensor data in bytes, a power of two.
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// Returns the architecture (`general.architecture`), such as `llama`; never empty.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Returns the name of the model (`general.name`), if it has one.
    pub fn name(&self) -> Option<&str> {
        self.metadata_str("general.name")
    }

    /// Returns whether the model has a chat template (`tokenizer.chat_template`).
    pub fn has_chat_template(&self) -> bool {
        self.metadata_str("tokenizer.chat_template").is_some_and(|template| !template.is_empty())
    }

    /// Returns the context length the model was trained for (`{architecture}.context_length`), if it is known.
    pub fn context_length(&self) -> Option<u64> {
        self.metadata_u64(&format!("{}.context_length", self.architecture))
    }

    /// Returns the string under `key`; `None` if the key is absent or holds something else. Bytes that are not UTF-8
    /// read as U+FFFD.
    pub fn metadata_str(&self, key: &str) -> Option<&str> {
        self.metadata.text(key)
    }

    /// Returns the integer of any width under `key`; `None` if the key is absent, negative or holds something else.
    pub fn metadata_u64(&self, key: &str) -> Option<u64> {
        self.metadata.unsigned(key)
    }

    /// Returns the boolean under `key`, if there is one.
    pub fn metadata_bool(&self, key: &str) -> Option<bool> {
        self.metadata.boolean(key)
    }

    /// Returns the strings under `key`; `None` if the key is absent, or holds something else or strings that are not UTF-8.
    /// `file` are the bytes that were parsed.
    pub fn metadata_texts(&self, file: &[u8], key: &str) -> Option<Vec<String>> {
        self.metadata.texts(file, key)
    }

    /// Returns the start of the tensor data, to which the offsets in the file's list are relative. A file without
    /// tensors may end before it.
    pub fn data_start(&self) -> u64 {
        self.list.end.next_multiple_of(self.alignment)
    }

    /// Returns the tensors, in the order in which the file lists them.
    pub fn tensors(&self) -> &[TensorEntry] {
        &self.tensors
    }

    /// Returns the tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&TensorEntry> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }
}

/// Refuses a model in several files, since its other tensors are not here.
fn refuse_split(metadata: &Metadata) -> Result<(), GgufError> {
    match metadata.unsigned("split.count") {
        Some(count) if count > 1 => Err(GgufError::Split { count }),
        _ => Ok(()),
    }
}

/// Returns the alignment of the tensor data, a power of two that fits the `u32` the format stores it in.
fn alignment(metadata: &Metadata) -> Result<u64, GgufError> {
    const KEY: &str = "general.alignment";
    if !metadata.has(KEY) {
        return Ok(DEFAULT_ALIGNMENT);
    }
    let value = metadata.unsigned(KEY).ok_or(GgufError::AlignmentType)?;
    if !value.is_power_of_two() || u32::try_from(value).is_err() {
        return Err(GgufError::Alignment { value });
    }
    Ok(value)
}
