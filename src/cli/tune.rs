//! `qes-gguf tune`: start or continue a run.

mod ending;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use super::args::TuneArgs;
use super::audit::FileAuditor;
use super::header;
use super::probe::Probed;
use super::progress::{self, JsonReport, Outline, TextReport};
use super::{Ending, UsageError, chat, definition, export, interrupt, memory, out, setup, text, tokens};
use crate::exam::Example;
use crate::llama::check_built_in;
use crate::model::Model;
use crate::seed_log::{Line, LogError, PlanRecord, SeedLog};
use crate::settings::TypeSettings;
use crate::store::{Artefact, LogFile, StoreError, Witnessed, discard_log, read_log_file};
use crate::surprise::Surprise;
use crate::tune::{Observer, Outcome, ResidualMode, TuneError, Tuner, record};
use crate::workload::Workloads;

pub fn run(args: &TuneArgs) -> Result<Ending> {
    check_built_in()?;
    let threads = setup::threads(&args.run.inference)?;
    let path = log_path(args);
    check_export(args, &path)?;
    let model = Model::open(&args.model)?;
    let Start { mut log, journal, workloads, plan: new_plan } =
        if args.resume { resume(args, &path, &model)? } else { begin(args, &path, &model)? };
    let (of_data, warnings) = (workloads.line(), workloads.warnings());
    let mut examiners = workloads.examiners(log.header.settings.seed)?;
    let stop = interrupt::flag()?;
    let tuned_tokens = if args.resume {
        None
    } else {
        tokens::settle(&args.run, &model, &mut examiners, &log.header, threads)?
    };
    if let Some((header, _)) = &tuned_tokens {
        (log, _) = SeedLog::start(header.clone())?;
    }
    let weights = memory::weights(&args.run, &model);
    let mut plan = memory::plan(&args.run, &log.header, weights, threads)?;
    let witness = model.working.witness().clone();
    let mut engine = setup::engine(model, &log.header.tensors, &args.run.inference, threads, plan.contexts)?;
    setup::rehearse(&mut examiners, &engine)?;
    warnings.iter().for_each(out::warn);
    chat::warn(&examiners.task, &engine)?;
    let example = examiners.task.example(&engine, false)?;
    let mut probed = None;
    if args.auto {
        let Some(found) =
            Probed::find(&args.run.search, &mut engine, &mut examiners, &log.header, plan.mode, &stop)?
        else {
            out::warn("interrupted while probing; nothing was written");
            return Ok(Ending::Interrupted);
        };
        (log, _) = SeedLog::start(found.header.clone())?;
        plan = memory::plan(&args.run, &log.header, weights, threads)?;
        probed = Some(found);
    }
    let planned = plan.fixed + engine.context_bytes();
    let journal = journal.map_or_else(|| create(args, &path, &log), Ok)?;
    let mut journal = Witnessed { log: journal, model: witness };
    if let Some(generations) = new_plan {
        record(&mut log, &mut journal, Line::Plan(PlanRecord { generations }))?;
    }
    let auditor = args.paranoid.then(|| FileAuditor::new(&args.model, &log, &path)).transpose()?;
    if let Some(line) = of_data.filter(|_| !args.json) {
        out::progress(line);
    }
    let mut display = Display::start(args, &log, &path, planned, example.as_ref());
    if let Some((_, found)) = &tuned_tokens {
        display.tell_tokens(found);
    }
    if let Some(found) = probed {
        display.tell(&found, plan.mode);
    }
    let tuner = Tuner::new(engine, examiners, log, &mut journal, plan.mode);
    if tuner.is_err() && !args.resume {
        discard_log(&path);
    }
    let mut tuner = match auditor {
        Some(auditor) => tuner?.audited_by(auditor),
        None => tuner?,
    };
    let outcome = tuner.run(&stop, display.observer());
    display.stop();
    let end = ending::Run { args, path: &path, summary: tuner.summary(), log: tuner.log().clone(), planned };
    drop(tuner);
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

/// The log's place: as given, or the model's name with `.qes` in the current folder.
fn log_path(args: &TuneArgs) -> PathBuf {
    let of_model = || Path::new(args.model.file_name().unwrap_or_default()).with_extension("qes");
    args.output.clone().unwrap_or_else(of_model)
}

/// Finds out before hours of work whether the tuned model can be written.
fn check_export(args: &TuneArgs, log: &Path) -> Result<()> {
    let Some(place) = &args.export else { return Ok(()) };
    let exported = ending::exported(args, log, None);
    if args.resume
        && let Some(card) = export::card_path(&exported).filter(|card| card.exists())
    {
        return Err(UsageError(format!(
            "{} exists already, and --resume replaces nothing; move it away, or leave out --card and write it later with \
             `export --card --overwrite`",
            card.display()
        ))
        .into());
    }
    export::check_places(&exported)?;
    Artefact::begin(place)?;
    Ok(())
}

/// Where a run starts from.
struct Start {
    log: SeedLog,
    /// The log's file, where there is one already.
    journal: Option<LogFile>,
    workloads: Workloads,
    /// Generations in all, where that is not what the log says.
    plan: Option<u64>,
}

/// A new run, its log in memory.
fn begin(args: &TuneArgs, path: &Path, model: &Model) -> Result<Start> {
    let mut objective = definition::objective(&args.run, args.run.inference.ctx_size())?;
    chat::settle_date(&mut objective.definition, model);
    if path.exists() {
        refuse_overwriting(args, path)?;
    }
    let workloads = Workloads::load(objective)?;
    let (log, _) = SeedLog::start(header::header(&args.run, model, workloads.objective().clone())?)?;
    Ok(Start { log, journal: None, workloads, plan: None })
}

/// Lets an existing file be overwritten only when that was asked for and it is a seed log, or the beginning of one.
fn refuse_overwriting(args: &TuneArgs, path: &Path) -> Result<()> {
    if !args.overwrite {
        return Err(StoreError::LogExists { path: path.to_owned() }.into());
    }
    match SeedLog::parse(&read_log_file(path)?) {
        Err(LogError::NotALog) => Err(LogError::NotALog).with_context(|| format!("{} stays", path.display())),
        _ => Ok(()),
    }
}

/// Makes the new run's log file with its first line.
fn create(args: &TuneArgs, path: &Path, log: &SeedLog) -> Result<LogFile> {
    let (_, line) = SeedLog::start(log.header.clone())?;
    let over = args.overwrite && path.exists();
    Ok(if over { LogFile::replace(path, &line)? } else { LogFile::create(path, &line)? })
}

/// A run to be continued, its log's file without a torn tail.
fn resume(args: &TuneArgs, path: &Path, model: &Model) -> Result<Start> {
    refuse_settings(args)?;
    let (mut file, bytes) = LogFile::open(path)?;
    let mut log = setup::parse_log(path, &bytes)?;
    // Refuses another model before the file is touched.
    model.check_base(&log.header.base)?;
    let of_log = &log.header.task.definition;
    if let Some(task) = &args.run.task.task
        && definition::name(task)? != of_log.name
    {
        return Err(UsageError(format!("--task is {task}, but the log's task is {}", of_log.name)).into());
    }
    header::check_method(&args.run.search, log.header.settings.method)?;
    let data = args.run.task.data.as_deref();
    let workloads = Workloads::of_log(&log.header.task, data, args.trust_log)?;
    if log.torn_bytes > 0 {
        out::warn(format!("warning: {}: {}", path.display(), setup::torn(&log)));
        file.truncate(log.whole_bytes)?;
        log.torn_bytes = 0;
    }
    let plan = args.run.search.generations.filter(|generations| *generations != log.planned());
    log.header.settings.generations = log.planned();
    if let Some(generations) = plan {
        let has = log.generations.len() as u64;
        if generations < has {
            let message = format!("--generations is {generations}, but {} has {has} already", path.display());
            return Err(UsageError(message).into());
        }
        log.header.settings.generations = generations;
        log.header.settings.validate().map_err(|e| UsageError(e.to_string()))?;
    }
    Ok(Start { log, journal: Some(file), workloads, plan })
}

/// A log's settings cannot be changed half-way: replay would no longer be one rule.
fn refuse_settings(args: &TuneArgs) -> Result<()> {
    let of_search = args.run.search.first_fixed();
    match args
        .run
        .task
        // Data may have been moved; that they are the same is checked.
        .first_given_but("--data")
        .or(args.run.retain.first_given())
        .or(args.run.drift.first_given())
        .or(of_search)
    {
        Some(flag) => Err(UsageError(format!(
            "{flag} cannot be used with --resume: the run goes on with its log's settings"
        ))
        .into()),
        None => Ok(()),
    }
}

/// Text or JSON, as asked for.
enum Display {
    Text(TextReport),
    Json(JsonReport),
}

impl Display {
    fn start(args: &TuneArgs, log: &SeedLog, path: &Path, planned: u64, example: Option<&Example>) -> Self {
        let done = log.generations.len() as u64;
        if args.json {
            let mut start = progress::start(&log.header, done, &path.display().to_string(), planned);
            start["example"] = chat::object(example);
            out::progress(start);
            return Self::Json(JsonReport);
        }
        let outline = Outline::new(&log.header, done);
        let report = TextReport::new(outline);
        report.line(&introduction(args, log, path, outline, planned));
        example.iter().for_each(|example| report.line(&chat::lines(example)));
        Self::Text(report)
    }

    /// Which tokens' rows are tuned.
    fn tell_tokens(&self, found: &Surprise) {
        match self {
            Self::Text(report) => report.line(&tokens::line(found)),
            Self::Json(_) => {
                let mut event = tokens::object(found);
                event["event"] = json!("rows");
                out::progress(event);
            }
        }
    }

    /// What a probe led to.
    fn tell(&self, probed: &Probed, mode: ResidualMode) {
        match self {
            Self::Text(report) => {
                report.line(&probed.chosen());
                probed.expectations(mode).iter().for_each(|line| report.line(line));
            }
            Self::Json(_) => out::progress(probed.event(mode)),
        }
    }

    fn observer(&mut self) -> &mut dyn Observer {
        match self {
            Self::Text(report) => report,
            Self::Json(report) => report,
        }
    }

    fn stop(&mut self) {
        if let Self::Text(report) = self {
            report.finish();
        }
    }
}

fn introduction(args: &TuneArgs, log: &SeedLog, path: &Path, outline: Outline, planned: u64) -> String {
    let types: Vec<String> = log.header.settings.types.iter().map(TypeSettings::name).collect();
    let start = match outline.done {
        0 => format!("tuning {} into {}", args.model.display(), path.display()),
        done => format!("continuing {} after {}", path.display(), text::generations(done)),
    };
    format!(
        "{start}\n{} integers in {} ({}), {} generations of {} members, {} each, up to {} of memory",
        text::count(outline.integers),
        text::tensors(&log.header.tensors),
        types.join(", "),
        outline.generations,
        outline.population,
        text::problems(&log.header.task),
        text::bytes(planned),
    )
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::args::{Args, Command};

    /// Flags of a search that may change half-way: how far the run goes, and how the residual is kept.
    const FREE: [&str; 2] = ["generations", "residual"];

    #[test]
    fn every_flag_of_the_search_is_refused_when_a_run_is_resumed() {
        let program = Args::command();
        let tune = program.find_subcommand("tune").unwrap();
        let of_search: Vec<&clap::Arg> = tune
            .get_arguments()
            .filter(|arg| arg.get_help_heading() == Some("Search") && !arg.is_hide_set())
            .filter(|arg| !FREE.contains(&arg.get_id().as_str()))
            .collect();
        assert!(of_search.len() > 10, "{of_search:?}");
        for arg in of_search {
            let flag = format!("--{}", arg.get_long().unwrap());
            let value =
                arg.get_possible_values().first().map_or("1".to_owned(), |it| it.get_name().to_owned());
            let takes = arg.get_action().takes_values();
            let words = ["qes-gguf", "tune", "x.gguf", "--resume", &flag];
            let words = words.into_iter().chain(takes.then_some(value.as_str()));
            let Command::Tune(args) = Args::parse_from(words).command else { panic!("{flag}") };
            let error = refuse_settings(&args).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{flag} cannot be used with --resume")), "{flag}: {error}");
        }
    }
}
