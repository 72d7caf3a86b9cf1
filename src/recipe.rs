//! Default hyper-parameters: what a bare `tune` uses, by tensor type and kind of reward.
//!
//! Found on the bundled models, for Q4_K and Q8_0; the README reports what they reach. A code of Q8_0 is worth a fifteenth
//! of one of Q4_K, so its sigma and alpha are in another unit, and its noise is dense: it hits nearly every code. Those of
//! the other types follow from what their codes are worth ([`relative_step`]): on logarithmic axes they lie on the straight
//! line through the two tuned types. It is a little steeper than inverse proportion (sigma goes with the step to the power
//! of -1.28), which coarse codes need: a small sigma is rounded to whole codes at random, and that leaves noise of the
//! variance 0.8 sigma, not sigma squared. With these, one generation changes the weights of every type by amounts that
//! differ by less than a factor of 3 (`tests/cli/types.rs`).
//!
//! Few prompts a member make its fitness noisy. But the noise that costs most is that of millions of codes moving in a few
//! random directions, and more members on fresh prompts average that out faster than more prompts do. Measured on the
//! bundled models (one seed each, 60 generations), that ends at about 64 prompts: with Q8_0, 64 members on 64 prompts reached
//! 72.9% where 32 on 128 reached 70.4%; with Q4_K, 128 on 32 reached 71.0%, no more than 64 on 64.
//! With 4-bit codes alpha does not fall to 0: at decay 0.9 a step below about 0.002 never adds up to half a code. The codes
//! of Q8_0 are fine enough for alpha to fall much further.
//!
//! All this was found with the method `qes`. The others have the same sigma and alpha, for comparison's sake; without a
//! residual, such an alpha may be far from the best.

use crate::replay::STORED_BYTES;
use crate::settings::{TypeSettings, Window};
use crate::tensor_type::TensorType;
use crate::update::Method;

/// Default decay of the residual.
pub const DECAY: f64 = 0.9;
/// Default replay window.
pub const WINDOW: u64 = 32;
/// Default decay by method: 0 for one without a residual.
pub fn decay(method: Method) -> f64 {
    if method.has_residual() { DECAY } else { 0.0 }
}

/// Default replay window by method.
pub fn window(method: Method) -> Window {
    match method {
        Method::Qes => Window::Last(WINDOW),
        Method::QesGated => Window::All,
        Method::Quzo | Method::EsRound => Window::Last(1),
    }
}

/// Default problems of a held-out evaluation.
pub const EVAL_PROBLEMS: u32 = 1024;
/// Default generations between held-out evaluations.
pub const EVAL_EVERY: u64 = 10;

/// A residual of up to this many bytes is kept in memory by default, not replayed.
pub const SMALL_RESIDUAL: u64 = 64 << 20;

/// Whether a residual for so many codes, of which so many have dense noise, is kept in memory by default. It is replayed
/// except where that would cost time for nothing: for a model so small that nobody misses the memory, and where most codes
/// have dense noise, whose replay would take far longer than inference. The few tensors of Q6_K in a Q4_K file are not worth
/// 8 bytes for every code.
pub fn stores_residual(codes: u64, dense_codes: u64) -> bool {
    codes.saturating_mul(STORED_BYTES) <= SMALL_RESIDUAL || dense_codes > codes / 2
}

/// Default limit on drift: most that the perplexity on neutral texts may be above the base's, as a share of it.
pub const MAX_DRIFT: f64 = 0.05;

/// Default number of generations.
pub const GENERATIONS: u64 = 150;
/// Default members of a generation.
pub const POPULATION: u32 = 64;
/// Default problems that each member is evaluated on.
pub const PROMPTS: u32 = 64;

/// Default problems of what is to be retained that each member is evaluated on.
pub const RETAIN_PROMPTS: u32 = 16;

/// What a code of a tunable type is worth: the RMS of what one code up or down changes, over the RMS of the weights.
///
/// Measured on the bundled model's block matrices, quantized to the type by ggml's reference quantizer; `tests/ggml_codes.rs`
/// measures it again. Normally distributed weights give the same to within 2%, so it hardly depends on the model.
pub fn relative_step(tensor_type: TensorType) -> f64 {
    match tensor_type {
        TensorType::Q2_K => 1.139,
        TensorType::Q3_K => 0.544,
        TensorType::Q4_0 => 0.301,
        TensorType::Q4_1 => 0.280,
        TensorType::IQ4_NL => 0.284,
        TensorType::Q4_K => 0.283,
        TensorType::Q5_0 => 0.150,
        TensorType::Q5_1 => 0.136,
        TensorType::Q5_K => 0.136,
        TensorType::Q6_K => 0.0679,
        TensorType::Q8_0 => 0.0190,
        other => unreachable!("tensors of type {other} are never selected for tuning"),
    }
}

