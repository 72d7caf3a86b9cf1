//! The objective of a run.

use super::WorkloadError;
use crate::seed_log::{DriftSpec, MAX_PROBLEMS, RetainSpec, TaskSpec};
use crate::task::Definition;

/// Valid weights of a retained task.
const WEIGHTS: std::ops::RangeInclusive<f64> = 0.0..=1e6;

/// Objective of a run: the part of a header's [`TaskSpec`] that does not depend on how generations are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Task that is tuned.
    pub definition: Definition,
    /// SHA-256 over its data, if it has some.
    pub data_sha256: Option<String>,
    /// Task that must not get worse.
    pub retain: Option<RetainSpec>,
    /// Weight of the base model's own replies in a run that tunes rows of tokens, 0 for none; `None` for the default.
    pub own_replies: Option<f64>,
    /// Consecutive held-out evaluations without a new best one after which the run ends.
    pub patience: Option<u64>,
    /// The neutral set and limit of drift measurements.
    pub drift: Option<DriftSpec>,
}

impl Objective {
    /// Creates an objective of a task alone, without a retained task or drift measurements.
    pub fn new(definition: Definition) -> Self {
        Self { definition, data_sha256: None, retain: None, own_replies: None, patience: None, drift: None }
    }

    /// Checks the numbers.
    pub(super) fn check(&self) -> Result<(), WorkloadError> {
        if self.patience == Some(0) {
            return Err(WorkloadError::Patience);
        }
        if let Some(weight) = self.own_replies.filter(|weight| !WEIGHTS.contains(weight)) {
            return Err(WorkloadError::OwnWeight(weight));
        }
        let Some(RetainSpec { weight, prompts, .. }) = self.retain else { return Ok(()) };
        if !WEIGHTS.contains(&weight) {
            return Err(WorkloadError::RetainWeight(weight));
        }
        if !(1..=MAX_PROBLEMS).contains(&prompts) {
            return Err(WorkloadError::RetainPrompts(prompts));
        }
        Ok(())
    }
}

impl From<&TaskSpec> for Objective {
    fn from(spec: &TaskSpec) -> Self {
        Self {
            definition: spec.definition.clone(),
            data_sha256: spec.data_sha256.clone(),
            retain: spec.retain.clone(),
            own_replies: Some(spec.own_replies.unwrap_or(0.0)),
            patience: spec.patience,
            drift: spec.drift.clone(),
        }
    }
}
