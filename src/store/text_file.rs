//! Small files that people write: task files, schemas, grammars.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::StoreError;

/// Longest such file.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// The text of a file.
///
/// # Errors
/// When the file cannot be read, is too long, or is no UTF-8 text.
pub fn read_text(path: &Path) -> Result<String, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    let not_text = || StoreError::NotText { path: path.to_owned() };
    if bytes.len() as u64 > MAX_BYTES {
        return Err(not_text());
    }
    String::from_utf8(bytes).map_err(|_| not_text())
}
