//! A population in this process: one engine that takes the codes of each member in turn.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::info;

use super::drift::Drifting;
use super::{
    DriftSample, Evaluators, Event, GenerationBatch, HeldOut, Members, Observer, Population, ResidualMode,
    Seconds, TuneError, Watch,
};
use crate::drift::FREE_REPLIES;
use crate::engine::Engine;
use crate::es::Generation;
use crate::evaluation::{EvaluationSummary, ProblemBatch};
use crate::fitness::mean;
use crate::model::{check_digest, live_digest};
use crate::perturb::Member;
use crate::replay::History;
use crate::seed_log::{GenerationRecord, SeedLog, TaskSpec};
use crate::sweep::{ResidualStore, per_tile, rebuild_all, update_all};
use crate::update::Moves;

/// A model and its evaluators.
pub struct Local<E: Engine> {
    engine: E,
    members: Members,
    evaluators: Evaluators,
    task: TaskSpec,
    history: History,
    residual: ResidualStore,
    held_out: ProblemBatch<E::Batch>,
    /// Held-out batch of the retained task.
    retained: Option<ProblemBatch<E::Batch>>,
    drift: Drifting<E::Batch>,
    /// Problems of a generation, by its number, for further members of it.
    kept: Option<(u64, GenerationBatch<E::Batch>)>,
    watch: Watch,
}

/// Purpose of a [`Local`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A whole run, with its held-out evaluations.
    Run,
    /// Members alone.
    Members,
}

impl<E: Engine> Local<E> {
    /// Brings an engine that holds the base model to the end of `log`.
    ///
    /// # Errors
    /// When the log's settings are inconsistent, it leads to other codes than the run's, or the held-out problems
    /// cannot be prepared for the engine.
    pub fn new(
        engine: E,
        evaluators: Evaluators,
        log: &SeedLog,
        mode: ResidualMode,
    ) -> Result<Self, TuneError> {
        Self::begin(engine, evaluators, log, mode, Purpose::Run)
    }

    /// Brings an engine that holds the base model to the end of `log`, for the evaluation of members alone: the base
    /// model's drift is not measured, and held-out evaluations would be of one problem.
    ///
    /// # Errors
    /// As for [`Local::new`].
    pub fn for_members(
        engine: E,
        evaluators: Evaluators,
        log: &SeedLog,
        mode: ResidualMode,
    ) -> Result<Self, TuneError> {
        Self::begin(engine, evaluators, log, mode, Purpose::Members)
    }

    fn begin(
        mut engine: E,
        mut evaluators: Evaluators,
        log: &SeedLog,
        mode: ResidualMode,
        purpose: Purpose,
    ) -> Result<Self, TuneError> {
        let is_whole = purpose == Purpose::Run;
        let history = History::of_log(log, log.generations.len() as u64)?;
        let mut residual = match mode {
            ResidualMode::Replay if !history.must_store() => ResidualStore::Replay,
            _ => ResidualStore::Stored(per_tile(&history)),
        };
        let task = log.header.task.clone();
        let count = if is_whole { task.eval_problems as usize } else { 1 };
        let replies = if is_whole { FREE_REPLIES } else { 0 };
        let held_out = evaluators.task.held_out(&engine, count)?;
        let mut watch = Watch::start();
        // While the engine holds the base model.
        evaluators.learn_own_replies(&mut engine, &log.header)?;
        // Members are also scored on what the base says to neutral prompts, but only a whole run measures drift.
        evaluators.neutral = evaluators.neutral.filter(|_| is_whole);
        let prompts = held_out.free_prompts(replies);
        let stop = task.definition.stop.iter().map(String::as_str).chain(held_out.stop());
        let stop: Vec<String> = stop.map(ToOwned::to_owned).collect();
        let drift = Drifting::begin(&mut engine, &evaluators, prompts, &stop, &mut watch)?;
        if !history.is_empty() {
            rebuild_all(&history, &mut residual).on(&mut engine)?;
            check_digest(log, history.len(), &live_digest(&mut engine)?)?;
        }
        let stored = matches!(residual, ResidualStore::Stored(_));
        info!(generations_done = history.len(), residual_stored = stored, "the run is set up");
        let retained =
            evaluators.retain.as_ref().map(|evaluator| evaluator.held_out(&engine, count)).transpose()?;
        let members = Members::new(&history);
        let kept = None;
        Ok(Self {
            engine,
            members,
            evaluators,
            task,
            history,
            residual,
            held_out,
            retained,
            drift,
            kept,
            watch,
        })
    }

    /// Returns the engine, holding the model as tuned so far.
    pub fn engine(&mut self) -> &mut E {
        &mut self.engine
    }

