//! A run from code: a model, a task, and a reward function.
//!
//! [`Tuning`] sets up the same as `qes-gguf tune` does from its flags, with the same defaults. The log that a run
//! writes is like any other: [`crate::export`] and the program's `export`, `verify`, `inspect`, `report` and `apply`
//! can use it. Only evaluating and resuming need the program that has the task.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//!
//! use qes_gguf::judge::Asked;
//! use qes_gguf::task::arith::Arith;
//! use qes_gguf::tune::Event;
//! use qes_gguf::tuning::{Tuning, TuningError};
//!
//! # fn main() -> Result<(), TuningError> {
//! let brevity = |asked: &Asked<'_>| 1.0 / (1.0 + asked.reply.len() as f64);
//! let finished = Tuning::new("model.gguf", Arith::default(), brevity).generations(20).run(
//!     "model.qes",
//!     &AtomicBool::new(false),
//!     &mut |event: &Event<'_>| {
//!         if let Event::Generation { record, .. } = event {
//!             println!("{}", record.fitness.mean);
//!         }
//!     },
//! )?;
//! println!("{} generations", finished.summary.generations);
//! # Ok(())
//! # }
//! ```

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use thiserror::Error;

use crate::drift::{BUILT_IN_NAME, Neutral};
use crate::judge::{Asked, Judge, JudgeError};
use crate::llama::{LlamaEngine, LlamaOptions, TensorSlot};
use crate::model::{Model, ModelError};
use crate::plan::{Continued, Memory, Plan, PlanError, Search};
use crate::recipe;
use crate::seed_log::{SeedLog, TensorSpec};
use crate::select::{Part, find};
use crate::settings::Settings;
use crate::store::{LogFile, StoreError, Witness, Witnessed, discard_log, today};
use crate::task::{Definition, Problems, RewardKind, Task};
use crate::tune::{Evaluators, Observer, Outcome, ResidualMode, Summary, TuneError, Tuner};
use crate::workload::{Objective, WorkloadError, Workloads};

/// A run that can be started or resumed.
pub struct Tuning {
    model: PathBuf,
    task: Box<dyn Task>,
    reward: Box<dyn Judge>,
    objective: Objective,
    search: Search,
    change: Box<dyn FnOnce(&mut Settings)>,
    inference: LlamaOptions,
    neutral: Option<Neutral>,
}

/// Reasons for which a run did not begin, or ended early. Everything before the fault is in the log.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
#[non_exhaustive]
pub enum TuningError {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    #[error(transparent)]
    Tune(#[from] TuneError),
    #[error(
        "the log was begun with another neutral set, so its drift would be measured by two measures; give it the set that it \
         was begun with"
    )]
    OtherNeutral,
    #[error(
        "{} is the log of the task {has}, not of {wanted}, or of other rules for replies; resume it with the program that \
         began it", path.display()
    )]
    OtherTask { path: PathBuf, has: String, wanted: String },
}

impl From<StoreError> for TuningError {
    fn from(error: StoreError) -> Self {
        Self::Tune(error.into())
    }
}

impl From<ModelError> for TuningError {
    fn from(error: ModelError) -> Self {
        Self::Tune(error.into())
    }
}

/// Result of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// Its outcome.
    pub outcome: Outcome,
    /// Its totals, with the first and the last evaluation.
    pub summary: Summary,
    /// The contents of its file.
    pub log: SeedLog,
}

/// A function as a judge.
struct Function<F>(F);

impl<F: FnMut(&Asked<'_>) -> f64 + Send> Judge for Function<F> {
    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        Ok(asked.iter().map(&mut self.0).collect())
    }
}

impl Tuning {
    /// Creates a run with the defaults of `qes-gguf tune` from the model's file, the problems, and the reward of a
    /// reply, a finite number; higher is better. The reward should depend on its argument alone, so that a resumed run
    /// is the same as one that was never interrupted.
    ///
    /// Task and reward are `Send`, since a run may continue on another thread than the one that created it.
    pub fn new(
        model: impl Into<PathBuf>,
        task: impl Task + 'static,
        reward: impl FnMut(&Asked<'_>) -> f64 + Send + 'static,
    ) -> Self {
        let neutral = Neutral::built_in();
        let definition = Definition::new("code", Problems::Code, RewardKind::Code);
        let drift = Some(neutral.spec(BUILT_IN_NAME, Some(recipe::MAX_DRIFT)));
        Self {
            model: model.into(),
            task: Box::new(task),
            reward: Box::new(Function(reward)),
            objective: Objective { drift, ..Objective::new(definition) },
            search: Search::default(),
            change: Box::new(|_| ()),
            inference: LlamaOptions::default(),
            neutral: Some(neutral),
        }
    }

    /// Sets the neutral set on which every evaluation measures drift, and the limit on drift for the best model as a share of the
    /// base's perplexity. By default they are the built-in set and 0.05.
    pub fn neutral(mut self, neutral: Option<Neutral>, max: Option<f64>) -> Self {
        self.objective.drift = neutral.as_ref().map(|set| set.spec("code", max));
        self.neutral = neutral;
        self
    }

    /// Sets the name of the task in the log.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.objective.definition.name = name.into();
        self
    }

    /// Sets the seed of problems and perturbations.
    pub fn seed(mut self, seed: u64) -> Self {
        self.search.seed = Some(seed);
        self
    }

    /// Sets the number of generations in all.
    pub fn generations(mut self, generations: u64) -> Self {
        self.search.generations = Some(generations);
        self
    }

    /// Sets the members of a generation. The default step sizes depend on it.
    pub fn population(mut self, population: u32) -> Self {
        self.search.population = Some(population);
        self
    }

