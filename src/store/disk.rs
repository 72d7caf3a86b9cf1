//! The system calls that change files, or make a change durable. Nothing else in the library makes any, so tests can
//! let them fail, be incomplete, or be a process's last.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::OnceLock;

/// A kind of system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Creates a file that has no place yet.
    Create,
    /// Opens a log to be continued.
    Open,
    /// Writes bytes at a file's end.
    Write,
    /// Makes a file's content durable.
    Sync,
    /// Makes a folder's entries durable.
    SyncFolder,
    /// Cuts a file's end off.
    Cut,
    /// Gives a file its first name.
    Link,
    /// Moves a file to its place.
    Rename,
    /// Removes a file.
    Remove,
}

/// Decides, before a call is made, how many of its bytes (0 unless it writes) it may write, or the error with which it
/// fails.
pub type Interceptor = fn(Call, usize) -> io::Result<usize>;

static INTERCEPTOR: OnceLock<Interceptor> = OnceLock::new();

/// Installs `interceptor` before all further calls of this process, for tests. The program itself never does, and no
/// flag or variable makes it. Only the first call has an effect.
pub fn intercept(interceptor: Interceptor) {
    INTERCEPTOR.get_or_init(|| interceptor);
}

fn ask(call: Call, bytes: usize) -> io::Result<usize> {
    INTERCEPTOR.get().map_or(Ok(bytes), |decide| decide(call, bytes))
}

/// Creates a file without a name in this folder: it vanishes with the process unless it is linked.
#[cfg(target_os = "linux")]
pub(super) fn create_nameless(folder: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    ask(Call::Create, 0)?;
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    // As for any new file; the process's mask still applies.
    let file = File::from(open(folder, flags, Mode::from_raw_mode(0o666))?);
    // What it will be linked by; a system may lack it.
    fs::metadata(descriptor(&file))?;
    Ok(file)
}

/// Returns the path of an open file on Linux.
#[cfg(target_os = "linux")]
fn descriptor(file: &File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// Gives a nameless file a name, which must not be taken.
#[cfg(target_os = "linux")]
pub(super) fn link(file: &File, place: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    ask(Call::Link, 0)?;
    Ok(linkat(CWD, descriptor(file), CWD, place, AtFlags::SYMLINK_FOLLOW)?)
}

/// Moves a file to a path, over any file there.
#[cfg(target_os = "linux")]
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    ask(Call::Rename, 0)?;
    fs::rename(from, to)
}

/// Creates a file with an unused name in this folder; dropping it removes it.
pub(super) fn create_named(folder: &Path, prefix: &str, suffix: &str) -> io::Result<tempfile::NamedTempFile> {
    ask(Call::Create, 0)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // The error names the temporary file too, which nobody asked about.
    let plain = |error: io::Error| match error.kind() {
        kind if error.get_ref().is_some() => io::Error::from(kind),
        _ => error,
    };
    builder.prefix(prefix).suffix(suffix).tempfile_in(folder).map_err(plain)
}

/// Moves a named file to its place; over any file there if `over`, else only if there is none.
pub(super) fn persist(file: tempfile::NamedTempFile, place: &Path, over: bool) -> io::Result<File> {
    ask(Call::Rename, 0)?;
    let moved = if over { file.persist(place) } else { file.persist_noclobber(place) };
    moved.map_err(|error| error.error)
}

/// Opens an existing file to read it and write at its end.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    ask(Call::Open, 0)?;
    OpenOptions::new().read(true).append(true).open(path)
}

/// Writes all bytes, in as many calls as it takes.
pub(super) fn write_all(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    struct Retrying<'a>(&'a mut File);
    impl Write for Retrying<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let may = ask(Call::Write, bytes.len())?;
            self.0.write(&bytes[..may.min(bytes.len())])
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    Retrying(file).write_all(bytes)
}

/// Creates a file that only its owner can read, with these bytes, durably.
///
/// # Errors
/// When there is a file of this name, or it cannot be written.
pub fn create_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    ask(Call::Create, 0)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    write_all(&mut file, bytes)?;
    sync_all(&file)
}

/// Makes a new file's content and metadata durable.
pub(super) fn sync_all(file: &File) -> io::Result<()> {
    ask(Call::Sync, 0)?;
    file.sync_all()
}

/// Makes a file's content durable, with the metadata needed to read it.
pub(super) fn sync(file: &File) -> io::Result<()> {
    ask(Call::Sync, 0)?;
    file.sync_data()
}

/// Cuts off everything after the first `len` bytes, durably.
pub(super) fn cut(file: &File, len: u64) -> io::Result<()> {
    ask(Call::Cut, 0)?;
    file.set_len(len)?;
    sync(file)
}

/// Returns the folder of the file at a path.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the entry for a new file durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    ask(Call::SyncFolder, 0)?;
    if cfg!(unix) { File::open(folder_of(path))?.sync_all() } else { Ok(()) }
}

/// Creates a folder and its parents, if they do not exist.
pub(super) fn create_folder(path: &Path) -> io::Result<()> {
    ask(Call::Create, 0)?;
    fs::create_dir_all(path)
}

/// Removes a file.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    ask(Call::Remove, 0)?;
    fs::remove_file(path)
}
