//! A run from code: a model, a task, and a function that says what a reply is worth.
//!
//! [`Tuning`] puts together what `qes-gguf tune` puts together from its flags, with the same defaults. The log that a run
//! writes is like any other: [`crate::export`] and the program's `export`, `verify`, `inspect`, `report` and `apply` know what
//! to do with it. Only to evaluate or to resume takes the program that has the task.
//!
//! ```no_run
//! use std::sync::atomic::AtomicBool;
//!
//! use qes_gguf::judge::Asked;
//! use qes_gguf::task::arith::Arith;
//! use qes_gguf::tune::{Event, TuneError};
//! use qes_gguf::tuning::Tuning;
//!
//! # fn main() -> Result<(), TuneError> {
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

use crate::drift::{BUILT_IN_NAME, Neutral};
use crate::exam::Examiner;
use crate::fitness::Shaping;
use crate::judge::{Asked, Judge, JudgeError};
use crate::llama::{LlamaEngine, LlamaOptions, TensorSlot};
use crate::model::{Model, ModelError};
use crate::recipe::{self, Scope};
use crate::replay::History;
use crate::seed_log::{FORMAT_VERSION, Header, SeedLog, TOOL, TaskSpec, TensorSpec, pin_noise};
use crate::select::{Part, fields, find, select, spec};
use crate::settings::Settings;
use crate::store::{LogFile, Witness, Witnessed, discard_log, today};
use crate::task::{Definition, Problems, RewardKind, Task};
use crate::tune::{Examiners, Observer, Outcome, ResidualMode, Summary, TuneError, Tuner};
use crate::update::Method;

/// A run that can be started or resumed.
pub struct Tuning {
    model: PathBuf,
    task: Box<dyn Task>,
    reward: Box<dyn Judge>,
    spec: TaskSpec,
    settings: Settings,
    change: Box<dyn FnOnce(&mut Settings)>,
    inference: LlamaOptions,
    neutral: Option<Neutral>,
}

