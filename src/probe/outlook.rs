//! Predicts fitness and drift of a run from the effects of its first perturbations.
//!
//! All units are those of the probe's own perturbation. With the standard deviation A of members' true differences in
//! fitness, a step as large as c perturbations along the sums of N members of reliability r gains c A sqrt(N r) to
//! first order, and adds noise of the same size, which costs c^2 times as much as a perturbation.

use libm::{exp, sqrt};

use super::{DriftOfNoise, Findings, deviation};
use crate::settings::Settings;

/// Expected results of a run, to within a factor of about two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Gain in fitness by the steps, minus the loss by their noise.
    pub gain: f64,
    /// Relative rise of the perplexity of plain text, if it was measured.
    pub texts: Option<f64>,
    /// Relative rise of the perplexity of the base model's own replies, if it was measured.
    pub own_replies: Option<f64>,
    /// Displacement of the first generation's step, and of all together, if the probe's own is known.
    pub displacement: Option<[f64; 2]>,
}

/// Steps of a run, in perturbations of the probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Steps {
    /// The first step.
    pub first: f64,
    /// Sum over the generations.
    pub sum: f64,
    /// Sum of their squares.
    pub squares: f64,
}

impl Steps {
    /// Returns the steps of a run with these settings, by the type and field at `main`, whose perturbation had this variance.
    pub fn of(settings: &Settings, main: usize, variance: f64) -> Self {
        let of_type = &settings.types[main];
        let unit =
            deviation(settings, main, variance) / of_type.alpha.max(f64::MIN_POSITIVE) / sqrt(variance);
        let step = |generation| unit * of_type.alpha_at(generation, settings.generations);
        let all = || (0..settings.generations).map(step);
        Self { first: step(0), sum: all().sum(), squares: all().map(|step| step * step).sum() }
    }

    /// Returns the same steps in units of perturbations that are smaller by a factor.
    pub fn times(self, factor: f64) -> Self {
        Self { first: factor * self.first, sum: factor * self.sum, squares: factor * factor * self.squares }
    }
}

/// Predicts a run with these settings, whose members have this reliability.
pub(super) fn outlook(findings: &Findings, settings: &Settings, steps: Steps, reliability: f64) -> Outlook {
    let Some(trial) = findings.trials.first() else {
        return Outlook { gain: 0.0, texts: None, own_replies: None, displacement: None };
    };
    let members = settings.perturbations() as f64;
    let odd = 1.0 - findings.even;
    // Of unmirrored members, what is even is noise besides.
    let reliability = if settings.mirror { reliability } else { odd * reliability };
    let gain = steps.sum * sqrt(odd * trial.signal.signal * members * reliability);
    let cost = findings.cost.map_or(0.0, |cost| cost.at_least() * trial.variance) * steps.squares;
    let rise = |of: Option<DriftOfNoise>| of.map(|of| exp(of.rise.max(0.0) * steps.squares) - 1.0);
    let displacement =
        findings.displacement.map(|of_member| [steps.first, sqrt(steps.squares)].map(|s| s * of_member));
    Outlook {
        gain: bounded(gain, headroom(findings)) - cost,
        texts: rise(findings.texts),
        own_replies: rise(findings.own_replies),
        displacement,
    }
}

/// Share of the possible gain that a long run may be expected to reach: gradients brought replies to 40 chat examples
/// from -91 to -33 nats, and a long run brought the bundled model from -1.39 to -0.80.
const REACHABLE: f64 = 0.6;

/// Returns a gain that levels off towards the most that can be gained.
fn bounded(gain: f64, most: Option<f64>) -> f64 {
    most.map_or(gain, |most| if most > 0.0 { most * (1.0 - exp(-gain / most)) } else { 0.0 })
}

/// Returns the fitness that can be gained: rewards are logarithms of probabilities, or from 0 to 1; otherwise it is
/// unknown.
fn headroom(findings: &Findings) -> Option<f64> {
    let (least, most) = findings.range;
    match (least, most) {
        (_, most) if most <= 0.0 && least < 0.0 => Some(REACHABLE * -findings.task),
        (least, most) if least >= 0.0 && most <= 1.0 => Some(REACHABLE * (1.0 - findings.task)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Cost, Signal, Trial};
    use crate::seed_log::test_log;

    /// Returns findings on perturbations of variance 0.25 whose members differ by 0.5, all of it signal.
    fn findings() -> Findings {
        let signal = Signal { members: 32, signal: 0.25, noise: 0.0, cost: 0.0, cost_error: 0.0 };
        Findings {
            trials: vec![Trial { factor: 1.0, variance: 0.25, signal, perturb: 0.0 }],
            cost: Some(Cost { slope: 0.4, error: 0.0 }),
            even: 0.0,
            texts: Some(DriftOfNoise { rise: 0.01, error: 0.0 }),
            own_replies: Some(DriftOfNoise { rise: -0.01, error: 0.0 }),
            displacement: Some(0.03),
            fitness: -90.0,
            task: -90.0,
            range: (-120.0, -60.0),
            inference: 1.0,
            overhead: 0.0,
            update: 0.0,
            drift_seconds: 0.0,
            held_out: 16,
            members: 32,
            seconds: 1.0,
        }
    }

    /// Returns settings of ten generations of 4 members, each with a step as large as a perturbation.
    fn settings() -> Settings {
        let mut settings = Settings { population: 4, mirror: false, generations: 10, ..test_log::settings() };
        for of_type in &mut settings.types {
            (of_type.sigma, of_type.alpha, of_type.alpha_final) = (0.5, 0.25, 0.25);
        }
        settings
    }

    #[test]
    fn steps_are_counted_in_perturbations() {
        let steps = Steps::of(&settings(), 0, 0.25);
        assert_eq!(steps, Steps { first: 1.0, sum: 10.0, squares: 10.0 });
        assert_eq!(steps.times(0.5), Steps { first: 0.5, sum: 5.0, squares: 2.5 });
    }

    #[test]
    fn gains_and_drift_follow_from_the_steps() {
        let steps = Steps::of(&settings(), 0, 0.25);
        let found = outlook(&findings(), &settings(), steps, 1.0);
        // Ten steps of 0.5 sqrt(4), bounded by the 54 within reach; ten times 0.4 * 0.25 lost.
        assert!((found.gain - (54.0 * (1.0 - exp(-10.0 / 54.0)) - 1.0)).abs() < 1e-9, "{found:?}");
        assert!((found.texts.unwrap() - (exp(0.1) - 1.0)).abs() < 1e-9, "{found:?}");
        assert_eq!(found.own_replies, Some(0.0), "what does good may be luck");
        let [first, all] = found.displacement.unwrap();
        assert!((first - 0.03).abs() < 1e-9 && (all - 0.03 * 10.0_f64.sqrt()).abs() < 1e-9);
        let half = Findings { even: 0.5, cost: None, ..findings() };
        let less = outlook(&half, &settings(), steps, 1.0).gain;
        assert!(
            (less - 54.0 * (1.0 - exp(-5.0 / 54.0))).abs() < 1e-9,
            "what is even gains nothing, and is noise"
        );
    }

    #[test]
    fn rewards_say_how_much_there_is_to_gain() {
        let of = |task, range| headroom(&Findings { task, range, ..findings() });
        assert_eq!(of(-90.0, (-120.0, -60.0)), Some(54.0));
        assert_eq!(of(0.75, (0.0, 1.0)), Some(0.15));
        assert_eq!(of(3.0, (-1.0, 10.0)), None);
        assert_eq!((bounded(5.0, None), bounded(5.0, Some(0.0))), (5.0, 0.0));
    }
}
