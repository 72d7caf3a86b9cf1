//! Replies of a model before and after a run, for `report --samples`.

use anyhow::{Context, Result};

use super::setup;
use crate::evaluation::{EvaluationError, Evaluator};
use crate::llama::{LlamaEngine, LlamaOptions};
use crate::model::Model;
use crate::report::{Sample, SampleReply};
use crate::seed_log::SeedLog;
use crate::workload::Workload;

/// Returns an evaluator for the problems of a log's task.
///
/// # Errors
/// When the task cannot be created again, or would run a program and the log is not trusted.
pub fn evaluator(trusted: bool, log: &SeedLog) -> Result<Evaluator> {
    let spec = &log.header.task;
    let workload = Workload::of_log(spec.definition.clone(), spec.data_sha256.as_deref(), trusted);
    Ok(workload.context("--samples")?.evaluator(log.header.settings.seed)?)
}

/// Returns the replies of the base model and of the tuned model to the first `count` held-out problems. The models run
/// one after the other, so that only one is in memory.
///
/// # Errors
/// When the log was made for another model, or inference or a judge fails.
pub fn samples(
    model: &Model,
    log: &SeedLog,
    mut evaluator: Evaluator,
    count: u32,
    inference: &LlamaOptions,
) -> Result<Vec<Sample>> {
    let mut replies_after = |generations| -> Result<SampleReplies> {
        let mut engine = setup::tuned_engine(model.reopen()?, log, generations, inference)?;
        evaluator.skip_long(&engine)?;
        Ok(SampleReplies::of(&mut evaluator, &mut engine, count as usize)?)
    };
    let before = replies_after(0)?;
    let after = replies_after(log.generations.len() as u64)?;
    let pairs = before.asked.into_iter().zip(before.replies.into_iter().zip(after.replies));
    let sample = |((prompt, wanted), (before, after))| Sample { prompt, wanted, before, after };
    Ok(pairs.map(sample).collect())
}

/// Prompts with wanted replies, and the replies.
struct SampleReplies {
    asked: Vec<(String, Option<String>)>,
    replies: Vec<SampleReply>,
}

impl SampleReplies {
    fn of(
        evaluator: &mut Evaluator,
        engine: &mut LlamaEngine,
        count: usize,
    ) -> Result<Self, EvaluationError> {
        let batch = evaluator.held_out(engine, count)?;
        let own = |(prompt, wanted): (&str, Option<&str>)| (prompt.to_owned(), wanted.map(str::to_owned));
        let asked = batch.asked().map(own).collect();
        let replies = evaluator.replies(engine, &batch)?.into_iter();
        Ok(Self { asked, replies: replies.map(|(text, outcome)| SampleReply { text, outcome }).collect() })
    }
}
