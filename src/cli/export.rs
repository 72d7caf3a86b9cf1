//! `qes-gguf export`: from a base model and a log to the tuned model, a diff between both, a model card, and a Modelfile.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;

use super::args::{ExportArgs, Until};
use super::json::{self, ExportOutput};
use super::{CommandEnd, UsageError, out, setup, text};
use crate::diff::Digest;
use crate::export::{ExportError, Form, Rebuilt};
use crate::model::Model;
use crate::report::{Card, Served, card, modelfile};
use crate::seed_log::SeedLog;
use crate::store::{Artefact, StoreError, folder_of, same_file};

pub fn run(args: &ExportArgs) -> Result<CommandEnd> {
    let start = Instant::now();
    setup::replay_threads(&args.threads)?;
    if args.overwrite && !args.card && !args.ollama {
        let message =
            "--overwrite is for a README.md or a Modelfile; give --card or --ollama, or leave it out";
        return Err(UsageError(message.to_owned()).into());
    }
    let job = ExportJob::new(args);
    job.check_places()?;
    let log = setup::read_log(&job.log)?;
    let generations = setup::generations(&log, job.until)?.unwrap_or(log.generations.len() as u64);
    let made = job.make(&log, generations)?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(digest) = &made.digest {
        out::json(&output(&job, &made, digest, generations, &log, seconds))?;
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
    Ok(CommandEnd::Success)
}

/// The files that were written.
pub struct Made {
    /// Their names, in the order of writing.
    wrote: Vec<String>,
    codes_sha256: String,
    /// Digest of the tuned model's file, even if that was not written; only in JSON output, since hashing takes a while.
    digest: Option<Digest>,
}

/// The files to be made from a model and a log, and their paths.
#[derive(Clone, Debug)]
pub struct ExportJob {
    /// The base model.
    pub model: PathBuf,
    pub log: PathBuf,
    /// The tuned model.
    pub output: Option<PathBuf>,
    /// The diff from the base model to it.
    pub as_diff: Option<PathBuf>,
    /// `true` if a model card is made.
    pub card: bool,
    /// `true` if a Modelfile is made.
    pub ollama: bool,
    /// `true` if card and Modelfile may replace existing files.
    pub overwrite: bool,
    /// The part of the log to apply; `None` for all of it.
    pub until: Option<Until>,
    pub form: Form,
    /// `true` if the tuned model's digest is printed.
    pub digest: bool,
}

impl ExportJob {
    /// Resolves the flags.
    fn new(args: &ExportArgs) -> Self {
        let ExportArgs {
            model, log, output, as_diff, card, ollama, overwrite, generation, json, form, ..
        } = args.clone();
        Self {
            model,
            log,
            output,
            as_diff,
            card,
            ollama,
            overwrite,
            until: generation,
            form: form.form(),
            digest: json,
        }
    }

    /// Makes the files from the log's first `generations` generations.
    ///
    /// # Errors
    /// When the model cannot be rebuilt or a file cannot be written.
    pub fn make(&self, log: &SeedLog, generations: u64) -> Result<Made> {
        let model = Model::open(&self.model)?;
        // Begun before the replay, so that a folder that cannot be written to is reported at once.
        let mut places = Places::begin(self)?;
        let rebuilt = Rebuilt::by_log(model, log, generations, self.form)?;
        let mut wrote = Vec::new();
        if let (Some(artefact), Some(path)) = (&mut places.model, &self.output) {
            rebuilt.tuned.write(artefact)?;
            wrote.push(path.display().to_string());
        }
        if let (Some(artefact), Some(path)) = (&mut places.diff, &self.as_diff) {
            rebuilt.write_diff(artefact)?;
            wrote.push(path.display().to_string());
        }
        if let Some((artefact, path)) = &mut places.card {
            artefact.write_all(card(&about(self, log, generations, &rebuilt)).as_bytes())?;
            wrote.push(path.display().to_string());
        }
        if let Some((artefact, path)) = &mut places.modelfile {
            artefact.write_all(modelfile(&served(self, log, &rebuilt)).as_bytes())?;
            wrote.push(path.display().to_string());
        }
        places.publish(self.overwrite)?;
        let digest = self.digest.then(|| rebuilt.tuned.digest());
        Ok(Made { wrote, codes_sha256: rebuilt.codes_sha256, digest })
    }

    /// Refuses to overwrite an input file, or one output by another.
    ///
    /// # Errors
    /// When something would be lost.
    pub fn check_places(&self) -> Result<()> {
        for place in self.output.iter().chain(&self.as_diff) {
            if same_file(&self.model, place) {
                return Err(ExportError::OntoBase(place.clone()).into());
            }
            setup::check_place(place, "the log", &self.log)?;
        }
        if let (Some(output), Some(diff)) = (&self.output, &self.as_diff) {
            setup::check_place(diff, "the tuned model", output)?;
        }
        self.card_path().map_or(Ok(()), |card| self.check_beside("the model card", card))?;
        self.modelfile_path().map_or(Ok(()), |file| self.check_beside("the Modelfile", file))
    }

    /// Refuses to overwrite other files by those beside the tuned model.
    fn check_beside(&self, name: &str, place: PathBuf) -> Result<()> {
        for (what, path) in [("the base model", &self.model), ("the log", &self.log)] {
            setup::check_place(&place, what, path)?;
        }
        for path in self.output.iter().chain(&self.as_diff) {
            setup::check_place(path, name, &place)?;
        }
        if place.exists() && !self.overwrite {
            return Err(StoreError::Exists { path: place }.into());
        }
        Ok(())
    }

    /// Returns the path of the model card.
    pub fn card_path(&self) -> Option<PathBuf> {
        self.output.as_ref().filter(|_| self.card).map(|output| folder_of(output).join("README.md"))
    }

    /// Returns the path of the Modelfile.
    fn modelfile_path(&self) -> Option<PathBuf> {
        self.output.as_ref().filter(|_| self.ollama).map(|output| folder_of(output).join("Modelfile"))
    }
}

/// Returns the output as JSON.
fn output<'a>(
    job: &ExportJob,
    made: &'a Made,
    digest: &'a Digest,
    generations: u64,
    log: &SeedLog,
    seconds: f64,
) -> ExportOutput<'a> {
    ExportOutput {
        output: job.output.as_ref().map(json::path),
        as_diff: job.as_diff.as_ref().map(json::path),
        card: job.card_path().map(json::path),
        modelfile: job.modelfile_path().map(json::path),
        generations,
        generations_logged: log.generations.len(),
        codes_sha256: &made.codes_sha256,
        bytes: digest.bytes,
        sha256: &digest.sha256,
        seconds,
    }
}

