//! Progress of a run: text or JSON, as asked for.

use serde_json::json;

use super::job::Job;
use crate::cli::probe::Probed;
use crate::cli::progress::{self, JsonReport, Outline, TextReport};
use crate::cli::{chat, out, text, tokens};
use crate::exam::Example;
use crate::seed_log::SeedLog;
use crate::settings::TypeSettings;
use crate::tune::{Observer, ResidualMode};

/// Text or JSON.
pub enum Display {
    Text(TextReport),
    Json(JsonReport),
}

impl Display {
    /// Tells what begins, with `planned` bytes of memory.
    pub fn start(job: &Job, log: &SeedLog, planned: u64, example: Option<&Example>) -> Self {
        if job.json {
            let mut start = progress::start(log, &job.log.display().to_string(), planned);
            start["example"] = chat::object(example);
            out::progress(start);
            return Self::Json(JsonReport);
        }
        let outline = Outline::new(log);
        let report = TextReport::new(outline);
        report.line(&introduction(job, log, outline, planned));
        example.iter().for_each(|example| report.line(&chat::lines(example)));
        Self::Text(report)
    }

    /// Tells which tokens' rows are tuned.
    pub fn tell_tokens(&self, found: &tokens::Found) {
        match self {
            Self::Text(report) => report.line(&tokens::line(found)),
            Self::Json(_) => {
                let mut event = tokens::object(found);
                event["event"] = json!("rows");
                out::progress(event);
            }
        }
    }

    /// Tells what a probe led to.
    pub fn tell(&self, probed: &Probed, mode: ResidualMode) {
        match self {
            Self::Text(report) => {
                report.line(&probed.chosen());
                probed.expectations(mode).iter().for_each(|line| report.line(line));
            }
            Self::Json(_) => out::progress(probed.event(mode)),
        }
    }

    /// Returns who is told of the run's events.
    pub fn observer(&mut self) -> &mut dyn Observer {
        match self {
            Self::Text(report) => report,
            Self::Json(report) => report,
        }
    }

    /// Takes the bar away.
    pub fn stop(&mut self) {
        if let Self::Text(report) = self {
            report.finish();
        }
    }
}

fn introduction(job: &Job, log: &SeedLog, outline: Outline, planned: u64) -> String {
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
