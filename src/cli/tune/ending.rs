//! How a run ended, and what its user can do next.

use std::path::Path;

use anyhow::{Result, anyhow};

use crate::cli::args::{TuneArgs, form};
use crate::cli::{Ending, audit, out, report, sentence, text};
use crate::export::export;
use crate::seed_log::SeedLog;
use crate::tune::Summary;

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
        if let Some(place) = &args.export {
            export(&args.model, log, log.chosen(), form(args.no_provenance), place)?;
        }
        // Writing the model has compared the same already.
        if args.export.is_none() || log.chosen() < summary.generations {
            audit::at_end(&args.model, self.path)?;
        }
        if args.json {
            out::line(report::end("done", summary, log, *planned))?;
        } else {
            out::line(format!("\n{}\n\n{}", report::summary(summary, log, *planned), self.next_step()))?;
        }
        self.warn_of_silence();
        Ok(Ending::Success)
    }

    /// Ctrl-C.
    pub fn stopped(&self) -> Ending {
        let Self { args, summary, log, planned, .. } = self;
        if args.json {
            out::progress(report::end("interrupted", summary, log, *planned));
        }
        out::warn(format!(
            "interrupted after {}; the log is whole, continue with\n  {}",
            text::generations(summary.generations),
            self.resume_command()
        ));
        Ending::Interrupted
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
            ("-c", args.run.inference.ctx_size.map(u64::from)),
            ("-np", args.run.inference.parallel.map(|number| number as u64)),
            ("--mem-budget", args.run.mem_budget),
        ] {
            if let Some(value) = value {
                command += &format!(" {flag} {value}");
            }
        }
        if args.run.inference.no_repack {
            command += " --no-repack";
        }
        if let Some(place) = &args.export {
            command += &format!(" --export {}", text::quoted(place));
        }
        if args.no_provenance {
            command += " --no-provenance";
        }
        command
    }

    /// What the user will want to do with a finished run.
    fn next_step(&self) -> String {
        let Self { args, path, log, .. } = self;
        let (model, path) = (text::quoted(&args.model), text::quoted(path));
        let (chosen, is_all) = (log.chosen(), log.chosen() == log.generations.len() as u64);
        match &args.export {
            Some(place) => {
                let after = if is_all {
                    String::new()
                } else {
                    format!(", the model after {}", text::generations(chosen))
                };
                format!("wrote {}{after}; try it:\n  llama-cli -m {}", place.display(), text::quoted(place))
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
