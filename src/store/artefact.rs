//! New files that appear whole or not at all: written beside their place, made durable, then renamed into it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::StoreError;

/// A file on its way to its place. Dropped before [`Artefact::publish`], it leaves nothing behind; a process that is killed
/// leaves a `.qes-gguf-*.tmp` beside the place.
#[derive(Debug)]
pub struct Artefact {
    temporary: NamedTempFile,
    place: PathBuf,
}

impl Artefact {
    /// Begins a file that will be at `place`. This already fails where the folder cannot be written to, before any work
    /// is done.
    ///
    /// # Errors
    /// When a sibling of `place` cannot be made.
    pub fn begin(place: &Path) -> Result<Self, StoreError> {
        if place.is_dir() {
            return Err(StoreError::IsFolder { path: place.to_owned() });
        }
        let folder = folder_of(place);
        let failed = |source| StoreError::Write { path: place.to_owned(), source };
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // As for any new file; the process's mask still applies.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        // The error names the temporary file too, which nobody asked about.
        let plain = |error: io::Error| match error.kind() {
            kind if error.get_ref().is_some() => io::Error::from(kind),
            _ => error,
        };
        let temporary = builder.prefix(".qes-gguf-").suffix(".tmp").tempfile_in(folder);
        let temporary = temporary.map_err(|error| failed(plain(error)))?;
        Ok(Self { temporary, place: place.to_owned() })
    }

    /// The file, to be written to.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Makes the content durable and moves the file to its place, over what may be there.
    ///
    /// # Errors
    /// When the content or the folder cannot be made durable, or the file cannot be moved.
    pub fn publish(self) -> Result<(), StoreError> {
        let Self { temporary, place } = self;
        let failed = |source| StoreError::Write { path: place.clone(), source };
        temporary.as_file().sync_all().map_err(failed)?;
        temporary.persist(&place).map_err(|e| failed(e.error))?;
        sync_folder(&place).map_err(failed)
    }
}

/// The folder that a path names a file in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the folder's entry for a new file durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("model.gguf");
        let mut dropped = Artefact::begin(&place).unwrap();
        dropped.file().write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut artefact = Artefact::begin(&place).unwrap();
        artefact.file().write_all(b"whole").unwrap();
        assert!(!place.exists());
        artefact.publish().unwrap();
        assert_eq!(std::fs::read(&place).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let message = Artefact::begin(Path::new("/no/such/folder/x")).unwrap_err().to_string();
        assert!(message.contains("/no/such/folder/x"), "{message}");
    }
}
