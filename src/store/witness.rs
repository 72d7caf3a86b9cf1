//! Detects changes of a model's file since it was opened.
//!
//! Unedited pages of a mapped file show the file's present content, so a file that is written to in place would change
//! under inference. That cannot be prevented without a second copy of the model in memory; but it changes the file's
//! length, modification time or identity, which are checked before anything computed from the model is kept.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::StoreError;

/// Facts of a file that change when it is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    /// Device and number of the file, if the system tells.
    identity: Option<(u64, u64)>,
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            Some((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let identity = None;
        Self { identity, len: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// A file at the time of its opening. Two are equal if they are indistinguishable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    path: PathBuf,
    /// `None` for a file without a name, which no other program can reach.
    stamp: Option<Stamp>,
}

impl Witness {
    /// Creates a witness of an open file at this path, from the system's metadata.
    pub(super) fn new(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), stamp: Some(Stamp::of(metadata)) }
    }

    /// Creates a witness of a file of this process alone.
    pub(super) fn of_nameless(path: &Path) -> Self {
        Self { path: path.to_owned(), stamp: None }
    }

    /// Checks that the path still leads to the file, and that the file was not written to.
    ///
    /// # Errors
    /// When it has changed, as far as its length, modification time and identity show that.
    pub fn check(&self) -> Result<(), StoreError> {
        let Some(stamp) = &self.stamp else { return Ok(()) };
        match fs::metadata(&self.path) {
            Ok(metadata) if Stamp::of(&metadata) == *stamp => Ok(()),
            Ok(metadata) if metadata.len() < stamp.len => Err(self.changed("shorter than it was")),
            Ok(_) => Err(self.changed("not the file that it was: it was replaced or written to")),
            Err(_) => Err(self.changed("not there any more: it was moved or removed")),
        }
    }

    fn changed(&self, how: &'static str) -> StoreError {
        StoreError::ModelChanged { path: self.path.clone(), how }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[test]
    fn whatever_happens_to_a_file_is_seen() {
        type Harm = fn(&Path);
        let cases: [(&str, Harm); 4] = [
            ("shorter", |path| File::options().write(true).open(path).unwrap().set_len(3).unwrap()),
            ("written to", |path| {
                // A file system's clock moves in steps.
                std::thread::sleep(std::time::Duration::from_millis(30));
                File::options().write(true).open(path).unwrap().write_all(b"9876").unwrap();
            }),
            ("replaced", |path| {
                fs::write(path.with_extension("new"), "0123").unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            }),
            ("removed", |path| fs::remove_file(path).unwrap()),
        ];
        for (word, harm) in cases {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("model.gguf");
            fs::write(&path, "0123").unwrap();
            let witness = Witness::new(&path, &fs::metadata(&path).unwrap());
            witness.check().unwrap();
            harm(&path);
            let message = witness.check().unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("model.gguf"), "{message}");
        }
    }
}
