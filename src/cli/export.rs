//! `qes-gguf export`: base model and log to tuned model.

use std::time::Instant;

use anyhow::Result;

use super::args::{ExportArgs, Until};
use super::{Ending, UsageError, out, setup, text};
use crate::export::export;

pub fn run(args: &ExportArgs) -> Result<Ending> {
    let start = Instant::now();
    setup::check_place(&args.output, "the log", &args.log)?;
    let log = setup::read_log(&args.log)?;
    let generations = match args.generation {
        None => log.generations.len() as u64,
        Some(Until::Generation(generation)) => generation,
        Some(Until::Best) => {
            let none = || UsageError("--generation best, but the log has no held-out evaluation".to_owned());
            log.best().ok_or_else(none)?.generations
        }
    };
    let digest = export(&args.model, &log, generations, &args.output)?;
    out::line(format!(
        "wrote {} after {} of {} generations in {}\ntuned codes SHA-256 {digest}",
        args.output.display(),
        generations,
        log.generations.len(),
        text::seconds(start.elapsed().as_secs_f64())
    ))?;
    Ok(Ending::Success)
}
