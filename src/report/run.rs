//! Figures of a run from its log, few enough to be drawn however long the log is.

use super::bounds::bounded;
use super::facts::{Fact, facts};
use super::sample::Sample;
use super::timing::{Spent, Timing};
use super::words::shown;
use crate::evaluation::EvaluationSummary;
use crate::model::logged_digest;
use crate::seed_log::{DriftRecord, EvaluationRecord, GenerationRecord, SeedLog};
use crate::text;
use crate::update::Moves;

/// Most points of a curve.
const POINTS: usize = 300;

/// Most evaluations that are drawn and listed.
const MOST_POINTS: usize = 120;

/// Most columns of the map of moves.
pub const MOVES_COLUMNS: u64 = 100;

/// Some consecutive generations as one point of the curves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StepSize {
    /// Middle of the generations, counted from 1.
    pub generation: f64,
    /// Mean of their mean fitness.
    pub mean: f64,
    /// Mean of their standard deviations.
    pub spread: f64,
    /// Best of their best members.
    pub best: f64,
    /// Mean step size of each type.
    pub alpha: Vec<f64>,
}

/// A held-out evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub generations: u64,
    pub summary: EvaluationSummary,
    pub retained: Option<f64>,
    pub drift: Option<DriftRecord>,
    pub displacement: Option<f64>,
}

/// A tuned tensor, and the share of its tuned integers that moved in a generation, span by span.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Moved {
    pub name: String,
    pub integers: u64,
    pub shares: Vec<f64>,
}

/// A run as it is shown.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) name: String,
    pub(super) base: String,
    pub(super) task: String,
    pub(super) generations: u64,
    /// Planned generations.
    planned: u64,
    /// Number of generations in a step.
    pub(super) per_step: u64,
    pub(super) steps: Vec<StepSize>,
    pub(super) points: Vec<Point>,
    /// The evaluation with the highest held-out reward within the limit on drift.
    pub(super) best: Option<Point>,
    /// Ways in which the last evaluated model exceeds the limit on drift.
    pub(super) damage: Vec<String>,
    /// Names of the tuned types.
    pub(super) types: Vec<String>,
    pub(super) integers: u64,
    pub(super) population: u32,
    pub(super) facts: Vec<Fact>,
    /// The log's running hash at its end.
    pub(super) hash: String,
    /// Digest that the run logged of its codes at the last generation.
    pub(super) digest: Option<String>,
    /// Generations in a column of the map, and the map; only when the log was replayed.
    pub(super) moved: Option<(u64, Vec<Moved>)>,
    /// Split of the time, if it was given.
    pub(super) spent: Option<Spent>,
    /// Replies before and after, if the model was run.
    pub(super) samples: Vec<Sample>,
    /// Sampling temperature of replies.
    pub(super) temp: f64,
    /// Names of the rewards.
    pub(super) rewards: String,
    /// `true` if any of them reads replies.
    pub(super) rates_replies: bool,
}

/// Returns the generations in each column of a map of moves with no more than `columns` columns.
pub fn span(generations: u64, columns: u64) -> u64 {
    generations.div_ceil(columns.max(1)).max(1)
}

impl Run {
    /// Creates a run with this name and the figures of a log.
    pub fn of(name: &str, log: &SeedLog) -> Self {
        let header = &log.header;
        let generations = log.generations.len() as u64;
        let per_step = span(generations, POINTS as u64);
        Self {
            name: shown(name),
            base: shown(&header.base.file),
            task: shown(&header.task.definition.name),
            generations,
            planned: if log.is_out_of_patience() { generations } else { log.planned() },
            per_step,
            steps: log.generations.chunks(per_step as usize).filter_map(step).collect(),
            points: thinned(&log.evaluations),
            best: log.best().map(point),
            damage: log.evaluations.last().map_or(Vec::new(), |record| text::drift::damage(log, record)),
            types: header.settings.types.iter().map(|of_type| of_type.name()).collect(),
            integers: header.integers(),
            population: header.settings.population,
            facts: facts(log),
            hash: log.chain.hex(),
            digest: logged_digest(log, generations).map(shown),
            moved: None,
            spent: None,
            samples: Vec::new(),
            temp: header.task.definition.temp,
            rewards: shown(&header.task.definition.rewards_text()),
            rates_replies: header.task.definition.reads_replies(),
        }
    }

