//! `qes-gguf inspect`: the contents of a model, a log or a diff.

mod diff;
mod log;
mod model;

use anyhow::Result;

use super::args::{InferenceArgs, InspectArgs};
use super::json::Inspected;
use super::{CommandEnd, UsageError, out, setup};
use crate::diff::Diff;
use crate::export::DiffFile;
use crate::llama::told_layers;
use crate::model::Model;
use crate::plan::MemoryForecast;
use crate::store::first_bytes;

/// Bytes at the start of a file that identify its format.
const TELLING: usize = 32;

pub fn run(args: &InspectArgs) -> Result<CommandEnd> {
    let first = first_bytes(&args.file, TELLING)?;
    if Diff::is_begun_by(&first) {
        let diff = DiffFile::open(&args.file)?;
        tell(args, || Inspected::Diff(diff::facts(&diff)), || diff::text(&diff))?;
    } else if first.starts_with(b"{") {
        // Logs begin with a brace, as all JSON objects do; models begin with their magic number.
        let log = setup::read_log(&args.file)?;
        tell(args, || Inspected::Log(log::facts(&log)), || log::text(&args.file, &log))?;
    } else {
        let model = Model::open(&args.file)?;
        let inference = InferenceArgs::of_environment().map_err(|error| UsageError(error.to_string()))?;
        let inference = setup::planned_inference(&inference)?;
        // The plan of a bare `tune`; `None` if it cannot be predicted.
        let forecast = if model::is_tunable(&model) { MemoryForecast::of(&model, &inference)? } else { None };
        let on_devices = told_layers(&inference, model.working.base());
        let facts = || Inspected::Model(model::facts(&model, forecast));
        tell(args, facts, || model::text(&model, forecast, on_devices))?;
    }
    Ok(CommandEnd::Success)
}

/// Prints text or JSON, as asked for.
fn tell<'a>(
    args: &InspectArgs,
    facts: impl FnOnce() -> Inspected<'a>,
    text: impl FnOnce() -> String,
) -> Result<()> {
    if args.json { out::json(&facts()) } else { out::line(text()) }
}
