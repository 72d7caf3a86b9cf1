//! The diff (`.qesdiff`) between a base model and a tuned one, which can be applied or reverted.
//!
//! A line of JSON names the two files. Sections follow, compressed one by one: first the differences in the start of
//! the file, then for each tuned tensor the runs of changed blocks, as the exclusive or of old and new bytes. So one
//! diff works both ways, from base to result and back. `docs/DIFF.md` describes the format.
//!
//! Everything here is pure. Reading the header of a [`Diff`] does not check its sections: each is checked when it is
//! used, and the caller compares the result's digest.

mod section;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::gguf::HeaderStart;
use crate::seed_log::{BaseModel, TensorSpec, named_twice};

/// The format version that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// The first bytes of every diff.
const HEADER_START: &[u8] = b"{\"diff\":{\"version\":";

/// Longest first line: a hundred bytes for each of more tensors than any model has.
const MAX_HEADER_BYTES: usize = 64 << 20;

/// Bytes of the length before each section.
const LENGTH_BYTES: usize = 8;

/// Errors of reading or applying a diff.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum DiffError {
    #[error("this is not a diff: its first line is no qes-gguf diff header")]
    NotADiff,
    #[error(
        "the diff has format version {0}, but this program reads version {FORMAT_VERSION}; use the version of qes-gguf that wrote it"
    )]
    Version(u64),
    #[error("the diff's first line does not hold what it should: {0}")]
    Content(serde_json::Error),
    #[error("the diff's first line does not hold together: {0}")]
    Header(String),
    #[error(
        "the diff has {actual} bytes where at least {expected} should be; it is incomplete, get it again"
    )]
    Truncated { expected: u64, actual: u64 },
    #[error("the diff goes on for {0} bytes behind its end; it was changed, get it again")]
    TooLong(u64),
    #[error("the diff's part for {0} is damaged; get it again")]
    Damaged(String),
    #[error("the diff's part for {0} does not fit the model, or is damaged; get it again")]
    Misfit(String),
    #[error("the diff does not make the model that it names; it is damaged, get it again")]
    Result,
    #[error("the diff's first line cannot be written: {0}")]
    Encode(serde_json::Error),
}

/// The first line of a diff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "diff_header"))]
pub struct DiffHeader {
    /// Version of the diff format.
    pub version: u32,
    /// Name and version of the program that wrote the diff.
    pub tool: String,
    /// The file that it starts from.
    pub base: BaseModel,
    /// The file that it leads to.
    pub result: Digest,
    /// The hash of the log up to the last generation that is in the result.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub log_sha256: String,
    /// Generations of the log that are in the result.
    pub generations: u64,
    /// The tensors that have sections, in the order of these.
    pub tensors: Vec<TensorSpec>,
}

/// A file, whatever its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "result"))]
pub struct Digest {
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, lower-case hexadecimal.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub sha256: String,
}

impl From<&BaseModel> for Digest {
    fn from(base: &BaseModel) -> Self {
        Self { bytes: base.bytes, sha256: base.sha256.clone() }
    }
}

/// Direction in which a diff is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From base to result.
    Forward,
    /// From result to base.
    Back,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLine {
    diff: DiffHeader,
}

/// A diff with its first line parsed and its sections located.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    header: DiffHeader,
    start: Range<usize>,
    tensors: Vec<Range<usize>>,
}

impl Diff {
    /// Returns whether a file that begins with these bytes is meant to be a diff.
    pub fn is_begun_by(bytes: &[u8]) -> bool {
        bytes.starts_with(HEADER_START)
    }

    /// Parses a diff's first line and locates its sections.
    ///
    /// # Errors
    /// When the first line is invalid, or the file's length does not match the sections' lengths.
    pub fn parse(bytes: &[u8]) -> Result<Self, DiffError> {
        if !Self::is_begun_by(bytes) {
            return Err(DiffError::NotADiff);
        }
        let line = bytes.iter().take(MAX_HEADER_BYTES).position(|&byte| byte == b'\n');
        let line = line.ok_or(DiffError::NotADiff)?;
        let header = read_header(&bytes[..line])?;
        let mut at = line + 1;
        let start = section_at(bytes, &mut at)?;
        let tensors = header.tensors.iter().map(|_| section_at(bytes, &mut at)).collect::<Result<_, _>>()?;
        match bytes.len() - at {
            0 => Ok(Self { header, start, tensors }),
            more => Err(DiffError::TooLong(more as u64)),
        }
    }

