//! Default hyper-parameters of a bare `tune`, by tensor type and field.
//!
//! Noise and steps of all types and fields have one unit, displacement: the root mean square (RMS) of the change over
//! the RMS of the weights. [`relative_step`] is the displacement of one step of an integer, and so converts noise and
//! steps into the steps in a log.

use crate::block::Field;
use crate::noise::MAX_HIT;
use crate::seed_log::{GenerationRecord, Header, TensorSpec};
use crate::settings::{TypeSettings, Window};
use crate::task::{Definition, Problems};
use crate::tensor_type::TensorType;
use crate::update::Method;

/// Default decay of the residual: evidence adds up over the whole run.
pub const DECAY: f64 = 1.0;
/// Returns the default decay by method: 0 for one without a residual.
pub fn decay(method: Method) -> f64 {
    if method.has_residual() { DECAY } else { 0.0 }
}

/// Returns the default replay window by method.
pub fn window(method: Method) -> Window {
    match method {
        Method::Qes | Method::QesGated => Window::All,
        Method::Quzo | Method::EsRound => Window::Last(1),
    }
}

/// Default problems of a held-out evaluation.
pub const EVAL_PROBLEMS: u32 = 1024;
/// The same of a model with more than [`LARGE`] weights, whose replies to as many would take longer than some generations.
pub const EVAL_PROBLEMS_OF_LARGE: u32 = 128;
/// Weights above which a model is large in this sense.
pub const LARGE: u64 = 30_000_000;

/// Returns the default problems of a held-out evaluation of a model with so many weights.
pub fn eval_problems(weights: u64) -> u32 {
    if weights > LARGE { EVAL_PROBLEMS_OF_LARGE } else { EVAL_PROBLEMS }
}

/// Default generations between held-out evaluations.
pub const EVAL_EVERY: u64 = 10;

/// Largest residual, in bytes, that is kept in memory by default, not replayed.
pub const SMALL_RESIDUAL: u64 = 64 << 20;

/// Returns whether a residual of this many bytes is kept in memory by default, not replayed.
pub fn stores_residual(bytes: u64) -> bool {
    bytes <= SMALL_RESIDUAL
}

/// Default fields that are tuned, if a type has them.
pub const FIELDS: [Field; 2] = [Field::Scales, Field::Mins];

/// Default fields if the rows of a few tokens are tuned: their scales are too few to say where a token belongs.
pub const ROW_FIELDS: [Field; 1] = [Field::Codes];

/// Default limit on drift: largest relative rise of the perplexity on neutral texts over the base's.
pub const MAX_DRIFT: f64 = 0.05;

/// Default number of generations.
pub const GENERATIONS: u64 = 50;
/// Default members of a generation.
pub const POPULATION: u32 = 64;
/// Purpose of tuning the rows of a few tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowsFor {
    /// To teach how replies begin, or any purpose for which the user named tokens.
    Opening,
    /// To teach where replies end.
    Ending,
}

/// Generations, members, noise and steps of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Generations.
    pub generations: u64,
    /// Members of a generation.
    pub population: u32,
    /// Size of perturbations.
    pub noise: NoiseSize,
    /// Displacement of a generation's step, if all of it were noise, at the start and at the end.
    pub step: (f64, f64),
}

/// Default size of perturbations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseSize {
    /// Their RMS, as displacement.
    pub sigma: f64,
    /// Share of the integers that are hit, where they are fine enough for it.
    pub hit_share: f64,
}

impl Effort {
    /// Returns the default effort, for this many tuned weights, or for the rows of a few tokens.
    ///
    /// Teaching an end takes little: moving the row by 2% in the right direction ends every reply, and moving it by 15% affects
    /// other replies, as the row is also the token's embedding in prompts. Much of that direction is in a few integers of
    /// the row, so all of them are perturbed, each by little. Teaching a beginning, steps of twice the size learn it in
    /// fewer generations, but affect other replies too (docs/EVIDENCE.md).
    pub fn of(weights: u64, rows: Option<RowsFor>) -> Self {
        match rows {
            Some(RowsFor::Ending) => Self {
                generations: 5,
                population: 32,
                noise: NoiseSize { sigma: 0.015, hit_share: 1.0 },
                step: (0.01, 0.003),
            },
            Some(RowsFor::Opening) | None => {
                let noise = NoiseSize { sigma: SIGMA, hit_share: HIT_SHARE };
                Self { generations: GENERATIONS, population: POPULATION, noise, step: step(weights) }
            }
        }
    }
}

