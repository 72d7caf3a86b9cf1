//! Default hyper-parameters: what a bare `tune` uses, by tensor type and kind of reward.
//!
//! Found on the bundled models; the README reports what they reach. A code of Q8_0 is worth a sixteenth of one of Q4_K, so
//! its sigma and alpha are in another unit, and its noise is dense: it hits nearly every code.
//!
//! Few prompts a member make its fitness noisy. But the noise that costs most is that of millions of codes moving in a few
//! random directions, and more members on fresh prompts average that out faster than more prompts do. Measured on the
//! bundled models (one seed each, 60 generations), that ends at about 64 prompts: with Q8_0, 64 members on 64 prompts reached
//! 72.9% where 32 on 128 reached 70.4%; with Q4_K, 128 on 32 reached 71.0%, no more than 64 on 64.
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

/// Default number of generations.
pub const GENERATIONS: u64 = 150;
/// Default members of a generation.
pub const POPULATION: u32 = 64;
/// Default problems that each member is evaluated on.
pub const PROMPTS: u32 = 64;

/// Noise and step sizes of a type, for the default population.
#[derive(Clone, Copy, Debug)]
struct Scales {
    sigma: f64,
    alpha: f64,
    alpha_final: f64,
}

fn scales(tensor_type: TensorType, reward: RewardKind) -> Scales {
    match (tensor_type, reward) {
        (TensorType::Q8_0, _) => Scales { sigma: 3.2, alpha: 0.18, alpha_final: 0.02 },
        (_, RewardKind::Loglik) => Scales { sigma: 0.1, alpha: 0.006, alpha_final: 0.002 },
        (_, RewardKind::Exact) => Scales { sigma: 0.1, alpha: 0.005, alpha_final: 0.002 },
    }
}

/// Default noise and step sizes of a tensor type for a population. The sum over pairs grows with the square root of their
/// number as long as it is mostly noise, so alpha shrinks with it: the share of codes that move stays the same.
pub fn type_settings(tensor_type: TensorType, reward: RewardKind, population: u32) -> TypeSettings {
    let Scales { sigma, alpha, alpha_final } = scales(tensor_type, reward);
    let factor = (f64::from(POPULATION) / f64::from(population.max(2))).sqrt();
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
            for reward in [RewardKind::Loglik, RewardKind::Exact] {
                let settings = type_settings(tensor_type, reward, POPULATION);
                assert!(Noise::new(settings.sigma).is_ok());
                assert!(settings.alpha >= settings.alpha_final && settings.alpha_final > 0.0);
            }
        }
    }
}
