//! The loop over generations: perturb, evaluate, restore, log, update.
//!
//! The loop knows an [`Engine`], [`Examiners`] and a [`Journal`]; it draws nothing, decides no code and writes no file
//! itself. A generation's record is durable in the journal before its update touches a code, so a run that dies at any
//! point is continued by replaying its log.

mod audit;
mod drift;
mod event;
mod examiners;
mod members;
mod restraint;
mod watch;

use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;
use tracing::info;

pub use audit::Auditor;
pub use drift::Sample;
pub use event::{Event, Observer, Summary, Warning};
pub use examiners::{Examiners, Exams, Rewards};
pub use members::Members;
pub use watch::{Seconds, Watch};

use drift::Drifting;
use restraint::restraint;

use crate::drift::DriftError;
use crate::engine::{Engine, EngineError};
use crate::es::{Es, Population};
use crate::exam::{Exam, ExamError, Grade};
use crate::fitness::mean;
use crate::model::{ModelError, check_digest, live_digest};
use crate::perturb::{Member, Sign};
use crate::recipe::{displacement_of, stores_residual};
use crate::replay::History;
use crate::seed_log::{EvaluationRecord, Header, Line, LogError, SeedLog};
use crate::settings::Settings;
use crate::store::{Journal, StoreError};
use crate::sweep::{ResidualStore, per_tile, rebuild_all, update_all};
use crate::update::Moves;

/// Why a run ended early. Everything before the fault is in the log.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum TuneError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Exam(#[from] ExamError),
    #[error(transparent)]
    Drift(#[from] DriftError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(
        "generation {generation}: a member's fitness is not a finite number; the noise may be too large for this model: \
         export what the log has, or start a new run with a smaller --sigma"
    )]
    NotFinite { generation: u64 },
}

/// Generations at the start after which it is told that all members had the same fitness in each.
const EQUAL_GENERATIONS: usize = 2;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All planned generations are in the log.
    Done,
    /// The log's patience has come to an end before them.
    OutOfPatience,
    /// It was asked to stop; the log is whole and the run can be resumed.
    Stopped,
}

/// How to keep the residual; one that cannot be replayed is stored either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResidualMode {
    /// Draw it again from the log's window at every update.
    Replay,
    /// Keep it in memory.
    Stored,
}

impl ResidualMode {
    /// How a run with this header keeps it where memory does not matter.
    pub fn usual(header: &Header, history: &History) -> Self {
        let pays = stores_residual(header.integers() * history.residual_bytes());
        if pays || history.must_store() { Self::Stored } else { Self::Replay }
    }
}

/// A run: a model, an examiner, and the log that connects them.
pub struct Tuner<'a, E: Engine> {
    engine: E,
    es: Es,
    members: Members,
    examiners: Examiners,
    log: SeedLog,
    journal: &'a mut dyn Journal,
    history: History,
    residual: ResidualStore,
    held_out: Exam<E::Batch>,
    /// What is to be retained, as evaluations see it.
    retained: Option<Exam<E::Batch>>,
    drift: Drifting<E::Batch>,
    watch: Watch,
    auditor: Option<Box<dyn Auditor>>,
}

impl<'a, E: Engine> Tuner<'a, E> {
    /// A run that continues `log` on an engine that holds the base model; the codes are brought to where the log ends.
    ///
    /// # Errors
    /// When the log's settings do not hold together or the held-out problems cannot be put to the engine.
    pub fn new(
        mut engine: E,
        examiners: Examiners,
        log: SeedLog,
        journal: &'a mut dyn Journal,
        mode: ResidualMode,
    ) -> Result<Self, TuneError> {
        let history = History::of_log(&log, log.generations.len() as u64)?;
        let mut residual = match mode {
            ResidualMode::Replay if !history.must_store() => ResidualStore::Replay,
            _ => ResidualStore::Stored(per_tile(&history)),
        };
        let count = log.header.task.eval_problems as usize;
        let held_out = examiners.task.held_out(&engine, count)?;
        let mut watch = Watch::start();
        // While the engine holds the base model.
        let drift = Drifting::begin(
            &mut engine,
            &examiners,
            &held_out,
            &log.header.task.definition.stop,
            &mut watch,
        )?;
        if !history.is_empty() {
            engine.edit_codes(&mut |codes| {
                rebuild_all(codes, &history, &mut residual);
            })?;
            check_digest(&log, history.len(), &live_digest(&mut engine)?)?;
        }
        let stored = matches!(residual, ResidualStore::Stored(_));
        info!(generations_done = history.len(), residual_stored = stored, "the run is set up");
        let retained =
            examiners.retain.as_ref().map(|examiner| examiner.held_out(&engine, count)).transpose()?;
        Ok(Self {
            engine,
            es: Es::new(log.settings(), history.len()),
            members: Members::new(&history),
            examiners,
            log,
            journal,
            history,
            residual,
            held_out,
            retained,
            drift,
            watch,
            auditor: None,
        })
    }

