//! Errors of loading a workload.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::dataset::{DatasetError, SplitError};
use crate::drift::NeutralError;
use crate::evaluation::EvaluationError;
use crate::seed_log::MAX_PROBLEMS;
use crate::store::StoreError;
use crate::task::gsm8k::WordProblemError;
use crate::task::{arith, countdown};

/// Reasons for which there are no problems from a definition and the user's files.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum WorkloadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Arith(#[from] arith::ArithOptionsError),
    #[error(transparent)]
    Countdown(#[from] countdown::CountdownOptionsError),
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    #[error("{file}: {source}")]
    Split { file: String, source: SplitError },
    #[error("{file}: no example counts, as all have the weight 0; give some a weight of 1")]
    Weightless { file: String },
    #[error("{place}: {source}")]
    WordProblem { place: String, source: WordProblemError },
    #[error(
        "the problems or rewards of the task {name} are \"code\": only the program has them that used this library; resume with \
         that program, or name another --task"
    )]
    InCode { name: String },
    #[error("--retain: {0}")]
    Retained(#[source] Box<WorkloadError>),
    #[error("--retain-weight is {0}, but must be from 0 to 1000000")]
    RetainWeight(f64),
    #[error("--retain-own is {0}, but must be from 0 to 1000000")]
    OwnWeight(f64),
    #[error("--retain-prompts is {0}, but must be from 1 to {MAX_PROBLEMS}")]
    RetainPrompts(u32),
    #[error("--patience is 0, but must be at least 1 evaluation")]
    Patience,
    #[error(
        "the log's task would run this program: {}\nif it does what you want, say so with --trust-log",
        program.escape_debug()
    )]
    Untrusted { program: String },
    #[error("the log's task {name}: {source}")]
    OfLog { name: String, source: Box<WorkloadError> },
    #[error(
        "the log's task {name}: the run began with a version of this program that split {path} otherwise and knew one reply \
         a conversation; `export` and `verify` do what they did, but start a new run with another -o to tune on"
    )]
    OldSplit { name: String, path: String },
    #[error(
        "the log's task {name}: cannot open {path}, as the run was told where its data are; go to the folder where it began, \
         or say where they are now with --data"
    )]
    Gone { name: String, path: String },
    #[error(
        "the log's task {name}: {path} is not what it was when the run began; bring it back as it was, or start a \
         new run with another -o (or evaluate on another --task)"
    )]
    Changed { name: String, path: String },
    #[error("--data says nothing to the log's task {name}; leave it out")]
    NoData { name: String },
    #[error("--task: {0}")]
    TaskFile(#[source] StoreError),
    #[error("{}: {message}", path.display())]
    Toml { path: PathBuf, message: String },
    #[error("{of}: {} cannot be found; check that the path is right", path.display())]
    NotFound { of: String, path: PathBuf },
    #[error("{of}: {path:?} is not UTF-8; rename it")]
    NotUtf8 { of: String, path: PathBuf },
    #[error("{of}: {source}")]
    NeutralFile { of: &'static str, source: StoreError },
    #[error("{of}: {}: {source}", path.display())]
    Neutral { of: &'static str, path: PathBuf, source: NeutralError },
    #[error("--neutral: {}: {source}", path.display())]
    NeutralPath { path: PathBuf, source: io::Error },
    #[error(
        "the log's neutral set, {}, is not what it was when the run began; bring it back as it was, or start a new run with \
         another -o",
        neutral.escape_debug()
    )]
    ChangedNeutral { neutral: String },
}

impl WorkloadError {
    /// Returns whether the options make no sense, whatever the files contain.
    pub fn is_misuse(&self) -> bool {
        match self {
            Self::Retained(source) | Self::OfLog { source, .. } => source.is_misuse(),
            Self::InCode { .. }
            | Self::RetainWeight(_)
            | Self::OwnWeight(_)
            | Self::RetainPrompts(_)
            | Self::Patience
            | Self::Untrusted { .. }
            | Self::NoData { .. }
            | Self::Toml { .. }
            | Self::NotUtf8 { .. } => true,
            _ => false,
        }
    }
}
