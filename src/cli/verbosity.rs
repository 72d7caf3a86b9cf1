//! `-v`: messages on the steps of a command, on the standard error stream.
//!
//! The library emits them through `tracing`, and only those that were asked for. Lines go above the progress bar,
//! never into it.

use std::io::{self, Write};

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::out;

/// The variable that selects messages if no flag does, in the form of `tracing`: `qes_gguf=debug,llama.cpp=off`.
const VARIABLE: &str = "RUST_LOG";

/// Starts to print the messages that this many `verbose` flags ask for.
pub fn start(verbose: u8) {
    let Some(wanted) = wanted(verbose, std::env::var(VARIABLE).ok()) else { return };
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        // A panic must not cross into C, from where llama.cpp tells its part.
        .log_internal_errors(false)
        .with_writer(|| Lines);
    // Fails only if there is a subscriber already, which then gets the messages.
    let _ = tracing_subscriber::registry().with(wanted).with(lines).try_init();
}

/// Returns the targets to log, if any.
fn wanted(verbose: u8, variable: Option<String>) -> Option<Targets> {
    match (verbose, variable.filter(|text| !text.trim().is_empty())) {
        (0, None) => None,
        (0, Some(text)) => {
            let wrong = |error| out::warn(format!("warning: {VARIABLE} is passed over: {error}"));
            text.parse().map_err(wrong).ok()
        }
        (1, _) => Some(Targets::new().with_target("qes_gguf", Level::INFO)),
        _ => {
            Some(Targets::new().with_target("qes_gguf", Level::DEBUG).with_target("llama.cpp", Level::DEBUG))
        }
    }
}

/// Writer of lines above the progress bar.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        out::aside(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_before_the_variable() {
        let hears = |verbose, variable: Option<&str>| {
            let wanted = wanted(verbose, variable.map(str::to_owned));
            let level =
                |target, level| wanted.as_ref().is_some_and(|wanted| wanted.would_enable(target, &level));
            [
                level("qes_gguf::x", Level::INFO),
                level("qes_gguf::x", Level::DEBUG),
                level("llama.cpp", Level::DEBUG),
            ]
        };
        for (verbose, variable, heard) in [
            (0, None, [false, false, false]),
            (0, Some(""), [false, false, false]),
            (0, Some("!!,="), [false, false, false]),
            (0, Some("debug"), [true, true, true]),
            (0, Some("llama.cpp=debug"), [false, false, true]),
            (1, None, [true, false, false]),
            (1, Some("off"), [true, false, false]),
            (2, Some("off"), [true, true, true]),
            (9, None, [true, true, true]),
        ] {
            assert_eq!(hears(verbose, variable), heard, "{verbose} {variable:?}");
        }
    }
}
