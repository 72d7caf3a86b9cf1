//! A log: its settings, and the run as a curve.

use std::path::Path;

use serde_json::json;

use crate::cli::json::{LogFacts, LoggedGeneration};
use crate::cli::text;
use crate::seed_log::SeedLog;
use crate::settings::Settings;
use crate::task::{DataOptions, Definition};

/// Columns of the curve's bars: one for each two percent.
const BAR: f64 = 50.0;

/// Returns it as text.
pub fn text(path: &Path, log: &SeedLog) -> String {
    let mut lines = settings(path, log);
    lines.push(String::new());
    lines.push(format!(
        "  {} generations ({} planned{})",
        log.generations.len(),
        log.planned(),
        if log.plans.is_empty() { " at the start" } else { "" }
    ));
    let measure = log.evaluations.first().map_or("accuracy", |first| text::measure(&text::summary_of(first)));
    let retained =
        if log.header.task.retain.is_some() { format!(" {:>9}", "retained") } else { String::new() };
    let drift = if log.evaluations.iter().any(|record| record.drift.is_some()) {
        format!(" {:>10} {:>8}", "plain text", "loops")
    } else {
        String::new()
    };
    let head = format!(
        "  {:>10} {:>9} {:>9}{retained}{drift}  held-out {measure}",
        "generation", "fitness", "held-out"
    );
    lines.push(head);
    lines.extend(curve(log));
    if let Some(last) = log.evaluations.last() {
        lines.extend(text::drift::damage(log, last).into_iter().map(|sentence| format!("  {sentence}")));
    }
    lines.join("\n")
}

fn settings(path: &Path, log: &SeedLog) -> Vec<String> {
    let header = &log.header;
    let settings = &header.settings;
    let mut lines = vec![
        format!("{}: seed log, format {}, {}", path.display(), header.version, text::bytes(log.whole_bytes)),
        format!("  written by  {}", header.tool.escape_debug()),
        format!("  base        {} ({})", header.base.file.escape_debug(), text::bytes(header.base.bytes)),
        format!("              SHA-256 {}", header.base.sha256.escape_debug()),
        format!(
            "  tuned       {} integers in {}",
            text::count(header.integers()),
            text::tensors(&header.tensors)
        ),
        format!("  task        {}", task(&header.task.definition, &text::problems(&header.task))),
    ];
    if let Some(retain) = &header.task.retain {
        let of_retained = task(&retain.definition, &format!("{} problems", retain.prompts));
        lines.push(format!("  retained    {of_retained}, weight {}", retain.weight));
    }
    if let Some(weight) = header.task.own_replies {
        lines.push(format!("  retained    the base model's own replies after openings, weight {weight}"));
    }
    if header.task.right_replies {
        lines.push("  scored      the base model's own right replies, ends where they would go on, first words to everyday prompts".to_owned());
    }
    if let Some(patience) = header.task.patience {
        lines.push(format!("  patience    {patience} evaluations"));
    }
    if let Some(drift) = &header.task.drift {
        let max = drift.max.map_or("no limit".to_owned(), |max| format!("at most {}", text::percent(max)));
        lines.push(format!("  drift       on the neutral set {}, {max}", drift.neutral.escape_debug()));
    }
    lines.extend([
        format!(
            "  population  {}{}, seed {}",
            settings.population,
            if settings.mirror { ", mirrored" } else { "" },
            settings.seed
        ),
        format!("  method      {}", method(settings)),
    ]);
    for of_type in &settings.types {
        lines.push(format!(
            "  {:<10}  sigma {} in hits of {}, alpha {} to {}",
            of_type.name(),
            of_type.sigma,
            of_type.hit,
            of_type.alpha,
            of_type.alpha_final
        ));
    }
    lines
}

/// Returns a task with its rewards, and the problems of a member.
fn task(definition: &Definition, problems: &str) -> String {
    let mut parts = vec![definition.name.escape_debug().to_string()];
    if let Some(DataOptions { path, .. }) = definition.problems.data() {
        parts.push(format!("data {}", path.escape_debug()));
    }
    parts.push(format!("reward {}, {problems}", definition.rewards_text()));
    if definition.temp > 0.0 {
        parts.push(format!("temperature {}", definition.temp));
    }
    parts.join(", ")
}

/// Returns the update rule, with its parameters.
fn method(settings: &Settings) -> String {
    let Settings { method, decay, window, shaping, anchor, .. } = settings;
    let residual = if method.has_residual() {
        format!("decay {decay}, window {window}")
    } else {
        "no residual".to_owned()
    };
    // Named as in the log and on the command line.
    let shaping = json!(shaping);
    let shaping = shaping.as_str().unwrap_or_default();
    format!("{}, {residual}, shaping {shaping}, anchor {anchor}", method.name())
}

/// Returns a line for each evaluation, with the mean fitness of the generation before it.
fn curve(log: &SeedLog) -> impl Iterator<Item = String> + '_ {
    let rewards = || log.evaluations.iter().map(|record| record.mean_reward);
    let (low, high) = (rewards().fold(f64::INFINITY, f64::min), rewards().fold(f64::NEG_INFINITY, f64::max));
    log.evaluations.iter().map(move |record| {
        // An accuracy fills its share of the bar; rewards, which have no ends, lie between the run's lowest and highest.
        let (share, held_out) = match record.accuracy() {
            Some(accuracy) => (accuracy, text::percent(accuracy)),
            None => {
                let share = (record.mean_reward - low) / (high - low).max(f64::MIN_POSITIVE);
                (share, format!("{:.4}", record.mean_reward))
            }
        };
        let before = record.generations.checked_sub(1).and_then(|last| log.generations.get(last as usize));
        let fitness = before.map_or(String::new(), |generation| format!("{:.4}", generation.fitness.mean));
        let retained = record.retained.map_or(String::new(), |retained| format!(" {retained:>9.4}"));
        let bar = "#".repeat((share * BAR).round() as usize);
        let drift = record.drift.map_or(String::new(), |drift| {
            let texts = drift.texts.map_or(String::new(), text::drift::signed);
            let replies = drift.replies();
            format!(" {texts:>10} {:>8}", format!("{} of {}", replies.loops, replies.replies))
        });
        format!("  {:>10} {fitness:>9} {held_out:>9}{retained}{drift}  {bar}", record.generations)
    })
}

/// Returns it as JSON: everything but the members' weights.
pub fn facts(log: &SeedLog) -> LogFacts<'_> {
    let generations = log.generations.iter().map(|record| LoggedGeneration {
        generation: record.generation + 1,
        alpha: &record.alpha,
        fitness: record.fitness,
    });
    LogFacts {
        header: &log.header,
        generations: generations.collect(),
        evaluations: &log.evaluations,
        planned: log.planned(),
        bytes: log.whole_bytes,
        torn_bytes: log.torn_bytes,
        hash: log.chain.hex(),
    }
}
