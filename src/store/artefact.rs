//! New files that appear completely or not at all: written without a name, made durable, then linked or renamed into place.
//!
//! On Linux a file has no name until it is complete, so a process that is killed leaves nothing. If a file system does
//! not support that, it has a temporary name beside its place, which the next artefact in that folder removes if a
//! kill left it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tracing::info;

use super::disk::folder_of;
use super::{StoreError, WorkingCopy, disk};

const PREFIX: &str = ".qes-gguf-";
const SUFFIX: &str = ".tmp";

/// Creates a folder for artefacts, if it does not exist.
///
/// # Errors
/// When it cannot be created.
pub fn make_folder(path: &Path) -> Result<(), StoreError> {
    disk::create_folder(path).map_err(|source| StoreError::Write { path: path.to_owned(), source })
}

/// A file that is being written. If dropped before [`Artefact::publish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Artefact {
    pending: PendingFile,
    place: PathBuf,
}

#[derive(Debug)]
enum PendingFile {
    /// A file that vanishes with the process.
    #[cfg(target_os = "linux")]
    Nameless(File),
    Named(NamedTempFile),
}

impl Artefact {
    /// Begins a file for the path `place`. This already fails if the folder cannot be written to, before any work is done.
    ///
    /// # Errors
    /// When no file can be created in the folder of `place`.
    pub fn begin(place: &Path) -> Result<Self, StoreError> {
        if place.is_dir() {
            return Err(StoreError::IsFolder { path: place.to_owned() });
        }
        let folder = folder_of(place);
        remove_stale(folder);
        let pending =
            begin_in(folder).map_err(|source| StoreError::Write { path: place.to_owned(), source })?;
        Ok(Self { pending, place: place.to_owned() })
    }

    /// Returns its path.
    pub fn place(&self) -> &Path {
        &self.place
    }

    fn file(&mut self) -> &mut File {
        match &mut self.pending {
            #[cfg(target_os = "linux")]
            PendingFile::Nameless(file) => file,
            PendingFile::Named(file) => file.as_file_mut(),
        }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When not all bytes can be written.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = disk::write_all(self.file(), bytes);
        written.map_err(|source| StoreError::Write { path: self.place.clone(), source })
    }

    /// Makes the content durable and moves the file to its place, over any file there.
    ///
    /// # Errors
    /// When the content or the folder cannot be made durable, or the file cannot be moved.
    pub fn publish(self) -> Result<(), StoreError> {
        self.put(true).map(drop)
    }

    /// As [`Artefact::publish`], but fails if there is a file already.
    ///
    /// # Errors
    /// As [`Artefact::publish`], and when there is a file.
    pub fn publish_beside(self) -> Result<(), StoreError> {
        self.put(false).map(drop).map_err(|error| match error {
            StoreError::LogExists { path } => StoreError::Exists { path },
            other => other,
        })
    }

    /// Maps the content as a model for further steps; the file is never published.
    ///
    /// # Errors
    /// When it cannot be mapped.
    pub fn mapped(mut self) -> Result<WorkingCopy, StoreError> {
        let place = self.place.clone();
        WorkingCopy::of_nameless(place, self.file())
    }

    /// As [`Artefact::publish_beside`]. The file stays open, and locked.
    ///
    /// # Errors
    /// As [`Artefact::publish`], and when there is a file.
    pub(super) fn publish_new(self) -> Result<File, StoreError> {
        self.put(false)
    }

    /// As [`Artefact::publish_new`], but over any file there.
    ///
    /// # Errors
    /// As [`Artefact::publish`].
    pub(super) fn publish_over(self) -> Result<File, StoreError> {
        self.put(true)
    }

    fn put(mut self, over: bool) -> Result<File, StoreError> {
        let failed = |source: io::Error, path: PathBuf| match source.kind() {
            io::ErrorKind::AlreadyExists => StoreError::LogExists { path },
            _ => StoreError::Write { path, source },
        };
        let synced = disk::sync_all(self.file());
        let Self { pending, place } = self;
        let put = synced.and_then(|()| match pending {
            #[cfg(target_os = "linux")]
            PendingFile::Nameless(file) => put_nameless(&file, &place, over).map(|()| file),
            PendingFile::Named(file) => disk::persist(file, &place, over),
        });
        let put = put.and_then(|file| disk::sync_folder(&place).map(|()| file));
        if put.is_ok() {
            info!(file = ?place, "wrote a file");
        }
        put.map_err(|source| failed(source, place))
    }
}

fn begin_in(folder: &Path) -> io::Result<PendingFile> {
    #[cfg(target_os = "linux")]
    // Whatever is wrong, it is told of the attempt that every system can make.
    if let Ok(file) = disk::create_nameless(folder)
        && lock(&file)
    {
        return Ok(PendingFile::Nameless(file));
    }
    loop {
        let file = disk::create_named(folder, PREFIX, SUFFIX)?;
        // Another process may have taken it for a stale one before it was locked.
        if !lock(file.as_file()) || same_file_at(file.as_file(), file.path()) {
            return Ok(PendingFile::Named(file));
        }
    }
}

