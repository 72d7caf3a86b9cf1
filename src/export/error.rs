//! Errors of exports.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::diff::{DiffError, Digest};
use crate::gguf::{GgufError, MergeError};
use crate::model::ModelError;
use crate::seed_log::BaseModel;
use crate::store::StoreError;

/// Reasons for which a tuned model cannot be made or written.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("{}: {source}", path.display())]
    Gguf { path: PathBuf, source: GgufError },
    #[error("the exported file would replace the base model {}; name another file", .0.display())]
    OntoBase(PathBuf),
    #[error("{}: {source}", path.display())]
    Diff { path: PathBuf, source: DiffError },
    #[error("{0}")]
    WrongBase(Box<WrongBase>),
    #[error(
        "{} does not lead to {}: it makes a model of {} bytes with SHA-256 {}, but this one has {} bytes and SHA-256 {}; give \
         the model that it made, and all diffs that came after it",
        diff.display(), tuned.display(), leads.bytes, leads.sha256, found.bytes, found.sha256
    )]
    NotLed { diff: PathBuf, leads: Box<Digest>, tuned: PathBuf, found: Box<Digest> },
    #[error(
        "{} is a log, and a log only leads forward: where a step would have left a code's range it was dropped, which cannot be \
         seen from the tuned model; give the diff that `export --as-diff` makes of base and log, or keep the base model",
        .0.display()
    )]
    LogBack(PathBuf),
    #[error("{} is not named as a part of a split model, NAME-00001-of-00003.gguf; give one that is", .0.display())]
    NotAPart(PathBuf),
    #[error("{} is one part of a model, but {} is not there; get all parts", part.display(), missing.display())]
    MissingPart { part: PathBuf, missing: PathBuf },
    #[error("{}: {source}", path.display())]
    Merge { path: PathBuf, source: MergeError },
    #[error("there is nothing to apply; name a log or a diff")]
    NothingToApply,
}

/// A log or a diff applied to a file that is not its base.
#[derive(Debug)]
pub struct WrongBase {
    pub(super) item: PathBuf,
    pub(super) wanted: BaseModel,
    /// The file that it was applied to, in words, and the files that it may be.
    pub(super) there: String,
    pub(super) found: Vec<Digest>,
}

impl fmt::Display for WrongBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { item, wanted: BaseModel { file, bytes, sha256 }, there, found } = self;
        let found: Vec<String> = found
            .iter()
            .map(|Digest { bytes, sha256 }| format!("{bytes} bytes and SHA-256 {sha256}"))
            .collect();
        write!(
            f,
            "{} was made for another model: it names {file} ({bytes} bytes, SHA-256 {sha256}), but {there} has {}; apply it to \
             that model, or put the log or diff that leads there before it",
            item.display(),
            found.join(", or ")
        )
    }
}
