//! The file of a seed log: made once, appended to line by line, each line durable before the call
//! returns. While it is open no other process can open it for appending.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::StoreError;
use super::artefact::sync_folder;

/// Logs are far smaller; anything larger is another file given by mistake.
const MAX_LOG_BYTES: u64 = 1 << 30;

/// Reads a log.
///
/// # Errors
/// When it cannot be opened or read, or is larger than any log.
pub fn read_log_file(path: &Path) -> Result<Vec<u8>, StoreError> {
    let opened = File::open(path);
    let mut file = opened.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    read_bounded(&mut file, path)
}

fn read_bounded(file: &mut File, path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_LOG_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_LOG_BYTES {
        return Err(StoreError::TooLong { path: path.to_owned() });
    }
    Ok(bytes)
}

/// Where the lines of a run's log go.
pub trait Journal {
    /// Appends a line, newline included; when this returns, the line survives a loss of power.
    ///
    /// # Errors
    /// When the line cannot be written or made durable.
    fn append(&mut self, line: &str) -> Result<(), StoreError>;
}

/// A log's file, open for appending.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    path: PathBuf,
}

impl LogFile {
    /// Makes a new, empty log.
    ///
    /// # Errors
    /// When there is a file already, or none can be made.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let opened = OpenOptions::new().append(true).create_new(true).open(path);
        let file = opened.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => StoreError::LogExists { path: path.to_owned() },
            _ => StoreError::Write { path: path.to_owned(), source },
        })?;
        let log = Self::lock(file, path)?;
        sync_folder(path).map_err(|source| StoreError::Write { path: path.to_owned(), source })?;
        Ok(log)
    }

    /// Opens a log to continue it, and reads it.
    ///
    /// # Errors
    /// When it cannot be opened, read or locked.
    pub fn open(path: &Path) -> Result<(Self, Vec<u8>), StoreError> {
        let opened = OpenOptions::new().read(true).append(true).open(path);
        let file = opened.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        let mut log = Self::lock(file, path)?;
        let bytes = read_bounded(&mut log.file, path)?;
        Ok((log, bytes))
    }

    fn lock(file: File, path: &Path) -> Result<Self, StoreError> {
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path: path.to_owned() }),
            Err(TryLockError::WouldBlock) => Err(StoreError::LogInUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreError::Write { path: path.to_owned(), source }),
        }
    }

    /// Cuts off everything after the first `len` bytes: a torn tail.
    ///
    /// # Errors
    /// When the file cannot be cut.
    pub fn truncate(&mut self, len: u64) -> Result<(), StoreError> {
        let cut = self.file.set_len(len).and_then(|()| self.file.sync_all());
        cut.and_then(|()| self.file.seek(SeekFrom::End(0)).map(drop)).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Write { path: self.path.clone(), source }
    }
}

impl Journal for LogFile {
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|source| self.failed(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_never_overwritten_and_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.qes");
        let mut log = LogFile::create(&path).unwrap();
        log.append("one\n").unwrap();
        assert!(matches!(LogFile::create(&path), Err(StoreError::LogExists { .. })));
        assert!(matches!(LogFile::open(&path), Err(StoreError::LogInUse { .. })));
        drop(log);
        let (mut log, bytes) = LogFile::open(&path).unwrap();
        assert_eq!(bytes, b"one\n");
        log.append("two\nto").unwrap();
        log.truncate(8).unwrap();
        log.append("three\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    }
}
