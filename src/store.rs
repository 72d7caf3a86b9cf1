//! Files: the user's model is mapped, never written. Also facts of this process from the system.
//!
//! [`WorkingCopy`] gives two views of the model's bytes: as they are in the file, and as tuning has changed them.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use thiserror::Error;

mod artefact;
mod bounded;
mod cores;
mod data;
mod disk;
mod log_file;
mod memory;
#[cfg(feature = "fleet")]
mod sensors;
mod signals;
mod text_file;
mod today;
mod witness;
mod witnessed;
mod working_copy;

pub use artefact::{Artefact, make_folder, same_file};
pub use bounded::first_bytes;
pub use cores::suitable_threads;
pub use data::{Data, DataFile, read_data};
pub(crate) use disk::folder_of;
pub use disk::{Call, Interceptor, create_secret, intercept};
pub use log_file::{Journal, LogFile, discard_log, read_log_file};
pub(crate) use memory::page_size;
pub use memory::{peak_rss_bytes, return_freed_memory};
#[cfg(feature = "fleet")]
pub use sensors::{hottest, is_charging};
pub use signals::{explain_device_signals, explain_file_signals};
pub use text_file::read_text;
pub use today::today;
pub use witness::Witness;
pub use witnessed::Witnessed;
pub use working_copy::WorkingCopy;

/// Errors of files, and of access to bytes that a file does not have.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file cannot be opened.
    #[error("cannot open {}: {source}; check that the path is right and that the file may be read", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is empty, or not a regular file.
    #[error("{} is empty or not a regular file; give the path of a GGUF model", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be mapped into memory.
    #[error("cannot map {} into memory: {source}; copy it to a local file system and try again", path.display())]
    Map {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}; check that the folder exists, may be written to and has space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is far too long for a log.
    #[error("{} is not a seed log: it is far too long for one; give a .qes file", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// A file for people is far too long, or is not text.
    #[error("{} is no UTF-8 text of at most {} bytes; check that it is the right file", path.display(), text_file::MAX_BYTES)]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A folder of data has no training file.
    #[error(
        "{} holds no train.jsonl (nor .csv, .txt or another ending that can be read); name the file itself, or rename it",
        path.display()
    )]
    NoTrainingData {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of data has two files for one purpose.
    #[error("{} and {} are for the same; keep the one to be used", first.display(), second.display())]
    TwoDataFiles {
        /// One of them.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
    },
    /// Data is larger than any that is expected.
    #[error("{} makes the data larger than {most} bytes; give a part of it", path.display())]
    DataTooLarge {
        /// The file that makes it too large.
        path: PathBuf,
        /// Bytes allowed.
        most: u64,
    },
    /// The path of a file to be written is a folder.
    #[error("cannot write {}: it is a folder; name a file in it", path.display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A new log would overwrite a file.
    #[error(
        "{} exists already; continue that run with --resume, name another file with -o, or lose it with --overwrite",
        path.display()
    )]
    LogExists {
        /// The file.
        path: PathBuf,
    },
    /// A file that may be the user's own would be overwritten.
    #[error("{} exists already; move it away, or replace it with --overwrite", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process is appending to the log.
    #[error("{} is in use by another run; wait for it to end, or name another file with -o", path.display())]
    LogInUse {
        /// The file.
        path: PathBuf,
    },
    /// Another program changed the log of a running run, which was saved elsewhere.
    #[error(
        "{} was {how} by another program while the run wrote to it, so the run stopped; all that it logged is saved as {}: \
         continue with that (-o {} --resume), or put it back in its place first",
        path.display(), rescued.display(), rescued.display()
    )]
    LogRescued {
        /// The log.
        path: PathBuf,
        /// Change that was made to it.
        how: &'static str,
        /// The file in which it was saved.
        rescued: PathBuf,
    },
    /// Another program changed the log of a running run, which could not be saved.
    #[error(
        "{} was {how} by another program while the run wrote to it, so the run stopped, and its log could not be saved \
         elsewhere; bring the file back as it was, if it still exists, and continue with --resume",
        path.display()
    )]
    LogLost {
        /// The log.
        path: PathBuf,
        /// Change that was made to it.
        how: &'static str,
    },
    /// The model's file has changed since it was opened.
    #[error(
        "{} is {how} while it was in use, so what was computed from it since cannot be trusted and is not kept; bring the \
         file back as it was and try again",
        path.display()
    )]
    ModelChanged {
        /// The model.
        path: PathBuf,
        /// The change.
        how: &'static str,
    },
    /// A range is outside the file.
    #[error("{} ends at byte {len}, before {range:?}; it is truncated, fetch it again", path.display())]
    OutOfBounds {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: usize,
        /// The range.
        range: Range<usize>,
    },
    /// Two ranges that are to be changed independently overlap.
    #[error(
        "bytes {first:?} and {second:?} of {} overlap; two tensors share data, make the model file anew",
        path.display()
    )]
    Overlap {
        /// The file.
        path: PathBuf,
        /// The range that starts first.
        first: Range<usize>,
        /// The range that starts inside it.
        second: Range<usize>,
    },
}
