//! From what a probe found to settings.
//!
//! Everything is told in units of the probe's own perturbations, whose variance a code is v. To first order the difference of a
//! pair's members is 2 u . G with the gradient G of fitness by codes, so its variance over pairs is S = 4 v |G|^2; to second
//! order a member is on average worse than the model by C, which grows with v. A generation's sums have the standard deviation
//! s = 2 (alpha / sigma) sqrt(P v) in each code, and their mean points along G with the length s sqrt(P r), where P are the pairs
//! and r is the reliability of their differences. How much of both arrives in the codes, [`drift`] tells: a path L and a variance
//! V, so that a run gains L sqrt(P r) |G| and loses C V / v, as far as a quadratic goes.
//!
//! From this follows:
//!
//! - Sigma hardly matters where rewards are smooth, since S, the problems' noise and v grow alike. Where rewards are coarse, as
//!   right or wrong is, larger noise is seen better.
//! - A generation is worth P r. For the same P r, evaluations are fewest with few problems a member and more members, until what
//!   a member costs apart from its problems outweighs that.
//! - Steps are best where gain and loss balance. The two are not worth the same, though: a gradient turns as codes move along
//!   it, so that a run gains far less than a straight line would; [`BALANCE`] says how much less, and is found by experiment.

use super::{Findings, Trial, drift, main_type};
use crate::noise::Noise;
use crate::probe::Drift;
use crate::seed_log::Header;
use crate::settings::Settings;

/// What the loss to noise counts against the gain along a straight line: the defaults of the bundled models, which were found by
/// trying, are best at 20 (Q4_K) and 28 (Q8_0).
const BALANCE: f64 = 24.0;

/// What a generation should be worth: the P r of the bundled models with their defaults.
const WORTH: f64 = 20.0;

/// Members of a generation, at most and at least.
const POPULATION: (u32, u32) = (16, 512);

/// Fewest problems a member.
const FEWEST_PROBLEMS: u32 = 8;

/// Step sizes that are tried, in quarters of an octave from the one asked for.
const QUARTERS: std::ops::RangeInclusive<i32> = -12..=8;

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

/// Chooses settings for a run with this header. `None` when no trial gave rewards that are numbers.
pub fn choose(header: &Header, findings: &Findings, fixed: Fixed) -> Option<Choice> {
    let (asked, probed) = (&header.settings, header.task.prompts);
    let first = findings.trials.first()?;
    let trial = if fixed.sigma { *first } else { most_reliable(first, &findings.trials) };
    let reliability = |prompts: u32| trial.signal.reliability(f64::from(prompts) / f64::from(probed));
    let prompts = if fixed.prompts { probed } else { cheapest(findings, &trial, probed) };
    let population = if fixed.population { asked.population } else { population(reliability(prompts)) };
    let mut settings = Settings { population, ..asked.clone() };
    for (of_type, asked_for) in settings.types.iter_mut().zip(&asked.types) {
        if trial.factor != 1.0 {
            of_type.sigma = two_digits(asked_for.sigma * trial.factor);
        }
        // The same standard deviation of the sums.
        let noise = |sigma| Noise::new(sigma).map_or(1.0, |noise| noise.variance().sqrt()) / sigma;
        let pairs = (f64::from(asked.population) / f64::from(population)).sqrt();
        let factor = pairs * noise(asked_for.sigma) / noise(of_type.sigma);
        if !fixed.alpha {
            of_type.alpha *= factor;
            of_type.alpha_final *= factor;
        }
    }
    let steps = Steps { settings: &settings, main: main_type(header), variance: trial.variance };
    let step = match cost(findings) {
        Some(cost) if !fixed.alpha && asked.method.has_residual() => {
            let slope = 0.5 * (trial.signal.signal / trial.variance).sqrt();
            let worth = settings.pairs() as f64 * reliability(prompts);
            steps.best(slope * worth.sqrt(), BALANCE * cost)
        }
        _ => 1.0,
    };
    let drift = steps.drift(step);
    if !fixed.alpha {
        for of_type in &mut settings.types {
            of_type.alpha = two_digits(of_type.alpha * step);
            of_type.alpha_final = two_digits(of_type.alpha_final * step);
        }
    }
    Some(Choice { settings, prompts, trial, drift })
}