/// Locks a file, which shows others that its process lives; `false` if the file system has no locks.
fn lock(file: &File) -> bool {
    file.lock().is_ok()
}

#[cfg(target_os = "linux")]
fn put_nameless(file: &File, place: &Path, over: bool) -> io::Result<()> {
    match disk::link(file, place) {
        Err(error) if over && error.kind() == io::ErrorKind::AlreadyExists => {}
        linked => return linked,
    }
    // A link replaces nothing, so the file gets a name beside its place first.
    for number in 0_u32.. {
        let name = format!("{PREFIX}{}-{number}{SUFFIX}", std::process::id());
        let beside = folder_of(place).join(name);
        match disk::link(file, &beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            linked => linked?,
        }
        let moved = disk::rename(&beside, place);
        if moved.is_err() {
            // The error that led here is the one worth telling.
            let _ = disk::remove(&beside);
        }
        return moved;
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes the temporary files in a folder that killed processes left: those without a lock.
fn remove_stale(folder: &Path) {
    // Errors here are ignored; a file that cannot be removed only takes space.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_ours
            && is_file
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = disk::remove(&entry.path());
        }
    }
}

/// Returns whether both paths lead to the same existing file.
pub fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Returns whether this open file is the one at the path; `true` on systems that do not tell.
pub(super) fn same_file_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let (here, there) = (file.metadata().map(identity), fs::metadata(path).map(identity));
        matches!((here, there), (Ok(here), Ok(there)) if here == there)
    }
    #[cfg(not(unix))]
    {
        file.metadata().is_ok() && path.exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("model.gguf");
        let mut dropped = Artefact::begin(&place).unwrap();
        dropped.write_all(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        for content in [&b"whole"[..], b"and replaced"] {
            let mut artefact = Artefact::begin(&place).unwrap();
            artefact.write_all(content).unwrap();
            assert_ne!(fs::read(&place).ok().as_deref(), Some(content));
            artefact.publish().unwrap();
            assert_eq!(fs::read(&place).unwrap(), content);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_named_file_appears_in_the_same_way() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("model.gguf");
        for content in ["whole", "replaced"] {
            let named = disk::create_named(folder.path(), PREFIX, SUFFIX).unwrap();
            assert!(lock(named.as_file()));
            let mut artefact = Artefact { pending: PendingFile::Named(named), place: place.clone() };
            artefact.write_all(content.as_bytes()).unwrap();
            remove_stale(folder.path());
            artefact.publish().unwrap();
            assert_eq!(fs::read_to_string(&place).unwrap(), content);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_was_left_by_a_kill_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in [".qes-gguf-left.tmp", ".qes-gguf-held.tmp", ".qes-gguf-other", "other.tmp"] {
            fs::write(path(name), "half").unwrap();
        }
        let held = File::open(path(".qes-gguf-held.tmp")).unwrap();
        held.lock().unwrap();
        drop(Artefact::begin(&path("model.gguf")).unwrap());
        assert!(!path(".qes-gguf-left.tmp").exists());
        for stays in [".qes-gguf-held.tmp", ".qes-gguf-other", "other.tmp"] {
            assert!(path(stays).exists(), "{stays}");
        }
    }

    #[test]
    fn nothing_is_replaced_where_something_new_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("run.qes");
        fs::write(&place, "old").unwrap();
        let refused = Artefact::begin(&place).unwrap().publish_new();
        assert!(matches!(refused, Err(StoreError::LogExists { .. })));
        assert_eq!(fs::read_to_string(&place).unwrap(), "old");
    }

    #[test]
    fn what_is_there_already_stays_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("README.md");
        let publish = |text: &[u8]| {
            let mut artefact = Artefact::begin(&place).unwrap();
            artefact.write_all(text).unwrap();
            artefact.publish_beside()
        };
        publish(b"first").unwrap();
        let message = publish(b"second").unwrap_err().to_string();
        assert!(message.contains("README.md exists already") && message.contains("--overwrite"), "{message}");
        assert_eq!(fs::read_to_string(&place).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_written_is_mapped_without_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut artefact = Artefact::begin(&folder.path().join("model.gguf")).unwrap();
        artefact.write_all(b"0123").unwrap();
        artefact.write_all(b"4567").unwrap();
        let mut working = artefact.mapped().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        working.bytes_mut()[1] = b'x';
        assert_eq!((working.base(), working.bytes()), (&b"01234567"[..], &b"0x234567"[..]));
        working.witness().check().unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let message = Artefact::begin(Path::new("/no/such/folder/x")).unwrap_err().to_string();
        assert!(message.contains("/no/such/folder/x"), "{message}");
    }
}
