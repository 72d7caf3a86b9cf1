//! The end of a run, and the user's next steps.

use std::path::Path;

use anyhow::{Result, anyhow};

use super::job::TuneJob;
use crate::cli::args::Until;
use crate::cli::json::{self, EndLine, TuneLine};
use crate::cli::{CommandEnd, audit, drift, export, out, progress, sentence, text};
use crate::export::Form;
use crate::llama::{Layers, LlamaOptions, Offload, SplitMode};
use crate::seed_log::{EvaluationRecord, SeedLog};
use crate::tune::Summary;

/// A run that has ended in some way.
pub struct EndedRun<'a> {
    pub job: &'a TuneJob,
    pub summary: Summary,
    pub log: SeedLog,
    /// Planned bytes of memory.
    pub planned: u64,
}

impl EndedRun<'_> {
    /// Reports a run that is complete: all its generations are in the log, or it is out of patience.
    pub fn done(&self) -> Result<CommandEnd> {
        let Self { job, summary, log, planned } = self;
        if let Some(export) = &job.export {
            let until = (!self.is_all()).then_some(Until::Best);
            export::ExportJob { until, ..export.clone() }.make(log, log.chosen())?;
        }
        // Writing the model has compared the same already.
        if job.export.is_none() || log.chosen() < summary.generations {
            audit::at_end(&job.model, &job.log)?;
        }
        if job.json {
            let export = job.export.as_ref();
            let model = export.and_then(|export| export.output.as_ref()).map(json::path);
            let card = export.and_then(export::ExportJob::card_path).map(json::path);
            out::json(&TuneLine::Done(self.line().with_files(model, card)))?;
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

    /// Reports a run that Ctrl-C stopped.
    pub fn stopped(&self) -> CommandEnd {
        let Self { job, summary, .. } = self;
        if job.json {
            progress::tell(&TuneLine::Interrupted(self.line()));
        }
        out::warn(format!(
            "interrupted after {}; the log is whole, continue with\n  {}",
            text::generations(summary.generations),
            self.resume_command()
        ));
        CommandEnd::Interrupted
    }

    /// Returns the last line of JSON.
    fn line(&self) -> EndLine {
        EndLine::new(&self.summary, &self.log, self.planned, drift::damage(&self.log))
    }

    /// Returns whether the model to keep is that of the last generation.
    fn is_all(&self) -> bool {
        self.log.chosen() == self.log.generations.len() as u64
    }

    /// Returns an error after which the run can be continued: first its message, then the next step.
    pub fn failed(&self, error: &anyhow::Error) -> anyhow::Error {
        let (path, resume) = (text::quoted(&self.job.log), self.resume_command());
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

    /// Warns if the run's model has become worse elsewhere.
    fn warn_of_damage(&self) -> CommandEnd {
        let Self { job, log, .. } = self;
        let damage = drift::damage(log);
        if damage.is_empty() {
            return CommandEnd::Success;
        }
        let is_whole = |best: &&EvaluationRecord| best.generations > 0;
        let way_out = match log.best().filter(is_whole) {
            Some(best) => format!(
                "the best model within the limit is that after {}:\n  qes-gguf export {} {} -o MODEL.gguf --generation best",
                text::generations(best.generations),
                text::quoted(&job.model),
                text::quoted(&job.log)
            ),
            None => "no evaluated generation gained within the limit; try smaller steps (--alpha), or evaluate more often \
                     (--eval-every)"
                .to_owned(),
        };
        out::warn(format!("\nwarning: {}\n{way_out}", damage.join("\nwarning: ")));
        CommandEnd::Damaged
    }

    /// Warns if the rewards told little or nothing.
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

    /// Returns the command that continues the run.
    fn resume_command(&self) -> String {
        let job = self.job;
        let mut command =
            format!("qes-gguf tune {} -o {} --resume", text::quoted(&job.model), text::quoted(&job.log));
        let task = &self.log.header.task;
        let mut definitions = task.retain.iter().map(|retain| &retain.definition).chain([&task.definition]);
        if definitions.any(|definition| definition.program().is_some()) {
            command += " --trust-log";
        }
        let LlamaOptions { ctx_size, parallel, repack, .. } = job.run.inference;
        let offload = &job.run.inference.offload;
        // Sizes of contexts decide the last bits of rewards, so they have to be the same again.
        for (flag, value) in [
            ("-c", ctx_size.map(u64::from)),
            ("-np", parallel.map(|number| number as u64)),
            ("--mem-budget", job.run.budget),
        ] {
            if let Some(value) = value {
                command += &format!(" {flag} {value}");
            }
        }
        if !repack {
            command += " --no-repack";
        }
        command += &on_devices(offload);
        command += &job.fleet_flags();
        command + &self.export_flags()
    }

    /// Returns the flags that write the tuned model.
    fn export_flags(&self) -> String {
        let Some(export::ExportJob { output: Some(place), form, card, .. }) = &self.job.export else {
            return String::new();
        };
        let form = if *form == Form::Bare { " --no-provenance" } else { "" };
        let card = if *card { " --card" } else { "" };
        format!(" --export {}{form}{card}", text::quoted(place))
    }

    /// Returns the next command for the user of a finished run.
    fn next_step(&self) -> String {
        let Self { job, log, .. } = self;
        let (model, path) = (text::quoted(&job.model), text::quoted(&job.log));
        let (chosen, is_all) = (log.chosen(), self.is_all());
        match job.export.as_ref().and_then(|export| Some((export, export.output.as_ref()?))) {
            Some((export, place)) => {
                let after = if is_all {
                    String::new()
                } else {
                    format!(", the model after {}", text::generations(chosen))
                };
                let card =
                    export.card_path().map_or(String::new(), |card| format!(", and {}", card.display()));
                format!(
                    "wrote {}{after}{card}; try it:\n  llama-cli -m {}",
                    place.display(),
                    text::quoted(place)
                )
            }
            None => {
                let stem = job.model.file_stem().unwrap_or_default().to_string_lossy();
                let place = text::quoted(Path::new(&format!("{stem}-tuned.gguf")));
                let until = if is_all { "" } else { " --generation best" };
                format!("to write the tuned model:\n  qes-gguf export {model} {path} -o {place}{until}")
            }
        }
    }
}

/// Returns the flags that put the layers on the same devices.
fn on_devices(offload: &Offload) -> String {
    let layers = match offload.layers {
        Layers::Auto => None,
        Layers::All => Some("all".to_owned()),
        Layers::Count(layers) => Some(layers.to_string()),
    };
    let devices = offload.devices.as_ref().map(|names| match names[..] {
        [] => "none".to_owned(),
        _ => names.join(","),
    });
    let split = (offload.split == SplitMode::None).then(|| "none".to_owned());
    let shares: Vec<String> = offload.shares.iter().map(f32::to_string).collect();
    [
        ("-ngl", layers),
        ("-dev", devices),
        ("-sm", split),
        ("-ts", (!shares.is_empty()).then(|| shares.join(","))),
        ("-mg", (offload.main > 0).then(|| offload.main.to_string())),
    ]
    .into_iter()
    .filter_map(|(flag, value)| Some(format!(" {flag} {}", value?)))
    .collect()
}
