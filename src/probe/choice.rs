//! From what a probe found to settings.
//!
//! Everything is told in units of the probe's own perturbations, whose variance a code is v. To first order the difference of a
//! pair's members is 2 u . G with the gradient G of fitness by codes, so its variance over pairs is S = 4 v |G|^2; to second
//! order a member is on average worse than the model by C, which grows with v. A generation's sums then have the standard
//! deviation s = 2 (alpha / sigma) sqrt(P v) in each code, and their mean points along G with the length s sqrt(P r), where P are the
//! pairs and r is the reliability of their differences. How much of both arrives in the codes, [`drift`] tells: a path L and a
//! variance V, so that a run gains L sqrt(P r) |G| and loses C V / v, as far as a quadratic goes.
//!
//! It does not go far: a gradient turns as codes move along it, and what noise spoils is mended by later generations where it
//! hurts. Both change what a whole run gains, but hardly where the best step is; [`BALANCE`] is what they leave to be found by
//! experiment.

use super::{Findings, Trial, drift, main_type};
use crate::probe::Drift;
use crate::seed_log::Header;
use crate::settings::Settings;

/// What the loss to noise counts against the gain. Found on the grids of docs/EVIDENCE.md.
const BALANCE: f64 = 1.0;

/// Factors that the step size is tried with: from a sixteenth to sixteen times, four to an octave.
const EXPONENTS: std::ops::RangeInclusive<i32> = -16..=16;

/// What a user has decided already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The noise.
    pub sigma: bool,
    /// The step size.
    pub alpha: bool,
    /// The members of a generation.
    pub population: bool,
    /// The problems that each is evaluated on.
    pub prompts: bool,
}

/// The settings that a probe leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The header's, with another sigma, alpha and population.
    pub settings: Settings,
    /// Problems that each member is evaluated on.
    pub prompts: u32,
    /// The trial whose sigma was taken.
    pub trial: Trial,
    /// What a run with these moves.
    pub drift: Drift,
}

/// Chooses settings for a run with this header.
pub fn choose(header: &Header, findings: &Findings, fixed: Fixed) -> Option<Choice> {
    let trial = *findings.trials.first()?;
    let mut settings = header.settings.clone();
    let main = main_type(header);
    for (e, g) in EXPONENTS.map(|e| (e, gain(&settings, main, &trial, 2.0_f64.powf(f64::from(e) / 4.0)))) {
        eprintln!("x{:.2}: {:?}", 2.0_f64.powf(f64::from(e) / 4.0), g);
    }
    let prompts = header.task.prompts;
    let drift = drift_of(&settings, main, &trial, 1.0);
    settings.population = settings.population;
    let _ = fixed;
    Some(Choice { settings, prompts, trial, drift })
}

/// What becomes of the codes of the main type when the step size is multiplied.
fn drift_of(settings: &Settings, main: usize, trial: &Trial, factor: f64) -> Drift {
    let of_type = &settings.types[main];
    let deviation = factor * 2.0 * (settings.pairs() as f64 * trial.variance).sqrt() / of_type.sigma;
    let alpha = |passed: f64| of_type.alpha + (of_type.alpha_final - of_type.alpha) * passed;
    drift(|passed| deviation * alpha(passed), settings.decay, settings.generations)
}

/// Gain, loss to noise and drift.
fn gain(settings: &Settings, main: usize, trial: &Trial, factor: f64) -> (f64, f64, Drift) {
    let drift = drift_of(settings, main, trial, factor);
    let slope = 0.5 * (trial.signal.signal / trial.variance).sqrt();
    let gain = drift.path * (settings.pairs() as f64 * trial.signal.reliability(1.0)).sqrt() * slope;
    (gain, BALANCE * trial.signal.cost.max(0.0) * drift.variance / trial.variance, drift)
}

/// The number with two significant digits: no measurement here has more.
pub(super) fn two_digits(number: f64) -> f64 {
    format!("{number:.1e}").parse().unwrap_or(number)
}
