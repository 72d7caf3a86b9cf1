//! Errors of opening models and of replaying logs.

use std::path::PathBuf;

use thiserror::Error;

use crate::gguf::GgufError;
use crate::seed_log::{BaseModel, LogError};
use crate::select::SelectError;
use crate::store::StoreError;
use crate::text::quoted;

/// Reasons for which a model cannot be opened, or a log not replayed on it.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum ModelError {
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
    #[error(
        "{} is one of {count} parts of a split model{}; merge them first: qes-gguf merge {} -o MERGED.gguf",
        path.display(), missing_parts(missing), quoted(first)
    )]
    Split { path: PathBuf, count: u64, first: PathBuf, missing: Vec<PathBuf> },
    #[error(
        "{} says that it is one of {count} parts of a split model, but it is not named as one; several parts may have been joined with \
         cat, which makes no model: get the parts again under their own names, NAME-00001-of-{count:05}.gguf and so on, and run \
         qes-gguf merge on the first",
        path.display()
    )]
    Joined { path: PathBuf, count: u64 },
    #[error(
        "{} is a piece of a file that was cut; join the pieces: cat {} > {}",
        path.display(), pieces.iter().map(|piece| quoted(piece)).collect::<Vec<_>>().join(" "), quoted(whole)
    )]
    Piece { path: PathBuf, pieces: Vec<PathBuf>, whole: PathBuf },
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
