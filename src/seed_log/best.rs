//! The best evaluation of a run, and its patience.

use super::{EvaluationRecord, SeedLog};

impl SeedLog {
    /// Returns the best evaluation of the run: the one with the highest mean reward among those within the limit on
    /// drift, the earliest of several.
    pub fn best(&self) -> Option<&EvaluationRecord> {
        let better = |best: &EvaluationRecord, next: &EvaluationRecord| next.mean_reward > best.mean_reward;
        let within = self.evaluations.iter().filter(|record| self.damage(record).is_empty());
        within.reduce(|best, next| if better(best, next) { next } else { best })
    }

    /// Returns whether the run is out of patience: as many consecutive evaluations as it allows brought no new best one.
    pub fn is_out_of_patience(&self) -> bool {
        let Some(patience) = self.header.task.patience else { return false };
        let since = |best: &EvaluationRecord| {
            self.evaluations.iter().filter(|record| record.generations > best.generations).count() as u64
        };
        self.best().is_some_and(|best| since(best) >= patience)
    }

    /// Returns the generations of the run's final model: those of the best evaluation in a run with patience, else all.
    pub fn chosen(&self) -> u64 {
        let best = self.best().filter(|_| self.header.task.patience.is_some());
        best.map_or(self.generations.len() as u64, |best| best.generations)
    }
}
