//! Steps that commands share: reading logs, starting the engine, sizing the thread pool.

use std::path::Path;

use anyhow::{Context, Result};
use tracing::info;

use super::args::{InferenceArgs, ThreadsArgs, Until};
use super::{UsageError, out, text};
use crate::llama::{HAS_GPU_BACKEND, LlamaEngine, LlamaOptions, check_devices};
use crate::model::{Model, check_digest};
use crate::seed_log::SeedLog;
use crate::store::{explain_device_signals, folder_of, read_log_file, same_file, suitable_threads};
use crate::tune::Evaluators;
use crate::tuning::engine;

/// Returns the options of inference, without a limit on memory, and sizes rayon's pool.
///
/// # Errors
/// When a flag is invalid, or asks for a device that does not exist.
pub fn inference(args: &InferenceArgs) -> Result<LlamaOptions> {
    let options = planned_inference(args)?;
    check_devices(&options).map_err(|error| UsageError(error.to_string()))?;
    if HAS_GPU_BACKEND && !options.offload.is_none() {
        explain_device_signals();
    }
    Ok(options)
}

/// Returns the options of inference for a plan, whatever devices there are.
///
/// # Errors
/// When a flag is invalid.
pub fn planned_inference(args: &InferenceArgs) -> Result<LlamaOptions> {
    Ok(LlamaOptions {
        threads: pool(args.threads())?,
        parallel: args.parallel(),
        ctx_size: args.ctx_size(),
        context_bytes: None,
        repack: args.repacks(),
        offload: args.offload.offload(),
        flash_attention: args.offload.flash_attention(),
    })
}

/// Describes the layers on each device, and their bytes; `None` if the processor computes everything.
pub fn on_devices(engine: &LlamaEngine) -> Option<String> {
    let layers = engine.on_devices()?;
    Some(format!("{layers}, {} of their memory", text::bytes(engine.device_bytes())))
}

/// Sizes rayon's pool for a command that only replays, by default for all processors.
pub fn replay_threads(args: &ThreadsArgs) -> Result<()> {
    args.threads().map_or(Ok(()), |threads| pool(Some(threads)).map(drop))
}

/// Sizes rayon's pool.
fn pool(asked: Option<usize>) -> Result<usize> {
    let threads = asked.unwrap_or_else(suitable_threads);
    if threads > 1024 {
        return Err(UsageError(format!("--threads is {threads}, but must be at most 1024")).into());
    }
    // Fails only when the pool exists already, and then there is nothing to do.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    info!(threads, why = if asked.is_some() { "asked for" } else { "one for each big core" }, "threads");
    Ok(threads)
}

/// Refuses to overwrite another file of the same command.
pub fn check_place(place: &Path, other_is: &str, other: &Path) -> Result<()> {
    if same_place(place, other) {
        let message =
            format!("{} is {other_is}, which would be replaced; name another file", place.display());
        return Err(UsageError(message).into());
    }
    Ok(())
}

/// Returns whether two paths are of the same file, which need not exist yet.
fn same_place(a: &Path, b: &Path) -> bool {
    let resolved = |path: &Path| Some(folder_of(path).canonicalize().ok()?.join(path.file_name()?));
    same_file(a, b) || resolved(a).is_some_and(|a| resolved(b) == Some(a))
}

/// Reads and checks a log. A torn tail is ignored with a warning.
pub fn read_log(path: &Path) -> Result<SeedLog> {
    let bytes = read_log_file(path)?;
    let log = parse_log(path, &bytes)?;
    info!(log = ?path, generations = log.generations.len(), "the log is whole and its hashes are right");
    if log.torn_bytes > 0 {
        out::warn(format!("warning: {}: {}", path.display(), torn(&log)));
    }
    Ok(log)
}

/// Parses a log's bytes, naming the file in errors.
pub fn parse_log(path: &Path, bytes: &[u8]) -> Result<SeedLog> {
    SeedLog::parse(bytes).with_context(|| path.display().to_string())
}

/// Returns the number of a log's generations that are asked for, if any is; the log may have fewer.
pub fn generations(log: &SeedLog, until: Option<Until>) -> Result<Option<u64>> {
    match until {
        Some(Until::Generation(asked)) => Ok(Some(asked)),
        Some(Until::Best) => {
            let none = || UsageError("--generation best, but the log has no held-out evaluation".to_owned());
            Ok(Some(log.best().ok_or_else(none)?.generations))
        }
        None => Ok(None),
    }
}

/// Describes the fault at a log's end.
pub fn torn(log: &SeedLog) -> String {
    format!(
        "the last {} bytes are a torn record, the trace of a write that was cut off; they are left out, and {} whole \
         generations remain",
        log.torn_bytes,
        log.generations.len()
    )
}

/// Starts llama.cpp on a model tuned by this many of a log's generations, with the layout of the log's run.
pub fn tuned_engine(
    mut model: Model,
    log: &SeedLog,
    generations: u64,
    inference: &LlamaOptions,
) -> Result<LlamaEngine> {
    check_digest(log, generations, &model.replay(log, generations)?)?;
    Ok(engine(model, &log.header.tensors, inference)?)
}

/// Leaves out the examples that are too long, if asked for, and tries the others.
pub fn rehearse(evaluators: &mut Evaluators, engine: &LlamaEngine) -> Result<()> {
    tell_skipped(evaluators.skip_long(engine)?);
    Ok(evaluators.rehearse(engine)?)
}

/// Reports the number of examples that were left out.
pub fn tell_skipped(skipped: u64) {
    if skipped > 0 {
        let examples = text::examples(skipped);
        out::warn(format!("note: {examples} too long for the context left out, as --skip-long says"));
    }
}