    /// Has the codes audited after every generation.
    pub fn audited_by(self, auditor: Box<dyn Auditor>) -> Self {
        Self { auditor: Some(auditor), ..self }
    }

    /// The log so far.
    pub fn log(&self) -> &SeedLog {
        &self.log
    }

    /// The engine, holding the model as tuned so far.
    pub fn engine(&mut self) -> &mut E {
        &mut self.engine
    }

    /// Runs the generations that the log's settings plan and it does not have yet. `stop` is looked at between members.
    ///
    /// # Errors
    /// When inference or writing the log fails.
    pub fn run(&mut self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Outcome, TuneError> {
        if let Some(note) = self.drift.note() {
            observer.event(&Event::Note(note));
        }
        // A run that died before an evaluation that was due catches up, so that its log ends as if it had not.
        if self.history.is_empty() || self.is_evaluation_due() {
            self.evaluate(observer)?;
        }
        while let Some(population) = self.es.ask() {
            if self.log.is_out_of_patience() {
                return Ok(Outcome::OutOfPatience);
            }
            self.watch.begin_generation();
            let fitness = self.evaluate_population(&population, stop, observer);
            // Even after inference failed, the codes shall be those of the log again.
            self.turn_into(None)?;
            let Some(fitness) = fitness? else { return Ok(Outcome::Stopped) };
            let members = u64::from(self.log.header.settings.population);
            let evaluations = self.log.header.task.evaluations(members);
            let record = self.es.tell(&fitness, evaluations, restraint(&self.log));
            if !(record.fitness.mean.is_finite() && record.fitness.spread.is_finite()) {
                return Err(TuneError::NotFinite { generation: population.generation });
            }
            self.write(Line::Generation(record.clone()))?;
            self.history.push(&record);
            let moves = self.update()?;
            self.audit()?;
            let split = self.watch.end_generation();
            observer.event(&Event::Generation { record: &record, moves, split });
            if self.is_evaluation_due() {
                self.evaluate(observer)?;
            }
            if let Some(warning) = self.equal_rewards().or_else(|| self.restrained()) {
                observer.event(&Event::Warning(warning));
            }
        }
        if stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Stopped);
        }
        self.evaluate(observer)?;
        Ok(Outcome::Done)
    }

    /// Returns a warning at the moment when enough generations have told nothing apart.
    fn equal_rewards(&self) -> Option<Warning> {
        let all = &self.log.generations;
        let fitness = all.last()?.fitness.mean;
        let is_told = all.len() == EQUAL_GENERATIONS && all.iter().all(|record| record.fitness.spread == 0.0);
        is_told.then(|| Warning::EqualRewards {
            generations: all.len() as u64,
            fitness,
            hints: self.examiners.hints(),
        })
    }

    /// Returns a warning right after an evaluation that makes the next steps smaller.
    fn restrained(&self) -> Option<Warning> {
        let last = self.log.evaluations.last().filter(|last| last.generations == self.history.len())?;
        let factor = restraint(&self.log);
        (factor < 1.0).then_some(Warning::Restrained { generations: last.generations, factor })
    }

    /// Totals of the run so far.
    pub fn summary(&self) -> Summary {
        Summary {
            generations: self.history.len(),
            before: self.log.evaluations.first().cloned(),
            after: self.log.evaluations.last().cloned(),
            total: self.watch.total(),
            seconds: self.watch.seconds(),
            log_bytes: self.log.whole_bytes,
            drift_seconds: self.drift.seconds(),
            samples: self.drift.samples(self.log.chosen()),
        }
    }

    /// Returns the fitness of each member, or `None` when the run was asked to stop. Leaves the last member in place.
    fn evaluate_population(
        &mut self,
        population: &Population,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<f64>>, TuneError> {
        let exams = self.exams(population.generation)?;
        let Settings { population: of, mirror, .. } = self.log.header.settings;
        let signs: &[Sign] = if mirror { &[Sign::Plus, Sign::Minus] } else { &[Sign::Plus] };
        let members =
            population.seeds.iter().flat_map(|seed| signs.iter().map(|&sign| Member { seed, sign }));
        let mut fitness = Vec::with_capacity(of as usize);
        for (number, member) in (0..).zip(members) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            observer.event(&Event::Member { generation: population.generation, member: number, of });
            self.turn_into(Some(member))?;
            fitness.push(self.fitness(&exams)?);
        }
        Ok(Some(fitness))
    }

    /// The problems of a generation, as they are for the codes of the log.
    fn exams(&mut self, generation: u64) -> Result<Exams<E::Batch>, TuneError> {
        let Self { engine, examiners, log, watch, .. } = self;
        let exams = || examiners.exams(engine, &log.header.task, generation);
        Ok(watch.time(|split| &mut split.inference, exams)?)
    }

    /// Fitness of the codes as they are.
    fn fitness(&mut self, exams: &Exams<E::Batch>) -> Result<f64, TuneError> {
        let Self { engine, examiners, watch, .. } = self;
        let rewards = watch.time(|split| &mut split.inference, || examiners.rewards(engine, exams))?;
        Ok(rewards.fitness())
    }

    /// Turns the codes into those of a member, or into those of the log.
    fn turn_into(&mut self, next: Option<Member<'_>>) -> Result<(), TuneError> {
        let Self { engine, members, history, watch, .. } = self;
        let part: fn(&mut Seconds) -> &mut f64 =
            if next.is_some() { |split| &mut split.perturb } else { |split| &mut split.restore };
        Ok(watch.time(part, || members.turn_into(next, engine, history))?)
    }

    fn update(&mut self) -> Result<Moves, TuneError> {
        let Self { engine, history, residual, watch, .. } = self;
        let mut moves = Moves::default();
        watch.time(
            |split| &mut split.update,
            || engine.edit_codes(&mut |tensors| moves = update_all(tensors, history, residual)),
        )?;
        Ok(moves)
    }

    fn audit(&mut self) -> Result<(), TuneError> {
        if let Some(auditor) = &mut self.auditor {
            auditor.audit(self.history.len(), &live_digest(&mut self.engine)?)?;
        }
        Ok(())
    }

    fn is_evaluation_due(&self) -> bool {
        let (done, every) = (self.history.len(), self.log.header.task.eval_every);
        every > 0 && done.is_multiple_of(every) && done < self.log.planned()
    }

    /// Evaluates on the held-out problems and logs it, unless the log ends with an evaluation of these very codes.
    fn evaluate(&mut self, observer: &mut dyn Observer) -> Result<(), TuneError> {
        if self.log.evaluations.last().is_some_and(|last| last.generations == self.history.len()) {
            return Ok(());
        }
        observer.event(&Event::Evaluating { generations: self.history.len() });
        let grade = self.grade()?;
        let retained = self.retained()?;
        let drift = self.measure_drift()?;
        let Grade { problems, correct, mean_reward, mean_loglik } = grade;
        let record = EvaluationRecord {
            generations: self.history.len(),
            problems,
            correct,
            mean_reward,
            mean_loglik,
            retained,
            drift: Some(drift.record).filter(|record| record.evaluations > 0),
            displacement: self.engine.displacement()?,
            displacement_last: self
                .log
                .generations
                .last()
                .map(|last| displacement_of(&self.log.header, last)),
            codes_sha256: live_digest(&mut self.engine)?,
        };
        self.write(Line::Evaluation(record.clone()))?;
        observer.event(&Event::Evaluation(&record));
        Ok(())
    }

    /// How the codes as they are do on the held-out problems.
    fn grade(&mut self) -> Result<Grade, TuneError> {
        let Self { engine, held_out, examiners, watch, .. } = self;
        let marks = watch.time(|split| &mut split.inference, || examiners.task.marks(engine, held_out))?;
        Ok(Grade::of(&marks))
    }

    /// Their mean reward on what is to be retained.
    fn retained(&mut self) -> Result<Option<f64>, TuneError> {
        let Self { engine, retained, examiners, watch, .. } = self;
        let (Some(examiner), Some(exam)) = (&mut examiners.retain, retained) else { return Ok(None) };
        let rewards = watch.time(|split| &mut split.inference, || examiner.rewards(engine, exam))?;
        Ok(Some(mean(&rewards)))
    }

    fn write(&mut self, line: Line) -> Result<(), TuneError> {
        record(&mut self.log, self.journal, line)
    }
}

/// Adds a record to the journal and, once it is durable there, to the log.
///
/// # Errors
/// When the record does not follow from the log, or cannot be written; the log then lacks it, as the journal does.
pub fn record(log: &mut SeedLog, journal: &mut dyn Journal, line: Line) -> Result<(), TuneError> {
    let prepared = log.prepare(line)?;
    journal.append(prepared.text())?;
    prepared.commit();
    Ok(())
}

#[cfg(test)]
mod tests;