/// The trial whose differences tell most, if that is beyond doubt; else the first.
fn most_reliable(first: &Trial, trials: &[Trial]) -> Trial {
    let of = |trial: &Trial| trial.signal.reliability(1.0);
    // The error of a variance of so many pairs.
    let doubt = (1.0 - of(first)) * (2.0 / first.signal.pairs.max(2) as f64).sqrt();
    // Beyond this a member is no longer the model with a little noise.
    let is_close = |trial: &&Trial| trial.signal.cost <= (trial.signal.signal + trial.signal.noise).sqrt();
    let best = trials.iter().filter(is_close).max_by(|a, b| of(a).total_cmp(&of(b)));
    best.filter(|best| of(best) > of(first) + doubt).copied().unwrap_or(*first)
}

/// The number of problems, twice or half as many again and again, with which a direction that is worth something takes least
/// time.
fn cheapest(findings: &Findings, trial: &Trial, probed: u32) -> u32 {
    let seconds = |prompts: u32| {
        let share = f64::from(prompts) / f64::from(probed);
        let member = trial.perturb + findings.overhead + (findings.inference - findings.overhead) * share;
        member / trial.signal.reliability(share).max(f64::MIN_POSITIVE)
    };
    let fewest = FEWEST_PROBLEMS.min(probed);
    let halved = std::iter::successors(Some(probed), |prompts| Some(prompts / 2).filter(|half| *half >= fewest));
    let candidates = halved.chain([2 * probed, 4 * probed]);
    candidates.min_by(|a, b| seconds(*a).total_cmp(&seconds(*b))).unwrap_or(probed)
}

/// The members with which a generation is worth what it should be; an even number.
fn population(reliability: f64) -> u32 {
    let (least, most) = POPULATION;
    let pairs = WORTH / reliability.max(f64::MIN_POSITIVE);
    2 * (pairs.round().min(f64::from(most)) as u32).clamp(least / 2, most / 2)
}

/// What a square code of displacement costs, from all trials by least squares; `None` when it is lost in noise.
fn cost(findings: &Findings) -> Option<f64> {
    let sum = |of: fn(&Trial) -> f64| findings.trials.iter().map(of).sum::<f64>();
    let weight = sum(|trial| trial.variance * trial.variance);
    let cost = sum(|trial| trial.signal.cost * trial.variance) / weight;
    let error = sum(|trial| (trial.signal.cost_error * trial.variance) * (trial.signal.cost_error * trial.variance));
    (cost > error.sqrt() / weight).then_some(cost)
}

/// The steps of a run, for the type with the most codes.
struct Steps<'a> {
    settings: &'a Settings,
    main: usize,
    /// Variance of a perturbation's code.
    variance: f64,
}

impl Steps<'_> {
    /// What becomes of the codes when the step size is multiplied.
    fn drift(&self, factor: f64) -> Drift {
        let of_type = &self.settings.types[self.main];
        let deviation = factor * 2.0 * (self.settings.pairs() as f64 * self.variance).sqrt() / of_type.sigma;
        let alpha = |passed: f64| of_type.alpha + (of_type.alpha_final - of_type.alpha) * passed;
        drift(|passed| deviation * alpha(passed), self.settings.decay, self.settings.generations)
    }

    /// The factor to the step size that is best, if a path is worth so much and a variance costs so much.
    fn best(&self, path: f64, variance: f64) -> f64 {
        let gain = |factor: f64| {
            let drift = self.drift(factor);
            path * drift.path - variance * drift.variance
        };
        let factors = QUARTERS.map(|quarters| libm::exp2(f64::from(quarters) / 4.0));
        factors.max_by(|a, b| gain(*a).total_cmp(&gain(*b))).unwrap_or(1.0)
    }
}

