//! Output to the standard output and error streams that survives closed pipes and does not break the progress bar.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::Serialize;

/// The progress bar that is shown.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Makes [`aside`] write above this bar, or above none.
pub fn show(bar: Option<ProgressBar>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

/// Writes to the standard error stream, above the bar if one is shown.
pub fn aside(bytes: &[u8]) {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let write = || {
        // Not worth stopping for.
        let _ = std::io::stderr().lock().write_all(bytes);
    };
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Prints a line. A closed pipe (`qes-gguf ... | head -1`) is no failure; any other error is.
pub fn line(text: impl Display) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write the output"),
        _ => Ok(()),
    }
}

/// Prints a value as a line of JSON.
///
/// # Errors
/// When it cannot be written.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string(value)?)
}

/// Prints a line of progress; an error of writing it is ignored.
pub fn progress(text: impl Display) {
    let _ = line(text);
}

/// Prints a message on the standard error stream; an error of writing it is ignored.
pub fn warn(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
