//! What a model replies before and after a run, for `report --samples`.

use std::path::Path;

use anyhow::Result;

use super::args::ReportArgs;
use super::course::Course;
use super::setup;
use crate::exam::Examiner;
use crate::llama::LlamaEngine;
use crate::report::{Reply, Sample};
use crate::seed_log::SeedLog;

/// What the base model at `path`, and what this log makes of it, reply to the first `count` held-out problems of the log's
/// task. One model after the other, lest both are in memory.
///
/// # Errors
/// When the task cannot be made again, the log was made for another model, or inference fails.
pub fn samples(
    args: &ReportArgs,
    path: &Path,
    log: &SeedLog,
    count: u32,
    threads: usize,
) -> Result<Vec<Sample>> {
    let spec = &log.header.task;
    let course = Course::of_log(&spec.definition, spec.data_sha256.as_deref(), args.trust_log)?;
    let mut examiner = course.examiner(&spec.definition, log.header.settings.seed)?;
    let mut told = |generations| -> Result<Told> {
        let mut engine = setup::tuned_engine(path, log, generations, &args.inference, threads)?;
        Told::of(&mut examiner, &mut engine, count as usize)
    };
    let before = told(0)?;
    let after = told(log.generations.len() as u64)?;
    let pairs = before.asked.into_iter().zip(before.replies.into_iter().zip(after.replies));
    let sample = |((prompt, wanted), (before, after))| Sample { prompt, wanted, before, after };
    Ok(pairs.map(sample).collect())
}

/// What was asked and wanted, and what was replied.
struct Told {
    asked: Vec<(String, Option<String>)>,
    replies: Vec<Reply>,
}

impl Told {
    fn of(examiner: &mut Examiner, engine: &mut LlamaEngine, count: usize) -> Result<Self> {
        let exam = examiner.held_out(engine, count)?;
        let texts = examiner.replies(engine, &exam)?;
        let marks = examiner.marks(engine, &exam)?;
        let own = |(prompt, wanted): (&str, Option<&str>)| (prompt.to_owned(), wanted.map(str::to_owned));
        let replies = texts.into_iter().zip(marks).map(|(text, mark)| Reply { text, mark });
        Ok(Self { asked: exam.asked().map(own).collect(), replies: replies.collect() })
    }
}
