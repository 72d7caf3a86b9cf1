//! The file of a seed log: created once, with its first line, then appended to line by line, each line durable before
//! the call returns. While it is open no other process can open it for appending.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::artefact::same_file_at;
use super::bounded::read_up_to;
use super::{Artefact, StoreError, disk};

/// Most bytes of a log; anything larger is another file given by mistake.
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
    let bytes = read_up_to(file, MAX_LOG_BYTES);
    let bytes = bytes.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    bytes.ok_or_else(|| StoreError::TooLong { path: path.to_owned() })
}

/// Destination of the lines of a run's log.
pub trait Journal: Send {
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
    /// All content of the file, in case others remove it.
    text: Vec<u8>,
}

impl LogFile {
    /// Creates a new log that begins with this line. It appears with the line or not at all.
    ///
    /// # Errors
    /// When there is a file already, or none can be created.
    pub fn create(path: &Path, first: &str) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::LogExists { path: path.to_owned() });
        }
        let file = prepare(path, first.as_bytes())?.publish_new()?;
        Ok(Self { file, path: path.to_owned(), text: first.into() })
    }

    /// Creates a new log in the place of an existing one, which stays complete until the new one is.
    ///
    /// # Errors
    /// When the old one is in use, or no file can be created.
    pub fn replace(path: &Path, first: &str) -> Result<Self, StoreError> {
        let (_old, _) = Self::open(path)?;
        // Another name for the log, such as a link, goes on leading to it.
        let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let file = prepare(&place, first.as_bytes())?.publish_over()?;
        Ok(Self { file, path: path.to_owned(), text: first.into() })
    }

    /// Opens a log for appending, and reads it.
    ///
    /// # Errors
    /// When it cannot be opened, read or locked.
    pub fn open(path: &Path) -> Result<(Self, Vec<u8>), StoreError> {
        let opened = disk::open_to_append(path);
        let mut file = opened.map_err(|source| match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                StoreError::Write { path: path.to_owned(), source }
            }
            _ => StoreError::Open { path: path.to_owned(), source },
        })?;
        match file.try_lock() {
            // One that was replaced while it was opened belongs to whoever did that.
            Ok(()) if same_file_at(&file, path) => {}
            Ok(()) | Err(TryLockError::WouldBlock) => {
                return Err(StoreError::LogInUse { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Write { path: path.to_owned(), source });
            }
        }
        let text = read_bounded(&mut file, path)?;
        Ok((Self { file, path: path.to_owned(), text: text.clone() }, text))
    }

    /// Cuts off everything after the first `len` bytes: a torn tail.
    ///
    /// # Errors
    /// When the file cannot be truncated.
    pub fn truncate(&mut self, len: u64) -> Result<(), StoreError> {
        self.cut(len).map_err(|source| StoreError::Write { path: self.path.clone(), source })?;
        self.text.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        disk::cut(&self.file, len)?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }

    /// Fails if others removed, replaced or changed the file, since nobody would find further lines. The log of the
    /// run is then saved beside it.
    fn check_in_place(&self) -> Result<(), StoreError> {
        let how = if !same_file_at(&self.file, &self.path) {
            "moved, removed or replaced"
        } else if self.file.metadata().is_ok_and(|metadata| metadata.len() != self.text.len() as u64) {
            "changed"
        } else {
            return Ok(());
        };
        let path = self.path.clone();
        Err(match rescue(&self.path, &self.text) {
            Some(rescued) => StoreError::LogRescued { path, how, rescued },
            None => StoreError::LogLost { path, how },
        })
    }
}

/// Returns a file with this content that has no place yet.
fn prepare(place: &Path, content: &[u8]) -> Result<Artefact, StoreError> {
    let mut artefact = Artefact::begin(place)?;
    artefact.write_all(content)?;
    Ok(artefact)
}

/// Saves a log under an unused name: beside its place, else in the current folder, else in the folder for temporary files.
fn rescue(path: &Path, text: &[u8]) -> Option<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let beside = path.parent().unwrap_or(Path::new("")).to_owned();
    let folders = [beside, PathBuf::new(), std::env::temp_dir()];
    let names = (1..100).map(|number| match number {
        1 => format!("{stem}.rescued.qes"),
        _ => format!("{stem}.rescued-{number}.qes"),
    });
    let places = folders.iter().flat_map(|folder| names.clone().map(|name| folder.join(name)));
    let save = |place: &PathBuf| prepare(place, text).and_then(Artefact::publish_new).is_ok();
    places.into_iter().find(save)
}

/// Removes a log that this process created and that is still empty, since it would only block the next try.
pub fn discard_log(path: &Path) {
    // When even that fails, the error that led here is the one worth telling.
    let _ = disk::remove(path);
}

impl Journal for LogFile {
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        self.check_in_place()?;
        let written = disk::write_all(&mut self.file, line.as_bytes()).and_then(|()| disk::sync(&self.file));
        if let Err(source) = written {
            // A line that may not be durable is not acted on, so it must not be there either. Where it cannot be taken back, it
            // is a torn tail, or a whole record that resuming applies.
            let _ = self.cut(self.text.len() as u64);
            return Err(StoreError::Write { path: self.path.clone(), source });
        }
        self.text.extend_from_slice(line.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_never_overwritten_and_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.qes");
        let log = LogFile::create(&path, "one\n").unwrap();
        assert!(matches!(LogFile::create(&path, ""), Err(StoreError::LogExists { .. })));
        assert!(matches!(LogFile::open(&path), Err(StoreError::LogInUse { .. })));
        assert!(matches!(LogFile::replace(&path, ""), Err(StoreError::LogInUse { .. })));
        drop(log);
        let (mut log, bytes) = LogFile::open(&path).unwrap();
        assert_eq!(bytes, b"one\n");
        log.append("two\nto").unwrap();
        log.truncate(8).unwrap();
        log.append("three\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_new_log_in_the_place_of_an_old_one_has_one_writer_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.qes");
        drop(LogFile::create(&path, "old\n").unwrap());
        let mut log = LogFile::replace(&path, "new\n").unwrap();
        assert!(matches!(LogFile::open(&path), Err(StoreError::LogInUse { .. })));
        log.append("more\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new\nmore\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_log_that_others_touch_takes_no_more_lines_and_is_saved() {
        type Harm = fn(&Path);
        let harms: [(&str, Harm); 4] = [
            ("removed", |path| std::fs::remove_file(path).unwrap()),
            ("replaced", |path| {
                std::fs::write(path.with_extension("new"), "one\n").unwrap();
                std::fs::rename(path.with_extension("new"), path).unwrap();
            }),
            ("changed", |path| std::fs::write(path, "").unwrap()),
            ("moved", |path| std::fs::rename(path, path.with_extension("old")).unwrap()),
        ];
        for (word, harm) in harms {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run.qes");
            let mut log = LogFile::create(&path, "one\n").unwrap();
            log.append("two\n").unwrap();
            harm(&path);
            let message = log.append("three\n").unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("run.rescued.qes"), "{message}");
            assert_eq!(std::fs::read(folder.path().join("run.rescued.qes")).unwrap(), b"one\ntwo\n");
            // No older rescue is lost either.
            let message = log.append("three\n").unwrap_err().to_string();
            assert!(message.contains("run.rescued-2.qes"), "{message}");
        }
    }
}
