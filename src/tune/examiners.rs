//! Those who examine a run's members: on what the model is tuned on, and on what it must not lose.

use crate::engine::Engine;
use crate::exam::{Exam, ExamError, Examiner};
use crate::seed_log::{RetainSpec, TaskSpec};

/// Those who examine the members of a run.
pub struct Examiners {
    /// On what the model is tuned on.
    pub task: Examiner,
    /// On what must not get worse.
    pub retain: Option<Examiner>,
}

/// The problems of a generation.
pub(super) struct Exams<B> {
    pub(super) task: Exam<B>,
    /// Only where it counts.
    pub(super) retain: Option<Exam<B>>,
}

impl Examiners {
    /// Tries whether all problems that are given can be put to the engine, before a run finds out in its middle.
    ///
    /// # Errors
    /// When one cannot.
    pub fn rehearse<E: Engine>(&self, engine: &E) -> Result<(), ExamError> {
        self.task.rehearse(engine)?;
        self.retain.as_ref().map_or(Ok(()), |examiner| examiner.rehearse(engine))
    }

    /// The problems of a generation.
    pub(super) fn exams<E: Engine>(
        &self,
        engine: &E,
        spec: &TaskSpec,
        generation: u64,
    ) -> Result<Exams<E::Batch>, ExamError> {
        let task = self.task.training(engine, generation, spec.prompts as usize)?;
        let counts = spec.retain.as_ref().filter(|retain| retain.weight > 0.0);
        let training = |(examiner, counts): (&Examiner, &RetainSpec)| {
            examiner.training(engine, generation, counts.prompts as usize)
        };
        Ok(Exams { task, retain: self.retain.as_ref().zip(counts).map(training).transpose()? })
    }
}
