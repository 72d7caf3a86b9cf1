//! `qes-gguf export`: base model and log to tuned model.

use std::time::Instant;

use anyhow::Result;

use super::args::ExportArgs;
use super::{Ending, out, setup, text};
use crate::export::export;

pub fn run(args: &ExportArgs) -> Result<Ending> {
    let start = Instant::now();
    setup::check_place(&args.output, "the log", &args.log)?;
    let log = setup::read_log(&args.log)?;
    let generations = setup::generations(&log, args.generation)?.unwrap_or(log.generations.len() as u64);
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
