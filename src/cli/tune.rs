//! `qes-gguf tune`: starts or continues a run.

mod display;
mod ending;
mod job;
mod start;

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::args::TuneArgs;
use super::audit::FileAuditor;
#[cfg(feature = "fleet")]
use super::fleet::FleetPlan;
use super::probe::Probed;
use super::{CommandEnd, chat, interrupt, out, progress, setup};
#[cfg(feature = "fleet")]
use crate::fleet::{Published, nats::NatsCoordinator};
use crate::llama::{LlamaEngine, LlamaOptions, check_built_in};
use crate::model::Model;
use crate::plan::{Memory, MemoryPlan};
use crate::seed_log::{Line, SeedLog};
#[cfg(feature = "fleet")]
use crate::store::Journal;
use crate::store::{StoreError, Witness, Witnessed, discard_log};
use crate::tune::{Local, Outcome, Population, TuneError, Tuner, record};
use crate::tuning::engine;
use display::Display;
use job::TuneJob;
use start::{Start, create};

pub fn run(args: &TuneArgs) -> Result<CommandEnd> {
    check_built_in()?;
    let job = TuneJob::new(args)?;
    job.check_export()?;
    let model = Model::open(&job.model)?;
    let start = Start::new(&job, &model)?;
    let stop = interrupt::flag()?;
    let mut ready = PreparedRun::new(&job, model, start)?;
    if !ready.reply(&stop)? {
        out::warn(if job.resumes() {
            "interrupted before the next generation; the log is whole, and --resume goes on"
        } else {
            "interrupted before the first generation; nothing was written"
        });
        return Ok(CommandEnd::Interrupted);
    }
    if job.auto && !ready.probe(&stop)? {
        out::warn("interrupted while probing; nothing was written");
        return Ok(CommandEnd::Interrupted);
    }
    ready.tune(&stop)
}

/// A run with the model loaded, before anything is written.
struct PreparedRun<'a> {
    job: &'a TuneJob,
    start: Start,
    memory: Memory,
    plan: MemoryPlan,
    witness: Witness,
    engine: LlamaEngine,
    probed: Option<Probed>,
}

impl<'a> PreparedRun<'a> {
    /// Loads the model, and tries the problems.
    fn new(job: &'a TuneJob, model: Model, mut start: Start) -> Result<Self> {
        let memory = job.run.memory(&model);
        let plan = memory.plan(&start.log.header)?;
        let witness = model.working.witness().clone();
        let inference = LlamaOptions { context_bytes: plan.contexts, ..job.run.inference.clone() };
        let engine = engine(model, &start.log.header.tensors, &inference)?;
        setup::rehearse(&mut start.evaluators, &engine)?;
        start.told.warnings.iter().for_each(out::warn);
        chat::warn(&start.evaluators.task, &engine)?;
        Ok(Self { job, start, memory, plan, witness, engine, probed: None })
    }

