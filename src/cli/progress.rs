//! Progress of a run, as text and as JSON.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::json::{EvaluationLine, GenerationLine, TuneLine, WarningLine};
use super::{drift, out, text};
use crate::evaluation::EvaluationSummary;
use crate::seed_log::{EvaluationRecord, GenerationRecord, SeedLog};
use crate::tune::{Event, Observer, Seconds, Summary, Warning};
use crate::update::Moves;

/// Facts of a run that a reporter needs before the start.
#[derive(Clone, Copy, Debug)]
pub struct RunOutline {
    /// Planned generations in all.
    pub generations: u64,
    /// Generations that are in the log already.
    pub done: u64,
    /// Members of a generation.
    pub population: u32,
    /// Codes that are tuned.
    pub integers: u64,
}

impl RunOutline {
    /// Returns the outline of a run that continues this log.
    pub fn new(log: &SeedLog) -> Self {
        let header = &log.header;
        Self {
            generations: log.planned(),
            done: log.generations.len() as u64,
            population: header.settings.population,
            integers: header.integers(),
        }
    }
}

/// Returns a bar of this form, shown while the standard error stream is a terminal.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    // indicatif draws nothing where the stream is no terminal.
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(500));
    out::show(Some(bar.clone()));
    bar
}

/// Removes the bar.
pub fn finish(bar: &ProgressBar) {
    out::show(None);
    bar.finish_and_clear();
}

/// Progress as text: a line for each generation, and a bar if the standard error stream is a terminal.
#[derive(Debug)]
pub struct TextReport {
    outline: RunOutline,
    bar: ProgressBar,
    /// The last generation's line, held back until it is known whether an evaluation follows on it.
    held: Option<String>,
}

impl TextReport {
    /// Shows the bar.
    pub fn new(outline: RunOutline) -> Self {
        let population = u64::from(outline.population);
        let members = outline.generations.saturating_sub(outline.done) * population;
        let bar = bar(members, "{msg}  {wide_bar}  {eta_precise} left");
        Self { outline, bar, held: None }
    }

    /// Prints permanent lines above the bar.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| out::progress(text));
    }

    /// Prints the line that was held back and removes the bar.
    pub fn finish(&mut self) {
        self.release(None);
        finish(&self.bar);
    }

    /// Prints the line that was held back, if there is one, with the evaluation that followed it.
    fn release(&mut self, evaluation: Option<&EvaluationRecord>) {
        if let Some(line) = self.held.take() {
            self.line(&(line + &evaluation.map_or(String::new(), held_out)));
        }
    }

    /// Returns a generation's line.
    fn generation(&self, record: &GenerationRecord, moves: Moves, split: Seconds) -> String {
        let number = record.generation + 1;
        let width = self.outline.generations.to_string().len();
        let share = moves.moved as f64 / self.outline.integers.max(1) as f64;
        format!(
            "generation {number:>width$}/{}  fitness {:.4}  best {:.4}  moved {:>5}  {}",
            self.outline.generations,
            record.fitness.mean,
            record.fitness.best,
            text::percent(share),
            text::seconds(split.seconds),
        )
    }
}

/// Returns an evaluation as the end of its generation's line.
fn held_out(record: &EvaluationRecord) -> String {
    let summary = text::summary_of(record);
    let measured = match summary.accuracy() {
        Some(accuracy) => text::percent(accuracy),
        None => format!("{:.4}", summary.mean_reward),
    };
    let retained = record.retained.map_or(String::new(), |retained| format!("  retained {retained:.4}"));
    let drifted = record.drift.as_ref().map_or(String::new(), text::drift::brief);
    format!("  held-out {measured}{retained}{drifted}")
}

impl Observer for TextReport {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Member { generation, member, of } => {
                self.release(None);
                let passed = (generation - self.outline.done) * u64::from(self.outline.population);
                self.bar.set_position(passed + u64::from(*member));
                let (number, all) = (generation + 1, self.outline.generations);
                self.bar.set_message(format!("generation {number}/{all}  member {}/{of}", member + 1));
            }
            Event::Evaluating { generations } => {
                // The summary tells of the last evaluation.
                if *generations == self.outline.generations {
                    self.release(None);
                }
                self.bar.set_message("held-out problems");
            }
            Event::Note(note) => self.line(&format!("note: {note}")),
            Event::Evaluation(record) if record.generations == 0 => {
                let summary = text::summary_of(record);
                self.line(&format!(
                    "before: held-out {} {}",
                    text::measure(&summary),
                    text::headline(&summary)
                ));
            }
            Event::Evaluation(record) => self.release(Some(record)),
            Event::Warning(warning) => {
                self.release(None);
                self.line(&format!("warning: {}", warned(warning)));
            }
            Event::Generation { record, moves, split } => {
                self.held = Some(self.generation(record, *moves, *split));
            }
        }
    }
}