    /// Returns the number of generations in words, with the planned one while the run goes on, and the members of each.
    pub(super) fn extent(&self) -> String {
        let (made, planned) = (text::count(self.generations), text::count(self.planned));
        let count = if self.generations < self.planned { format!("{made} of {planned}") } else { made };
        let generations = if self.generations.max(self.planned) == 1 { "generation" } else { "generations" };
        format!("{count} {generations} of {} members", text::count(self.population.into()))
    }

    /// Adds the moves that a replay of the log counted for each tensor in each `span` generations.
    pub fn with_moves(mut self, log: &SeedLog, span: u64, moves: &[Vec<Moves>]) -> Self {
        let span = span.max(1);
        let share = |integers: u64, column: usize, moves: &Moves| {
            let generations = span.min(self.generations - (column as u64 * span).min(self.generations));
            moves.moved as f64 / (integers.max(1) * generations.max(1)) as f64
        };
        let tensors = log.header.tensors.iter().zip(moves).map(|(tensor, moves)| {
            let integers = log.header.integers_of(tensor);
            let columns = moves.iter().enumerate();
            Moved {
                name: shown(&tensor.to_string()),
                integers,
                shares: columns.map(|(column, moves)| share(integers, column, moves)).collect(),
            }
        });
        self.moved = Some((span, tensors.collect()));
        self
    }

    /// Adds the split of the run's time.
    pub fn with_timing(mut self, timing: &Timing) -> Self {
        self.spent = Some(timing.spent(self.per_step));
        self
    }

    /// Adds the model's replies before and after tuning.
    pub fn with_samples(mut self, samples: Vec<Sample>) -> Self {
        self.samples = samples;
        self
    }

    /// Returns the evaluation before any tuning.
    pub(super) fn before(&self) -> Option<&Point> {
        self.points.first().filter(|point| point.generations == 0)
    }

    /// Returns the evaluation of the final codes.
    pub(super) fn after(&self) -> Option<&Point> {
        self.points.last().filter(|point| point.generations == self.generations && point.generations > 0)
    }
}

/// Returns generations as one point; `None` if there are none.
fn step(records: &[GenerationRecord]) -> Option<StepSize> {
    let (first, last) = (records.first()?, records.last()?);
    let n = records.len() as f64;
    let mean =
        |of: &dyn Fn(&GenerationRecord) -> f64| records.iter().map(|record| bounded(of(record)) / n).sum();
    let best = records.iter().map(|record| record.fitness.best).fold(f64::NEG_INFINITY, f64::max);
    Some(StepSize {
        generation: (first.generation + last.generation) as f64 / 2.0 + 1.0,
        mean: mean(&|record| record.fitness.mean),
        spread: mean(&|record| record.fitness.spread),
        best: bounded(best),
        alpha: (0..first.alpha.len()).map(|number| mean(&|record| record.alpha[number])).collect(),
    })
}

fn point(record: &EvaluationRecord) -> Point {
    let summary = text::summary_of(record);
    Point {
        generations: record.generations,
        summary: EvaluationSummary { mean_reward: bounded(summary.mean_reward), ..summary },
        retained: record.retained.map(bounded),
        drift: record.drift.map(|drift| DriftRecord {
            texts: drift.texts.map(bounded),
            own_replies: drift.own_replies.map(bounded),
            ..drift
        }),
        displacement: record.displacement.map(bounded),
    }
}

/// Returns at most [`MOST_POINTS`] of the evaluations, evenly spread, the first and the last among them.
fn thinned(records: &[EvaluationRecord]) -> Vec<Point> {
    let last = records.len().saturating_sub(1);
    let every = last.div_ceil(MOST_POINTS - 1).max(1);
    let kept = |(number, _): &(usize, &EvaluationRecord)| number.is_multiple_of(every) || *number == last;
    records.iter().enumerate().filter(kept).map(|(_, record)| point(record)).collect()
}
