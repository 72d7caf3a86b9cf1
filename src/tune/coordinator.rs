//! The loop: the choice of members to evaluate, the use of their fitness, and the log.

use std::sync::atomic::{AtomicBool, Ordering};

use super::restraint::restraint;
use super::{
    Auditor, Evaluators, Event, HeldOut, Local, Observer, Outcome, Population, ResidualMode, Summary,
    TuneError, Warning, record,
};
use crate::engine::Engine;
use crate::es::{Es, Generation};
use crate::evaluation::EvaluationSummary;
use crate::recipe::displacement_of;
use crate::seed_log::{EvaluationRecord, GenerationRecord, Line, SeedLog};
use crate::store::Journal;

/// Generations at the start after which a warning follows if all members had the same fitness in each.
const EQUAL_GENERATIONS: usize = 2;

/// A run: the log, and the population that provides the fitness for it.
pub struct Tuner<P> {
    population: P,
    log: SeedLog,
    journal: Box<dyn Journal>,
    auditor: Option<Box<dyn Auditor>>,
    is_noted: bool,
}

impl<E: Engine> Tuner<Local<E>> {
    /// Creates a run that continues `log` on an engine that holds the base model; the codes are brought to the log's end.
    ///
    /// # Errors
    /// When the log's settings are inconsistent or the held-out problems cannot be prepared for the engine.
    pub fn new(
        engine: E,
        evaluators: Evaluators,
        log: SeedLog,
        journal: impl Journal + 'static,
        mode: ResidualMode,
    ) -> Result<Self, TuneError> {
        Ok(Self::of(Local::new(engine, evaluators, &log, mode)?, log, journal))
    }

    /// Returns the engine, holding the model as tuned so far.
    pub fn engine(&mut self) -> &mut E {
        self.population.engine()
    }
}

impl<P: Population> Tuner<P> {
    /// Creates a run that continues `log`, with a population that is already at the log's end.
    pub fn of(population: P, log: SeedLog, journal: impl Journal + 'static) -> Self {
        Self { population, log, journal: Box::new(journal), auditor: None, is_noted: false }
    }

    /// Adds an auditor of the codes after every generation.
    pub fn audited_by(self, auditor: Box<dyn Auditor>) -> Self {
        Self { auditor: Some(auditor), ..self }
    }

    /// Adds an auditor of the codes after every generation.
    pub fn audit_by(&mut self, auditor: Box<dyn Auditor>) {
        self.auditor = Some(auditor);
    }

    /// Returns the log so far.
    pub fn log(&self) -> &SeedLog {
        &self.log
    }

    /// Returns the population that evaluates the members.
    pub fn population(&mut self) -> &mut P {
        &mut self.population
    }

    /// Runs the planned generations that the log does not have yet. `stop` is checked between members.
    ///
    /// # Errors
    /// When inference or writing the log fails.
    pub fn run(&mut self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Outcome, TuneError> {
        loop {
            if let Some(outcome) = self.step(stop, observer)? {
                return Ok(outcome);
            }
        }
    }

    /// Runs the next generation, with the evaluations that are due before and after it. Returns how the run ended, if
    /// there is no next one or it was asked to stop, and otherwise nothing.
    ///
    /// # Errors
    /// When inference or writing the log fails. The run is then over; its log has everything done so far.
    pub fn step(
        &mut self,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Outcome>, TuneError> {
        self.begin(observer)?;
        let mut es = Es::new(self.log.settings(), self.generations());
        let Some(generation) = es.ask() else { return self.end(stop, observer).map(Some) };
        if self.log.is_out_of_patience() {
            return Ok(Some(Outcome::OutOfPatience));
        }
        let before = self.population.spent();
        let Some(fitness) = self.population.evaluate(&generation, stop, observer)? else {
            return Ok(Some(Outcome::Stopped));
        };
        let record = self.told(&mut es, &generation, &fitness)?;
        self.write(Line::Generation(record.clone()))?;
        let moves = self.population.apply(&record)?;
        self.audit()?;
        let split = self.population.spent().since(before);
        observer.event(&Event::Generation { record: &record, moves, split });
        if self.is_evaluation_due() {
            self.evaluate(observer)?;
        }
        if let Some(warning) = self.equal_rewards().or_else(|| self.restrained()) {
            observer.event(&Event::Warning(warning));
        }
        Ok(None)
    }

    /// Reports notes on the run, once, and makes up for an evaluation that was due when the run died before it, so
    /// that the log ends as if it had not.
    fn begin(&mut self, observer: &mut dyn Observer) -> Result<(), TuneError> {
        if !std::mem::replace(&mut self.is_noted, true)
            && let Some(note) = self.population.note()
        {
            observer.event(&Event::Note(note));
        }
        if self.generations() == 0 || self.is_evaluation_due() { self.evaluate(observer) } else { Ok(()) }
    }

    fn end(&mut self, stop: &AtomicBool, observer: &mut dyn Observer) -> Result<Outcome, TuneError> {
        if stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Stopped);
        }
        self.evaluate(observer)?;
        Ok(Outcome::Done)
    }

