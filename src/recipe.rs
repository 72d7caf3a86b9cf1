//! Default hyper-parameters: what a bare `tune` uses, by tensor type and kind of reward.
//!
//! Found on the bundled models; the README reports what they reach. A code of Q8_0 is worth a sixteenth of one of Q4_K, so
//! its sigma and alpha are in another unit, and its noise is dense: it hits nearly every code.
//!
//! Few prompts a member make its fitness noisy. But the noise that costs most is that of millions of codes moving in a few
//! random directions, and more members on fresh prompts average that out faster than more prompts do, until perturbing a
//! model costs as much as evaluating it. With dense noise that point comes earlier, hence fewer members with more prompts.
//! With 4-bit codes alpha does not fall to 0: at decay 0.9 a step below about 0.002 never adds up to half a code. The codes
//! of Q8_0 are fine enough for alpha to fall much further.

use crate::seed_log::RewardKind;
use crate::settings::TypeSettings;
use crate::tensor_type::TensorType;

/// Default decay of the residual.
pub const DECAY: f64 = 0.9;
/// Default replay window.
pub const WINDOW: u64 = 32;
/// Default problems of a held-out evaluation.
pub const EVAL_PROBLEMS: u32 = 1024;
/// Default generations between held-out evaluations.
pub const EVAL_EVERY: u64 = 10;

/// A residual of up to this many bytes is kept in memory by default, not replayed.
pub const SMALL_RESIDUAL: u64 = 64 << 20;

/// How much a run evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Number of generations.
    pub generations: u64,
    /// Members of a generation.
    pub population: u32,
    /// Problems that each member is evaluated on.
    pub prompts: u32,
}

/// Default noise and step sizes of a type, for the population they were found with.
#[derive(Clone, Copy, Debug)]
struct Scales {
    sigma: f64,
    alpha: f64,
    alpha_final: f64,
    population: u32,
}

/// The default effort for a model with these types: that of its densest noise.
pub fn effort(types: &[TensorType]) -> Effort {
    if types.contains(&TensorType::Q8_0) {
        Effort { generations: 180, population: 32, prompts: 128 }
    } else {
        Effort { generations: 150, population: 64, prompts: 64 }
    }
}

fn scales(tensor_type: TensorType, reward: RewardKind) -> Scales {
    let eight_bits = tensor_type == TensorType::Q8_0;
    match reward {
        _ if eight_bits => Scales { sigma: 3.2, alpha: 0.25, alpha_final: 0.03, population: 32 },
        RewardKind::Loglik => Scales { sigma: 0.1, alpha: 0.006, alpha_final: 0.002, population: 64 },
        RewardKind::Exact => Scales { sigma: 0.1, alpha: 0.005, alpha_final: 0.002, population: 64 },
    }
}

/// Default noise and step sizes of a tensor type for a population. The sum over pairs grows with the square root of their
/// number as long as it is mostly noise, so alpha shrinks with it: the share of codes that move stays the same.
pub fn type_settings(tensor_type: TensorType, reward: RewardKind, population: u32) -> TypeSettings {
    let Scales { sigma, alpha, alpha_final, population: usual } = scales(tensor_type, reward);
    let factor = (f64::from(usual) / f64::from(population.max(2))).sqrt();
    TypeSettings { tensor_type, sigma, alpha: alpha * factor, alpha_final: alpha_final * factor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    #[test]
    fn alpha_follows_the_population() {
        let alpha = |population| type_settings(TensorType::Q4_K, RewardKind::Loglik, population).alpha;
        assert_eq!(alpha(256), alpha(64) / 2.0);
    }

    #[test]
    fn every_tunable_type_has_usable_defaults() {
        for tensor_type in TensorType::TUNABLE {
            let Effort { generations, population, prompts } = effort(&[tensor_type]);
            assert!(generations > 0 && population % 2 == 0 && population > 0 && prompts > 0);
            for reward in [RewardKind::Loglik, RewardKind::Exact] {
                let settings = type_settings(tensor_type, reward, population);
                assert!(Noise::new(settings.sigma).is_ok());
                assert!(settings.alpha >= settings.alpha_final && settings.alpha_final > 0.0);
            }
        }
    }
}
