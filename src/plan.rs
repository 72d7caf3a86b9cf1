//! From given hyper-parameters to the header of a log: the tensors that are tuned, and the settings.
//!
//! A [`Plan`] is a [`Search`] and an [`Objective`] that were checked against a model; its header is made once it is
//! known whether rows of tokens are tuned, and of which ones. [`Memory`] plans a run's memory; a [`Continued`] log has
//! its header already.

mod continued;
mod error;
mod memory;
mod search;
mod sizes;

pub use continued::Continued;
pub use error::PlanError;
pub use memory::{Memory, MemoryForecast, MemoryPlan};
pub use search::{Search, Tokens};
pub use sizes::{Size, Sizes, SizesError};

use crate::block::Field;
use crate::model::Model;
use crate::recipe::{self, Effort, RowsFor};
use crate::seed_log::{BaseModel, FORMAT_VERSION, Header, TOOL, TaskSpec, TensorSpec, pin_noise};
use crate::select::{self, select, spec};
use crate::settings::Settings;
use crate::task::{Reward, RewardKind};
use crate::tensor_type::TensorType;
use crate::workload::Objective;

/// A new run: what is tuned, with which settings, and for which objective.
#[derive(Clone, Debug)]
pub struct Plan {
    search: Search,
    objective: Objective,
    tensors: Vec<TensorSpec>,
    /// The hyper-parameters.
    pub settings: Settings,
    /// The purpose, if only the rows of some tokens are tuned.
    rows: Option<RowsFor>,
    /// Default problems of a held-out evaluation.
    eval_problems: u32,
}

impl Plan {
    /// Checks hyper-parameters and objective against a model. The model's tensors are not read, so that misuse is
    /// reported at once.
    ///
    /// # Errors
    /// When they make no sense, or the model has nothing that could be tuned so.
    pub fn new(search: Search, objective: Objective, model: &Model) -> Result<Self, PlanError> {
        search.check()?;
        let tokens = match &search.tokens {
            Some(Tokens::These(tokens)) => Some(&**tokens),
            None | Some(Tokens::Auto | Tokens::All) => None,
        };
        let rows = tokens.map(|tokens| (tokens, RowsFor::Opening));
        let (tensors, settings) = scope(&search, model, rows)?;
        let rows = rows.map(|(_, rows_for)| rows_for);
        if objective.own_replies.is_some_and(|weight| weight > 0.0)
            && rows.is_none()
            && !search.looks_for_tokens()
        {
            return Err(PlanError::OwnReplies);
        }
        let eval_problems = recipe::eval_problems(model.weights());
        Ok(Self { search, objective, tensors, settings, rows, eval_problems })
    }

    /// Restricts tuning to the rows of these tokens.
    ///
    /// # Errors
    /// When the model lacks them, or the settings do not suit them.
    pub fn in_rows_of(self, tokens: &[u64], rows_for: RowsFor, model: &Model) -> Result<Self, PlanError> {
        let (tensors, settings) = scope(&self.search, model, Some((tokens, rows_for)))?;
        Ok(Self { tensors, settings, rows: Some(rows_for), ..self })
    }

    /// Returns the header of the run's log. `base` returns the model's identity, for which all of the file may have to
    /// be read.
    ///
    /// # Errors
    /// When problems cannot be chosen as asked for.
    pub fn header(self, base: impl FnOnce() -> BaseModel) -> Result<Header, PlanError> {
        let task = self.task()?;
        Ok(pin_noise(Header {
            version: FORMAT_VERSION,
            tool: TOOL.to_owned(),
            base: base(),
            tensors: self.tensors,
            settings: self.settings,
            noise: Vec::new(),
            task,
        })?)
    }

