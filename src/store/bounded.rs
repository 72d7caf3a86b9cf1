//! Reading of files with unknown content and length.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::StoreError;

/// Returns all that is left to read, or `None` if that is more than `most` bytes.
pub(super) fn read_up_to(file: impl Read, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Returns the first bytes of a file, fewer than `most` if it is shorter.
///
/// # Errors
/// When it cannot be read.
pub fn first_bytes(path: &Path, most: usize) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most as u64).read_to_end(&mut bytes));
    read.map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    Ok(bytes)
}
