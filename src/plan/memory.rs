//! Memory of a run, and how it stays within `--mem-budget`.
//!
//! The plan counts what the system counts as resident: the whole file, since inference reads every weight, and every
//! buffer as if it were fully used. So a run should stay below its plan, and come close to it.

use tracing::debug;

use super::{Plan, PlanError, Search};
use crate::block::Arrangement;
use crate::llama::{LlamaOptions, estimated_context_bytes};
use crate::model::Model;
use crate::noise::Noise;
use crate::replay::History;
use crate::seed_log::{BaseModel, Header, TensorSpec};
use crate::task::{Definition, Problems, RewardKind};
use crate::tune::ResidualMode;
use crate::workload::Objective;

/// Bytes of the program itself, the system's libraries, and buffers that llama.cpp grows as it works. Of the program's file, half is
/// resident where the system's page cache holds it in large pieces, and less where not.
const OVERHEAD: u64 = 22_000_000;

/// Most bytes of scratch that a thread needs for an integer of a tile: sums, their copy, and two residuals, all f32.
const SCRATCH_BYTES: u64 = 16;

/// Everything but a header that determines the memory of a run on a model.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Bytes that the model's weights take.
    weights: u64,
    threads: usize,
    /// Most bytes of a run.
    budget: Option<u64>,
    /// The mode of the residual, if it is given.
    residual: Option<ResidualMode>,
}

/// Planned memory of a run: the contexts of inference, and all else.
#[derive(Clone, Copy, Debug)]
pub struct MemoryPlan {
    /// The mode of the residual.
    pub mode: ResidualMode,
    /// Bytes of everything but the contexts.
    pub fixed: u64,
    /// Bytes that the contexts may take; `None` for no limit.
    pub contexts: Option<u64>,
}

impl Memory {
    /// Returns the facts that determine the memory of runs on this model, with these options of inference.
    pub fn of(
        model: &Model,
        options: &LlamaOptions,
        budget: Option<u64>,
        residual: Option<ResidualMode>,
    ) -> Self {
        let tied = if options.repack { tied_output(model) } else { 0 };
        let weights = model.working.base().len() as u64 + tied;
        Self { weights, threads: options.threads, budget, residual }
    }

    /// Plans the memory of a run.
    ///
    /// # Errors
    /// When the budget is less than a run needs without any context.
    pub fn plan(&self, header: &Header) -> Result<MemoryPlan, PlanError> {
        let Self { weights, threads, budget, .. } = *self;
        let history = History::new(header)?;
        let needed = OVERHEAD + weights + applied(&history) + anchored(header);
        let scratch = threads as u64 * longest_tile(&history) * SCRATCH_BYTES;
        let stored = stored(header, &history);
        let mode = self.mode(header, &history, stored, needed);
        let fixed = if mode == ResidualMode::Stored { needed + stored } else { needed };
        // The threads' scratch, a few megabytes, is left out of the limit, so that the sizes of contexts do not depend on their number.
        let contexts = match budget {
            Some(budget) if budget < fixed => {
                let remedy = remedy(mode, &history);
                return Err(PlanError::Budget { budget, needed: fixed, remedy });
            }
            budget => budget.map(|budget| budget - fixed),
        };
        let plan = MemoryPlan { mode, fixed: fixed + scratch, contexts };
        debug!(?mode, weights, residual = stored, budget, fixed = plan.fixed, contexts, "planned memory");
        Ok(plan)
    }

    /// Returns the bytes that the contexts may take if nothing is tuned; `None` for no limit.
    pub fn contexts_alone(&self) -> Option<u64> {
        self.budget.map(|budget| budget.saturating_sub(OVERHEAD + self.weights))
    }

    /// Returns the mode of the residual. A stored one never takes more than half of the rest of a budget.
    fn mode(&self, header: &Header, history: &History, stored: u64, needed: u64) -> ResidualMode {
        let usual = ResidualMode::usual(header, history);
        let fits = self.budget.is_none_or(|budget| stored <= budget.saturating_sub(needed) / 2);
        match self.residual {
            _ if history.must_store() => ResidualMode::Stored,
            Some(mode) => mode,
            None if fits => usual,
            None => ResidualMode::Replay,
        }
    }
}

/// Returns a remedy for a run that exceeds its budget.
fn remedy(mode: ResidualMode, history: &History) -> &'static str {
    match mode {
        ResidualMode::Stored if history.must_store() => "or use --method qes",
        ResidualMode::Stored => "or use --residual replay",
        ResidualMode::Replay => "or tune a smaller model",
    }
}

/// The memory plan of a bare `tune` of a model, its contexts by estimate.
#[derive(Clone, Copy, Debug)]
pub struct MemoryForecast {
    /// The mode that the residual would have.
    pub mode: ResidualMode,
    /// Number of threads.
    pub threads: usize,
    /// Bytes of the contexts.
    pub contexts: u64,
    /// Bytes of a stored residual.
    pub residual: u64,
    /// Bytes in all with a replayed residual.
    pub replayed: u64,
    /// Bytes in all with a stored one.
    pub stored: u64,
}

