//! From the rewards of a generation to the weights of its perturbations.

use serde::{Deserialize, Serialize};

/// Largest absolute value of a weight (QES, arXiv 2602.03120, section 3).
pub const MAX_WEIGHT: f32 = 3.0;

/// How fitness becomes weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Shaping {
    /// The z-score over the population, clipped to -3..=3.
    Zscore,
    /// The centred rank over the population, scaled to unit variance as of a uniform distribution.
    Rank,
}

/// Mean, spread and best of the fitness of a generation's members.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "fitness"))]
pub struct FitnessSummary {
    /// Mean over all members.
    pub mean: f64,
    /// Standard deviation over all members (of the population, not of a sample).
    pub spread: f64,
    /// The best member's.
    pub best: f64,
}

/// Returns a member's fitness: the mean of its rewards. 0 for no rewards.
pub fn mean(rewards: &[f64]) -> f64 {
    if rewards.is_empty() { 0.0 } else { rewards.iter().sum::<f64>() / rewards.len() as f64 }
}

/// Returns `part` of `whole` as a share, 0.0..=1.0; 0 if both are 0.
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Returns the standard deviation around the mean, of the population.
pub(crate) fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: Vec<f64> = values.iter().map(|v| (v - centre) * (v - centre)).collect();
    mean(&squares).sqrt()
}

/// Summarizes the fitness of a generation's members.
pub fn summarize(members: &[f64]) -> FitnessSummary {
    let best = members.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    FitnessSummary { mean: mean(members), spread: deviation(members), best }
}

/// Returns the weight of each perturbation, from the fitness of the members. Mirrored members come in pairs, the one
/// that adds the perturbation first, and the weight follows from the pair's difference; otherwise from each member's
/// fitness. If all are equal, the weights are 0, never NaN.
pub fn shape(members: &[f64], mirror: bool, shaping: Shaping) -> Vec<f32> {
    let differences: Vec<f64> = members.as_chunks::<2>().0.iter().map(|[plus, minus]| plus - minus).collect();
    let values = if mirror { &differences } else { members };
    let weights = match shaping {
        Shaping::Zscore => z_scores(values),
        Shaping::Rank => centred_ranks(values),
    };
    weights.into_iter().map(|weight| weight as f32).collect()
}

fn z_scores(values: &[f64]) -> Vec<f64> {
    // Rounding of the mean must not make evidence of values that are all the same.
    if values.iter().all(|value| *value == values[0]) {
        return vec![0.0; values.len()];
    }
    let centre = mean(values);
    let spread = deviation(values) + 1e-8;
    let clip = f64::from(MAX_WEIGHT);
    values.iter().map(|value| ((value - centre) / spread).clamp(-clip, clip)).collect()
}

/// Returns ranks from -sqrt(3) to sqrt(3), the range over which a uniform variable has unit variance, so that one
/// alpha serves both shapings. Equal values share the mean of their ranks.
fn centred_ranks(values: &[f64]) -> Vec<f64> {
    let last = values.len().saturating_sub(1).max(1) as f64;
    let centred = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count() as f64;
        let equal = values.iter().filter(|other| *other == value).count() as f64;
        let rank = below + (equal - 1.0) / 2.0;
        if values.len() < 2 { 0.0 } else { (2.0 * rank / last - 1.0) * 3.0_f64.sqrt() }
    };
    values.iter().map(centred).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Shaping; 2] = [Shaping::Zscore, Shaping::Rank];

    /// Returns mirrored members with these differences.
    fn pairs(differences: &[f64]) -> Vec<f64> {
        differences.iter().flat_map(|d| [1.0 + d, 1.0]).collect()
    }

    #[test]
    fn z_scores_have_mean_zero_and_unit_spread() {
        let weights = shape(&[0.5, 1.0, 1.5, 4.0], false, Shaping::Zscore);
        let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
        assert!(mean(&weights).abs() < 1e-6);
        assert!((deviation(&weights) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn mirrored_members_weigh_by_their_difference_and_others_by_themselves() {
        let fitness = [0.5, 1.0, 1.5, 4.0, -0.5];
        for shaping in BOTH {
            let by_themselves = shape(&fitness, false, shaping);
            assert_eq!(shape(&pairs(&fitness), true, shaping), by_themselves, "{shaping:?}");
            assert_eq!(shape(&pairs(&fitness), false, shaping).len(), 10);
        }
    }

    #[test]
    fn an_outlier_is_clipped() {
        let mut fitness = vec![0.0; 31];
        fitness.push(100.0);
        assert_eq!(shape(&fitness, false, Shaping::Zscore)[31], 3.0);
    }

    #[test]
    fn equal_fitness_weighs_nothing() {
        for shaping in BOTH {
            for fitness in [&[0.25, 0.25, 0.25][..], &[0.0, 0.0], &[0.5], &[0.1; 3]] {
                for (fitness, mirror) in [(fitness.to_vec(), false), (pairs(fitness), true)] {
                    let weights = shape(&fitness, mirror, shaping);
                    assert!(weights.iter().all(|w| *w == 0.0), "{shaping:?}: {weights:?}");
                }
            }
        }
    }

    #[test]
    fn equal_differences_weigh_nothing_whatever_their_mean_rounds_to() {
        assert_eq!(shape(&[0.1, 0.0, 0.1, 0.0, 0.1, 0.0], true, Shaping::Zscore), [0.0; 3]);
    }

    #[test]
    fn ranks_ignore_distances_and_share_ties() {
        let weights = shape(&[-5.0, 0.0, 0.0, 1e6], false, Shaping::Rank);
        let root = 3.0_f32.sqrt();
        assert_eq!(weights, [-root, 0.0, 0.0, root]);
    }

    #[test]
    fn the_summary_covers_all_members() {
        let summary = summarize(&[3.0, 1.0, 2.0, 2.0]);
        assert_eq!(summary, FitnessSummary { mean: 2.0, spread: 0.5_f64.sqrt(), best: 3.0 });
    }
}