    /// Has the base model make the replies that the run imitates, if it imitates some. Returns whether that was finished. Replies of the
    /// search for tokens are not used: its engine holds nothing that is tuned, and may differ in the last bits of logits.
    fn reply(&mut self, stop: &AtomicBool) -> Result<bool> {
        let Self { start, engine, .. } = self;
        if !start.log.header.task.right_replies {
            return Ok(true);
        }
        let bar = progress::bar(0, "the model replies to problems, to be tuned on what is right: {pos} done");
        let finished = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(false);
            }
            match start.evaluators.imitate_more(engine) {
                Ok(made) if made.are_all() => break Ok(true),
                Ok(made) => bar.set_position(made.done as u64),
                Err(error) => break Err(error.into()),
            }
        };
        progress::finish(&bar);
        finished
    }

    /// Adopts the settings that a probe chooses. Returns whether the probe was finished.
    fn probe(&mut self, stop: &AtomicBool) -> Result<bool> {
        let Self { start, engine, plan, .. } = self;
        let (search, header) = (&self.job.run.search, &start.log.header);
        let found = Probed::find(search, engine, &mut start.evaluators, header, plan.mode, stop)?;
        let Some(found) = found else { return Ok(false) };
        (start.log, _) = SeedLog::start(found.header.clone())?;
        *plan = self.memory.plan(&start.log.header)?;
        self.probed = Some(found);
        Ok(true)
    }

    /// Runs all generations.
    fn tune(self, stop: &AtomicBool) -> Result<CommandEnd> {
        let Self { job, start, plan, witness, engine, probed, .. } = self;
        let example = start.evaluators.task.example(&engine, false)?;
        #[cfg(feature = "fleet")]
        let fleet = job.fleet.as_ref().map(FleetPlan::connect).transpose()?;
        #[cfg(feature = "fleet")]
        let inference = LlamaOptions { context_bytes: plan.contexts, ..job.run.inference.clone() };
        let Start { mut log, journal, goal, evaluators, tokens, told } = start;
        let planned = plan.fixed + engine.context_bytes();
        let journal = journal.map_or_else(|| create(job, &log), Ok)?;
        let mut journal = Witnessed { log: journal, model: witness };
        if let Some(goal) = goal {
            record(&mut log, &mut journal, Line::Plan(goal))?;
        }
        let auditor = job.paranoid.then(|| FileAuditor::new(&job.model, &log, &job.log)).transpose()?;
        if let Some(line) = told.line.filter(|_| !job.json) {
            out::progress(line);
        }
        if let Some(line) = setup::on_devices(&engine).filter(|_| !job.json) {
            out::progress(line);
        }
        let display = Display::start(job, &log, planned, example.as_ref());
        tokens.iter().for_each(|found| display.tell_tokens(found));
        probed.iter().for_each(|found| display.tell(found, plan.mode));
        let local = Local::new(engine, evaluators, &log, plan.mode);
        if local.is_err() && !job.resumes() {
            discard_log(&job.log);
        }
        let local = local?;
        let course = Course { job, planned, auditor, display, stop };
        #[cfg(feature = "fleet")]
        if let Some((fleet, bus)) = job.fleet.as_ref().zip(fleet) {
            return course.on_fleet(fleet, bus, local, log, journal, &inference);
        }
        course.run(&mut Tuner::of(local, log, journal))
    }
}

/// A run that begins.
struct Course<'a> {
    job: &'a TuneJob,
    /// Planned bytes of memory.
    planned: u64,
    auditor: Option<Box<FileAuditor>>,
    display: Display,
    stop: &'a AtomicBool,
}

impl Course<'_> {
    /// Runs all generations.
    fn run<P: Population>(self, tuner: &mut Tuner<P>) -> Result<CommandEnd> {
        let Self { job, planned, auditor, mut display, stop } = self;
        if let Some(auditor) = auditor {
            tuner.audit_by(auditor);
        }
        let outcome = tuner.run(stop, display.observer());
        display.stop();
        let end = ending::EndedRun { job, summary: tuner.summary(), log: tuner.log().clone(), planned };
        ended(outcome, &end)
    }

    /// Runs all generations on a fleet, and tells the workers when it is over.
    #[cfg(feature = "fleet")]
    fn on_fleet(
        self,
        fleet: &FleetPlan,
        bus: NatsCoordinator,
        local: Local<LlamaEngine>,
        log: SeedLog,
        journal: impl Journal + 'static,
        inference: &LlamaOptions,
    ) -> Result<CommandEnd> {
        let ledger = FleetPlan::ledger(&self.job.log)?;
        let journal = Published { journal, ledger: ledger.clone() };
        let population = fleet.population(bus, local, ledger, &log, inference, &self.job.model);
        let stop = self.stop;
        let mut tuner = Tuner::of(population, log, journal);
        let ending = self.run(&mut tuner)?;
        if !matches!(ending, CommandEnd::Interrupted) {
            tuner.population().close(stop)?;
        }
        Ok(ending)
    }
}

/// Reports how a run ended.
fn ended(outcome: Result<Outcome, TuneError>, end: &ending::EndedRun<'_>) -> Result<CommandEnd> {
    match outcome {
        // These say themselves how to go on.
        Err(error @ TuneError::Store(StoreError::LogRescued { .. } | StoreError::LogLost { .. })) => {
            Err(error.into())
        }
        Err(error) => Err(end.failed(&error.into())),
        Ok(Outcome::Stopped) => Ok(end.stopped()),
        Ok(Outcome::Done | Outcome::OutOfPatience) => end.done(),
    }
}
