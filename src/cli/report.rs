//! `qes-gguf report`: logs as a page for the browser.

mod follow;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::args::{ReportArgs, ThreadsArgs};
use super::json::{self, ReportOutput};
use super::samples::{evaluator, samples};
use super::{CommandEnd, out, setup, text};
use crate::evaluation::Evaluator;
use crate::llama::{LlamaOptions, check_built_in};
use crate::model::{Model, ModelError};
use crate::report::{MOVES_COLUMNS, Run, Subject, Timing, check_png, events, figures, page, png, span};
use crate::seed_log::SeedLog;
use crate::store::{Artefact, make_folder, read_log_file};

pub fn run(args: &ReportArgs) -> Result<CommandEnd> {
    if let Some(port) = args.follow {
        follow::follow(&args.logs, &names(&args.logs), port)?;
        return Ok(CommandEnd::Success);
    }
    if args.png.is_some() {
        check_png()?;
    }
    let inference = inference(args)?;
    let inputs = args
        .logs
        .iter()
        .map(|log| ("the log", log))
        .chain(args.model.iter().map(|model| ("the base model", model)))
        .chain(args.timing.iter().map(|timing| ("the run's times", timing)));
    for (what, input) in inputs {
        setup::check_place(&args.output, what, input)?;
    }
    let logs = args.logs.iter().map(|path| setup::read_log(path)).collect::<Result<Vec<_>>>()?;
    let names = names(&args.logs);
    // Begun before the replay, so that a folder that cannot be written to is reported at once.
    let place = Artefact::begin(&args.output)?;
    let runs = runs(args, &inference, &logs, &names)?;
    let subject = Subject(&runs);
    let html = page(subject);
    write(place, html.as_bytes())?;
    let bytes = html.len() as u64;
    if !args.json {
        out::line(format!("wrote {} ({})", args.output.display(), text::bytes(bytes)))?;
    }
    let (svgs, pngs) = charts(args, subject)?;
    let tensorboard = tensorboard(args, &logs, &names)?;
    if args.json {
        out::json(&ReportOutput {
            output: json::path(&args.output),
            bytes,
            runs: &names,
            svg: &svgs,
            png: &pngs,
            tensorboard: &tensorboard,
        })?;
    }
    Ok(CommandEnd::Success)
}

/// Writes each chart to its own file, if asked for, and returns the names of SVG and PNG files.
fn charts(args: &ReportArgs, subject: Subject<'_>) -> Result<(Vec<String>, Vec<String>)> {
    let (mut svgs, mut pngs) = (Vec::new(), Vec::new());
    let shown = if args.svg.is_some() || args.png.is_some() { figures(subject) } else { Vec::new() };
    for (name, figure) in shown {
        if let Some(prefix) = &args.svg {
            svgs.push(save(args, &with_ending(prefix, &format!("-{name}.svg")), figure.as_bytes())?);
        }
        if let Some(prefix) = &args.png {
            pngs.push(save(args, &with_ending(prefix, &format!("-{name}.png")), &png(&figure)?)?);
        }
    }
    Ok((svgs, pngs))
}

/// Writes the event files, if asked for, and returns their names.
fn tensorboard(args: &ReportArgs, logs: &[SeedLog], names: &[String]) -> Result<Vec<String>> {
    let Some(folder) = &args.tensorboard else { return Ok(Vec::new()) };
    let of_run = |(log, name): (&SeedLog, &String)| {
        let folder = folder.join(name.replace(['/', '\\'], "_"));
        make_folder(&folder)?;
        save(args, &folder.join("events.out.tfevents.0.qes-gguf"), &events(log))
    };
    logs.iter().zip(names).map(of_run).collect()
}

/// Returns the runs, each with its additional facts.
fn runs(args: &ReportArgs, inference: &LlamaOptions, logs: &[SeedLog], names: &[String]) -> Result<Vec<Run>> {
    let timings = timings(args, logs)?;
    let runs = match &args.model {
        None => logs.iter().zip(names).map(|(log, name)| Run::of(name, log)).collect(),
        Some(model) => of_model(args, model, inference, logs, names)?,
    };
    let timed = |(run, timing): (Run, Option<Timing>)| match timing {
        Some(timing) => run.with_timing(&timing),
        None => run,
    };
    Ok(runs.into_iter().zip(timings).map(timed).collect())
}

/// Returns the options of inference, if there is any.
fn inference(args: &ReportArgs) -> Result<LlamaOptions> {
    if args.samples.is_none() {
        setup::replay_threads(&ThreadsArgs::from(&args.inference))?;
        return Ok(LlamaOptions::default());
    }
    check_built_in()?;
    setup::inference(&args.inference)
}

/// Reads the times of each log's run. A file with the times of no such run is an error.
fn timings(args: &ReportArgs, logs: &[SeedLog]) -> Result<Vec<Option<Timing>>> {
    let mut timings: Vec<Option<Timing>> = logs.iter().map(|_| None).collect();
    for path in &args.timing {
        let timing = timing(path)?;
        let of_run =
            &mut timings[whose(&timing, &args.logs, logs).with_context(|| path.display().to_string())?];
        let all = match of_run.take() {
            Some(earlier) => earlier.and(timing).with_context(|| path.display().to_string())?,
            None => timing,
        };
        *of_run = Some(all);
    }
    Ok(timings)
}

