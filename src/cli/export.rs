//! `qes-gguf export`: base model and log to tuned model, to a diff between both, to a model card, and to a Modelfile.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

use super::args::ExportArgs;
use super::{Ending, UsageError, out, setup, text};
use crate::diff::Digest;
use crate::export::{ExportError, Form, Rebuilt};
use crate::model::Model;
use crate::report::{Card, Served, card, modelfile};
use crate::seed_log::SeedLog;
use crate::store::{Artefact, StoreError, folder_of, same_file};

pub fn run(args: &ExportArgs) -> Result<Ending> {
    let start = Instant::now();
    setup::replay_threads(&args.threads)?;
    if args.overwrite && !args.card && !args.ollama {
        let message =
            "--overwrite is for a README.md or a Modelfile; give --card or --ollama, or leave it out";
        return Err(UsageError(message.to_owned()).into());
    }
    check_places(args)?;
    let log = setup::read_log(&args.log)?;
    let generations = setup::generations(&log, args.generation)?.unwrap_or(log.generations.len() as u64);
    let made = make(args, &log, generations)?;
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        out::line(object(args, &made, generations, &log, seconds))?;
    } else {
        out::line(format!(
            "wrote {} after {} of {} generations in {}\ntuned codes SHA-256 {}",
            made.wrote.join(", "),
            generations,
            log.generations.len(),
            text::seconds(seconds),
            made.codes_sha256
        ))?;
    }
    Ok(Ending::Success)
}

/// What was made.
pub struct Made {
    /// The files, in the order in which they were written.
    wrote: Vec<String>,
    codes_sha256: String,
    /// The tuned model's file, whether it was written or not; told to programs alone, since hashing it takes a while.
    digest: Option<Digest>,
}

/// Makes what the flags ask for of the log's first `generations` generations.
///
/// # Errors
/// When the model cannot be rebuilt or a file cannot be written.
pub fn make(args: &ExportArgs, log: &SeedLog, generations: u64) -> Result<Made> {
    let model = Model::open(&args.model)?;
    // Begun before the replay, so that a folder that cannot be written to is told of at once.
    let mut places = Places::begin(args)?;
    let rebuilt = Rebuilt::by_log(model, log, generations, args.form.form())?;
    let mut wrote = Vec::new();
    if let (Some(artefact), Some(path)) = (&mut places.model, &args.output) {
        rebuilt.tuned.write(artefact)?;
        wrote.push(path.display().to_string());
    }
    if let (Some(artefact), Some(path)) = (&mut places.diff, &args.as_diff) {
        rebuilt.write_diff(artefact)?;
        wrote.push(path.display().to_string());
    }
    if let Some((artefact, path)) = &mut places.card {
        artefact.write_all(card(&about(args, log, generations, &rebuilt)).as_bytes())?;
        wrote.push(path.display().to_string());
    }
    if let Some((artefact, path)) = &mut places.modelfile {
        artefact.write_all(modelfile(&served(args, log, &rebuilt)).as_bytes())?;
        wrote.push(path.display().to_string());
    }
    places.publish(args.overwrite)?;
    let digest = args.json.then(|| rebuilt.tuned.digest());
    Ok(Made { wrote, codes_sha256: rebuilt.codes_sha256, digest })
}

/// For programs.
fn object(args: &ExportArgs, made: &Made, generations: u64, log: &SeedLog, seconds: f64) -> Value {
    let path = |path: Option<PathBuf>| path.map(|path| path.display().to_string());
    json!({
        "output": path(args.output.clone()),
        "as_diff": path(args.as_diff.clone()),
        "card": path(card_path(args)),
        "modelfile": path(modelfile_path(args)),
        "generations": generations,
        "generations_logged": log.generations.len(),
        "codes_sha256": made.codes_sha256,
        "bytes": made.digest.as_ref().map(|digest| digest.bytes),
        "sha256": made.digest.as_ref().map(|digest| &digest.sha256),
        "seconds": seconds,
    })
}

