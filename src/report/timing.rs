//! The split of a run's time. It is in no log, since times are no part of what makes a run reproducible. `tune --json`
//! prints it line by line, and this module reads that.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use serde::Deserialize;
use thiserror::Error;

use super::bounds::HUGE;
use crate::seed_log::SeedLog;
use crate::tune::Seconds;

/// Reasons for which a text has no times.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum TimingError {
    #[error(
        "line {line} is no line of `tune --json`: {source}; give what such a run printed, and that alone"
    )]
    Line { line: usize, source: serde_json::Error },
    #[error("there is no line of a generation in it; give what `tune --json` printed")]
    Nothing,
    #[error(
        "generation {generation} took just as long in an earlier file, so it seems to be the same; give each file once"
    )]
    Twice { generation: u64 },
}

/// The lines of `tune --json` (docs/JSON.md), as far as they are read here.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum TimingLine {
    Start {
        #[serde(default)]
        log: String,
    },
    Generation(GenerationTime),
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
struct GenerationTime {
    generation: u64,
    fitness_mean: f64,
    seconds: f64,
    seconds_perturb: f64,
    seconds_inference: f64,
    seconds_restore: f64,
    seconds_update: f64,
}

impl GenerationTime {
    fn split(&self) -> Seconds {
        let of = |seconds: f64| seconds.clamp(0.0, HUGE);
        Seconds {
            perturb: of(self.seconds_perturb),
            inference: of(self.seconds_inference),
            restore: of(self.seconds_restore),
            update: of(self.seconds_update),
            seconds: of(self.seconds),
        }
    }
}

/// Times of a run from the output of `tune --json`, in one part or several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timing {
    /// The generations by their numbers, from 1.
    generations: BTreeMap<u64, GenerationTime>,
    /// Seconds of each invocation outside of its generations, if its end was printed.
    rests: Vec<Option<f64>>,
    /// The path of the log, as the run was given it.
    log: Option<PathBuf>,
    is_torn: bool,
}

impl Timing {
    /// Reads the output of `tune --json`, of one invocation or of several one after the other. If the text does not
    /// end with a line end, its last line may be torn.
    ///
    /// # Errors
    /// When a line is something else, or there is no generation among them.
    pub fn parse(text: &str) -> Result<Self, TimingError> {
        let mut timing = Self::default();
        let mut generations_of_go = 0.0;
        let last = text.lines().count();
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let line = match serde_json::from_str(line) {
                Ok(line) => line,
                Err(_) if number == last && !text.ends_with('\n') => {
                    timing.is_torn = true;
                    break;
                }
                Err(source) => return Err(TimingError::Line { line: number, source }),
            };
            match line {
                TimingLine::Start { log } => {
                    timing.log = Some(log.into());
                    timing.rests.push(None);
                    generations_of_go = 0.0;
                }
                TimingLine::Generation(told) => {
                    if timing.rests.is_empty() {
                        timing.rests.push(None); // What was before is missing.
                    }
                    generations_of_go += told.split().seconds;
                    timing.generations.insert(told.generation, told);
                }
                TimingLine::Done { seconds } | TimingLine::Interrupted { seconds } => {
                    let rest = (seconds.clamp(0.0, HUGE) - generations_of_go).max(0.0);
                    timing.rests.pop();
                    timing.rests.push(Some(rest));
                }
                TimingLine::Other => {}
            }
        }
        if timing.generations.is_empty() { Err(TimingError::Nothing) } else { Ok(timing) }
    }

    /// Returns whether these are the times of this log's run: all their generations have the logged fitness.
    pub fn is_of(&self, log: &SeedLog) -> bool {
        self.generations.values().all(|told| {
            let number = told.generation.checked_sub(1).and_then(|number| usize::try_from(number).ok());
            let record = number.and_then(|number| log.generations.get(number));
            record.is_some_and(|record| record.fitness.mean == told.fitness_mean)
        })
    }

    /// Returns whether the run wrote a log with this file name.
    pub fn is_of_name(&self, name: &OsStr) -> bool {
        self.log.as_ref().is_some_and(|log| log.file_name() == Some(name))
    }

    /// Returns whether the text ended in the middle of a line, which was left out.
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Combines the time with that of another part of the same run. If both have a generation, which the run then did
    /// twice, the other's is taken.
    ///
    /// # Errors
    /// When the other seems to be the same part.
    pub fn and(mut self, other: Self) -> Result<Self, TimingError> {
        let is_twice = |told: &&GenerationTime| self.generations.get(&told.generation) == Some(*told);
        if let Some(GenerationTime { generation, .. }) = other.generations.values().find(is_twice) {
            return Err(TimingError::Twice { generation: *generation });
        }
        self.generations.extend(other.generations);
        self.rests.extend(other.rests);
        Ok(self)
    }

    /// Returns the means over `per_step` consecutive generations, and the sums.
    pub(super) fn spent(&self, per_step: u64) -> Spent {
        let mut steps: BTreeMap<u64, Vec<(f64, Seconds)>> = BTreeMap::new();
        for told in self.generations.values() {
            let step = (told.generation - 1) / per_step.max(1);
            steps.entry(step).or_default().push((told.generation as f64, told.split()));
        }
        let mean = |told: &Vec<(f64, Seconds)>| {
            let n = told.len() as f64;
            let middle = told.iter().map(|(generation, _)| generation / n).sum();
            (middle, sum(told.iter().map(|(_, split)| split.scaled(1.0 / n))))
        };
        Spent {
            generations: self.generations.len() as u64,
            steps: steps.values().map(mean).collect(),
            total: sum(self.generations.values().map(GenerationTime::split)),
            rest: self.rests.iter().copied().sum(),
        }
    }
}