    fn task(&self) -> Result<TaskSpec, PlanError> {
        let Self { search, objective, rows, eval_problems, .. } = self;
        let Objective { definition, data_sha256, retain, own_replies, patience, drift } = objective.clone();
        let is_likelihood =
            |reward: &Reward| matches!(reward.kind, RewardKind::Loglik | RewardKind::SoftLoglik);
        let can_have_own = rows.is_some() && definition.rewards.iter().all(is_likelihood);
        let were_found = !matches!(search.tokens, Some(Tokens::These(_)));
        let task = TaskSpec {
            prompts: search.prompts.unwrap_or(recipe::prompts(&definition, *rows)),
            candidates: search.candidates,
            eval_problems: search.eval_problems.unwrap_or(*eval_problems),
            eval_every: search.eval_every.unwrap_or(recipe::eval_every(*rows)),
            definition,
            data_sha256,
            retain,
            own_replies: weight_of_own(own_replies, can_have_own, were_found)?,
            right_replies: *rows == Some(RowsFor::Ending),
            patience,
            drift,
        };
        task.unchoosable().map_or(Ok(task), |why| Err(PlanError::Unchoosable(why)))
    }
}

/// Returns the weight of own replies in a run that `can` have some; by default it has some if the tokens `were_found`.
fn weight_of_own(given: Option<f64>, can: bool, were_found: bool) -> Result<Option<f64>, PlanError> {
    match given.filter(|&weight| weight > 0.0) {
        Some(_) if !can => Err(PlanError::OwnReplies),
        Some(weight) => Ok(Some(weight)),
        None => Ok((can && were_found && given.is_none()).then_some(recipe::OWN_REPLIES)),
    }
}

/// Returns the tuned tensors, whole ones or the rows of some tokens, and their settings.
fn scope(
    search: &Search,
    model: &Model,
    rows_of: Option<(&[u64], RowsFor)>,
) -> Result<(Vec<TensorSpec>, Settings), PlanError> {
    let (mut tensors, default): (_, &[Field]) = match rows_of {
        Some((tokens, _)) => (rows(model, tokens)?, &recipe::ROW_FIELDS),
        None => (tensors(search, model)?, &recipe::FIELDS),
    };
    let entries = entries(&tensors, search.fields.as_deref(), default)?;
    tensors.retain(|tensor| entries.iter().any(|(of_type, _)| *of_type == tensor.tensor_type));
    let weights = tensors.iter().map(|tensor| tensor.codes).sum();
    let effort = Effort::of(weights, rows_of.map(|(_, rows_for)| rows_for));
    let settings = search.settings(&entries, effort)?;
    Ok((tensors, settings))
}

/// Returns the rows of these tokens.
fn rows(model: &Model, tokens: &[u64]) -> Result<Vec<TensorSpec>, PlanError> {
    let path = || model.working.path().to_owned();
    select::rows_of_tokens(&model.gguf, tokens).map_err(|source| PlanError::Rows { path: path(), source })
}

/// Returns the whole tensors that are tuned.
fn tensors(search: &Search, model: &Model) -> Result<Vec<TensorSpec>, PlanError> {
    let path = || model.working.path().to_owned();
    let tensors = select(&model.gguf, search.pattern()?.as_ref());
    let tensors = tensors.map_err(|source| PlanError::Select { path: path(), source })?;
    Ok(tensors.into_iter().map(spec).collect())
}

/// Returns the tuned fields of each type. Refuses a field that was asked for but that no type has.
fn entries(
    tensors: &[TensorSpec],
    asked: Option<&[Field]>,
    default: &[Field],
) -> Result<Vec<(TensorType, Field)>, PlanError> {
    let entries = select::fields(tensors, asked.unwrap_or(default));
    let lacks = |field: &&Field| !entries.iter().any(|(_, found)| found == *field);
    // By default a field that some types lack is left out of these, but not all of them.
    let missed = match asked {
        Some(asked) => asked.iter().find(lacks),
        None => default.iter().find(lacks).filter(|_| entries.is_empty()),
    };
    match missed {
        Some(&field) => {
            let mut types: Vec<&str> = tensors.iter().map(|tensor| tensor.tensor_type.name()).collect();
            types.sort_unstable();
            types.dedup();
            Err(PlanError::NoField { field, types })
        }
        None => Ok(entries),
    }
}

#[cfg(test)]
mod tests;
