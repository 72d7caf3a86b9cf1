//! Small files written by people: task files, schemas, grammars.

use std::fs::File;
use std::path::Path;

use super::StoreError;
use super::bounded::read_up_to;

/// Most bytes of such a file.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Returns the text of a file.
///
/// # Errors
/// When the file cannot be read, is too long, or is not UTF-8 text.
pub fn read_text(path: &Path) -> Result<String, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let bytes = File::open(path).and_then(|file| read_up_to(file, MAX_BYTES)).map_err(failed)?;
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| StoreError::NotText { path: path.to_owned() })
}
