//! A new run up to the header of its log, the first part of `tune` and `probe`.

use anyhow::Result;

use super::chat;
use super::resolve::RunOptions;
use super::tokens::{self, FoundTokens};
use crate::model::Model;
use crate::plan::Plan;
use crate::seed_log::Header;
use crate::tune::Evaluators;
use crate::workload::{Objective, Workloads};

/// A run that is ready to begin.
pub struct Begun {
    /// Header of its log.
    pub header: Header,
    pub evaluators: Evaluators,
    /// The tokens that were found, whose rows are tuned.
    pub tokens: Option<FoundTokens>,
    pub told: Told,
}

/// Messages about a run's data.
pub struct Told {
    /// Line on training and held-out problems.
    pub line: Option<String>,
    pub warnings: Vec<String>,
}

impl Told {
    pub fn of(workloads: &Workloads) -> Self {
        Self { line: workloads.line(), warnings: workloads.warnings() }
    }
}

impl Begun {
    /// Reads the data, looks for tokens whose rows are to be tuned, and chooses the settings.
    ///
    /// # Errors
    /// When options, data and model do not fit together, or inference fails.
    pub fn new(options: &RunOptions, mut objective: Objective, model: &Model) -> Result<Self> {
        chat::settle_date(&mut objective.definition, model);
        let workloads = Workloads::load(objective)?;
        let objective = workloads.objective().clone();
        let plan = Plan::new(options.search.clone(), objective.clone(), model)?;
        let told = Told::of(&workloads);
        let mut evaluators = workloads.evaluators(plan.settings.seed)?;
        let tokens = tokens::find(options, model, &mut evaluators, &objective.definition)?;
        let plan = match &tokens {
            Some(found) => plan.in_rows_of(&found.tokens(), found.rows_for(), model)?,
            None => plan,
        };
        let header = plan.header(|| model.identity().clone())?;
        Ok(Self { header, evaluators, tokens, told })
    }
}