    /// Sets the number of problems that each member replies to.
    pub fn prompts(mut self, prompts: u32) -> Self {
        self.search.prompts = Some(prompts);
        self
    }

    /// Sets the generations between evaluations, 0 for one before and one after the run, and the held-out problems of each.
    pub fn evaluations(mut self, every: u64, problems: u32) -> Self {
        (self.search.eval_every, self.search.eval_problems) = (Some(every), Some(problems));
        self
    }

    /// Sets the most tokens of a reply, in place of the task's own number.
    pub fn reply_tokens(mut self, most: usize) -> Self {
        self.objective.definition.predict = Some(most);
        self
    }

    /// Changes the hyper-parameters after all others are filled in, including sigma and alpha of each tuned type. A
    /// resumed run uses its log's.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings) + 'static) -> Self {
        self.change = Box::new(change);
        self
    }

    /// Sets the options of inference by llama.cpp.
    pub fn inference(mut self, options: LlamaOptions) -> Self {
        self.inference = options;
        self
    }

    /// Runs all generations and writes the log, which must not exist. `stop` is checked between members.
    ///
    /// # Errors
    /// When options, data and model do not fit together, or inference or a file fails. Records that are in the log by
    /// then stay there.
    pub fn run(
        mut self,
        log: impl AsRef<Path>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Finished, TuningError> {
        let path = log.as_ref();
        let model = Model::open(&self.model)?;
        let template = model.gguf.metadata_str("tokenizer.chat_template");
        self.objective.definition.chat.settle_date(template, today());
        let mut plan = Plan::new(self.search, self.objective.clone(), &model)?;
        (self.change)(&mut plan.settings);
        let header = plan.header(|| model.identity().clone())?;
        let (log, first) = SeedLog::start(header).map_err(PlanError::Log)?;
        let workloads = Workloads::of_code(self.objective, self.task, self.reward, self.neutral);
        let ready = Ready::new(model, log, workloads, &self.inference)?;
        let file = LogFile::create(path, &first)?;
        ready.run(file, stop, observer, || discard_log(path))
    }

    /// Continues a log that was cut off or stopped. The task, the reward and the model must be those of its start; its
    /// settings are the log's.
    ///
    /// # Errors
    /// As for [`Tuning::run`], and when the log was made for another model or another task.
    pub fn resume(
        self,
        log: impl AsRef<Path>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Finished, TuningError> {
        let path = log.as_ref();
        let model = Model::open(&self.model)?;
        let found = Continued::open(path, &model)?;
        let (has, mut wanted) = (&found.log.header.task, self.objective);
        wanted.definition.chat.date = has.definition.chat.date;
        if has.definition != wanted.definition {
            let (has, wanted) = (has.definition.name.clone(), wanted.definition.name);
            return Err(TuningError::OtherTask { path: path.to_owned(), has, wanted });
        }
        let (drift, neutral) = (has.drift.as_ref(), self.neutral.as_ref());
        if drift.map(|spec| spec.sha256.as_str()) != neutral.map(Neutral::sha256) {
            return Err(TuningError::OtherNeutral);
        }
        let workloads = Workloads::of_code(has.into(), self.task, self.reward, self.neutral);
        let (log, file) = found.mended()?;
        Ready::new(model, log, workloads, &self.inference)?.run(file, stop, observer, || ())
    }
}

/// A run for which everything but the log's file is ready.
struct Ready {
    engine: LlamaEngine,
    evaluators: Evaluators,
    witness: Witness,
    log: SeedLog,
    mode: ResidualMode,
}

impl Ready {
    /// Loads the model and tries the problems, before a file is created.
    fn new(
        model: Model,
        log: SeedLog,
        workloads: Workloads,
        inference: &LlamaOptions,
    ) -> Result<Self, TuningError> {
        let mode = Memory::of(&model, inference, None, None).plan(&log.header)?.mode;
        let witness = model.working.witness().clone();
        let engine = engine(model, &log.header.tensors, inference)?;
        let evaluators = workloads.evaluators(log.header.settings.seed)?;
        evaluators.rehearse(&engine)?;
        Ok(Self { engine, evaluators, witness, log, mode })
    }

    /// Runs the generations. `discard` is called if the run does not even begin.
    fn run(
        self,
        file: LogFile,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
        discard: impl FnOnce(),
    ) -> Result<Finished, TuningError> {
        let Self { engine, evaluators, witness, log, mode } = self;
        let journal = Witnessed { log: file, model: witness };
        let mut tuner = Tuner::new(engine, evaluators, log, journal, mode).inspect_err(|_| discard())?;
        let outcome = tuner.run(stop, observer)?;
        Ok(Finished { outcome, summary: tuner.summary(), log: tuner.log().clone() })
    }
}

/// Returns the slots of these parts of a model's tensors, the parts of one tensor in the same slot.
fn slots(parts: &[Part<'_>]) -> Vec<TensorSlot> {
    let of_tensor = parts.chunk_by(|part, next| part.tensor.name == next.tensor.name);
    of_tensor
        .map(|parts| TensorSlot::of(parts[0].tensor, parts.iter().map(|part| part.range.clone())))
        .collect()
}

/// Starts llama.cpp on a model and lends these of its tensors for tuning.
///
/// # Errors
/// When the model lacks one of them, has another one of that name, or llama.cpp cannot load it.
pub fn engine(model: Model, specs: &[TensorSpec], options: &LlamaOptions) -> Result<LlamaEngine, TuneError> {
    let tensors = find(&model.gguf, specs).map_err(|source| {
        let path = model.working.path().to_owned();
        ModelError::Select { path, source }
    })?;
    let slots = slots(&tensors);
    Ok(LlamaEngine::load(model.working, slots, options)?)
}
