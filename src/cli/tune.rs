//! `qes-gguf tune`: starts or continues a run.

mod display;
mod ending;
mod job;
mod start;

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

use super::args::TuneArgs;
use super::audit::FileAuditor;
use super::probe::Probed;
use super::{CommandEnd, chat, interrupt, out, progress, setup};
use crate::evaluation::RepliesMade;
use crate::llama::{LlamaEngine, LlamaOptions, check_built_in};
use crate::model::Model;
use crate::plan::{Memory, MemoryPlan};
use crate::seed_log::{Line, SeedLog};
use crate::store::{StoreError, Witness, Witnessed, discard_log};
use crate::tune::{Outcome, TuneError, Tuner, record};
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
        out::warn("interrupted before the first generation; nothing was written");
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
        let bar =
            progress::bar(0, "the model replies to problems, to be tuned on what is right: {pos} of {len}");
        let finished = loop {
            if stop.load(Ordering::Relaxed) {
                break Ok(false);
            }
            match start.evaluators.imitate_more(engine) {
                Ok(RepliesMade { done, of }) if done < of => {
                    bar.set_length(of as u64);
                    bar.set_position(done as u64);
                }
                Ok(_) => break Ok(true),
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
        let mut display = Display::start(job, &log, planned, example.as_ref());
        tokens.iter().for_each(|found| display.tell_tokens(found));
        probed.iter().for_each(|found| display.tell(found, plan.mode));
        let tuner = Tuner::new(engine, evaluators, log, journal, plan.mode);
        if tuner.is_err() && !job.resumes() {
            discard_log(&job.log);
        }
        let mut tuner = match auditor {
            Some(auditor) => tuner?.audited_by(auditor),
            None => tuner?,
        };
        let outcome = tuner.run(stop, display.observer());
        display.stop();
        let end = ending::EndedRun { job, summary: tuner.summary(), log: tuner.log().clone(), planned };
        drop(tuner);
        ended(outcome, &end)
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