/// Default problems in each member's evaluation, if they are short and their supply is unlimited.
pub const PROMPTS: u32 = 64;
/// Default problems from the user's own examples, if the likelihood of given replies is rewarded.
pub const SCORED_PROMPTS: u32 = 4;
/// Default problems if replies are judged, most of which are equally good.
pub const JUDGED_PROMPTS: u32 = 16;

/// Default problems if the rows of a few tokens are tuned: members' differences are then mostly the same on all examples.
pub const ROW_PROMPTS: u32 = 1;
/// Default problems if these rows are to teach where replies end.
pub const ENDING_PROMPTS: u32 = 8;
/// Default generations between held-out evaluations if rows are tuned, since a generation takes a third of the time.
pub const ROW_EVAL_EVERY: u64 = 25;
/// Default generations between held-out evaluations, of the few that teach where replies end.
pub const ENDING_EVAL_EVERY: u64 = 3;

/// Returns the default number of problems in each member's evaluation.
///
/// The fewer problems, the more members the same time allows, which is worth more as long as a member takes little
/// time apart from its problems. With 40 chat examples on a model of 135 million weights, 4 problems take about two
/// thirds of the time that 8 take for a direction of the same worth (docs/EVIDENCE.md). `rows` is the purpose of
/// tuning the rows of a few tokens, if these are tuned.
pub fn prompts(definition: &Definition, rows: Option<RowsFor>) -> u32 {
    match definition.problems {
        Problems::Arith(_) | Problems::Countdown(_) | Problems::Code => PROMPTS,
        Problems::Gsm8k(_) | Problems::Data(_) if rows == Some(RowsFor::Ending) => ENDING_PROMPTS,
        Problems::Gsm8k(_) | Problems::Data(_) if definition.reads_replies() => JUDGED_PROMPTS,
        Problems::Gsm8k(_) | Problems::Data(_) if rows.is_some() => ROW_PROMPTS,
        Problems::Gsm8k(_) | Problems::Data(_) => SCORED_PROMPTS,
    }
}

/// Returns the default generations between held-out evaluations. `rows` is the purpose of tuning the rows of a few
/// tokens, if these are tuned.
pub fn eval_every(rows: Option<RowsFor>) -> u64 {
    match rows {
        None => EVAL_EVERY,
        Some(RowsFor::Ending) => ENDING_EVAL_EVERY,
        Some(RowsFor::Opening) => ROW_EVAL_EVERY,
    }
}

/// Default weight of the base model's own replies in a member's fitness, if the rows of a few tokens are tuned.
pub const OWN_REPLIES: f64 = 1.0;

/// Default problems of the retained task in each member's evaluation.
pub const RETAIN_PROMPTS: u32 = 16;

/// Returns the displacement of one step of a field's integers: the RMS change by one step up or down of all of them,
/// over the RMS of the weights.
///
/// Measured on the bundled model's block matrices, quantized to the type by ggml's reference quantizer;
/// `tests/ggml_codes.rs` measures it again. Normally distributed weights give the same for codes to within 2%. The
/// displacement of a scale's step depends on its magnitude: 0.05 to 0.1% of it, but more below 0.00006, where 16-bit
/// floating-point numbers are evenly spaced. The scales of Q5_K and Q6_K are often that small.
///
/// # Panics
/// For a type that cannot be tuned, or has no such field.
pub fn relative_step(tensor_type: TensorType, field: Field) -> f64 {
    let (codes, scales, mins) = match tensor_type {
        TensorType::Q2_K => (1.139, 0.001_53, 0.001_28),
        TensorType::Q3_K => (0.544, 0.000_753, 0.0),
        TensorType::Q4_0 => (0.301, 0.000_692, 0.0),
        TensorType::Q4_1 => (0.280, 0.001_60, 0.001_51),
        TensorType::IQ4_NL => (0.284, 0.000_692, 0.0),
        TensorType::Q4_K => (0.283, 0.001_72, 0.001_52),
        TensorType::Q5_0 => (0.150, 0.000_692, 0.0),
        TensorType::Q5_1 => (0.136, 0.001_62, 0.001_51),
        TensorType::Q5_K => (0.136, 0.002_78, 0.001_53),
        TensorType::Q6_K => (0.0679, 0.004_15, 0.0),
        TensorType::Q8_0 => (0.0190, 0.000_692, 0.0),
        TensorType::IQ4_XS => (0.284, 0.004_16, 0.0),
        TensorType::TQ2_0 => (2.914, 0.000_739, 0.0),
        TensorType::IQ2_XXS => (0.0, 0.000_714, 0.0),
        TensorType::IQ2_XS => (0.0, 0.000_669, 0.0),
        TensorType::IQ2_S => (0.0, 0.000_671, 0.0),
        TensorType::IQ3_XXS => (0.0, 0.000_767, 0.0),
        TensorType::IQ3_S => (0.0, 0.000_792, 0.0),
        TensorType::IQ1_S => (0.0, 0.000_715, 0.0),
        TensorType::TQ1_0 => (0.0, 0.000_720, 0.0),
        other => unreachable!("tensors of type {other} are never selected for tuning"),
    };
    match field {
        Field::Codes => codes,
        Field::Scales => scales,
        Field::Mins => mins,
    }
}

