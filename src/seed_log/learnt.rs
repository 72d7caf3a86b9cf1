//! Whether a run has anything left to learn, as far as its log can tell.

use super::SeedLog;

/// Generations in a row in which all members had every reply right, after which there is nothing to learn.
const ALL_RIGHT: usize = 2;

impl SeedLog {
    /// Returns true where rules judge replies, and all members of the last two generations had every reply right. Members are then told
    /// apart by nothing, and the codes stay as they are.
    pub fn is_learnt(&self) -> bool {
        let task = &self.header.task;
        let Some(most) = task.definition.most().filter(|_| !task.retained_counts()) else { return false };
        let last = self.generations.iter().rev().take(ALL_RIGHT);
        let right = last.filter(|record| record.fitness.spread == 0.0 && record.fitness.mean >= most);
        right.count() == ALL_RIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fitness::FitnessSummary;
    use crate::seed_log::{GenerationRecord, Line, test_log};
    use crate::task::{Reward, RewardKind};

    /// Returns whether a run has learnt all whose generations had these fitnesses, each a mean and a spread.
    fn is_learnt(rewards: &[Reward], fitness: &[(f64, f64)]) -> bool {
        let mut header = test_log::header(test_log::settings());
        header.settings.generations = 100;
        header.task.definition.rewards = rewards.to_vec();
        let (mut log, _) = SeedLog::start(header.clone()).unwrap();
        for (generation, &(mean, spread)) in (0..).zip(fitness) {
            let fitness = FitnessSummary { mean, spread, best: mean + spread };
            let made = test_log::generation(&header, generation);
            log.push(Line::Generation(GenerationRecord { fitness, ..made })).unwrap();
        }
        log.is_learnt()
    }

    #[test]
    fn a_judged_run_has_learnt_all_when_every_member_is_right_twice_in_a_row() {
        let judged = [
            Reward { weight: 0.5, kind: RewardKind::Json { schema: None, equal: false } },
            Reward { weight: 1.5, kind: RewardKind::Regex { pattern: None } },
        ];
        assert!(is_learnt(&judged, &[(1.0, 0.5), (2.0, 0.0), (2.0, 0.0)]));
        assert!(!is_learnt(&judged, &[(2.0, 0.0)]), "once may be luck");
        assert!(!is_learnt(&judged, &[(2.0, 0.0), (1.9, 0.1), (2.0, 0.0)]), "not in a row");
        assert!(!is_learnt(&judged, &[(1.0, 0.0), (1.0, 0.0)]), "all alike, but not right");
        let by_program =
            [Reward::from(RewardKind::Command { command: "x".to_owned(), timeout: None, on_timeout: None })];
        assert!(!is_learnt(&by_program, &[(2.0, 0.0), (2.0, 0.0)]), "nobody knows what is right");
    }
}