/// A run's time as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spent {
    /// Generations that were timed.
    pub generations: u64,
    /// Middle of some consecutive generations, counted from 1, and their mean split of time.
    pub steps: Vec<(f64, Seconds)>,
    /// Split of all their time.
    pub total: Seconds,
    /// Seconds of the run outside of these generations, such as those of held-out evaluations, if all parts of it have
    /// their ends.
    pub rest: Option<f64>,
}

/// Names of the parts of a generation's time.
pub(super) const PARTS: [&str; 4] = ["inference", "perturbing and restoring codes", "update", "the rest"];

/// Returns the seconds of each of [`PARTS`].
pub(super) fn parts(split: &Seconds) -> [f64; 4] {
    let edits = split.perturb + split.restore;
    let rest = split.seconds - split.inference - edits - split.update;
    [split.inference, edits, split.update, rest.max(0.0)]
}

fn sum(splits: impl Iterator<Item = Seconds>) -> Seconds {
    splits.fold(Seconds::default(), |a, b| Seconds {
        perturb: a.perturb + b.perturb,
        inference: a.inference + b.inference,
        restore: a.restore + b.restore,
        update: a.update + b.update,
        seconds: a.seconds + b.seconds,
    })
}

impl Seconds {
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

    /// Returns a generation's line; half of its time is inference.
    fn line(generation: u64, seconds: f64) -> String {
        let (half, tenth) = (seconds / 2.0, seconds / 10.0);
        format!(
            "{{\"event\":\"generation\",\"generation\":{generation},\"fitness_mean\":-1.5,\"alpha\":[0.1],\"seconds\":{seconds},\
             \"seconds_inference\":{half},\"seconds_perturb\":{tenth},\"seconds_restore\":{tenth},\"seconds_update\":{tenth}}}\n"
        )
    }

    const START: &str = "{\"event\":\"start\",\"log\":\"some/x.qes\"}\n";

    fn end(event: &str, seconds: f64) -> String {
        format!("{{\"event\":\"{event}\",\"seconds\":{seconds}}}\n")
    }

    fn parse(text: &str) -> Timing {
        Timing::parse(text).unwrap()
    }

    #[test]
    fn times_are_read_and_summed() {
        let timing = parse(&[START, &line(1, 10.0), "\n", &line(2, 20.0), &end("done", 40.0)].concat());
        let spent = timing.spent(2);
        assert_eq!((spent.generations, spent.total.seconds, spent.rest), (2, 30.0, Some(10.0)));
        assert_eq!(parts(&spent.total), [15.0, 6.0, 3.0, 6.0]);
        assert_eq!(spent.steps.len(), 1);
        assert_eq!((spent.steps[0].0, spent.steps[0].1.seconds), (1.5, 15.0));
        assert_eq!(parse(&line(1, 1.0)).spent(1).rest, None);
        assert!(timing.is_of_name("x.qes".as_ref()) && !timing.is_of_name("y.qes".as_ref()));
    }

    #[test]
    fn parts_of_a_run_add_up_and_the_later_holds() {
        let first = [START, &line(1, 10.0), &line(2, 9.0), &end("interrupted", 20.0)].concat();
        let then = [START, &line(2, 20.0), &line(3, 30.0)].concat();
        let whole = [&*then, &end("done", 55.0)].concat();
        // 1 second beside the first part's generations, 5 beside the second's.
        for both in [parse(&first).and(parse(&whole)).unwrap(), parse(&(first.clone() + &whole))] {
            assert_eq!((both.spent(1).total.seconds, both.spent(1).rest), (60.0, Some(6.0)));
        }
        for without_end in [parse(&first).and(parse(&then)).unwrap(), parse(&(then.clone() + &first))] {
            assert_eq!(without_end.spent(1).rest, None);
        }
        let twice = parse(&first).and(parse(&first)).unwrap_err().to_string();
        assert!(twice.contains("give each file once"), "{twice}");
    }

    #[test]
    fn generations_that_were_not_timed_leave_a_gap() {
        let spent = parse(&[1, 2, 7, 8].map(|generation| line(generation, 1.0)).concat()).spent(2);
        let middles: Vec<f64> = spent.steps.iter().map(|step| step.0).collect();
        assert_eq!(middles, [1.5, 7.5]);
        let spent = parse(&[1, 2, 3, 8].map(|generation| line(generation, 1.0)).concat()).spent(2);
        assert_eq!(spent.steps.iter().map(|step| step.0).collect::<Vec<_>>(), [1.5, 3.0, 8.0]);
    }

    #[test]
    fn a_last_line_may_be_torn() {
        let text = line(1, 1.0) + "{\"event\":\"gener";
        assert!(parse(&text).is_torn());
        assert!(Timing::parse(&(text + "\n")).is_err());
        assert!(!parse(line(1, 1.0).trim_end()).is_torn());
    }

    #[test]
    fn it_is_told_whose_run_it_was() {
        let log = test_log::log(2).0;
        let is_of = |text: &str| parse(text).is_of(&log);
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
            error(&(line(1, 1.0) + "before: held-out\n")).starts_with("line 2 is no line of `tune --json`")
        );
        assert!(error("{\"event\":\"generation\",\"generation\":1}\n").contains("missing field"));
        assert!(error("[1]\n").starts_with("line 1"));
    }
}
