//! Events of a run, for its observers.

use super::{DriftSample, Seconds};
use crate::seed_log::{EvaluationRecord, GenerationRecord};
use crate::update::Moves;

/// An event of a run.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// A member is about to be evaluated.
    Member {
        /// Number of the generation, from 0.
        generation: u64,
        /// Number of the member, from 0.
        member: u32,
        /// Members of the generation.
        of: u32,
    },
    /// The held-out problems are about to be evaluated.
    Evaluating {
        /// Generations applied.
        generations: u64,
    },
    /// A note for the user about the run.
    Note(&'a str),
    /// The held-out problems were evaluated. It follows the generation whose codes were evaluated.
    Evaluation(&'a EvaluationRecord),
    /// A warning for the user during the run.
    Warning(Warning),
    /// A generation was applied.
    Generation {
        /// Its record in the log.
        record: &'a GenerationRecord,
        /// Codes that it moved.
        moves: Moves,
        /// Split of its time.
        split: Seconds,
    },
}

/// Warnings during a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// Nothing has been learned so far: in each of the first generations all members had the same fitness.
    EqualRewards {
        /// Number of these generations.
        generations: u64,
        /// The fitness of them all.
        fitness: f64,
        /// Possible reasons, from judges.
        hints: Vec<String>,
    },
    /// Drift would go beyond its limit, so the next steps are smaller.
    Restrained {
        /// Generations applied.
        generations: u64,
        /// The factor on the planned step sizes, below 1.
        factor: f64,
    },
}

/// An observer of a run.
pub trait Observer {
    /// Receives an event.
    fn event(&mut self, event: &Event<'_>);
}

impl<F: FnMut(&Event<'_>)> Observer for F {
    fn event(&mut self, event: &Event<'_>) {
        self(event);
    }
}

/// Totals of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Generations in the log.
    pub generations: u64,
    /// The first held-out evaluation.
    pub before: Option<EvaluationRecord>,
    /// The last held-out evaluation.
    pub after: Option<EvaluationRecord>,
    /// Split of the time of this process.
    pub total: Seconds,
    /// Seconds since the run was started by this process.
    pub seconds: f64,
    /// Length of the log.
    pub log_bytes: u64,
    /// Seconds that measuring drift took, of those in inference.
    pub drift_seconds: f64,
    /// Replies of the base model and of the tuned model to some prompts; none if this process has not run the base model.
    pub samples: Vec<DriftSample>,
}

impl Summary {
    /// Returns the share of the time that was not spent in inference, 0.0..=1.0.
    pub fn outside_inference(&self) -> f64 {
        if self.seconds > 0.0 { (1.0 - self.total.inference / self.seconds).clamp(0.0, 1.0) } else { 0.0 }
    }
}
