//! `qes-gguf report`: logs as a page for the browser.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::args::ReportArgs;
use super::{Ending, out, setup, text};
use crate::export::{ExportError, Model};
use crate::report::{MOVES_COLUMNS, Run, Subject, events, figures, page, png, span};
use crate::seed_log::SeedLog;
use crate::store::{Artefact, make_folder};

pub fn run(args: &ReportArgs) -> Result<Ending> {
    let inputs = args
        .logs
        .iter()
        .map(|log| ("the log", log))
        .chain(args.model.iter().map(|model| ("the base model", model)));
    for (what, input) in inputs {
        setup::check_place(&args.output, what, input)?;
    }
    let logs = args.logs.iter().map(|path| setup::read_log(path)).collect::<Result<Vec<_>>>()?;
    let names = names(&args.logs);
    // Begun before the replay, so that a folder that cannot be written to is told of at once.
    let place = Artefact::begin(&args.output)?;
    let runs = match &args.model {
        None => logs.iter().zip(&names).map(|(log, name)| Run::of(name, log)).collect(),
        Some(model) => replayed(model, &logs, &names)?,
    };
    let subject = Subject(&runs);
    let html = page(subject);
    write(place, html.as_bytes())?;
    let bytes = html.len() as u64;
    if !args.json {
        out::line(format!("wrote {} ({})", args.output.display(), text::bytes(bytes)))?;
    }
    let (mut svgs, mut pngs, mut tensorboard) = (Vec::new(), Vec::new(), Vec::new());
    let shown = if args.svg.is_some() || args.png.is_some() { figures(subject) } else { Vec::new() };
    for (name, figure) in shown {
        if let Some(prefix) = &args.svg {
            svgs.push(save(args, &with_ending(prefix, &format!("-{name}.svg")), figure.as_bytes())?);
        }
        if let Some(prefix) = &args.png {
            pngs.push(save(args, &with_ending(prefix, &format!("-{name}.png")), &png(&figure)?)?);
        }
    }
    if let Some(folder) = &args.tensorboard {
        for (log, name) in logs.iter().zip(&names) {
            let folder = folder.join(name.replace(['/', '\\'], "_"));
            make_folder(&folder)?;
            let place = folder.join("events.out.tfevents.0.qes-gguf");
            tensorboard.push(save(args, &place, &events(log))?);
        }
    }
    if args.json {
        let output = args.output.display().to_string();
        out::line(json!({
            "output": output, "bytes": bytes, "runs": names, "svg": svgs, "png": pngs, "tensorboard": tensorboard,
        }))?;
    }
    Ok(Ending::Success)
}

/// The runs, those of this model with what a replay counts. A model that no log was made for is an error.
fn replayed(path: &Path, logs: &[SeedLog], names: &[String]) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    let mut others = Vec::new();
    for (log, name) in logs.iter().zip(names) {
        let span = span(log.generations.len() as u64, MOVES_COLUMNS);
        let run = Run::of(name, log);
        runs.push(match Model::open(path)?.count_moves(log, span) {
            Ok(moves) => run.with_moves(log, span, &moves),
            Err(error @ ExportError::OtherModel { .. }) => {
                others.push((name, error));
                run
            }
            Err(error) => return Err(error.into()),
        });
    }
    let all = others.len() == runs.len();
    for (name, error) in others {
        if all {
            return Err(error.into());
        }
        out::warn(format!("warning: {name} was made for another model, so its moves are not shown"));
    }
    Ok(runs)
}

/// What the page calls each log: the file's name without its ending, with as many of its folders as tell it from others.
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

/// A path with more at its end.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut text: OsString = path.as_os_str().to_owned();
    text.push(ending);
    text.into()
}

/// Writes a file, says so, and returns its name.
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
