//! Where a run was best, and whether its patience has come to an end.

use super::{EvaluationRecord, SeedLog};

impl SeedLog {
    /// Returns the evaluation with the highest mean reward among those that are within the run's limit on drift, the earliest of several:
    /// where the run was best.
    pub fn best(&self) -> Option<&EvaluationRecord> {
        let better = |best: &EvaluationRecord, next: &EvaluationRecord| next.mean_reward > best.mean_reward;
        let within = self.evaluations.iter().filter(|record| self.damage(record).is_empty());
        within.reduce(|best, next| if better(best, next) { next } else { best })
    }

    /// Returns whether the run is out of patience: as many evaluations in a row brought no new best one.
    pub fn is_out_of_patience(&self) -> bool {
        let Some(patience) = self.header.task.patience else { return false };
        let since = |best: &EvaluationRecord| {
            self.evaluations.iter().filter(|record| record.generations > best.generations).count() as u64
        };
        self.best().is_some_and(|best| since(best) >= patience)
    }

    /// Generations of the model that the run leaves: where a run with patience was best, else all.
    pub fn chosen(&self) -> u64 {
        let best = self.best().filter(|_| self.header.task.patience.is_some());
        best.map_or(self.generations.len() as u64, |best| best.generations)
    }
}