impl MemoryForecast {
    /// Plans the memory of a bare `tune` without loading the model; `None` if it cannot be predicted.
    ///
    /// # Errors
    /// When nothing in the model can be tuned.
    pub fn of(model: &Model, options: &LlamaOptions) -> Result<Option<Self>, PlanError> {
        let Some(contexts) = estimated_context_bytes(&model.gguf, options) else { return Ok(None) };
        // No memory depends on the task.
        let nothing = Definition::new("nothing", Problems::Code, RewardKind::Code);
        let plan = Plan::new(Search::default(), Objective::new(nothing), model)?;
        // The hash of a large file takes long, and no plan depends on it.
        let nobody = || BaseModel { file: String::new(), bytes: 0, sha256: String::new() };
        let header = plan.header(nobody)?;
        let plan_with = |residual| Memory::of(model, options, None, residual).plan(&header);
        let mode = plan_with(None)?.mode;
        let replayed = plan_with(Some(ResidualMode::Replay))?.fixed;
        let stored = plan_with(Some(ResidualMode::Stored))?.fixed;
        Ok(Some(Self {
            mode,
            threads: options.threads,
            contexts,
            residual: stored - replayed,
            replayed: replayed + contexts,
            stored: stored + contexts,
        }))
    }

    /// Returns the bytes in all, with the residual in its mode.
    pub fn peak(&self) -> u64 {
        if self.mode == ResidualMode::Stored { self.stored } else { self.replayed }
    }
}

/// Returns the bytes of the base model's tensors that stay mapped besides their tuned form, since the anchor reads
/// some of every page.
fn anchored(header: &Header) -> u64 {
    let bytes = |tensor: &TensorSpec| tensor.tensor_type.bytes_of(tensor.codes).unwrap_or(0);
    if header.settings.anchor > 0.0 { header.tensors.iter().map(bytes).sum() } else { 0 }
}

/// Returns the bytes of llama.cpp's second copy of an embedding that is also the output matrix, if it interleaves the
/// latter.
fn tied_output(model: &Model) -> u64 {
    let tensor = |name| model.gguf.tensor(name);
    let tied = tensor("token_embd.weight").filter(|_| tensor("output.weight").is_none());
    tied.filter(|tied| Arrangement::interleaved(tied.tensor_type, 1).next().is_some())
        .map_or(0, |tied| tied.range.end - tied.range.start)
}

/// Returns the bytes of a stored residual.
fn stored(header: &Header, history: &History) -> u64 {
    history.residual_bytes() * header.integers()
}

/// Returns the bytes of the bit lists of hits.
fn applied(history: &History) -> u64 {
    let of_part = |(noise, tile_len, integers): (&Noise, u64, u64)| {
        let hits = (integers as f64 * noise.probability()).ceil() as u64;
        // Lists grow by doubling, so up to half of one is free, and each has its own bookkeeping.
        hits / 8 * 2 + integers.div_ceil(tile_len) * 48
    };
    parts(history).map(of_part).sum()
}

/// Returns the number of integers in the longest tile.
fn longest_tile(history: &History) -> u64 {
    parts(history).map(|(_, tile_len, _)| tile_len).max().unwrap_or(0)
}

/// Returns the noise, the length of a tile, and the number of integers of each field of each tensor.
fn parts(history: &History) -> impl Iterator<Item = (&Noise, u64, u64)> {
    let of_tensor = move |(index, tensor)| {
        let tensor: TensorSpec = Clone::clone(tensor);
        history.fields().iter().filter_map(move |&field| {
            let (noise, tile_len) = history.noise(index, field).zip(history.tile_len(index, field))?;
            Some((noise, tile_len as u64, tensor.integers(field)))
        })
    };
    (0..).zip(history.specs()).flat_map(of_tensor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::STORED_BYTES;
    use crate::seed_log::test_log;
    use crate::settings::Window;

    /// Returns the residual's mode in a run that tunes two tensors of these many codes, and the second one's scales,
    /// one for each block.
    fn mode_for(first: u64, second: u64) -> ResidualMode {
        let mut header = test_log::header(test_log::settings());
        (header.tensors[0].codes, header.tensors[1].codes) = (first, second);
        (header.settings.decay, header.settings.window) = (1.0, Window::All);
        let history = History::new(&header).unwrap();
        let stored = stored(&header, &history);
        assert_eq!(stored, STORED_BYTES * (first + second + second / 32));
        let memory = Memory { weights: 0, threads: 1, budget: None, residual: None };
        memory.mode(&header, &history, stored, 0)
    }

    #[test]
    fn small_residuals_are_stored() {
        assert_eq!(mode_for(1 << 20, 1 << 20), ResidualMode::Stored);
        assert_eq!(mode_for(1 << 24, 1 << 20), ResidualMode::Replay);
    }
}
