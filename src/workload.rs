//! From a task's definition to its problems and judges: reads the user's data and creates the judges.
//!
//! A [`Workload`] is one task, ready; [`Workloads`] are those of a run, with the [`Objective`] in its header.

mod data;
mod error;
mod facts;
mod files;
mod judges;
mod neutral;
mod objective;

use std::path::Path;

pub use error::WorkloadError;
pub use facts::Facts;
pub use files::{as_given, data_of_task_file, moved, read_task_file};
pub use neutral::drift_spec;
pub use objective::Objective;

use crate::chat::ChatSettings;
use crate::drift::Neutral;
use crate::evaluation::Evaluator;
use crate::judge::Judge;
use crate::seed_log::{RetainSpec, TaskSpec};
use crate::task::arith::Arith;
use crate::task::countdown::Countdown;
use crate::task::{Definition, Problems, Reward, Task};
use crate::tune::Evaluators;
use data::LoadedExamples;
use judges::judge;
use neutral::neutral;

/// A task that is ready.
pub struct Workload {
    definition: Definition,
    task: Box<dyn Task>,
    data_sha256: Option<String>,
    /// Findings about the user's data.
    facts: Option<Facts>,
    /// Judge of replies in place of the definition's.
    own_judge: Option<Box<dyn Judge>>,
}

impl Workload {
    /// Creates the task of a definition; reads the user's data.
    ///
    /// # Errors
    /// When data cannot be read or are invalid, or the task exists only in a program.
    pub fn load(definition: Definition) -> Result<Self, WorkloadError> {
        let in_code = || WorkloadError::InCode { name: definition.name.clone() };
        if definition.is_code() {
            return Err(in_code());
        }
        let (task, data): (Box<dyn Task>, _) = match &definition.problems {
            Problems::Arith(options) => (Box::new(Arith::new(options.clone())?), None),
            Problems::Countdown(options) => (Box::new(Countdown::new(options.clone())?), None),
            Problems::Code => return Err(in_code()),
            Problems::Gsm8k(options) | Problems::Data(options) => {
                let LoadedExamples { task, sha256, facts } = data::examples(&definition, options)?;
                (Box::new(task), Some((sha256, facts)))
            }
        };
        let (data_sha256, facts) = data.unzip();
        Ok(Self { definition, task, data_sha256, facts, own_judge: None }.counted())
    }

    /// Takes a task and a judge from a program.
    pub fn of_code(definition: Definition, task: Box<dyn Task>, judge: Box<dyn Judge>) -> Self {
        Self { definition, task, data_sha256: None, facts: None, own_judge: Some(judge) }
    }

    /// Creates the task of a log again. A log may come from anyone, so a program that it names is run only if the user
    /// says that the log is `trusted`.
    ///
    /// # Errors
    /// When data cannot be read, are invalid, or have changed, or the log names a program and is not trusted.
    pub fn of_log(
        definition: Definition,
        data_sha256: Option<&str>,
        trusted: bool,
    ) -> Result<Self, WorkloadError> {
        if let (false, Some(program)) = (trusted, definition.program()) {
            return Err(WorkloadError::Untrusted { program: program.to_owned() });
        }
        let name = definition.name.clone();
        let options = definition.problems.data();
        let path = options.map_or_else(String::new, |options| options.path.clone());
        if options.is_some_and(|options| options.replies.is_none()) {
            return Err(WorkloadError::OldSplit { name, path });
        }
        if !path.is_empty() && !Path::new(&path).exists() {
            return Err(WorkloadError::Gone { name, path });
        }
        let of_log = |source| WorkloadError::OfLog { name: name.clone(), source: Box::new(source) };
        let workload = Self::load(definition).map_err(of_log)?;
        if workload.data_sha256.as_deref() != data_sha256 {
            return Err(WorkloadError::Changed { name, path });
        }
        Ok(workload)
    }

    /// Adds to the definition the facts that only reading the data could give.
    fn counted(mut self) -> Self {
        if let (Some(options), Some(facts)) = (self.definition.problems.data_mut(), &self.facts) {
            options.shared = Some(facts.overlap.shared);
        }
        self
    }

    /// Returns the definition of the task.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Returns the findings about the user's data, for a task that has some.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }

