//! The start of a run: from a new header, or from a log.

use std::path::Path;

use anyhow::{Context, Result};

use super::job::{From, TuneJob};
use crate::cli::args::task_text;
use crate::cli::begin::{Begun, Told};
use crate::cli::tokens::FoundTokens;
use crate::cli::{UsageError, definition, out, setup};
use crate::model::Model;
use crate::plan::Continued;
use crate::seed_log::{LogError, PlanRecord, SeedLog};
use crate::store::{LogFile, StoreError, read_log_file};
use crate::tune::Evaluators;
use crate::workload::{Objective, Workloads};

/// The start of a run: its log and all that is known before the model is loaded.
pub struct Start {
    pub log: SeedLog,
    /// The log's file, if there is one already.
    pub journal: Option<LogFile>,
    /// The planned number of generations, if it differs from the log's.
    pub goal: Option<PlanRecord>,
    pub evaluators: Evaluators,
    /// The tokens that were found, whose rows are tuned.
    pub tokens: Option<FoundTokens>,
    pub told: Told,
}

impl Start {
    /// Makes the header of a new log, or reads the log that is continued.
    ///
    /// # Errors
    /// When options, data and model do not fit together. No file has been changed then.
    pub fn new(job: &TuneJob, model: &Model) -> Result<Self> {
        match &job.from {
            From::Base { objective, overwrite } => Self::at_base(job, objective, *overwrite, model),
            From::Log { task, data, trusted } => {
                Self::at_log(job, task.as_deref(), data.as_deref(), *trusted, model)
            }
        }
    }

    /// Begins a new run, its log in memory.
    fn at_base(job: &TuneJob, objective: &Objective, overwrite: bool, model: &Model) -> Result<Self> {
        if job.log.exists() {
            refuse_overwriting(&job.log, overwrite)?;
        }
        let Begun { header, evaluators, tokens, told } = Begun::new(&job.run, objective.clone(), model)?;
        let (log, _) = SeedLog::start(header)?;
        Ok(Self { log, journal: None, goal: None, evaluators, tokens, told })
    }

    /// Continues a run, and cuts a torn tail off its log file.
    fn at_log(
        job: &TuneJob,
        task: Option<&str>,
        data: Option<&Path>,
        trusted: bool,
        model: &Model,
    ) -> Result<Self> {
        let found = Continued::open(&job.log, model)?;
        let header = &found.log.header;
        let has = &header.task.definition.name;
        if let Some(task) = task
            && (definition::name(task)? != *has || task_text::name(task) != task)
        {
            return Err(UsageError(format!(
                "--task is {task}, but the log's task is {has}, with options of its own"
            ))
            .into());
        }
        job.run.search.check_method(header.settings.method)?;
        let workloads = Workloads::of_log(&header.task, data, trusted)?;
        let told = Told::of(&workloads);
        let evaluators = workloads.evaluators(header.settings.seed)?;
        let goal = found.goal(job.run.search.generations)?;
        if found.log.torn_bytes > 0 {
            out::warn(format!("warning: {}: {}", job.log.display(), setup::torn(&found.log)));
        }
        let (log, journal) = found.mended()?;
        Ok(Self { log, journal: Some(journal), goal, evaluators, tokens: None, told })
    }
}

/// Refuses to overwrite an existing file unless that was asked for and the file is a seed log, or the start of one.
fn refuse_overwriting(path: &Path, overwrite: bool) -> Result<()> {
    if !overwrite {
        return Err(StoreError::LogExists { path: path.to_owned() }.into());
    }
    match SeedLog::parse(&read_log_file(path)?) {
        Err(LogError::NotALog) => Err(LogError::NotALog).with_context(|| format!("{} stays", path.display())),
        _ => Ok(()),
    }
}

/// Creates the new run's log file with its first line.
///
/// # Errors
/// When it cannot be written.
pub fn create(job: &TuneJob, log: &SeedLog) -> Result<LogFile> {
    let (_, line) = SeedLog::start(log.header.clone())?;
    let over = matches!(job.from, From::Base { overwrite: true, .. }) && job.log.exists();
    Ok(if over { LogFile::replace(&job.log, &line)? } else { LogFile::create(&job.log, &line)? })
}