/// What a run came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished {
    /// How it ended.
    pub outcome: Outcome,
    /// Its totals, with the first and the last evaluation.
    pub summary: Summary,
    /// All that its file holds.
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
    /// A run with the defaults of `qes-gguf tune`: the model's file, the problems, and the reward of a reply, a finite number,
    /// more is better. The reward should depend on nothing but what it is asked, so that a resumed run is the same as one
    /// that was never interrupted.
    /// Task and reward are `Send`, since a run may go on on another thread than the one that it was made on.
    pub fn new(
        model: impl Into<PathBuf>,
        task: impl Task + 'static,
        reward: impl FnMut(&Asked<'_>) -> f64 + Send + 'static,
    ) -> Self {
        let method = Method::Qes;
        Self {
            model: model.into(),
            task: Box::new(task),
            reward: Box::new(Function(reward)),
            spec: TaskSpec {
                definition: Definition::new("code", Problems::Code, RewardKind::Code),
                data_sha256: None,
                retain: None,
                own_replies: None,
                patience: None,
                drift: Some(Neutral::built_in().spec(BUILT_IN_NAME, Some(recipe::MAX_DRIFT))),
                prompts: recipe::PROMPTS,
                candidates: None,
                eval_problems: recipe::EVAL_PROBLEMS,
                eval_every: recipe::EVAL_EVERY,
            },
            settings: Settings {
                seed: 0,
                population: recipe::POPULATION,
                mirror: false,
                generations: recipe::GENERATIONS,
                types: Vec::new(),
                method,
                decay: recipe::decay(method),
                window: recipe::window(method),
                anchor: 0.0,
                shaping: Shaping::Zscore,
            },
            change: Box::new(|_| ()),
            inference: LlamaOptions::default(),
            neutral: Some(Neutral::built_in()),
        }
    }

    /// What drift from the base model is measured on in every evaluation, and how far the model may drift to be the best: a
    /// share of the base's perplexity. By default it is the built-in set, and 5%.
    pub fn neutral(mut self, neutral: Option<Neutral>, max: Option<f64>) -> Self {
        self.spec.drift = neutral.as_ref().map(|set| set.spec("code", max));
        self.neutral = neutral;
        self
    }

    /// What the log, and whoever reads it, calls the task.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.spec.definition.name = name.into();
        self
    }

    /// The number that problems and perturbations are drawn by.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Generations in all.
    pub fn generations(mut self, generations: u64) -> Self {
        self.settings.generations = generations;
        self
    }

    /// Members of a generation. The default step sizes follow it.
    pub fn population(mut self, population: u32) -> Self {
        self.settings.population = population;
        self
    }

    /// Problems that each member replies to.
    pub fn prompts(mut self, prompts: u32) -> Self {
        self.spec.prompts = prompts;
        self
    }

    /// Generations between evaluations, 0 for one before and one after the run, and held-out problems of each.
    pub fn evaluations(mut self, every: u64, problems: u32) -> Self {
        (self.spec.eval_every, self.spec.eval_problems) = (every, problems);
        self
    }

    /// Most tokens of a reply, where the task's own number does not suit.
    pub fn reply_tokens(mut self, most: usize) -> Self {
        self.spec.definition.predict = Some(most);
        self
    }

    /// Changes the hyper-parameters when everything else is in them, sigma and alpha of each type that is tuned too. A run
    /// that is resumed goes on with its log's.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings) + 'static) -> Self {
        self.change = Box::new(change);
        self
    }

    /// How llama.cpp runs.
    pub fn inference(mut self, options: LlamaOptions) -> Self {
        self.inference = options;
        self
    }

    /// Runs all generations and writes the log, which must not exist. `stop` is looked at between members.
    ///
    /// # Errors
    /// When something does not fit together, or inference or a file fails. What is in the log by then stays there.
    pub fn run(
        mut self,
        log: impl AsRef<Path>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Finished, TuneError> {
        let path = log.as_ref();
        let model = Model::open(&self.model)?;
        let header = self.header(&model)?;
        let (log, first) = SeedLog::start(header)?;
        let ready = self.ready(model, log)?;
        let file = LogFile::create(path, &first)?;
        ready.run(file, stop, observer, || discard_log(path))
    }

    /// Goes on with a log that was cut off or stopped. The task, the reward and the model must be those that it began with;
    /// its settings are the log's.
    ///
    /// # Errors
    /// As for [`Tuning::run`], and when the log was made for another model or another task.
    pub fn resume(
        self,
        log: impl AsRef<Path>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Finished, TuneError> {
        let path = log.as_ref();
        let (mut file, bytes) = LogFile::open(path)?;
        let mut log = SeedLog::parse(&bytes)?;
        let model = Model::open(&self.model)?;
        model.check_base(&log.header.base)?;
        let mut wanted = self.spec.definition.clone();
        wanted.chat.date = log.header.task.definition.chat.date;
        let (has, wanted) = (&log.header.task.definition, &wanted);
        if has != wanted {
            let (has, wanted) = (has.name.clone(), wanted.name.clone());
            return Err(TuneError::OtherTask { path: path.to_owned(), has, wanted });
        }
        log.header.settings.generations = log.planned();
        let whole = log.whole_bytes;
        if std::mem::take(&mut log.torn_bytes) > 0 {
            file.truncate(whole)?;
        }
        self.ready(model, log)?.run(file, stop, observer, || ())
    }

    /// What the first line of a new log says.
    fn header(&mut self, model: &Model) -> Result<Header, TuneError> {
        let tensors = select(&model.gguf, None).map_err(|source| {
            let path = model.working.path().to_owned();
            ModelError::Select { path, source }
        })?;
        let tensors: Vec<TensorSpec> = tensors.into_iter().map(spec).collect();
        let mut settings = self.settings.clone();
        let Settings { population, mirror, .. } = settings;
        let weights = tensors.iter().map(|tensor| tensor.codes).sum();
        let entries = fields(&tensors, &recipe::FIELDS);
        let of_entry = |&(of_type, field)| {
            let scope = Scope::of(of_type, &entries, weights, population, mirror);
            recipe::type_settings(of_type, field, scope)
        };
        settings.types = entries.iter().map(of_entry).collect();
        let template = model.gguf.metadata_str("tokenizer.chat_template");
        self.spec.definition.chat.settle_date(template, today());
        std::mem::replace(&mut self.change, Box::new(|_| ()))(&mut settings);
        Ok(pin_noise(Header {
            version: FORMAT_VERSION,
            tool: TOOL.to_owned(),
            base: model.identity().clone(),
            tensors,
            settings,
            noise: Vec::new(),
            task: self.spec.clone(),
        })?)
    }

    /// Loads the model and tries the problems, before there is a file.
    fn ready(self, model: Model, log: SeedLog) -> Result<Ready, TuneError> {
        let witness = model.working.witness().clone();
        let engine = engine(model, &log.header.tensors, &self.inference)?;
        let (definition, seed) = (&log.header.task.definition, log.header.settings.seed);
        let mut reward = Some(self.reward);
        let examiner = Examiner::new(self.task, definition, seed, |_| Ok(reward.take()))?;
        let spec = log.header.task.drift.as_ref();
        if spec.map(|spec| spec.sha256.as_str()) != self.neutral.as_ref().map(Neutral::sha256) {
            return Err(TuneError::OtherNeutral);
        }
        let examiners = Examiners { task: examiner, retain: None, neutral: self.neutral };
        examiners.rehearse(&engine)?;
        Ok(Ready { engine, examiners, witness, log })
    }
}

/// A run of which all but the log's file is there.
struct Ready {
    engine: LlamaEngine,
    examiners: Examiners,
    witness: Witness,
    log: SeedLog,
}

impl Ready {
    /// `discard` is called when the run does not even begin.
    fn run(
        self,
        file: LogFile,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
        discard: impl FnOnce(),
    ) -> Result<Finished, TuneError> {
        let mode = ResidualMode::usual(&self.log.header, &History::new(&self.log.header)?);
        let journal = Witnessed { log: file, model: self.witness };
        let mut tuner =
            Tuner::new(self.engine, self.examiners, self.log, journal, mode).inspect_err(|_| discard())?;
        let outcome = tuner.run(stop, observer)?;
        Ok(Finished { outcome, summary: tuner.summary(), log: tuner.log().clone() })
    }
}

/// The slots of these parts of a model's tensors, the parts of one tensor in the same slot.
fn slots(parts: &[Part<'_>]) -> Vec<TensorSlot> {
    let of_tensor = parts.chunk_by(|part, next| part.tensor.name == next.tensor.name);
    of_tensor
        .map(|parts| TensorSlot::of(parts[0].tensor, parts.iter().map(|part| part.range.clone())))
        .collect()
}

/// Starts llama.cpp on a model, these of its tensors lent for tuning.
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
