//! From the flags of a run to what the library takes, once for each command.

use anyhow::Result;

use super::args::{RunArgs, SearchArgs};
use super::{UsageError, setup};
use crate::llama::LlamaOptions;
use crate::model::Model;
use crate::plan::{Memory, Search, Sizes};

/// How a run is made and what it may take, of `tune` and `probe` alike.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Hyper-parameters.
    pub search: Search,
    /// How inference runs.
    pub inference: LlamaOptions,
    /// Most bytes of memory.
    pub budget: Option<u64>,
}

impl RunOptions {
    /// Resolves the flags of a run, and sizes rayon's pool.
    ///
    /// # Errors
    /// When a flag makes no sense.
    pub fn new(args: &RunArgs) -> Result<Self> {
        let inference = setup::inference(&args.inference)?;
        Ok(Self { search: search(&args.search)?, inference, budget: args.mem_budget })
    }

    /// Returns what decides the memory of runs on a model.
    pub fn memory(&self, model: &Model) -> Memory {
        Memory::of(model, &self.inference, self.budget, self.search.residual)
    }
}

/// Returns the hyper-parameters that are given. Each field is named, so that none that is added is forgotten here.
///
/// # Errors
/// When sizes make no sense.
fn search(args: &SearchArgs) -> Result<Search> {
    let SearchArgs {
        generations,
        population,
        mirror,
        fields,
        sigma,
        alpha,
        alpha_final,
        method,
        decay,
        window,
        anchor,
        prompts,
        candidates,
        shaping,
        tensors,
        tokens,
        residual,
        eval_every,
        eval_problems,
        seed,
    } = args;
    Ok(Search {
        generations: *generations,
        population: *population,
        mirror: *mirror,
        fields: fields.as_ref().map(|fields| fields.iter().map(|field| (*field).into()).collect()),
        sigma: sizes("--sigma", sigma.as_deref())?,
        alpha: sizes("--alpha", alpha.as_deref())?,
        alpha_final: sizes("--alpha-final", alpha_final.as_deref())?,
        method: method.map(Into::into),
        decay: *decay,
        window: *window,
        anchor: *anchor,
        prompts: *prompts,
        candidates: *candidates,
        shaping: shaping.map(Into::into),
        tensors: tensors.clone(),
        tokens: tokens.clone(),
        residual: residual.map(Into::into),
        eval_every: *eval_every,
        eval_problems: *eval_problems,
        seed: *seed,
    })
}

/// Returns what a flag's text says.
fn sizes(flag: &str, text: Option<&str>) -> Result<Option<Sizes>> {
    let parse = |text: &str| text.parse().map_err(|error| UsageError(format!("{flag}: {error}")));
    Ok(text.map(parse).transpose()?)
}
