//! Errors of planning a run.

use std::path::PathBuf;

use thiserror::Error;

use crate::block::Field;
use crate::model::ModelError;
use crate::seed_log::{LogError, MAX_PROBLEMS};
use crate::select::SelectError;
use crate::settings::{SettingsError, Window};
use crate::store::StoreError;
use crate::text;
use crate::update::Method;

/// Reasons for which a run cannot be planned as asked for, or a log cannot be continued.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum PlanError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("{} cannot be tuned: {source}", path.display())]
    Select { path: PathBuf, source: SelectError },
    #[error("--tokens on {}: {source}", path.display())]
    Rows { path: PathBuf, source: SelectError },
    #[error("--tokens and --tensors cannot be used together")]
    TokensAndTensors,
    #[error("--tensors is no regular expression: {0}")]
    Pattern(#[source] regex::Error),
    #[error("--fields {field}: the tensors to be tuned are of the types {}, which have no {field}", types.join(", "))]
    NoField { field: Field, types: Vec<&'static str> },
    #[error("{flag} {given} is for nothing that is tuned here: {}", tuned.join(", "))]
    SizeForNothing { flag: &'static str, given: String, tuned: Vec<String> },
    #[error("{flag} is {number}, but must be from 1 to {MAX_PROBLEMS}")]
    Count { flag: &'static str, number: u32 },
    #[error("--candidates: {0}")]
    Unchoosable(String),
    #[error(
        "--retain-own is for runs in the rows of a few tokens (--tokens) whose reward is the likelihood of wanted replies, and this \
         is none; leave it out"
    )]
    OwnReplies,
    #[error("{flag} cannot be used with the method {}, which has no residual", method.name())]
    NoResidual { flag: &'static str, method: Method },
    #[error("--window is {window}, but {}; leave it out", depends(*method))]
    Window { window: Window, method: Method },
    #[error("--residual is replay, but {}, so it is stored; leave it out", depends(*method))]
    Replayed { method: Method },
    #[error(
        "--mem-budget is {}, but the model, the program and the residual take {} even before any context for \
         inference; allow more, {remedy}",
        text::bytes(*budget),
        text::bytes(*needed)
    )]
    Budget { budget: u64, needed: u64, remedy: &'static str },
    #[error("{}: {source}", path.display())]
    LogFile { path: PathBuf, source: LogError },
    #[error("--generations is {asked}, but {} has {has} already", path.display())]
    Behind { asked: u64, has: u64, path: PathBuf },
}

/// Describes why the residual of a method can be neither truncated nor replayed.
fn depends(method: Method) -> String {
    format!("the residual of the method {} depends on the codes of every generation", method.name())
}

impl PlanError {
    /// Returns whether the options make no sense, whatever the files contain.
    pub fn is_misuse(&self) -> bool {
        match self {
            Self::Settings(_)
            | Self::TokensAndTensors
            | Self::Pattern(_)
            | Self::NoField { .. }
            | Self::SizeForNothing { .. }
            | Self::Count { .. }
            | Self::Unchoosable(_)
            | Self::OwnReplies
            | Self::NoResidual { .. }
            | Self::Window { .. }
            | Self::Replayed { .. }
            | Self::Behind { .. } => true,
            Self::Store(_)
            | Self::Model(_)
            | Self::Log(_)
            | Self::Select { .. }
            | Self::Rows { .. }
            | Self::Budget { .. }
            | Self::LogFile { .. } => false,
        }
    }
}