    /// Returns the evaluator of the task in a run with this seed.
    ///
    /// # Errors
    /// When a judge cannot be created, or a problem lacks what the task needs.
    pub fn evaluator(self, seed: u64) -> Result<Evaluator, WorkloadError> {
        let Self { definition, task, own_judge: mut own, .. } = self;
        let judge = |reward: &Reward| own.take().map_or_else(|| judge(reward), |own| Ok(Some(own)));
        Ok(Evaluator::new(task, &definition, seed, judge)?)
    }

    /// Returns an evaluator of the task that cannot judge replies.
    ///
    /// # Errors
    /// When a problem lacks what the task needs.
    pub fn unjudged_evaluator(self) -> Result<Evaluator, WorkloadError> {
        Ok(Evaluator::new(self.task, &self.definition, 0, |_| Ok(None))?)
    }
}

/// The task that is tuned, and the retained task.
pub struct Workloads {
    objective: Objective,
    task: Workload,
    retain: Option<Workload>,
    neutral: Option<Neutral>,
}

impl Workloads {
    /// Creates the tasks of a new run. Its objective is the given one, with the facts that only reading the data could
    /// give.
    ///
    /// # Errors
    /// When data cannot be read, or numbers are invalid.
    pub fn load(mut objective: Objective) -> Result<Self, WorkloadError> {
        objective.check()?;
        let task = Workload::load(objective.definition)?;
        objective.definition = task.definition.clone();
        objective.data_sha256.clone_from(&task.data_sha256);
        let retain = objective.retain.as_mut();
        let retain = retain.map(|spec| retained(spec, &task.definition.chat)).transpose()?;
        let neutral = objective.drift.as_ref().map(neutral).transpose()?;
        Ok(Self { objective, task, retain, neutral })
    }

    /// Creates the tasks of a log again; `data` is the present path of the data, if they were moved.
    ///
    /// # Errors
    /// When data cannot be read, are invalid, or have changed, or the log names a program and is not trusted.
    pub fn of_log(spec: &TaskSpec, data: Option<&Path>, trusted: bool) -> Result<Self, WorkloadError> {
        let definition = moved(&spec.definition, data)?;
        let task = Workload::of_log(definition, spec.data_sha256.as_deref(), trusted)?;
        let again = |spec: &RetainSpec| {
            Workload::of_log(spec.definition.clone(), spec.data_sha256.as_deref(), trusted)
        };
        let retain = spec.retain.as_ref().map(again).transpose()?;
        let neutral = spec.drift.as_ref().map(neutral).transpose()?;
        Ok(Self { objective: Objective::from(spec), task, retain, neutral })
    }

    /// Takes a task and a judge from a program, and the neutral set for the objective's drift.
    pub fn of_code(
        objective: Objective,
        task: Box<dyn Task>,
        judge: Box<dyn Judge>,
        neutral: Option<Neutral>,
    ) -> Self {
        let task = Workload::of_code(objective.definition.clone(), task, judge);
        Self { objective, task, retain: None, neutral }
    }

    /// Returns the objective, as it is in a header.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// Returns warnings for the user about the data.
    pub fn warnings(&self) -> Vec<String> {
        let retained = self.retain.iter().filter_map(Workload::facts);
        self.task.facts().into_iter().chain(retained).flat_map(Facts::warnings).collect()
    }

    /// Returns a line on training and held-out problems.
    pub fn line(&self) -> Option<String> {
        self.task.facts().map(Facts::line)
    }

    /// Returns the evaluators of a run with this seed.
    ///
    /// # Errors
    /// When a judge cannot be created.
    pub fn evaluators(self, seed: u64) -> Result<Evaluators, WorkloadError> {
        let retain = self.retain.map(|workload| workload.evaluator(seed)).transpose()?;
        Ok(Evaluators { task: self.task.evaluator(seed)?, retain, neutral: self.neutral })
    }
}

/// Creates the retained task, whose conversations are in the form `chat` unless it has its own.
fn retained(spec: &mut RetainSpec, chat: &ChatSettings) -> Result<Workload, WorkloadError> {
    if spec.definition.chat.is_default() {
        spec.definition.chat = chat.clone();
    }
    let workload = Workload::load(spec.definition.clone());
    let workload = workload.map_err(|source| WorkloadError::Retained(Box::new(source)))?;
    spec.definition = workload.definition.clone();
    spec.data_sha256.clone_from(&workload.data_sha256);
    Ok(workload)
}
