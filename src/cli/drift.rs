//! Drift on the command line: from flags and headers to the neutral set, and its lines in the closing summary.

use std::path::Path;

use anyhow::Result;

use super::args::DriftArgs;
use super::{UsageError, text};
use crate::recipe;
use crate::seed_log::{DRIFT_RANGE, DriftSpec, SeedLog};
use crate::tune::{DriftSample, Summary};
use crate::workload::drift_spec;

/// Characters of a prompt and of a reply in the summary.
const PROMPT: usize = 90;
const REPLY: usize = 160;

/// The word for no limit and for no set.
const NONE: &str = "none";

/// Returns how a new run measures drift.
///
/// # Errors
/// When the file is not a neutral set, or the limit is invalid.
pub fn spec(args: &DriftArgs) -> Result<Option<DriftSpec>> {
    let max = args.max_drift.as_deref().map_or(Ok(Some(recipe::MAX_DRIFT)), limit)?;
    match args.neutral.as_deref() {
        Some(NONE) if args.max_drift.is_some() => Err(UsageError(
            "--max-drift is a limit on what --neutral measures, which is none; leave one of them out"
                .to_owned(),
        )
        .into()),
        Some(NONE) => Ok(None),
        file => Ok(Some(drift_spec(file.map(Path::new), max)?)),
    }
}

/// Parses the limit as a share, from `5%` or `5`.
fn limit(typed: &str) -> Result<Option<f64>> {
    if typed == NONE {
        return Ok(None);
    }
    let number: Option<f64> = typed.strip_suffix('%').unwrap_or(typed).trim().parse().ok();
    let Some(percent) = number.filter(|percent| percent.is_finite()) else {
        return Err(UsageError(format!(
            "--max-drift is {typed}, but must be a percentage such as 5%, or none"
        ))
        .into());
    };
    let share = percent / 100.0;
    if share <= 0.0 {
        let message = format!(
            "--max-drift is {typed}, which the base model itself exceeds or no tuned one can keep: the base has a drift of 0%; \
             give more than 0%, or none"
        );
        return Err(UsageError(message).into());
    }
    if !DRIFT_RANGE.contains(&share) {
        return Err(
            UsageError(format!("--max-drift is {typed}, but must be at most 100000%, or none")).into()
        );
    }
    Ok(Some(share))
}

/// Returns the lines on drift in the closing summary.
pub fn summary(summary: &Summary) -> Vec<String> {
    let Some(after) = &summary.after else { return Vec::new() };
    let mut lines = Vec::new();
    let of_base = summary.before.as_ref().filter(|before| before.generations == 0);
    if let Some(drift) = after.drift.as_ref().filter(|_| after.generations > 0) {
        let before = of_base.and_then(|base| base.drift.as_ref()).and_then(text::drift::replies);
        lines.extend(
            text::drift::perplexity(drift).map(|told| format!("drift           {told} (perplexity)")),
        );
        lines.extend(text::drift::replies(drift).map(|told| {
            format!(
                "free replies    {told}{}",
                before.map_or(String::new(), |before| format!("; before, {before}"))
            )
        }));
    }
    if let Some(displacement) = after.displacement.filter(|_| after.generations > 0) {
        let last = after.displacement_last.map(text::percent);
        let last = last.map_or(String::new(), |last| format!(", {last} in the last generation"));
        lines.push(format!("displacement    {} of the weights' size{last}", text::percent(displacement)));
    }
    lines
}

/// Returns the time that measuring drift took.
pub fn cost(summary: &Summary) -> Option<String> {
    let share = summary.drift_seconds / summary.seconds;
    (summary.drift_seconds > 0.0 && share.is_finite()).then(|| {
        format!(
            "                measuring drift {}, {} of the run",
            text::seconds(summary.drift_seconds),
            text::percent(share)
        )
    })
}

/// Returns replies before and after tuning, as text.
pub fn samples(samples: &[DriftSample]) -> Option<String> {
    let told = |sample: &DriftSample| {
        format!(
            "{}  {}\n  before  {}\n  after   {}",
            if sample.is_held_out { "held-out" } else { "neutral " },
            text::drift::excerpt(&sample.prompt, PROMPT),
            text::drift::excerpt(&sample.before, REPLY),
            text::drift::excerpt(&sample.after, REPLY)
        )
    };
    (!samples.is_empty()).then(|| samples.iter().map(told).collect::<Vec<_>>().join("\n"))
}

/// Returns the ways in which a run's model exceeds the limit on drift; none if it was not evaluated.
pub fn damage(log: &SeedLog) -> Vec<String> {
    let chosen = log.chosen();
    let record = log.evaluations.iter().rev().find(|record| record.generations == chosen);
    record.map_or(Vec::new(), |record| text::drift::damage(log, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_percentages() {
        let of = |text| limit(text).map_err(|error| error.to_string());
        assert_eq!(of("5%"), Ok(Some(0.05)));
        assert_eq!(of("2.5"), Ok(Some(0.025)));
        assert_eq!(of("none"), Ok(None));
        for (nonsense, part) in [
            ("-1%", "the base model itself exceeds"),
            ("0", "the base has a drift of 0%"),
            ("much", "a percentage such as 5%"),
            ("NaN", "a percentage such as 5%"),
            ("1e9%", "at most 100000%"),
        ] {
            let message = of(nonsense).unwrap_err();
            assert!(message.contains(part), "{nonsense}: {message}");
        }
    }
}
