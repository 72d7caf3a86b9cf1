//! Where a run's time went. No log knows: the clock is no part of what makes a run the same. `tune --json` tells it line by
//! line, and what it told is read here.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use super::run::HUGE;
use crate::seed_log::SeedLog;
use crate::tune::Split;

/// Why a text tells no times.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum TimingError {
    #[error(
        "line {line} is no line of `tune --json`: {source}; give what such a run printed, and that alone"
    )]
    Line { line: usize, source: serde_json::Error },
    #[error("there is no line of a generation in it; give what `tune --json` printed")]
    Nothing,
}

/// What is looked at of the lines of `tune --json` (docs/JSON.md).
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Generation(Generation),
    Done {
        seconds: f64,
    },
    Interrupted {
        seconds: f64,
    },
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
struct Generation {
    generation: u64,
    fitness_mean: f64,
    seconds: f64,
    seconds_perturb: f64,
    seconds_inference: f64,
    seconds_restore: f64,
    seconds_update: f64,
}

impl Generation {
    fn split(&self) -> Split {
        let of = |seconds: f64| seconds.clamp(0.0, HUGE);
        Split {
            perturb: of(self.seconds_perturb),
            inference: of(self.seconds_inference),
            restore: of(self.seconds_restore),
            update: of(self.seconds_update),
            seconds: of(self.seconds),
        }
    }
}

/// What `tune --json` told of a run's time, in one go or in several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// By their numbers, from 1.
    generations: BTreeMap<u64, Generation>,
    /// Seconds of the whole, where every part told its end.
    whole: Option<f64>,
}

impl Timing {
    /// Reads what `tune --json` printed.
    ///
    /// # Errors
    /// When a line is something else, or there is no generation among them.
    pub fn parse(text: &str) -> Result<Self, TimingError> {
        let mut timing = Self::default();
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        for (number, line) in lines {
            let line = serde_json::from_str(line)
                .map_err(|source| TimingError::Line { line: number + 1, source })?;
            match line {
                Line::Generation(told) => drop(timing.generations.insert(told.generation, told)),
                Line::Done { seconds } | Line::Interrupted { seconds } => {
                    timing.whole = Some(seconds.clamp(0.0, HUGE));
                }
                Line::Other => {}
            }
        }
        if timing.generations.is_empty() { Err(TimingError::Nothing) } else { Ok(timing) }
    }

    /// Whether it is this log's run that it tells of: all of its generations went as they are logged.
    pub fn is_of(&self, log: &SeedLog) -> bool {
        self.generations.values().all(|told| {
            let number = told.generation.checked_sub(1).and_then(|number| usize::try_from(number).ok());
            let record = number.and_then(|number| log.generations.get(number));
            record.is_some_and(|record| record.fitness.mean == told.fitness_mean)
        })
    }

    /// The same run's time with that of another part of it. Where both tell of a generation, the other's holds.
    pub fn and(mut self, other: Self) -> Self {
        self.generations.extend(other.generations);
        self.whole = self.whole.zip(other.whole).map(|(one, other)| one + other);
        self
    }

    /// What is shown of it: means over `per_step` generations in a row, and sums.
    pub(super) fn spent(&self, per_step: u64) -> Spent {
        let told: Vec<(f64, Split)> =
            self.generations.values().map(|told| (told.generation as f64, told.split())).collect();
        let step = |steps: &[(f64, Split)]| {
            let n = steps.len() as f64;
            let middle = steps.iter().map(|(generation, _)| generation / n).sum();
            (middle, sum(steps.iter().map(|(_, split)| split.scaled(1.0 / n))))
        };
        let total = sum(told.iter().map(|(_, split)| *split));
        let rest = self.whole.map(|whole| whole - total.seconds).filter(|rest| *rest >= 0.0);
        let steps = told.chunks(per_step.max(1) as usize).map(step).collect();
        Spent { generations: told.len() as u64, steps, total, rest }
    }
}

/// A run's time as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spent {
    /// Generations that were timed.
    pub generations: u64,
    /// Middle of some generations in a row, counted from 1, and the mean of where their time went.
    pub steps: Vec<(f64, Split)>,
    /// Where all their time went.
    pub total: Split,
    /// Seconds of the run that were no generation's: its start, held-out evaluations, the check at its end.
    pub rest: Option<f64>,
}

