//! `qes-gguf export`: base model and log to tuned model.

use std::time::Instant;

use anyhow::Result;

use super::args::ExportArgs;
use super::{Ending, setup, text};
use crate::export::export;

pub fn run(args: &ExportArgs) -> Result<Ending> {
    let start = Instant::now();
    let log = setup::read_log(&args.log)?;
    let generations = args.generation.unwrap_or(log.generations.len() as u64);
    let digest = export(&args.model, &log, generations, &args.output)?;
    println!(
        "wrote {} after {} of {} generations in {}",
        args.output.display(),
        generations,
        log.generations.len(),
        text::seconds(start.elapsed().as_secs_f64())
    );
    println!("tuned codes SHA-256 {digest}");
    Ok(Ending::Success)
}
