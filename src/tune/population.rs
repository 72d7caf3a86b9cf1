//! Those who have the model: what a coordinator needs of them.

use std::sync::atomic::AtomicBool;

use super::{Observer, Sample, Seconds, TuneError};
use crate::drift::Drift;
use crate::es::Generation;
use crate::evaluation::EvaluationSummary;
use crate::seed_log::GenerationRecord;
use crate::update::Moves;

/// The members of a run: in this process ([`Local`](super::Local)), or wherever they are evaluated.
///
/// It holds the codes that the run's log leads to: it starts with the log so far, and goes on with each record that it is told to
/// apply. After an error they may be others; a new population that starts from the log has them again.
pub trait Population: Send {
    /// Evaluates the members of the next generation, all on the problems of that generation, and leaves the codes as they were.
    /// Returns the fitness of each, in the order of their numbers, or nothing when `stop` was set meanwhile. Tells `observer` of
    /// each member that is about to be evaluated.
    ///
    /// A member without a fitness was not evaluated, perhaps because the machine that had it is gone. It gets the weight 0, and so
    /// does the other one of a mirrored pair. A record does not tell that from the weight of a member of average fitness, and need not:
    /// replay is the same. Its `evaluations` say how many members were evaluated; to say which ones were not, a list of their
    /// numbers would have to be added to it.
    ///
    /// # Errors
    /// When inference or a judge fails.
    fn evaluate(
        &mut self,
        generation: &Generation,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<Option<f64>>>, TuneError>;

    /// Applies the record of the generation that was evaluated, which is in the log by now, and returns what it moved.
    ///
    /// # Errors
    /// When changed bytes cannot be brought to where inference reads them.
    fn apply(&mut self, record: &GenerationRecord) -> Result<Moves, TuneError>;

    /// Computes the SHA-256 over the bytes of all tuned tensors, as inference reads them.
    ///
    /// # Errors
    /// When these cannot be read.
    fn digest(&mut self) -> Result<String, TuneError>;

    /// Evaluates the codes as they are on the held-out problems.
    ///
    /// # Errors
    /// When inference or a judge fails.
    fn held_out(&mut self) -> Result<HeldOut, TuneError>;

    /// Returns where the time went since it was started.
    fn spent(&self) -> Seconds;

    /// Returns the seconds that measuring drift took, of those in inference.
    fn drift_seconds(&self) -> f64 {
        0.0
    }

    /// Returns something that the user should know of the run, where there is such a thing.
    fn note(&self) -> Option<&str> {
        None
    }

    /// Returns what the judges have to say of the replies so far, beside rewards.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns what the base model and the one after so many generations reply to some prompts, where both were asked.
    fn samples(&self, generations: u64) -> Vec<Sample> {
        let _ = generations;
        Vec::new()
    }
}

/// How codes do on what no member is evaluated on.
#[derive(Clone, Debug)]
pub struct HeldOut {
    /// On the held-out problems.
    pub summary: EvaluationSummary,
    /// Their mean reward on what is to be retained.
    pub retained: Option<f64>,
    /// How far they have drifted from the base model's.
    pub drift: Drift,
    /// RMS change of the weights over their RMS, where the engine knows what a code is worth.
    pub displacement: Option<f64>,
}
