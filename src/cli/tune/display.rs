//! Progress of a run, as text or JSON.

use super::job::TuneJob;
use crate::cli::json::{self, SeenExample, StartLine, TuneLine, TunedRows};
use crate::cli::probe::Probed;
use crate::cli::progress::{self, JsonReport, RunOutline, TextReport};
use crate::cli::{chat, text, tokens};
use crate::evaluation::PromptedExample;
use crate::seed_log::SeedLog;
use crate::settings::TypeSettings;
use crate::tune::{Observer, ResidualMode};

/// Text or JSON.
pub enum Display {
    Text(TextReport),
    Json(JsonReport),
}

impl Display {
    /// Reports the start of the run, with `planned` bytes of memory.
    pub fn start(job: &TuneJob, log: &SeedLog, planned: u64, example: Option<&PromptedExample>) -> Self {
        if job.json {
            progress::tell(&TuneLine::Start(start(job, log, planned, example)));
            return Self::Json(JsonReport);
        }
        let outline = RunOutline::new(log);
        let report = TextReport::new(outline);
        report.line(&introduction(job, log, outline, planned));
        example.iter().for_each(|example| report.line(&chat::lines(example)));
        Self::Text(report)
    }

    /// Reports the tokens whose rows are tuned.
    pub fn tell_tokens(&self, found: &tokens::FoundTokens) {
        match self {
            Self::Text(report) => report.line(&tokens::line(found)),
            Self::Json(_) => progress::tell(&TuneLine::Rows(TunedRows::of(found))),
        }
    }

    /// Reports the result of a probe.
    pub fn tell(&self, probed: &Probed, mode: ResidualMode) {
        match self {
            Self::Text(report) => {
                report.line(&probed.chosen());
                probed.expectations(mode).iter().for_each(|line| report.line(line));
            }
            Self::Json(_) => progress::tell(&TuneLine::Probe(probed.fields(mode))),
        }
    }

    /// Returns the observer of the run's events.
    pub fn observer(&mut self) -> &mut dyn Observer {
        match self {
            Self::Text(report) => report,
            Self::Json(report) => report,
        }
    }

    /// Removes the bar.
    pub fn stop(&mut self) {
        if let Self::Text(report) = self {
            report.finish();
        }
    }
}

/// Returns the first line of JSON.
fn start<'a>(
    job: &TuneJob,
    log: &'a SeedLog,
    planned: u64,
    example: Option<&PromptedExample>,
) -> StartLine<'a> {
    let RunOutline { done, integers, .. } = RunOutline::new(log);
    StartLine {
        log: json::path(&job.log),
        generations_done: done,
        tensors: text::tensor_count(&log.header.tensors),
        integers,
        planned_rss_bytes: planned,
        settings: log.settings(),
        task: &log.header.task,
        example: example.map(SeenExample::from),
    }
}

fn introduction(job: &TuneJob, log: &SeedLog, outline: RunOutline, planned: u64) -> String {
    let types: Vec<String> = log.header.settings.types.iter().map(TypeSettings::name).collect();
    let start = match outline.done {
        0 => format!("tuning {} into {}", job.model.display(), job.log.display()),
        done => format!("continuing {} after {}", job.log.display(), text::generations(done)),
    };
    let own = log.header.task.own_replies.map_or("", |_| {
        "\nmembers are scored on how replies begin, and on what the base model itself says after that (--retain-own)"
    });
    format!(
        "{start}\n{} integers in {} ({}), {} generations of {} members, {} each, up to {} of memory{own}",
        text::count(outline.integers),
        text::tensors(&log.header.tensors),
        types.join(", "),
        outline.generations,
        outline.population,
        text::problems(&log.header.task),
        text::bytes(planned),
    )
}