    /// Returns the first line.
    pub fn header(&self) -> &DiffHeader {
        &self.header
    }

    /// Returns the start of the file that the diff leads to, made from `from`, the start of the file that it is
    /// applied to. `diff` are the bytes that were parsed.
    ///
    /// # Errors
    /// When the section is damaged, or does not fit `from`.
    pub fn start(&self, diff: &[u8], from: &[u8], way: Direction) -> Result<Vec<u8>, DiffError> {
        let what = "the start of the file";
        let most = self.header.base.bytes.saturating_add(self.header.result.bytes);
        let section = section::expand(&diff[self.start.clone()], most)
            .ok_or_else(|| DiffError::Damaged(what.to_owned()))?;
        section::splice(&section, from, way).ok_or_else(|| DiffError::Misfit(what.to_owned()))
    }

    /// Changes the bytes of the header's tensor number `tensor`, in one direction or the other.
    ///
    /// # Errors
    /// When the section is damaged, or does not fit this many bytes.
    pub fn patch(&self, diff: &[u8], tensor: usize, bytes: &mut [u8]) -> Result<(), DiffError> {
        let spec = &self.header.tensors[tensor];
        let block_bytes = spec.tensor_type.block_bytes();
        let blocks = bytes.len() as u64 / block_bytes;
        let name = || format!("tensor {}", spec.name.escape_debug());
        let section =
            section::expand(&diff[self.tensors[tensor].clone()], blocks * (block_bytes + section::RUN_BYTES))
                .ok_or_else(|| DiffError::Damaged(name()))?;
        section::patch(&section, bytes, block_bytes as usize).ok_or_else(|| DiffError::Misfit(name()))
    }
}

fn read_header(line: &[u8]) -> Result<DiffHeader, DiffError> {
    let value: serde_json::Value = serde_json::from_slice(line).map_err(|_| DiffError::NotADiff)?;
    match value.pointer("/diff/version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(FORMAT_VERSION) => {}
        Some(version) => return Err(DiffError::Version(version)),
        None => return Err(DiffError::NotADiff),
    }
    let FirstLine { diff } = serde_json::from_value(value).map_err(DiffError::Content)?;
    if let Some(tensor) = named_twice(&diff.tensors) {
        return Err(DiffError::Header(format!("it names tensor {tensor} twice")));
    }
    for tensor in &diff.tensors {
        if !tensor.has_whole_blocks() {
            let TensorSpec { codes, tensor_type, .. } = tensor;
            let problem = format!(
                "its tensor {tensor} has {codes} codes of type {tensor_type}, no whole number of blocks or of rows"
            );
            return Err(DiffError::Header(problem));
        }
    }
    Ok(diff)
}

/// Returns the section whose length is at `at`, and moves `at` to its end.
fn section_at(bytes: &[u8], at: &mut usize) -> Result<Range<usize>, DiffError> {
    let truncated = |expected: u64| DiffError::Truncated { expected, actual: bytes.len() as u64 };
    let start = *at + LENGTH_BYTES;
    let length = bytes.get(*at..start).and_then(|length| length.try_into().ok()).map(u64::from_le_bytes);
    let length = length.ok_or_else(|| truncated(start as u64))?;
    let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
    let end = end.filter(|&end| end <= bytes.len());
    *at = end.ok_or_else(|| truncated((start as u64).saturating_add(length)))?;
    Ok(start..*at)
}

/// Returns the first line of a diff, with its line end.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn encode_header(header: &DiffHeader) -> Result<String, DiffError> {
    let line = FirstLine { diff: header.clone() };
    serde_json::to_string(&line).map(|line| line + "\n").map_err(DiffError::Encode)
}

/// Returns the section of the file's start, preceded by its length.
pub fn encode_start(base: &[u8], result: &HeaderStart) -> Vec<u8> {
    encoded(&section::of_start(base, result))
}

/// Returns the section of a tensor with blocks of `block_bytes` bytes (at least 1), preceded by its length. `base` and
/// `result` are equally long.
pub fn encode_tensor(base: &[u8], result: &[u8], block_bytes: usize) -> Vec<u8> {
    encoded(&section::of_tensor(base, result, block_bytes))
}

fn encoded(section: &[u8]) -> Vec<u8> {
    let compressed = section::compress(section);
    [&(compressed.len() as u64).to_le_bytes()[..], &compressed].concat()
}

#[cfg(test)]
mod tests;