/// Names of the parts that a generation's time is shown in.
pub(super) const PARTS: [&str; 4] = ["inference", "perturbing and restoring codes", "update", "the rest"];

/// The seconds of each of [`PARTS`].
pub(super) fn parts(split: &Split) -> [f64; 4] {
    let edits = split.perturb + split.restore;
    let rest = split.seconds - split.inference - edits - split.update;
    [split.inference, edits, split.update, rest.max(0.0)]
}

fn sum(splits: impl Iterator<Item = Split>) -> Split {
    splits.fold(Split::default(), |a, b| Split {
        perturb: a.perturb + b.perturb,
        inference: a.inference + b.inference,
        restore: a.restore + b.restore,
        update: a.update + b.update,
        seconds: a.seconds + b.seconds,
    })
}

impl Split {
    fn scaled(&self, by: f64) -> Self {
        let Self { perturb, inference, restore, update, seconds } = *self;
        Self {
            perturb: perturb * by,
            inference: inference * by,
            restore: restore * by,
            update: update * by,
            seconds: seconds * by,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_log::test_log;

    /// A generation's line, half of whose time is inference.
    fn line(generation: u64, seconds: f64) -> String {
        let (half, tenth) = (seconds / 2.0, seconds / 10.0);
        format!(
            "{{\"event\":\"generation\",\"generation\":{generation},\"fitness_mean\":-1.5,\"alpha\":[0.1],\"seconds\":{seconds},\
             \"seconds_inference\":{half},\"seconds_perturb\":{tenth},\"seconds_restore\":{tenth},\"seconds_update\":{tenth}}}\n"
        )
    }

    #[test]
    fn times_are_read_and_summed() {
        let text = format!(
            "{{\"event\":\"start\",\"log\":\"x\"}}\n{}\n{}{{\"event\":\"done\",\"seconds\":40}}\n",
            line(1, 10.0),
            line(2, 20.0)
        );
        let spent = Timing::parse(&text).unwrap().spent(2);
        assert_eq!((spent.generations, spent.total.seconds, spent.rest), (2, 30.0, Some(10.0)));
        assert_eq!(parts(&spent.total), [15.0, 6.0, 3.0, 6.0]);
        assert_eq!(spent.steps.len(), 1);
        assert_eq!((spent.steps[0].0, spent.steps[0].1.seconds), (1.5, 15.0));
    }

    #[test]
    fn parts_of_a_run_add_up_and_the_later_holds() {
        let first =
            Timing::parse(&(line(1, 10.0) + &line(2, 9.0) + "{\"event\":\"interrupted\",\"seconds\":20}"));
        let then = line(2, 20.0) + &line(3, 30.0);
        let whole = format!("{then}{{\"event\":\"done\",\"seconds\":55}}");
        let both = first.unwrap().and(Timing::parse(&whole).unwrap());
        assert_eq!((both.spent(1).total.seconds, both.spent(1).rest), (60.0, Some(15.0)));
        assert_eq!(both.and(Timing::parse(&then).unwrap()).spent(1).rest, None, "a part without its end");
    }

    #[test]
    fn it_is_told_whose_run_it_was() {
        let log = test_log::log(2).0;
        let is_of = |text: &str| Timing::parse(text).unwrap().is_of(&log);
        assert!(is_of(&(line(1, 1.0) + &line(2, 1.0))));
        for other in [line(3, 1.0), line(0, 1.0), line(u64::MAX, 1.0), line(1, 1.0).replace("-1.5", "-1.25")]
        {
            assert!(!is_of(&other), "{other}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let error = |text: &str| Timing::parse(text).unwrap_err().to_string();
        assert!(error("").contains("no line of a generation"));
        assert!(error("{\"event\":\"start\"}\n\n").contains("no line of a generation"));
        assert!(
            error(&(line(1, 1.0) + "before: held-out")).starts_with("line 2 is no line of `tune --json`")
        );
        assert!(error("{\"event\":\"generation\",\"generation\":1}").contains("missing field"));
        assert!(error("[1]").starts_with("line 1"));
    }
}
