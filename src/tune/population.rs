//! The interface between a coordinator and the model's members.

use std::sync::atomic::AtomicBool;

use super::{DriftSample, Observer, Seconds, TuneError};
use crate::drift::Drift;
use crate::es::Generation;
use crate::evaluation::EvaluationSummary;
use crate::seed_log::GenerationRecord;
use crate::update::Moves;

/// The members of a run: in this process ([`Local`](super::Local)), or wherever they are evaluated.
///
/// It holds the codes at the end of the run's log: it starts with the log so far, and applies each further record that
/// it is given. After an error its codes may differ; a new population that starts from the log has them again.
pub trait Population: Send {
    /// Evaluates the members of the next generation, all on the problems of that generation, and leaves the codes
    /// unchanged. Returns the fitness of each, in the order of their numbers, or nothing if `stop` was set meanwhile.
    /// Notifies `observer` of each member that is about to be evaluated.
    ///
    /// A member without a fitness was not evaluated, perhaps because its machine is gone. It gets the weight 0, and so
    /// does the other one of a mirrored pair. A record does not distinguish that from the weight of a member of
    /// average fitness, and need not: replay is the same. Its `evaluations` tell how many members were evaluated, but
    /// not which ones.
    ///
    /// # Errors
    /// When inference or a judge fails.
    fn evaluate(
        &mut self,
        generation: &Generation,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<Option<f64>>>, TuneError>;

    /// Applies the record of the generation that was evaluated, which is in the log by now, and returns the moves.
    ///
    /// # Errors
    /// When changed bytes cannot be copied to the memory that inference reads.
    fn apply(&mut self, record: &GenerationRecord) -> Result<Moves, TuneError>;

    /// Computes the SHA-256 over the bytes of all tuned tensors, as inference reads them.
    ///
    /// # Errors
    /// When these cannot be read.
    fn digest(&mut self) -> Result<String, TuneError>;

    /// Evaluates the present codes on the held-out problems.
    ///
    /// # Errors
    /// When inference or a judge fails.
    fn held_out(&mut self) -> Result<HeldOut, TuneError>;

    /// Returns the split of the time since it was started.
    fn spent(&self) -> Seconds;

    /// Returns the seconds that measuring drift took, of those in inference.
    fn drift_seconds(&self) -> f64 {
        0.0
    }

    /// Returns a note for the user on the run, if there is one.
    fn note(&self) -> Option<&str> {
        None
    }

    /// Returns the judges' hints about the replies so far.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns replies of the base model and of the one after this many generations to some prompts, if both were run.
    fn samples(&self, generations: u64) -> Vec<DriftSample> {
        let _ = generations;
        Vec::new()
    }
}

/// Results of the codes on problems that members are not evaluated on.
#[derive(Clone, Debug)]
pub struct HeldOut {
    /// Summary of the held-out problems.
    pub summary: EvaluationSummary,
    /// Mean reward on the retained task.
    pub retained: Option<f64>,
    /// Drift from the base model.
    pub drift: Drift,
    /// RMS change of the weights over their RMS, if the engine knows the weights of codes.
    pub displacement: Option<f64>,
}