    /// Evaluates some members of a generation, those with these numbers, as [`Population::evaluate`] does all: a share
    /// of the work when several machines cooperate. The generation's problems are kept for further members of it until
    /// a record is applied. The base model's own replies, if they count, come from this engine; another kind of
    /// processor may compute their last bits differently, and so have other replies. So may the choice of candidates,
    /// unless [`Local::problems_at`] took another's.
    ///
    /// # Errors
    /// When inference or a judge fails.
    pub fn evaluate_some(
        &mut self,
        generation: &Generation,
        numbers: Range<usize>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<f64>>, TuneError> {
        let fitness = self.fitness_of(generation, numbers, stop, observer);
        // Even after inference failed, the codes shall be those of the log again.
        self.turn_into(None)?;
        fitness
    }

    /// Chooses the problems of a generation by the present codes, for this machine and others. Returns their places among the
    /// candidates, if the run has some.
    ///
    /// # Errors
    /// When inference fails.
    pub fn choose(&mut self, generation: u64) -> Result<Option<Vec<usize>>, TuneError> {
        let Self { engine, evaluators, task, watch, .. } = self;
        let choice = || evaluators.choice(engine, task, generation);
        let chosen = watch.time(|split| &mut split.inference, choice)?;
        self.problems_at(generation, chosen.as_deref())?;
        Ok(chosen)
    }

    /// Takes the problems at these places among the candidates for a generation, as [`Local::choose`] chose them.
    ///
    /// # Errors
    /// When they cannot be prepared for the engine.
    pub fn problems_at(&mut self, generation: u64, chosen: Option<&[usize]>) -> Result<(), TuneError> {
        let Self { engine, evaluators, task, kept, .. } = self;
        if kept.as_ref().is_none_or(|(number, _)| *number != generation) {
            *kept = Some((generation, evaluators.batches_at(engine, task, generation, chosen)?));
        }
        Ok(())
    }

    /// Returns the fitness of members, or nothing if the run was asked to stop. Leaves the last member in place.
    fn fitness_of(
        &mut self,
        generation: &Generation,
        numbers: Range<usize>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<f64>>, TuneError> {
        let batches = match self.kept.take() {
            Some((number, batches)) if number == generation.number => batches,
            _ => self.batches(generation.number)?,
        };
        let fitness = self.fitness_on(&batches, generation, numbers, stop, observer);
        self.kept = Some((generation.number, batches));
        fitness
    }

    fn fitness_on(
        &mut self,
        batches: &GenerationBatch<E::Batch>,
        generation: &Generation,
        numbers: Range<usize>,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<f64>>, TuneError> {
        let of = generation.size() as u32;
        let mut fitness = Vec::with_capacity(numbers.len());
        for (number, member) in (0..).zip(generation.members()).skip(numbers.start).take(numbers.len()) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            observer.event(&Event::Member { generation: generation.number, member: number, of });
            self.turn_into(Some(member))?;
            fitness.push(self.fitness(batches)?);
        }
        Ok(Some(fitness))
    }

    /// Returns the problems of a generation, chosen by the codes of the log.
    fn batches(&mut self, generation: u64) -> Result<GenerationBatch<E::Batch>, TuneError> {
        let Self { engine, evaluators, task, watch, .. } = self;
        let batches = || evaluators.batches(engine, task, generation);
        Ok(watch.time(|split| &mut split.inference, batches)?)
    }

    /// Returns the fitness of the present codes.
    fn fitness(&mut self, batches: &GenerationBatch<E::Batch>) -> Result<f64, TuneError> {
        let Self { engine, evaluators, watch, .. } = self;
        let rewards = watch.time(|split| &mut split.inference, || evaluators.rewards(engine, batches))?;
        Ok(rewards.fitness())
    }

    /// Turns the codes into those of a member, or into those of the log.
    fn turn_into(&mut self, next: Option<Member<'_>>) -> Result<(), TuneError> {
        let Self { engine, members, history, watch, .. } = self;
        let part: fn(&mut Seconds) -> &mut f64 =
            if next.is_some() { |split| &mut split.perturb } else { |split| &mut split.restore };
        Ok(watch.time(part, || members.turn_into(next, engine, history))?)
    }

    /// Returns the summary of the present codes on the held-out problems.
    fn summary(&mut self) -> Result<EvaluationSummary, TuneError> {
        let Self { engine, held_out, evaluators, watch, .. } = self;
        let outcomes =
            watch.time(|split| &mut split.inference, || evaluators.task.outcomes(engine, held_out))?;
        Ok(EvaluationSummary::of(&outcomes))
    }

    /// Returns the present codes' mean reward on the retained task.
    fn retained(&mut self) -> Result<Option<f64>, TuneError> {
        let Self { engine, retained, evaluators, watch, .. } = self;
        let (Some(evaluator), Some(batch)) = (&mut evaluators.retain, retained) else { return Ok(None) };
        let rewards = watch.time(|split| &mut split.inference, || evaluator.rewards(engine, batch))?;
        Ok(Some(mean(&rewards)))
    }
}

impl<E: Engine> Population for Local<E> {
    fn evaluate(
        &mut self,
        generation: &Generation,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<Option<f64>>>, TuneError> {
        let all = self.evaluate_some(generation, 0..generation.size(), stop, observer);
        self.kept = None;
        Ok(all?.map(|fitness| fitness.into_iter().map(Some).collect()))
    }

    fn apply(&mut self, record: &GenerationRecord) -> Result<Moves, TuneError> {
        let Self { engine, history, residual, kept, watch, .. } = self;
        *kept = None;
        history.push(record);
        Ok(watch.time(|split| &mut split.update, || update_all(history, residual).on(engine))?)
    }

    fn digest(&mut self) -> Result<String, TuneError> {
        Ok(live_digest(&mut self.engine)?)
    }

    fn held_out(&mut self) -> Result<HeldOut, TuneError> {
        let (summary, retained) = (self.summary()?, self.retained()?);
        let Self { engine, drift, history, watch, .. } = self;
        let drift = drift.measure(engine, history.len(), watch)?;
        Ok(HeldOut { summary, retained, drift, displacement: engine.displacement()? })
    }

    fn spent(&self) -> Seconds {
        self.watch.total()
    }

    fn drift_seconds(&self) -> f64 {
        self.drift.seconds()
    }

    fn note(&self) -> Option<&str> {
        self.drift.note()
    }

    fn hints(&self) -> Vec<String> {
        self.evaluators.hints()
    }

    fn samples(&self, generations: u64) -> Vec<DriftSample> {
        self.drift.samples(generations)
    }
}