/// Returns the approximate displacement of the weights by a generation, from its alphas and weights.
///
/// Its sums have the RMS of the noise times the root of the weights' squares, of which error feedback loses nothing in
/// the end (the methods without it move otherwise); the displacement of a step is [`relative_step`]. The measured
/// displacement of whole runs is within a few percent of the root of the sum of squares of these.
pub fn displacement_of(header: &Header, record: &GenerationRecord) -> f64 {
    let squares: f64 = record.weights.iter().map(|&weight| f64::from(weight) * f64::from(weight)).sum();
    displacement(header, &record.alpha, squares)
}

/// Returns the approximate displacement by a generation with these alphas, one for each entry of the settings' types,
/// and this sum of the weights' squares, which is about the number of perturbations while it is unknown.
pub fn displacement(header: &Header, alpha: &[f64], squares: f64) -> f64 {
    let settings = &header.settings;
    let members = if settings.mirror { 2.0 } else { 1.0 };
    let of_tensor = |spec: &TensorSpec| {
        let entries = settings.types.iter().zip(alpha);
        let of_type = entries.filter(|(of_type, _)| of_type.tensor_type == spec.tensor_type);
        let step = |(of_type, alpha): (&TypeSettings, &f64)| {
            members * alpha * relative_step(of_type.tensor_type, of_type.field)
        };
        spec.codes as f64 * of_type.map(step).map(|step| step * step).sum::<f64>()
    };
    let weights: u64 = header.tensors.iter().map(|spec| spec.codes).sum();
    let sum: f64 = header.tensors.iter().map(of_tensor).sum();
    (squares * sum / weights.max(1) as f64).sqrt()
}

/// Default RMS of a perturbation, as displacement.
pub const SIGMA: f64 = 0.03;

/// Returns the default displacement of a generation's step, if all of it were noise, at the start and at the end of a
/// run, for this many tuned weights.
///
/// A small model that can do nothing but its task tolerates and needs large steps; the more weights, the further the
/// noise of a step is from what a reward can see. On a model of 3.4 million weights 6% falling to 1% was the best of a
/// few, one seed each; on one of 106 million 1.1% learnt faster than 0.5% and held. The root of the number fits both.
pub fn step(weights: u64) -> (f64, f64) {
    const TUNED: f64 = 3.4e6;
    let smaller = (TUNED / (weights as f64).max(TUNED)).sqrt();
    (0.06 * smaller, 0.01 * smaller)
}

/// Default share of the integers that a perturbation hits, if they are fine enough for it.
pub const HIT_SHARE: f64 = 1.0 / 16.0;

/// Rounds a number to two significant digits: no rule of thumb has more, and every machine gives the same.
pub fn two_digits(number: f64) -> f64 {
    format!("{number:.1e}").parse().unwrap_or(number)
}

/// Returns the magnitude of hits for a sigma: the one with which this share of the integers is hit, or 1 if that is less.
pub fn hit(sigma: f64, share: f64) -> u16 {
    (sigma / share.sqrt()).round().clamp(1.0, f64::from(MAX_HIT)).max(sigma.ceil()) as u16
}

/// Facts that default noise and step sizes depend on, besides type and field.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Size of perturbations.
    pub noise: NoiseSize,
    /// Displacement of a generation's step, if all of it were noise, at the start and at the end of a run.
    pub step: (f64, f64),
    /// Fields of the type that are tuned together.
    pub fields: usize,
    /// Members of a generation.
    pub population: u32,
    /// `true` if they come in mirrored pairs.
    pub mirror: bool,
}

impl Scope {
    /// Returns the facts that the sizes of a type depend on, if these fields of these types are tuned together.
    pub fn of(
        tensor_type: TensorType,
        entries: &[(TensorType, Field)],
        effort: Effort,
        mirror: bool,
    ) -> Self {
        let fields = entries.iter().filter(|(of_type, _)| *of_type == tensor_type).count();
        let Effort { population, noise, step, .. } = effort;
        Self { noise, step, fields, population, mirror }
    }

