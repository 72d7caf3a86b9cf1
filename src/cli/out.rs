//! Writes to the standard output without falling over when nobody reads it.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};

/// Prints a line. A reader that went away (`qes-gguf ... | head -1`) is no failure; any other trouble is.
pub fn line(text: impl Display) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write the output"),
        _ => Ok(()),
    }
}

/// Prints a line of progress, which is not worth stopping for when it cannot be written.
pub fn progress(text: impl Display) {
    let _ = line(text);
}

/// Tells something on the standard error stream, where it is not worth stopping for when it cannot be told.
pub fn warn(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
