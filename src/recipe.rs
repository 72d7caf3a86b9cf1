//! Default hyper-parameters: what a bare `tune` uses, by tensor type, field and kind of reward.
//!
//! Noise and steps of all types and fields are said in one unit, displacement: the root mean square (RMS) of what changes over
//! the RMS of the weights. [`relative_step`] is what one step of an integer is worth in it, and so turns either into the steps
//! that a log has.

use crate::block::Field;
use crate::noise::MAX_HIT;
use crate::settings::{TypeSettings, Window};
use crate::tensor_type::TensorType;
use crate::update::Method;

/// Default decay of the residual: evidence adds up over the whole run.
pub const DECAY: f64 = 1.0;
/// Default decay by method: 0 for one without a residual.
pub fn decay(method: Method) -> f64 {
    if method.has_residual() { DECAY } else { 0.0 }
}

/// Default replay window by method.
pub fn window(method: Method) -> Window {
    match method {
        Method::Qes | Method::QesGated => Window::All,
        Method::Quzo | Method::EsRound => Window::Last(1),
    }
}

/// Default problems of a held-out evaluation.
pub const EVAL_PROBLEMS: u32 = 1024;
/// Default generations between held-out evaluations.
pub const EVAL_EVERY: u64 = 10;

/// A residual of up to this many bytes is kept in memory by default, not replayed.
pub const SMALL_RESIDUAL: u64 = 64 << 20;

/// Returns whether a residual of so many bytes is kept in memory by default, not replayed.
pub fn stores_residual(bytes: u64) -> bool {
    bytes <= SMALL_RESIDUAL
}

/// Default fields that are tuned, where a type has them.
pub const FIELDS: [Field; 2] = [Field::Scales, Field::Mins];

/// Default number of generations.
pub const GENERATIONS: u64 = 150;
/// Default members of a generation.
pub const POPULATION: u32 = 64;
/// Default problems that each member is evaluated on.
pub const PROMPTS: u32 = 64;

/// Default problems of what is to be retained that each member is evaluated on.
pub const RETAIN_PROMPTS: u32 = 16;

/// Returns what one step of a field's integers is worth, as displacement: the RMS of what one step up or down of all of them
/// changes, over the RMS of the weights.
///
/// Measured on the bundled model's block matrices, quantized to the type by ggml's reference quantizer; `tests/ggml_codes.rs`
/// measures it again. Normally distributed weights give the same to within 2%, so it hardly depends on the model.
///
/// # Panics
/// For a type that cannot be tuned, or has no such field.
pub fn relative_step(tensor_type: TensorType, field: Field) -> f64 {
    let scales = FLOAT_STEP;
    let (codes, scales, mins) = match tensor_type {
        TensorType::Q2_K => (1.139, 1.9 * scales, 1.7 * scales),
        TensorType::Q3_K => (0.544, scales, 0.0),
        TensorType::Q4_0 => (0.301, scales, 0.0),
        TensorType::Q4_1 => (0.280, 2.4 * scales, 2.2 * scales),
        TensorType::IQ4_NL => (0.284, scales, 0.0),
        TensorType::Q4_K => (0.283, 2.4 * scales, 2.2 * scales),
        TensorType::Q5_0 => (0.150, scales, 0.0),
        TensorType::Q5_1 => (0.136, 2.4 * scales, 2.2 * scales),
        TensorType::Q5_K => (0.136, 2.4 * scales, 2.2 * scales),
        TensorType::Q6_K => (0.0679, scales, 0.0),
        TensorType::Q8_0 => (0.0190, scales, 0.0),
        other => unreachable!("tensors of type {other} are never selected for tuning"),
    };
    match field {
        Field::Codes => codes,
        Field::Scales => scales,
        Field::Mins => mins,
    }
}

/// RMS of what one step of the bits of a 16-bit floating-point number changes, over the number: 2^-10 of its leading part, which
/// is spread evenly over the logarithms from 1 to 2.
const FLOAT_STEP: f64 = 0.000_718;

/// What a run's rewards look at, which decides how noisy they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Log-likelihoods of given replies: a little better is seen as a little better.
    Likelihoods,
    /// Replies, most of which are as good or bad as before.
    Replies,
}

/// Default RMS of a perturbation, as displacement.
pub const SIGMA: f64 = 0.03;

/// Default displacement of a generation's step, were all of it noise, at the start and at the end of a run.
pub const STEP: (f64, f64) = (0.004, 0.001);

/// Default share of the integers that a perturbation hits, where they are fine enough for it.
const HIT_SHARE: f64 = 1.0 / 16.0;

/// The number with two significant digits: no rule of thumb has more, and every machine has the same.
pub fn two_digits(number: f64) -> f64 {
    format!("{number:.1e}").parse().unwrap_or(number)
}

/// Returns the alpha with which a generation's step has this displacement, were all of it noise, by so many perturbations of
/// so many members each.
pub fn alpha(step: f64, relative_step: f64, perturbations: f64, members: f64) -> f64 {
    step / relative_step / (members * perturbations.sqrt())
}

/// Returns the magnitude of hits for a sigma: such that [`HIT_SHARE`] of the integers are hit, or 1 where that is less.
pub fn hit(sigma: f64) -> u16 {
    (sigma / HIT_SHARE.sqrt()).round().clamp(1.0, f64::from(MAX_HIT)).max(sigma.ceil()) as u16
}

/// Returns the share of a size that each of so many fields has, when they are tuned together and are to have that size together.
pub fn share(fields: usize) -> f64 {
    1.0 / (fields.max(1) as f64).sqrt()
}

/// Returns the default noise and step sizes of a tunable type's field for a population, where `fields` fields of the type are
/// tuned together.
///
/// The weighted sum grows with the square root of the population as long as it is mostly noise, so alpha shrinks with it: the
/// displacement of a step stays the same.
pub fn type_settings(
    (tensor_type, field): (TensorType, Field),
    fields: usize,
    population: u32,
    mirror: bool,
) -> TypeSettings {
    let unit = relative_step(tensor_type, field) / share(fields);
    let sigma = two_digits(SIGMA / unit);
    let members = if mirror { 2.0 } else { 1.0 };
    let of_step = |step| two_digits(alpha(step, unit, f64::from(population) / members, members));
    let (alpha, alpha_final) = (of_step(STEP.0), of_step(STEP.1));
    TypeSettings { tensor_type, field, sigma, hit: hit(sigma), alpha, alpha_final }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::integers_of_block;

    #[test]
    fn alpha_follows_the_population() {
        let of =
            |population, mirror| type_settings((TensorType::Q4_K, Field::Codes), 1, population, mirror).alpha;
        assert!((of(256, false) / of(64, false) - 0.5).abs() < 0.05);
        // Half as many perturbations, each with two members: the sum is larger by the square root of two.
        assert!((of(256, true) / of(256, false) - 0.5_f64.sqrt()).abs() < 0.05);
    }

    #[test]
    fn every_field_of_every_tunable_type_has_usable_defaults() {
        for tensor_type in TensorType::TUNABLE {
            for field in Field::ALL.into_iter().filter(|field| integers_of_block(tensor_type, *field) > 0) {
                let settings = type_settings((tensor_type, field), 1, POPULATION, false);
                let noise = settings.noise().unwrap();
                assert!(noise.probability() <= 0.08, "{tensor_type} {field}: {}", noise.probability());
                assert!(settings.alpha >= settings.alpha_final && settings.alpha_final > 0.0);
            }
        }
    }
}
