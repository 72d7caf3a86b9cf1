//! Faults of a seed log.

use thiserror::Error;

use crate::settings::SettingsError;

/// Errors of a log. Lines are counted from 1.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum LogError {
    #[error("this is not a seed log: its first line is no qes-gguf header")]
    NotALog,
    #[error(
        "the log ends within its first line: the run stopped before it began; delete the file and start again"
    )]
    NoHeader,
    #[error("the log has format version {0}, but this program reads version {current}; use the version of qes-gguf that wrote it", current = super::FORMAT_VERSION)]
    Version(u64),
    #[error(
        "line {line} of the log is not a log line: the file was changed after it was written; use an unchanged copy"
    )]
    Malformed { line: usize },
    #[error(
        "line {line} of the log does not continue the line before it: a line was changed, removed, repeated or moved; use an unchanged copy"
    )]
    Broken { line: usize },
    #[error("line {line} of the log does not hold what a log line should: {source}")]
    Content { line: usize, source: serde_json::Error },
    #[error("line {line} of the log is a second header")]
    SecondHeader { line: usize },
    #[error("line {line} of the log does not fit: {problem}")]
    Record { line: usize, problem: String },
    #[error("the log's header does not hold together: {0}")]
    Header(String),
    #[error("the log's settings make no sense: {0}")]
    Settings(SettingsError),
    #[error(
        "the log was made with other noise tables than this program draws from, so it would replay to other codes; use the version of qes-gguf that wrote it"
    )]
    Noise,
    #[error("a record holds a number that cannot be written: {0}")]
    Encode(serde_json::Error),
}