/// The files before they are moved to their paths.
struct Places {
    model: Option<Artefact>,
    diff: Option<Artefact>,
    card: Option<(Artefact, PathBuf)>,
    modelfile: Option<(Artefact, PathBuf)>,
}

impl Places {
    fn begin(job: &ExportJob) -> Result<Self> {
        let begin = |path: &PathBuf| Artefact::begin(path);
        let beside = |path: Option<PathBuf>| {
            path.map(|path| Ok::<_, StoreError>((Artefact::begin(&path)?, path))).transpose()
        };
        let (card, modelfile) = (beside(job.card_path())?, beside(job.modelfile_path())?);
        Ok(Self {
            modelfile,
            model: job.output.as_ref().map(begin).transpose()?,
            diff: job.as_diff.as_ref().map(begin).transpose()?,
            card,
        })
    }

    /// Moves all to their paths, card and Modelfile last.
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

/// Returns the contents of the card.
fn about<'a>(job: &ExportJob, log: &'a SeedLog, generations: u64, rebuilt: &'a Rebuilt<'_>) -> Card<'a> {
    let name = |path: Option<&PathBuf>| {
        path.and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned())
    };
    Card {
        log,
        generations,
        base: rebuilt.tuned.base(),
        file: name(job.output.as_ref()).unwrap_or_default(),
        digest: rebuilt.tuned.digest(),
        codes_sha256: &rebuilt.codes_sha256,
        log_file: name(Some(&job.log)).unwrap_or_default(),
        diff_file: name(job.as_diff.as_ref()),
        has_modelfile: job.ollama,
        flags: flags(job),
    }
}

/// Returns the contents of the Modelfile.
fn served<'a>(job: &ExportJob, log: &'a SeedLog, rebuilt: &'a Rebuilt<'_>) -> Served<'a> {
    let name = job.output.as_ref().and_then(|path| path.file_name());
    Served {
        log,
        base: rebuilt.tuned.base(),
        speaker: rebuilt.tuned.speaker(),
        file: name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

/// Returns the flags that reproduce the file.
fn flags(job: &ExportJob) -> String {
    let generation = match job.until {
        Some(Until::Best) => " --generation best".to_owned(),
        Some(Until::Generation(number)) => format!(" --generation {number}"),
        None => String::new(),
    };
    let form = if job.form == Form::Bare { " --no-provenance" } else { "" };
    generation + form
}