    /// Returns the record of a generation from its members' fitness.
    fn told(
        &self,
        es: &mut Es,
        generation: &Generation,
        fitness: &[Option<f64>],
    ) -> Result<GenerationRecord, TuneError> {
        let generation = generation.number;
        let evaluated = fitness.iter().flatten().count() as u64;
        if evaluated == 0 {
            return Err(TuneError::NotEvaluated { generation });
        }
        let evaluations = self.log.header.task.evaluations(evaluated);
        let record = es.tell(fitness, evaluations, restraint(&self.log));
        if record.fitness.mean.is_finite() && record.fitness.spread.is_finite() {
            Ok(record)
        } else {
            Err(TuneError::NotFinite { generation })
        }
    }

    /// Returns the number of generations in the log.
    fn generations(&self) -> u64 {
        self.log.generations.len() as u64
    }

    /// Returns a warning once enough generations had only equal fitness.
    fn equal_rewards(&self) -> Option<Warning> {
        let all = &self.log.generations;
        let fitness = all.last()?.fitness.mean;
        let is_told = all.len() == EQUAL_GENERATIONS && all.iter().all(|record| record.fitness.spread == 0.0);
        is_told.then(|| Warning::EqualRewards {
            generations: all.len() as u64,
            fitness,
            hints: self.population.hints(),
        })
    }

    /// Returns a warning directly after an evaluation that makes the next steps smaller.
    fn restrained(&self) -> Option<Warning> {
        let last = self.log.evaluations.last().filter(|last| last.generations == self.generations())?;
        let factor = restraint(&self.log);
        (factor < 1.0).then_some(Warning::Restrained { generations: last.generations, factor })
    }

    /// Returns the totals of the run so far.
    pub fn summary(&self) -> Summary {
        let total = self.population.spent();
        Summary {
            generations: self.generations(),
            before: self.log.evaluations.first().cloned(),
            after: self.log.evaluations.last().cloned(),
            total,
            seconds: total.seconds,
            log_bytes: self.log.whole_bytes,
            drift_seconds: self.population.drift_seconds(),
            samples: self.population.samples(self.log.chosen()),
        }
    }

    fn audit(&mut self) -> Result<(), TuneError> {
        let generations = self.generations();
        if let Some(auditor) = &mut self.auditor {
            auditor.audit(generations, &self.population.digest()?)?;
        }
        Ok(())
    }

    fn is_evaluation_due(&self) -> bool {
        let (done, every) = (self.generations(), self.log.header.task.eval_every);
        every > 0 && done.is_multiple_of(every) && done < self.log.planned()
    }

    /// Evaluates on the held-out problems and logs the result, unless the log ends with an evaluation of exactly these
    /// codes.
    fn evaluate(&mut self, observer: &mut dyn Observer) -> Result<(), TuneError> {
        let generations = self.generations();
        if self.log.evaluations.last().is_some_and(|last| last.generations == generations) {
            return Ok(());
        }
        observer.event(&Event::Evaluating { generations });
        let HeldOut { summary, retained, drift, displacement } = self.population.held_out()?;
        let EvaluationSummary { problems, correct, mean_reward, mean_loglik } = summary;
        let last = self.log.generations.last();
        let record = EvaluationRecord {
            generations,
            problems,
            correct,
            mean_reward,
            mean_loglik,
            retained,
            drift: Some(drift.record).filter(|record| record.evaluations > 0),
            displacement,
            displacement_last: last.map(|last| displacement_of(&self.log.header, last)),
            codes_sha256: self.population.digest()?,
        };
        self.write(Line::Evaluation(record.clone()))?;
        observer.event(&Event::Evaluation(&record));
        Ok(())
    }

    fn write(&mut self, line: Line) -> Result<(), TuneError> {
        record(&mut self.log, &mut *self.journal, line)
    }
}
