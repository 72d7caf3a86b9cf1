//! Texts from the command line or from a file.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::store::read_text;

/// Returns a text from the command line or from a file, and its source. Each flag comes with its value.
///
/// # Errors
/// When the file cannot be read as text.
pub fn text(
    (flag, given): (&str, &Option<String>),
    (file_flag, file): (&str, &Option<PathBuf>),
) -> Result<Option<(String, String)>> {
    match (given, file) {
        (Some(text), _) => Ok(Some((flag.to_owned(), text.clone()))),
        (None, Some(path)) => {
            let text = read_text(path).with_context(|| file_flag.to_owned())?;
            Ok(Some((format!("{file_flag} {}", path.display()), text)))
        }
        (None, None) => Ok(None),
    }
}