/// Reads the output of `tune --json`. A last line that is cut off is ignored with a warning.
fn timing(path: &Path) -> Result<Timing> {
    let bytes = read_log_file(path)?;
    let timing = Timing::parse(&String::from_utf8_lossy(&bytes));
    let timing = timing.with_context(|| path.display().to_string())?;
    if timing.is_torn() {
        let path = path.display();
        out::warn(format!("warning: {path} ends in the middle of a line, which is left out"));
    }
    Ok(timing)
}

/// Returns the number of the log that these times belong to. Of logs that are alike, it is the one with the recorded name.
fn whose(timing: &Timing, paths: &[PathBuf], logs: &[SeedLog]) -> Result<usize> {
    let alike: Vec<usize> = (0..logs.len()).filter(|number| timing.is_of(&logs[*number])).collect();
    let is_named = |number: &usize| paths[*number].file_name().is_some_and(|name| timing.is_of_name(name));
    let named: Vec<usize> = alike.iter().copied().filter(is_named).collect();
    match (alike.as_slice(), named.as_slice()) {
        ([only], _) | (_, [only]) => Ok(*only),
        ([], _) => bail!(
            "its generations are not those of {}; give what `tune --json` printed of a run that is reported",
            if logs.len() == 1 { "the log" } else { "any of the logs" }
        ),
        ([one, other, ..], _) => bail!(
            "its generations are those of {} and of {} alike; report one of them at a time",
            paths[*one].display(),
            paths[*other].display()
        ),
    }
}

/// Returns the runs; those of this model with the counts of a replay and the model's replies.
fn of_model(
    args: &ReportArgs,
    path: &Path,
    inference: &LlamaOptions,
    logs: &[SeedLog],
    names: &[String],
) -> Result<Vec<Run>> {
    let model = Model::open(path)?;
    let fit = fitting(&model, logs, names)?;
    // All of them before the first model is loaded, so that missing files are reported at once.
    let evaluator = |(log, fits): (&SeedLog, &bool)| {
        (*fits && args.samples.is_some()).then(|| evaluator(args.trust_log, log)).transpose()
    };
    let evaluators = logs.iter().zip(&fit).map(evaluator).collect::<Result<Vec<_>>>()?;
    let run = |(((log, name), fits), evaluator): (((&SeedLog, &String), bool), Option<Evaluator>)| {
        let run = Run::of(name, log);
        if !fits {
            return Ok(run);
        }
        let (count, asks) = (args.samples.unwrap_or(0), evaluator.into_iter());
        let samples = asks.map(|evaluator| samples(&model, log, evaluator, count, inference));
        let samples = samples.collect::<Result<Vec<_>>>()?.concat();
        let span = span(log.generations.len() as u64, MOVES_COLUMNS);
        let moves = model.reopen()?.count_moves(log, span)?;
        Ok(run.with_moves(log, span, &moves).with_samples(samples))
    };
    logs.iter().zip(names).zip(fit).zip(evaluators).map(run).collect()
}

/// Returns which logs were made for this model. The others are reported; if all are others, that is an error.
fn fitting(model: &Model, logs: &[SeedLog], names: &[String]) -> Result<Vec<bool>> {
    let mut others = Vec::new();
    let mut fit = Vec::new();
    for (log, name) in logs.iter().zip(names) {
        let found = model.check_base(&log.header.base);
        fit.push(found.is_ok());
        match found {
            Ok(()) => {}
            Err(error @ ModelError::OtherModel { .. }) => others.push((name, error)),
            Err(error) => return Err(error.into()),
        }
    }
    for (name, error) in others {
        if !fit.contains(&true) {
            return Err(error.into());
        }
        out::warn(format!(
            "warning: {name} was made for another model, so nothing is shown that takes its own"
        ));
    }
    Ok(fit)
}

/// Returns the name of each log on the page: the file's name without its extension, with as many of its folders as
/// distinguish it from the others.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let name = |path: &Path, folders: usize| {
        let path = path.with_extension("");
        let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        parts[parts.len().saturating_sub(folders + 1)..].join("/")
    };
    let is_alone = |path: &PathBuf, folders: usize| {
        paths.iter().filter(|other| name(other, folders) == name(path, folders)).count() == 1
    };
    let least = |path: &PathBuf| (0..path.iter().count()).find(|folders| is_alone(path, *folders));
    paths
        .iter()
        .map(|path| least(path).map_or_else(|| path.display().to_string(), |folders| name(path, folders)))
        .collect()
}

/// Returns a path with an ending appended.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut text: OsString = path.as_os_str().to_owned();
    text.push(ending);
    text.into()
}

/// Writes a file, reports it, and returns its name.
fn save(args: &ReportArgs, place: &Path, bytes: &[u8]) -> Result<String> {
    write(Artefact::begin(place)?, bytes)?;
    let name = place.display().to_string();
    if !args.json {
        out::line(format!("wrote {name}"))?;
    }
    Ok(name)
}

fn write(mut artefact: Artefact, bytes: &[u8]) -> Result<()> {
    artefact.write_all(bytes)?;
    Ok(artefact.publish()?)
}