    /// Returns the displacement of one step of all integers of a field, if the type's fields share it.
    pub fn unit(&self, tensor_type: TensorType, field: Field) -> f64 {
        relative_step(tensor_type, field) * (self.fields.max(1) as f64).sqrt()
    }

    /// Returns the sigma of a perturbation with this displacement.
    pub fn sigma(&self, displacement: f64, tensor_type: TensorType, field: Field) -> f64 {
        displacement / self.unit(tensor_type, field)
    }

    /// Returns the alpha of a generation's step with this displacement, if all of it were noise.
    ///
    /// The weighted sum grows with the square root of the population as long as it is mostly noise, so alpha shrinks with it.
    pub fn alpha(&self, step: f64, tensor_type: TensorType, field: Field) -> f64 {
        let members = if self.mirror { 2.0 } else { 1.0 };
        let perturbations = f64::from(self.population) / members;
        step / self.unit(tensor_type, field) / (members * perturbations.sqrt())
    }
}

/// Returns the default noise and step sizes of a tunable type's field.
pub fn type_settings(tensor_type: TensorType, field: Field, scope: Scope) -> TypeSettings {
    let sigma = two_digits(scope.sigma(scope.noise.sigma, tensor_type, field));
    let (first, last) = scope.step;
    let of_step = |step| two_digits(scope.alpha(step, tensor_type, field));
    let (alpha, alpha_final) = (of_step(first), of_step(last));
    TypeSettings { tensor_type, field, sigma, hit: hit(sigma, scope.noise.hit_share), alpha, alpha_final }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::integers_of_block;
    use crate::seed_log::test_log;

    const NOISE: NoiseSize = NoiseSize { sigma: SIGMA, hit_share: HIT_SHARE };
    const SCOPE: Scope =
        Scope { noise: NOISE, step: (0.06, 0.01), fields: 1, population: POPULATION, mirror: false };

    fn codes(scope: Scope) -> TypeSettings {
        type_settings(TensorType::Q4_K, Field::Codes, scope)
    }

    #[test]
    fn alpha_follows_the_population_the_fields_and_the_weights() {
        let alpha = |scope| codes(scope).alpha / codes(SCOPE).alpha;
        let half = 0.45..0.55;
        assert!(half.contains(&alpha(Scope { population: 4 * POPULATION, ..SCOPE })));
        assert!(half.contains(&alpha(Scope { fields: 4, ..SCOPE })));
        assert!(half.contains(&alpha(Scope { step: step(13_600_000), ..SCOPE })));
        // Half as many perturbations, each with two members: the sum is larger by the square root of two.
        assert!((alpha(Scope { mirror: true, ..SCOPE }) - 0.5_f64.sqrt()).abs() < 0.05);
    }

    #[test]
    fn a_generation_moves_the_weights_as_its_alpha_says() {
        let mut header = test_log::header(test_log::settings());
        header.settings.mirror = false;
        header.tensors.truncate(1);
        let tensor_type = header.tensors[0].tensor_type;
        let scope = Scope { step: step(header.tensors[0].codes), fields: 2, population: 4, ..SCOPE };
        let of_field = |field| type_settings(tensor_type, field, scope);
        header.settings.types = vec![of_field(Field::Scales), of_field(Field::Mins)];
        let alpha: Vec<f64> =
            header.settings.types.iter().map(|of| scope.alpha(0.01, tensor_type, of.field)).collect();
        let record = GenerationRecord {
            alpha,
            weights: vec![1.0, -1.0, 1.0, -1.0],
            ..test_log::generation(&header, 0)
        };
        // Weights of unit variance, steps of 1% for both fields together.
        assert!((displacement_of(&header, &record) - 0.01).abs() < 1e-9);
        let none = GenerationRecord { weights: vec![0.0; 4], ..record };
        assert_eq!(displacement_of(&header, &none), 0.0);
    }

    #[test]
    fn large_models_are_evaluated_on_fewer_problems() {
        assert_eq!((eval_problems(3_400_000), eval_problems(LARGE)), (1024, 1024));
        assert_eq!(eval_problems(134_000_000), 128);
    }

    #[test]
    fn every_field_of_every_tunable_type_has_usable_defaults() {
        for tensor_type in TensorType::TUNABLE {
            for field in Field::ALL.into_iter().filter(|field| integers_of_block(tensor_type, *field) > 0) {
                let settings = type_settings(tensor_type, field, SCOPE);
                let noise = settings.noise().unwrap();
                assert!(noise.probability() <= 0.08, "{tensor_type} {field}: {}", noise.probability());
                assert!(settings.alpha >= settings.alpha_final && settings.alpha_final > 0.0);
            }
        }
    }
}