/// Returns the closing summary.
pub fn summary(summary: &Summary, log: &SeedLog, planned: u64) -> String {
    let mut lines = results(summary, log);
    let Seconds { perturb, inference, restore, update, .. } = summary.total;
    lines.extend(drift::summary(summary));
    lines.push(format!(
        "time            {}; outside inference {}",
        text::seconds(summary.seconds),
        text::percent(summary.outside_inference())
    ));
    lines.push(format!(
        "                inference {}, perturb {}, restore {}, update {}",
        text::seconds(inference),
        text::seconds(perturb),
        text::seconds(restore),
        text::seconds(update)
    ));
    lines.extend(drift::cost(summary));
    if let Some(peak) = crate::store::peak_rss_bytes() {
        lines.push(format!("peak memory     {}, planned {}", text::bytes(peak), text::bytes(planned)));
    }
    lines.push(format!("seed log        {}", text::bytes(summary.log_bytes)));
    lines.join("\n")
}

/// Returns the summary's lines on held-out problems and on the retained task.
fn results(summary: &Summary, log: &SeedLog) -> Vec<String> {
    let (Some(first), Some(last)) = (&summary.before, &summary.after) else { return Vec::new() };
    let (before, after) = (text::summary_of(first), text::summary_of(last));
    let mut lines = vec![
        format!("before          {}", text::headline(&before)),
        format!("after           {}", text::headline(&after)),
        format!("change          {} on {}", text::change(&before, &after), text::held_out(after.problems)),
    ];
    // If the run was tuned for neither the accuracy nor the log-likelihood.
    let is_told = |summary: &EvaluationSummary| {
        summary.accuracy().is_none_or(|accuracy| accuracy == summary.mean_reward)
            || summary.mean_loglik == Some(summary.mean_reward)
    };
    if !(is_told(&before) && is_told(&after)) {
        let (before, after) = (before.mean_reward, after.mean_reward);
        lines.push(format!("mean reward     {before:.4} before, {after:.4} after"));
    }
    if let Some((before, after)) = first.retained.zip(last.retained) {
        let change = text::relative(before, after);
        lines.push(format!("retained        {before:.4} before, {after:.4} after ({change})"));
    }
    lines.extend(best(log));
    lines
}

/// Returns lines on the best evaluation of a run with patience, and the reason for its end.
fn best(log: &SeedLog) -> Vec<String> {
    let (Some(patience), Some(best)) = (log.header.task.patience, log.best()) else { return Vec::new() };
    let summary = text::summary_of(best);
    let (measure, headline) = (text::measure(&summary), text::headline(&summary));
    let mut lines =
        vec![format!("best            after {}: {measure} {headline}", text::generations(best.generations))];
    if log.is_out_of_patience() {
        let all = text::generations(log.generations.len() as u64);
        lines.push(format!(
            "                ended after {all}, as {patience} evaluations brought no higher mean reward"
        ));
    }
    lines
}

/// Progress as JSON, one object a line.
#[derive(Debug)]
pub struct JsonReport;

impl Observer for JsonReport {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Member { .. } | Event::Evaluating { .. } => {}
            Event::Note(note) => out::warn(format!("note: {note}")),
            Event::Evaluation(record) => tell(&TuneLine::Evaluation(EvaluationLine::from(*record))),
            Event::Warning(warning) => tell(&TuneLine::Warning(warning_line(warning))),
            Event::Generation { record, moves, split } => {
                tell(&TuneLine::Generation(GenerationLine::new(record, *moves, *split)));
            }
        }
    }
}

/// Returns a warning in words, with a remedy.
fn warned(warning: &Warning) -> String {
    match warning {
        Warning::EqualRewards { generations, fitness, hints } => {
            let reasons: String = hints.iter().map(|hint| format!("; {hint}")).collect();
            format!(
                "in all {generations} generations so far all members had the same fitness, {fitness:.4}, from which nothing can be \
                 learned{reasons}; stop (Ctrl-C) and look at replies with `report --samples`, or give a reward with more shades to it, \
                 more --prompts, --temp where replies are drawn, or a larger --sigma"
            )
        }
        Warning::Restrained { factor, .. } => format!(
            "steps are {} of the planned ones from here on, lest the model drifts beyond the limit (--max-drift)",
            text::percent(*factor)
        ),
    }
}

/// Returns a warning as JSON.
fn warning_line(warning: &Warning) -> WarningLine<'_> {
    let message = warned(warning);
    match warning {
        Warning::EqualRewards { generations, fitness, hints } => WarningLine {
            kind: "equal_rewards",
            generations: *generations,
            fitness: Some(*fitness),
            hints: Some(hints),
            factor: None,
            message,
        },
        Warning::Restrained { generations, factor } => WarningLine {
            kind: "restrained",
            generations: *generations,
            fitness: None,
            hints: None,
            factor: Some(*factor),
            message,
        },
    }
}

/// Prints a line of `tune --json`; an error of writing it does not stop the run.
pub fn tell(line: &TuneLine<'_>) {
    let _ = out::json(line);
}