/// Refuses to write over what is read, or one file over another.
///
/// # Errors
/// When something would be lost.
pub fn check_places(args: &ExportArgs) -> Result<()> {
    let places = args.output.iter().chain(&args.as_diff);
    for place in places {
        if same_file(&args.model, place) {
            return Err(ExportError::OntoBase(place.clone()).into());
        }
        setup::check_place(place, "the log", &args.log)?;
    }
    if let (Some(output), Some(diff)) = (&args.output, &args.as_diff) {
        setup::check_place(diff, "the tuned model", output)?;
    }
    let beside = [("the model card", card_path(args)), ("the Modelfile", modelfile_path(args))];
    for (name, place) in beside.into_iter().filter_map(|(name, place)| place.map(|place| (name, place))) {
        for (what, path) in [("the base model", &args.model), ("the log", &args.log)] {
            setup::check_place(&place, what, path)?;
        }
        for path in args.output.iter().chain(&args.as_diff) {
            setup::check_place(path, name, &place)?;
        }
        if place.exists() && !args.overwrite {
            return Err(StoreError::Exists { path: place }.into());
        }
    }
    Ok(())
}

/// Where the model card goes.
pub fn card_path(args: &ExportArgs) -> Option<PathBuf> {
    args.output.as_ref().filter(|_| args.card).map(|output| folder_of(output).join("README.md"))
}

/// Returns where the Modelfile goes.
fn modelfile_path(args: &ExportArgs) -> Option<PathBuf> {
    args.output.as_ref().filter(|_| args.ollama).map(|output| folder_of(output).join("Modelfile"))
}

/// The files on their way.
struct Places {
    model: Option<Artefact>,
    diff: Option<Artefact>,
    card: Option<(Artefact, PathBuf)>,
    modelfile: Option<(Artefact, PathBuf)>,
}

impl Places {
    fn begin(args: &ExportArgs) -> Result<Self> {
        let begin = |path: &PathBuf| Artefact::begin(path);
        let beside = |path: Option<PathBuf>| {
            path.map(|path| Ok::<_, StoreError>((Artefact::begin(&path)?, path))).transpose()
        };
        let (card, modelfile) = (beside(card_path(args))?, beside(modelfile_path(args))?);
        Ok(Self {
            modelfile,
            model: args.output.as_ref().map(begin).transpose()?,
            diff: args.as_diff.as_ref().map(begin).transpose()?,
            card,
        })
    }

    /// Moves all to their places, card and Modelfile last.
    fn publish(self, overwrite: bool) -> Result<()> {
        self.model.map_or(Ok(()), Artefact::publish)?;
        self.diff.map_or(Ok(()), Artefact::publish)?;
        for (artefact, _) in self.card.into_iter().chain(self.modelfile) {
            if overwrite {
                artefact.publish()?;
            } else {
                artefact.publish_beside()?;
            }
        }
        Ok(())
    }
}

/// What the card is about.
fn about<'a>(args: &ExportArgs, log: &'a SeedLog, generations: u64, rebuilt: &'a Rebuilt<'_>) -> Card<'a> {
    let name = |path: Option<&PathBuf>| {
        path.and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned())
    };
    Card {
        log,
        generations,
        base: rebuilt.tuned.base(),
        file: name(args.output.as_ref()).unwrap_or_default(),
        digest: rebuilt.tuned.digest(),
        codes_sha256: &rebuilt.codes_sha256,
        log_file: name(Some(&args.log)).unwrap_or_default(),
        diff_file: name(args.as_diff.as_ref()),
        has_modelfile: args.ollama,
        flags: flags(args),
    }
}

/// Returns what the Modelfile is about.
fn served<'a>(args: &ExportArgs, log: &'a SeedLog, rebuilt: &'a Rebuilt<'_>) -> Served<'a> {
    let name = args.output.as_ref().and_then(|path| path.file_name());
    Served {
        log,
        base: rebuilt.tuned.base(),
        speaker: rebuilt.tuned.speaker(),
        file: name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

/// The flags that reproducing the file takes.
fn flags(args: &ExportArgs) -> String {
    let generation = match args.generation {
        Some(super::args::Until::Best) => " --generation best".to_owned(),
        Some(super::args::Until::Generation(number)) => format!(" --generation {number}"),
        None => String::new(),
    };
    let form = if args.form.form() == Form::Bare { " --no-provenance" } else { "" };
    generation + form
}
