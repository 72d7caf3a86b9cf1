//! How a run ended, and what its user can do next.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::cli::args::{ExportArgs, FormArgs, ThreadsArgs, TuneArgs, Until};
use crate::cli::{Ending, audit, drift, export, out, progress, sentence, text};
use crate::seed_log::{EvaluationRecord, SeedLog};
use crate::tune::Summary;

/// The `export` that `tune` does at its end.
pub fn exported(args: &TuneArgs, log: &Path, generation: Option<Until>) -> ExportArgs {
    ExportArgs {
        model: args.model.clone(),
        log: log.to_owned(),
        output: args.export.clone(),
        as_diff: None,
        card: args.card,
        ollama: false,
        overwrite: args.overwrite,
        generation,
        json: false,
        form: FormArgs::new(args.no_provenance),
        threads: ThreadsArgs::default(),
    }
}

/// A run that has ended, one way or another.
pub struct Run<'a> {
    pub args: &'a TuneArgs,
    /// The log's file.
    pub path: &'a Path,
    pub summary: Summary,
    pub log: SeedLog,
    /// Bytes of memory that were planned.
    pub planned: u64,
}

impl Run<'_> {
    /// All generations are in the log, or its patience has come to an end.
    pub fn done(&self) -> Result<Ending> {
        let Self { args, summary, log, planned, .. } = self;
        if args.export.is_some() {
            let until = (!self.is_all()).then_some(Until::Best);
            export::make(&exported(args, self.path, until), log, log.chosen())?;
        }
        // Writing the model has compared the same already.
        if args.export.is_none() || log.chosen() < summary.generations {
            audit::at_end(&args.model, self.path)?;
        }
        if args.json {
            out::line(self.object("done"))?;
        } else {
            let samples =
                drift::samples(&summary.samples).map_or(String::new(), |told| format!("\n\n{told}"));
            out::line(format!(
                "\n{}{samples}\n\n{}",
                progress::summary(summary, log, *planned),
                self.next_step()
            ))?;
        }
        self.warn_of_silence();
        Ok(self.warn_of_damage())
    }

    /// Ctrl-C.
    pub fn stopped(&self) -> Ending {
        let Self { args, summary, .. } = self;
        if args.json {
            out::progress(self.object("interrupted"));
        }
        out::warn(format!(
            "interrupted after {}; the log is whole, continue with\n  {}",
            text::generations(summary.generations),
            self.resume_command()
        ));
        Ending::Interrupted
    }

    /// For programs.
    fn object(&self, event: &str) -> Value {
        let mut object = progress::end(event, &self.summary, &self.log, self.planned);
        let wrote =
            |path: Option<PathBuf>| path.filter(|_| event == "done").map(|path| path.display().to_string());
        object["export"] = json!(wrote(self.args.export.clone()));
        object["card"] = json!(wrote(export::card_path(&exported(self.args, self.path, None))));
        object
    }

    /// Whether the model that is wanted is that of the last generation.
    fn is_all(&self) -> bool {
        self.log.chosen() == self.log.generations.len() as u64
    }

    /// An error, after which the run can be continued. It comes first, then what to do.
    pub fn failed(&self, error: &anyhow::Error) -> anyhow::Error {
        let (path, resume) = (text::quoted(self.path), self.resume_command());
        let hint = match self.log.generations.len() {
            0 => format!(
                "the run stopped before its first generation; continue with\n  {resume}\nor start anew with other flags \
                 and --overwrite"
            ),
            whole => {
                let whole = text::generations(whole as u64);
                format!("the run stopped; {path} is whole, with {whole}: continue with\n  {resume}")
            }
        };
        anyhow!("{}\n\n{hint}", sentence(error))
    }

    /// Says so when the model that the run leaves has got worse elsewhere.
    fn warn_of_damage(&self) -> Ending {
        let Self { args, path, log, .. } = self;
        let damage = drift::damage(log);
        if damage.is_empty() {
            return Ending::Success;
        }
        let is_whole = |best: &&EvaluationRecord| best.generations > 0;
        let way_out = match log.best().filter(is_whole) {
            Some(best) => format!(
                "the best model within the limit is that after {}:\n  qes-gguf export {} {} -o MODEL.gguf --generation best",
                text::generations(best.generations),
                text::quoted(&args.model),
                text::quoted(path)
            ),
            None => "no evaluated generation gained within the limit; try smaller steps (--alpha), or evaluate more often \
                     (--eval-every)"
                .to_owned(),
        };
        out::warn(format!("\nwarning: {}\n{way_out}", damage.join("\nwarning: ")));
        Ending::Damaged
    }

    /// Says so when the rewards told little or nothing.
    fn warn_of_silence(&self) {
        let all = self.log.generations.len();
        let silent = self.log.generations.iter().filter(|record| record.fitness.spread == 0.0).count();
        if 2 * silent > all {
            out::warn(format!(
                "note: in {silent} of {all} generations all members had the same fitness, from which nothing can be learned; \
                 a reward with more shades to it, more --prompts, --temp where replies are drawn, or a larger --sigma may \
                 tell members apart"
            ));
        }
    }

    /// The command that continues the run.
    fn resume_command(&self) -> String {
        let Self { args, path, .. } = self;
        let mut command =
            format!("qes-gguf tune {} -o {} --resume", text::quoted(&args.model), text::quoted(path));
        let task = &self.log.header.task;
        let mut definitions = task.retain.iter().map(|retain| &retain.definition).chain([&task.definition]);
        if definitions.any(|definition| definition.program().is_some()) {
            command += " --trust-log";
        }
        // Sizes of contexts decide the last bits of rewards, so they have to be the same again.
        for (flag, value) in [
            ("-c", args.run.inference.ctx_size().map(u64::from)),
            ("-np", args.run.inference.parallel().map(|number| number as u64)),
            ("--mem-budget", args.run.mem_budget),
        ] {
            if let Some(value) = value {
                command += &format!(" {flag} {value}");
            }
        }
        if !args.run.inference.repacks() {
            command += " --no-repack";
        }
        if let Some(place) = &args.export {
            command += &format!(" --export {}", text::quoted(place));
        }
        if args.no_provenance {
            command += " --no-provenance";
        }
        if args.card {
            command += " --card";
        }
        command
    }

    /// What the user will want to do with a finished run.
    fn next_step(&self) -> String {
        let Self { args, path, log, .. } = self;
        let (model, path) = (text::quoted(&args.model), text::quoted(path));
        let (chosen, is_all) = (log.chosen(), self.is_all());
        match &args.export {
            Some(place) => {
                let after = if is_all {
                    String::new()
                } else {
                    format!(", the model after {}", text::generations(chosen))
                };
                let card = export::card_path(&exported(args, self.path, None));
                let card = card.map_or(String::new(), |card| format!(", and {}", card.display()));
                format!(
                    "wrote {}{after}{card}; try it:\n  llama-cli -m {}",
                    place.display(),
                    text::quoted(place)
                )
            }
            None => {
                let stem = args.model.file_stem().unwrap_or_default().to_string_lossy();
                let place = text::quoted(Path::new(&format!("{stem}-tuned.gguf")));
                let until = if is_all { "" } else { " --generation best" };
                format!("to write the tuned model:\n  qes-gguf export {model} {path} -o {place}{until}")
            }
        }
    }
}
