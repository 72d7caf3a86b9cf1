//! Default hyper-parameters: what a bare `tune` uses, by tensor type and kind of reward.
//!
//! Found on the bundled models; the README reports what they reach. A code of Q8_0 is worth a sixteenth of one of
//! Q4_K, so its sigma and alpha are in another unit.
//!
//! 64 prompts a member are few, and a member's fitness is noisy for it. But the noise that costs most is that of 3.4
//! million codes moving in 32 random directions, and more generations on fresh prompts average that out faster than more
//! prompts do. alpha does not fall to 0: at decay 0.9 a step below about 0.002 never adds up to half a code.

use crate::seed_log::RewardKind;
use crate::settings::TypeSettings;
use crate::tensor_type::TensorType;

/// Default number of generations.
pub const GENERATIONS: u64 = 150;
/// Default population.
pub const POPULATION: u32 = 64;
/// Default decay of the residual.
pub const DECAY: f64 = 0.9;
/// Default replay window.
pub const WINDOW: u64 = 32;
/// Default problems that each member is evaluated on.
pub const PROMPTS: u32 = 64;
/// Default problems of a held-out evaluation.
pub const EVAL_PROBLEMS: u32 = 1024;
/// Default generations between held-out evaluations.
pub const EVAL_EVERY: u64 = 10;

/// How many codes of this type make about one code of Q4_K: the ratio of their ranges.
fn codes_per_q4_code(tensor_type: TensorType) -> f64 {
    let (lo, hi) = tensor_type.code_range().unwrap_or((0, 15));
    (f64::from(hi) - f64::from(lo) + 1.0) / 16.0
}

/// Default noise and step sizes of a tensor type for a population. The sum over pairs grows with the square root of their
/// number as long as it is mostly noise, so alpha shrinks with it: the share of codes that move stays the same.
pub fn type_settings(tensor_type: TensorType, reward: RewardKind, population: u32) -> TypeSettings {
    let unit = codes_per_q4_code(tensor_type).round();
    let step = unit * (f64::from(POPULATION) / f64::from(population.max(2))).sqrt();
    let (sigma, alpha, alpha_final) = match reward {
        RewardKind::Loglik => (0.1, 0.006, 0.002),
        RewardKind::Exact => (0.1, 0.005, 0.002),
    };
    TypeSettings { tensor_type, sigma: sigma * unit, alpha: alpha * step, alpha_final: alpha_final * step }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_follow_type_and_population() {
        let q4 = type_settings(TensorType::Q4_K, RewardKind::Loglik, POPULATION);
        let q8 = type_settings(TensorType::Q8_0, RewardKind::Loglik, POPULATION);
        assert_eq!((q8.sigma, q8.alpha), (16.0 * q4.sigma, 16.0 * q4.alpha));
        let four_times = type_settings(TensorType::Q4_K, RewardKind::Loglik, 4 * POPULATION);
        assert_eq!((four_times.sigma, four_times.alpha), (q4.sigma, q4.alpha / 2.0));
    }
}