/// What a run's rewards look at, which decides how noisy they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Log-likelihoods of given replies: a little better is seen as a little better.
    Likelihoods,
    /// Replies, most of which are as good or bad as before.
    Replies,
}

/// Noise and step sizes of a type, for the default population.
#[derive(Clone, Copy, Debug)]
struct Scales {
    sigma: f64,
    alpha: f64,
    alpha_final: f64,
}

/// What was tuned on Q8_0.
const Q8_0: Scales = Scales { sigma: 3.2, alpha: 0.18, alpha_final: 0.02 };

/// What was tuned on Q4_K.
fn q4_k(signal: Signal) -> Scales {
    match signal {
        Signal::Likelihoods => Scales { sigma: 0.1, alpha: 0.006, alpha_final: 0.002 },
        Signal::Replies => Scales { sigma: 0.1, alpha: 0.005, alpha_final: 0.002 },
    }
}

fn scales(tensor_type: TensorType, signal: Signal) -> Scales {
    let finer = |than: TensorType| libm::log(relative_step(TensorType::Q4_K) / relative_step(than));
    // 0 for Q4_K, 1 for Q8_0.
    let place = finer(tensor_type) / finer(TensorType::Q8_0);
    let on_the_line = |q4_k: f64, q8_0: f64| two_digits(q4_k * libm::pow(q8_0 / q4_k, place));
    let q4_k = q4_k(signal);
    Scales {
        sigma: on_the_line(q4_k.sigma, Q8_0.sigma),
        alpha: on_the_line(q4_k.alpha, Q8_0.alpha),
        alpha_final: on_the_line(q4_k.alpha_final, Q8_0.alpha_final),
    }
}

/// The number with two significant digits: no rule of thumb has more, and every machine has the same.
pub fn two_digits(number: f64) -> f64 {
    format!("{number:.1e}").parse().unwrap_or(number)
}

/// Default noise and step sizes of a tunable tensor type for a population. The sum over pairs grows with the square root of
/// their number as long as it is mostly noise, so alpha shrinks with it: the share of codes that move stays the same.
pub fn type_settings(tensor_type: TensorType, signal: Signal, population: u32) -> TypeSettings {
    let Scales { sigma, alpha, alpha_final } = scales(tensor_type, signal);
    let factor = (f64::from(POPULATION) / f64::from(population.max(2))).sqrt();
    TypeSettings { tensor_type, sigma, alpha: alpha * factor, alpha_final: alpha_final * factor }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Noise;

    #[test]
    fn alpha_follows_the_population() {
        let alpha = |population| type_settings(TensorType::Q4_K, Signal::Likelihoods, population).alpha;
        assert_eq!(alpha(256), alpha(64) / 2.0);
    }

    #[test]
    fn the_tuned_types_have_what_was_tuned() {
        let tuned = |tensor_type, signal| {
            let of_type = type_settings(tensor_type, signal, POPULATION);
            (of_type.sigma, of_type.alpha, of_type.alpha_final)
        };
        assert_eq!(tuned(TensorType::Q4_K, Signal::Likelihoods), (0.1, 0.006, 0.002));
        assert_eq!(tuned(TensorType::Q4_K, Signal::Replies), (0.1, 0.005, 0.002));
        assert_eq!(tuned(TensorType::Q8_0, Signal::Likelihoods), (3.2, 0.18, 0.02));
        assert_eq!(tuned(TensorType::Q6_K, Signal::Likelihoods), (0.62, 0.036, 0.0068), "between them");
    }

    #[test]
    fn every_tunable_type_has_usable_defaults() {
        for tensor_type in TensorType::TUNABLE {
            for signal in [Signal::Likelihoods, Signal::Replies] {
                let settings = type_settings(tensor_type, signal, POPULATION);
                assert!(Noise::new(settings.sigma).is_ok());
                assert!(settings.alpha >= settings.alpha_final && settings.alpha_final > 0.0);
            }
        }
    }
}
