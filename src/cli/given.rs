//! Texts that are given on the command line or in a file.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::store::read_text;

/// Returns a text given on the command line or in a file, and where it comes from. Both flags are told with their values.
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
