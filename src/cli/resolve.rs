//! From the flags of a run to the library's options, once for each command.

use anyhow::Result;

use super::args::{FieldArg, RunArgs, SearchArgs};
use super::{UsageError, setup};
use crate::llama::LlamaOptions;
use crate::model::Model;
use crate::plan::{Memory, Search, Sizes};

/// Options of a run, for `tune` and `probe` alike.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Hyper-parameters.
    pub search: Search,
    /// Options of inference.
    pub inference: LlamaOptions,
    /// Most bytes of memory.
    pub budget: Option<u64>,
}

impl RunOptions {
    /// Resolves the flags of a run, and sizes rayon's pool.
    ///
    /// # Errors
    /// When a flag is invalid.
    pub fn new(args: &RunArgs) -> Result<Self> {
        let inference = setup::inference(&args.inference)?;
        Ok(Self { search: search(&args.search)?, inference, budget: args.mem_budget })
    }

    /// Returns the facts that decide the memory of runs on a model.
    pub fn memory(&self, model: &Model) -> Memory {
        Memory::of(model, &self.inference, self.budget, self.search.residual)
    }
}

/// Returns the hyper-parameters that are given.
fn search(args: &SearchArgs) -> Result<Search> {
    let fields = |given: &Vec<FieldArg>| given.iter().map(|&field| field.into()).collect();
    Ok(Search {
        generations: args.generations,
        population: args.population,
        mirror: args.mirror,
        fields: args.fields.as_ref().map(fields),
        sigma: sizes("--sigma", args.sigma.as_deref())?,
        alpha: sizes("--alpha", args.alpha.as_deref())?,
        alpha_final: sizes("--alpha-final", args.alpha_final.as_deref())?,
        method: args.method.map(Into::into),
        decay: args.decay,
        window: args.window,
        anchor: args.anchor,
        prompts: args.prompts,
        candidates: args.candidates,
        shaping: args.shaping.map(Into::into),
        tensors: args.tensors.clone(),
        tokens: args.tokens.clone(),
        residual: args.residual.map(Into::into),
        eval_every: args.eval_every,
        eval_problems: args.eval_problems,
        seed: args.seed,
    })
}

/// Parses a flag's text.
fn sizes(flag: &str, text: Option<&str>) -> Result<Option<Sizes>> {
    let parse = |text: &str| text.parse().map_err(|error| UsageError(format!("{flag}: {error}")));
    Ok(text.map(parse).transpose()?)
}
