//! Why a model cannot be rebuilt, or brought to another.

use std::path::PathBuf;

use thiserror::Error;

use super::stack::WrongBase;
use crate::diff::{DiffError, Digest};
use crate::gguf::{GgufError, MergeError};
use crate::seed_log::{BaseModel, LogError};
use crate::select::SelectError;
use crate::store::StoreError;
use crate::text::quoted;

/// Why a model cannot be rebuilt.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}: {source}", path.display())]
    Gguf { path: PathBuf, source: GgufError },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{}: {source}", path.display())]
    Select { path: PathBuf, source: SelectError },
    #[error(
        "the log was made for another model: it names {} ({} bytes, SHA-256 {}), but {} has {} bytes and SHA-256 {}; \
         give the model that the run started from",
        wanted.file, wanted.bytes, wanted.sha256, path.display(), found.bytes, found.sha256
    )]
    OtherModel { path: PathBuf, wanted: Box<BaseModel>, found: Box<BaseModel> },
    #[error(
        "the log has {has} generations, so there is no generation {asked}; leave --generation out for the last"
    )]
    NoSuchGeneration { asked: u64, has: u64 },
    #[error(
        "after {generations} generations the replayed codes have SHA-256 {digest}, but the run logged {logged} of its live \
         ones: this should never happen; keep model and log, use another version of qes-gguf, and report it"
    )]
    Diverged { generations: u64, digest: String, logged: String },
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
    #[error(
        "{} is one of {count} parts of a split model{}; merge them first: qes-gguf merge {} -o MERGED.gguf",
        path.display(), missing_parts(missing), quoted(first)
    )]
    Split { path: PathBuf, count: u64, first: PathBuf, missing: Vec<PathBuf> },
    #[error("{} is not named as a part of a split model, NAME-00001-of-00003.gguf; give one that is", .0.display())]
    NotAPart(PathBuf),
    #[error("{} is one part of a model, but {} is not there; get all parts", part.display(), missing.display())]
    MissingPart { part: PathBuf, missing: PathBuf },
    #[error("{}: {source}", path.display())]
    Merge { path: PathBuf, source: MergeError },
    #[error("there is nothing to apply; name a log or a diff")]
    NothingToApply,
}

fn missing_parts(missing: &[PathBuf]) -> String {
    match missing {
        [] => String::new(),
        [first, more @ ..] => {
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            format!(", of which {}{more} is not there; get all parts", first.display())
        }
    }
}