/// The number with two significant digits: no measurement here has more.
pub(super) fn two_digits(number: f64) -> f64 {
    format!("{number:.1e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Signal;
    use crate::seed_log::test_log;
    use crate::settings::TypeSettings;
    use crate::tensor_type::TensorType;

    /// A run as of the bundled Q4_K model, with 64 members on 64 problems.
    fn header() -> Header {
        let types = vec![TypeSettings { tensor_type: TensorType::Q4_K, sigma: 0.1, alpha: 0.006, alpha_final: 0.002 }];
        let settings = Settings { types, population: 64, generations: 150, ..test_log::settings() };
        let mut header = test_log::header(settings);
        header.tensors.iter_mut().for_each(|spec| spec.tensor_type = TensorType::Q4_K);
        header.task.prompts = 64;
        header
    }

    /// What was measured on that model, except for reliability and cost.
    fn trial(factor: f64, reliability: f64, cost: f64) -> Trial {
        let variance = 0.08 * factor;
        let signal = 0.0026 * factor;
        let noise = signal / reliability - signal;
        let signal = Signal { pairs: 32, signal, noise, cost, cost_error: 0.0005 };
        Trial { factor, variance, signal, perturb: 0.0005 }
    }

    fn findings(trials: Vec<Trial>) -> Findings {
        Findings { trials, fitness: -1.4, inference: 0.016, overhead: 0.001, update: 0.01, members: 128, seconds: 3.0 }
    }

    fn chosen(trials: Vec<Trial>, fixed: Fixed) -> Choice {
        choose(&header(), &findings(trials), fixed).unwrap()
    }

    const NOTHING: Fixed = Fixed { sigma: false, alpha: false, population: false, prompts: false };

    /// With the same members and problems as asked for, only steps are left to choose.
    const STEPS: Fixed = Fixed { sigma: true, alpha: false, population: true, prompts: true };

    #[test]
    fn the_bundled_model_gets_about_its_default_steps() {
        let choice = chosen(vec![trial(1.0, 0.65, 0.0075)], STEPS);
        let alpha = choice.settings.types[0].alpha;
        assert!((0.004..0.009).contains(&alpha), "{alpha}");
        assert!((0.01..0.2).contains(&choice.drift.moved), "{choice:?}");
    }

    #[test]
    fn what_cannot_bear_noise_gets_smaller_steps() {
        let alpha = |cost| chosen(vec![trial(1.0, 0.65, cost)], STEPS).settings.types[0].alpha;
        assert!(alpha(0.05) < alpha(0.0075) && alpha(0.0075) < alpha(0.001));
        assert_eq!(alpha(0.0), 0.006, "a cost that cannot be told from nothing says nothing");
    }

    #[test]
    fn noise_is_changed_when_it_tells_nothing() {
        let sigma = |trials| chosen(trials, NOTHING).settings.types[0].sigma;
        assert_eq!(sigma(vec![trial(1.0, 0.05, 0.0), trial(0.33, 0.02, 0.0), trial(3.0, 0.5, 0.0)]), 0.3);
        assert_eq!(sigma(vec![trial(1.0, 0.60, 0.0), trial(0.33, 0.62, 0.0), trial(3.0, 0.64, 0.0)]), 0.1);
        assert_eq!(sigma(vec![trial(1.0, 0.05, 0.0), trial(3.0, 0.5, 9.0)]), 0.1, "not where members are ruins");
    }

    #[test]
    fn few_problems_and_many_members_where_members_are_cheap() {
        let choice = chosen(vec![trial(1.0, 0.65, 0.0075)], NOTHING);
        assert!(choice.prompts < 64, "{choice:?}");
        let evaluations = choice.settings.population * choice.prompts;
        assert!(evaluations < 64 * 64, "a direction worth as much for less: {choice:?}");
        let mut costly = findings(vec![trial(1.0, 0.65, 0.0075)]);
        costly.overhead = 0.016;
        let choice = choose(&header(), &costly, NOTHING).unwrap();
        assert!(choice.prompts > 64, "{choice:?}");
    }

    #[test]
    fn what_is_decided_stays() {
        let all = Fixed { sigma: true, alpha: true, population: true, prompts: true };
        let choice = chosen(vec![trial(1.0, 0.05, 1.0), trial(3.0, 0.9, 0.0)], all);
        assert_eq!((choice.settings, choice.prompts), (header().settings, 64));
    }

    #[test]
    fn nothing_follows_from_nothing() {
        assert!(choose(&header(), &findings(Vec::new()), NOTHING).is_none());
    }
}
