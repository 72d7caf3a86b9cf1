//! Outcomes of problems, and their means with confidence intervals.

use crate::fitness::{deviation, mean, share};

/// A model's result on one problem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProblemOutcome {
    /// The reward that a run tunes for.
    pub reward: f64,
    /// `true` if the problem is solved; `None` if the rewards do not tell right from wrong.
    pub right: Option<bool>,
    /// Log-likelihood of the wanted reply, if there is one.
    pub log_likelihood: Option<f64>,
}

/// Means over the problems of an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvaluationSummary {
    /// Problems evaluated.
    pub problems: u64,
    /// Problems solved; `None` if the rewards do not tell right from wrong.
    pub correct: Option<u64>,
    /// Mean reward.
    pub mean_reward: f64,
    /// Mean log-likelihood of the wanted replies, if there are any.
    pub mean_loglik: Option<f64>,
}

impl EvaluationSummary {
    /// Returns the summary of outcomes.
    pub fn of(outcomes: &[ProblemOutcome]) -> Self {
        let rewards: Vec<f64> = outcomes.iter().map(|outcome| outcome.reward).collect();
        let right: Option<Vec<bool>> = outcomes.iter().map(|outcome| outcome.right).collect();
        let logliks: Option<Vec<f64>> = outcomes.iter().map(|outcome| outcome.log_likelihood).collect();
        Self {
            problems: outcomes.len() as u64,
            correct: right.map(|right| right.into_iter().filter(|&right| right).count() as u64),
            mean_reward: mean(&rewards),
            mean_loglik: logliks.map(|logliks| mean(&logliks)),
        }
    }

    /// Returns the share of problems solved, 0.0..=1.0, if problems can be solved; 0 for no problems.
    pub fn accuracy(&self) -> Option<f64> {
        self.correct.map(|correct| share(correct, self.problems))
    }

    /// Returns the accuracy's 95% interval.
    pub fn interval(&self) -> Option<(f64, f64)> {
        self.correct.map(|correct| wilson(correct, self.problems))
    }
}

/// Difference of two models' outcomes on the same problems.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Mean of the second model's measure minus the first's: 1 or 0 for a solved problem if problems can be solved,
    /// else the reward.
    pub mean: f64,
    /// Half the width of its 95% interval.
    pub margin: f64,
}

impl Difference {
    /// Compares outcomes of the same problems, pair by pair, so that the problems' own difficulty cancels.
    pub fn of(first: &[ProblemOutcome], second: &[ProblemOutcome]) -> Self {
        let measure = |outcome: &ProblemOutcome| outcome.right.map_or(outcome.reward, f64::from);
        let differences: Vec<f64> = first.iter().zip(second).map(|(a, b)| measure(b) - measure(a)).collect();
        let n = differences.len().max(2) as f64;
        let deviation = deviation(&differences);
        let variance = deviation * deviation * n / (n - 1.0);
        Self { mean: mean(&differences), margin: NORMAL_97_5 * (variance / n).sqrt() }
    }
}

/// The 97.5% quantile of the standard normal distribution.
const NORMAL_97_5: f64 = 1.959_964;

/// Returns Wilson's 95% score interval of a proportion; the whole range for no trials.
fn wilson(successes: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let z = NORMAL_97_5;
    let n = trials as f64;
    let p = successes as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let margin = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((centre - margin) / scale).max(0.0), ((centre + margin) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_of_known_cases() {
        // Values from the formula's textbook example: 5 of 10, and the ends.
        let (low, high) = wilson(5, 10);
        assert!((low - 0.2366).abs() < 1e-4 && (high - 0.7634).abs() < 1e-4, "{low} {high}");
        assert_eq!(wilson(0, 10).0, 0.0);
        assert!(wilson(10, 10).1 > 0.999_999);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn outcomes_add_up() {
        let outcome = |right, log_likelihood: f64| ProblemOutcome {
            reward: 2.0 * log_likelihood,
            right: Some(right),
            log_likelihood: Some(log_likelihood),
        };
        let outcomes = [outcome(true, -1.0), outcome(false, -3.0), outcome(true, -0.5), outcome(false, -3.5)];
        let summary = EvaluationSummary::of(&outcomes);
        let expected =
            EvaluationSummary { problems: 4, correct: Some(2), mean_reward: -4.0, mean_loglik: Some(-2.0) };
        assert_eq!(summary, expected);
        assert_eq!(summary.accuracy(), Some(0.5));
    }

    #[test]
    fn pairs_of_marks_are_compared() {
        let outcome = |right| ProblemOutcome { reward: 0.0, right: Some(right), log_likelihood: None };
        let before = [outcome(true), outcome(false), outcome(false), outcome(false)];
        let after = [outcome(true), outcome(true), outcome(false), outcome(true)];
        let Difference { mean, margin } = Difference::of(&before, &after);
        // Differences 0, 1, 0, 1: sample variance 1/3, of their mean 1/12.
        assert_eq!(mean, 0.5);
        assert!((margin - 1.959_964 / 12.0_f64.sqrt()).abs() < 1e-12);
        let reward = |reward| ProblemOutcome { reward, right: None, log_likelihood: None };
        assert_eq!(
            Difference::of(&[reward(1.0); 3], &[reward(1.5); 3]),
            Difference { mean: 0.5, margin: 0.0 }
        );
    }

    #[test]
    fn what_not_every_problem_has_is_not_told() {
        let bare = ProblemOutcome { reward: 1.0, right: None, log_likelihood: None };
        let full = ProblemOutcome { reward: 0.0, right: Some(true), log_likelihood: Some(-1.0) };
        let summary = EvaluationSummary::of(&[bare, full]);
        assert_eq!(
            summary,
            EvaluationSummary { problems: 2, correct: None, mean_reward: 0.5, mean_loglik: None }
        );
        assert_eq!((summary.accuracy(), summary.interval()), (None, None));
    }
}
