//! The loop over generations: perturb, evaluate, restore, log, update.
//!
//! A [`Tuner`] coordinates: it has the log and its [`Journal`], determines the members to evaluate, and makes records
//! of their fitness. A [`Population`] has the model: it evaluates members, applies records and knows the codes.
//! [`Local`] is the one of this process, with an [`Engine`](crate::engine::Engine) and [`Evaluators`]; several
//! machines would be another. Neither draws a number, decides a code or writes a file itself. A generation's record is
//! durable in the journal before its update touches a code, so a run that dies at any point is continued by replaying
//! its log.

mod audit;
mod coordinator;
mod drift;
mod evaluators;
mod event;
mod local;
mod members;
mod population;
mod restraint;
mod watch;

use thiserror::Error;

pub use audit::Auditor;
pub use coordinator::Tuner;
pub use drift::DriftSample;
pub use evaluators::{Evaluators, GenerationBatch, Rewards};
pub use event::{Event, Observer, Summary, Warning};
pub use local::Local;
pub use members::Members;
pub use population::{HeldOut, Population};
pub use watch::{Seconds, Watch};

use crate::drift::DriftError;
use crate::engine::EngineError;
use crate::evaluation::EvaluationError;
use crate::model::ModelError;
use crate::recipe::stores_residual;
use crate::replay::History;
use crate::seed_log::{Header, Line, LogError, SeedLog};
use crate::store::{Journal, StoreError};

/// Reasons for which a run ended early. Everything before the fault is in the log.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum TuneError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    #[error(transparent)]
    Drift(#[from] DriftError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(
        "generation {generation}: a member's fitness is not a finite number; the noise may be too large for this model: \
         export what the log has, or start a new run with a smaller --sigma"
    )]
    NotFinite { generation: u64 },
    #[error(
        "generation {generation}: not one of its members was evaluated; resume the run when there is somebody to evaluate them"
    )]
    NotEvaluated { generation: u64 },
    #[error("the machines that evaluate the members cannot be used: {why}")]
    Elsewhere { why: String },
}

/// Outcome of a run that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All planned generations are in the log.
    Done,
    /// The run is out of patience before that.
    OutOfPatience,
    /// It was asked to stop; the log is complete and the run can be resumed.
    Stopped,
}

/// Ways to keep the residual; one that cannot be replayed is always stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResidualMode {
    /// Replay it from the log's window at every update.
    Replay,
    /// Keep it in memory.
    Stored,
}

impl ResidualMode {
    /// Returns the mode of a run with this header if memory is no concern.
    pub fn usual(header: &Header, history: &History) -> Self {
        let pays = stores_residual(header.integers() * history.residual_bytes());
        if pays || history.must_store() { Self::Stored } else { Self::Replay }
    }
}

/// Adds a record to the journal and, once it is durable there, to the log.
///
/// # Errors
/// When the record does not follow from the log, or cannot be written; the log then lacks it, as the journal does.
pub fn record(log: &mut SeedLog, journal: &mut dyn Journal, line: Line) -> Result<(), TuneError> {
    let prepared = log.prepare(line)?;
    journal.append(prepared.text())?;
    prepared.commit();
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
