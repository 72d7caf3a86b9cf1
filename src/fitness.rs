//! From the rewards of a generation to the weights of its pairs.

use serde::{Deserialize, Serialize};

/// Weights are kept within this distance of 0 (QES, arXiv 2602.03120, section 3).
pub const MAX_WEIGHT: f32 = 3.0;

/// How fitness differences become weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shaping {
    /// The difference's z-score over the pairs, clipped to -3..=3.
    Zscore,
    /// The difference's centred rank over the pairs, scaled to unit variance as of a uniform distribution.
    Rank,
}

/// Fitness of the two members of one antithetic pair; higher is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairFitness {
    /// Of the member that adds the perturbation.
    pub plus: f64,
    /// Of the member that subtracts it.
    pub minus: f64,
}

impl PairFitness {
    fn difference(self) -> f64 {
        self.plus - self.minus
    }
}

/// Mean, spread and best of the fitness of a generation's members.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitnessSummary {
    /// Mean over all members.
    pub mean: f64,
    /// Standard deviation over all members (of the population, not of a sample).
    pub spread: f64,
    /// The best member's.
    pub best: f64,
}

/// A member's fitness: the mean of its rewards. 0 for no rewards.
pub fn mean(rewards: &[f64]) -> f64 {
    if rewards.is_empty() { 0.0 } else { rewards.iter().sum::<f64>() / rewards.len() as f64 }
}

/// `part` of `whole` as a share, 0.0..=1.0; 0 of nothing.
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Standard deviation around the mean, of the population.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: Vec<f64> = values.iter().map(|v| (v - centre) * (v - centre)).collect();
    mean(&squares).sqrt()
}

/// Describes the members of a generation.
pub fn summarize(pairs: &[PairFitness]) -> FitnessSummary {
    let members: Vec<f64> = pairs.iter().flat_map(|pair| [pair.plus, pair.minus]).collect();
    let best = members.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    FitnessSummary { mean: mean(&members), spread: deviation(&members), best }
}

/// The weight of each pair. All differences equal gives zeros, never NaN.
pub fn shape(pairs: &[PairFitness], shaping: Shaping) -> Vec<f32> {
    let differences: Vec<f64> = pairs.iter().map(|pair| pair.difference()).collect();
    let weights = match shaping {
        Shaping::Zscore => z_scores(&differences),
        Shaping::Rank => centred_ranks(&differences),
    };
    weights.into_iter().map(|weight| weight as f32).collect()
}

fn z_scores(differences: &[f64]) -> Vec<f64> {
    // Rounding of the mean must not make evidence of differences that are all the same.
    if differences.iter().all(|d| *d == differences[0]) {
        return vec![0.0; differences.len()];
    }
    let centre = mean(differences);
    let spread = deviation(differences) + 1e-8;
    let clip = f64::from(MAX_WEIGHT);
    differences.iter().map(|d| ((d - centre) / spread).clamp(-clip, clip)).collect()
}

/// Ranks from -sqrt(3) to sqrt(3), the range over which a uniform variable has unit variance, so that one alpha serves
/// both shapings. Equal differences share the mean of their ranks.
fn centred_ranks(differences: &[f64]) -> Vec<f64> {
    let last = differences.len().saturating_sub(1).max(1) as f64;
    let centred = |d: &f64| {
        let below = differences.iter().filter(|other| *other < d).count() as f64;
        let equal = differences.iter().filter(|other| *other == d).count() as f64;
        let rank = below + (equal - 1.0) / 2.0;
        if differences.len() < 2 { 0.0 } else { (2.0 * rank / last - 1.0) * 3.0_f64.sqrt() }
    };
    differences.iter().map(centred).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(differences: &[f64]) -> Vec<PairFitness> {
        differences.iter().map(|d| PairFitness { plus: 1.0 + d, minus: 1.0 }).collect()
    }

    #[test]
    fn z_scores_have_mean_zero_and_unit_spread() {
        let weights = shape(&pairs(&[0.5, 1.0, 1.5, 4.0]), Shaping::Zscore);
        let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
        assert!(mean(&weights).abs() < 1e-6);
        assert!((deviation(&weights) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn an_outlier_is_clipped() {
        let mut differences = vec![0.0; 31];
        differences.push(100.0);
        assert_eq!(shape(&pairs(&differences), Shaping::Zscore)[31], 3.0);
    }

    #[test]
    fn equal_differences_weigh_nothing() {
        for shaping in [Shaping::Zscore, Shaping::Rank] {
            for differences in [&[0.25, 0.25, 0.25][..], &[0.0, 0.0], &[0.5]] {
                let weights = shape(&pairs(differences), shaping);
                assert!(weights.iter().all(|w| *w == 0.0), "{shaping:?}: {weights:?}");
            }
        }
    }

    #[test]
    fn equal_differences_weigh_nothing_whatever_their_mean_rounds_to() {
        let pairs = [PairFitness { plus: 0.1, minus: 0.0 }; 3];
        assert_eq!(shape(&pairs, Shaping::Zscore), [0.0; 3]);
    }

    #[test]
    fn ranks_ignore_distances_and_share_ties() {
        let weights = shape(&pairs(&[-5.0, 0.0, 0.0, 1e6]), Shaping::Rank);
        let root = 3.0_f32.sqrt();
        assert_eq!(weights, [-root, 0.0, 0.0, root]);
    }

    #[test]
    fn the_summary_covers_both_members() {
        let summary =
            summarize(&[PairFitness { plus: 3.0, minus: 1.0 }, PairFitness { plus: 2.0, minus: 2.0 }]);
        assert_eq!(summary, FitnessSummary { mean: 2.0, spread: 0.5_f64.sqrt(), best: 3.0 });
    }
}
