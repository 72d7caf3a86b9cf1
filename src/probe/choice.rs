//! Choice of settings by a probe's findings.
//!
//! All units are those of the probe's own perturbations, whose variance of an integer is v. To first order the fitness
//! of a member differs from the model's by u . G with the gradient G of fitness by integers, so its variance over
//! members is S = v |G|^2; to second order a member is on average worse than the model by C, which grows with v. A
//! generation's sums have the standard deviation s = (alpha / sigma) sqrt(N v) in each integer, and their mean points
//! along G with the length s sqrt(N r), where N is the number of members and r is the reliability of their
//! differences. So a generation gains s sqrt(N r) |G|, and its noise loses C s^2 / v. (Mirrored members count as half
//! as many, with differences twice as large.)
//!
//! It follows:
//!
//! - Sigma hardly matters if rewards are smooth, since S, the problems' noise and v grow alike. If rewards are coarse,
//!   such as right or wrong, the signal of larger noise is clearer.
//! - A generation is worth N r. For the same N r, evaluations are fewest with few problems a member and more members,
//!   until the costs of a member apart from its problems outweigh that.
//! - Neither is changed for what may well be chance: sigma by more than its standard error, steps by more than two.
//! - The default steps were the best of those that were tried (docs/EVIDENCE.md), so they stay, whatever the members
//!   and problems. Only if noise would lose more of a generation's gain than [`MOST_LOST`] there are more members, and
//!   then smaller steps; and smaller ones if their noise alone would use up [`MOST_DRIFT`] of the limit on drift.

use super::cost::DOUBT;
use super::forecast::replayed;
use super::outlook::{Outlook, Steps, outlook};
use super::{Cost, Findings, Trial, deviation, main_type, scale};
use crate::recipe::two_digits;
use crate::seed_log::Header;
use crate::settings::{Settings, TypeSettings};
use crate::tune::ResidualMode;

/// Largest share of a generation's gain that its noise may lose. A story model whose noise lost 15% learnt best with
/// those steps, and less with steps twice or half as large; the bundled models lose 3 to 5%.
const MOST_LOST: f64 = 0.15;

/// Largest share of the limit on drift that the noise of all steps may use up. What a task teaches may add to it or
/// make up for it; a run measures drift and restrains its steps.
const MOST_DRIFT: f64 = 1.0;

/// Target for members times reliability in a generation: that of the bundled models with their defaults.
const WORTH: f64 = 40.0;

/// Fewest and most members of a generation.
const POPULATION: (u32, u32) = (16, 512);

/// Fewest problems a member.
const FEWEST_PROBLEMS: u32 = 2;

/// Settings that the user has fixed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// `true` if the noise is fixed.
    pub sigma: bool,
    /// `true` if the step size is fixed.
    pub alpha: bool,
    /// `true` if the number of members is fixed.
    pub population: bool,
    /// `true` if the number of problems for each member is fixed.
    pub prompts: bool,
}

/// The settings chosen by a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The header's, with another sigma, alpha and population.
    pub settings: Settings,
    /// Problems in each member's evaluation.
    pub prompts: u32,
    /// The trial whose sigma was taken.
    pub trial: Trial,
    /// Expected results of a run with these.
    pub outlook: Outlook,
}

/// Chooses settings for a run with this header, which keeps its residual in this mode. `None` if no trial gave finite
/// rewards.
pub fn choose(header: &Header, findings: &Findings, mode: ResidualMode, fixed: Fixed) -> Option<Choice> {
    let (asked, probed) = (&header.settings, header.task.prompts);
    let own = findings.trials.iter().find(|trial| trial.factor == 1.0);
    // A sigma that was asked for, and whose rewards are no numbers, has nothing to choose from.
    let first = own.or_else(|| findings.trials.first().filter(|_| !fixed.sigma))?;
    let trial = if fixed.sigma { *first } else { most_reliable(first, &findings.trials) };
    // Of an update, each perturbation has its part.
    let updating = findings.update * replayed(asked, mode) / f64::from(asked.population);
    let beside = trial.perturb + findings.overhead + updating;
    let prompts = if fixed.prompts { probed } else { cheapest(findings, &trial, beside, probed) };
    let share = f64::from(prompts) / f64::from(probed);
    let reliability = trial.signal.reliability(share);
    let main = main_type(header);
    let loss = loss(findings, &trial, share, deviation(asked, main, first.variance));
    let population = if fixed.population { asked.population } else { population(asked, reliability, loss) };
    let mut settings = Settings { population, ..asked.clone() };
    let bearable = MOST_LOST * (settings.perturbations() as f64).sqrt();
    let borne = if loss == 0.0 { 1.0 } else { (bearable / loss).min(1.0) };
    let smaller = if fixed.alpha { 1.0 } else { borne.min(undrifted(header, findings, main, first)) };
    let alike = (asked.perturbations() as f64 / settings.perturbations() as f64).sqrt();
    for of_type in &mut settings.types {
        adapt(of_type, &trial, smaller * alike, fixed);
    }
    // Steps in perturbations of the first trial, with which drift and gain were measured.
    let mut steps = Steps::of(&settings, main, trial.variance);
    steps = steps.times((trial.variance / first.variance).sqrt());
    let outlook = outlook(findings, &settings, steps, first.signal.reliability(share));
    Some(Choice { settings, prompts, trial, outlook })
}

/// Returns the factor on the steps, at most 1, that keeps their noise within its share of the limit on drift.
fn undrifted(header: &Header, findings: &Findings, main: usize, first: &Trial) -> f64 {
    let max = header.task.drift.as_ref().and_then(|spec| spec.max);
    let (Some(max), Some(texts)) = (max, findings.texts) else { return 1.0 };
    let rise = (texts.rise - DOUBT * texts.error).max(0.0)
        * Steps::of(&header.settings, main, first.variance).squares;
    let bearable = MOST_DRIFT * libm::log1p(max);
    if rise > bearable { (bearable / rise).sqrt() } else { 1.0 }
}

/// Sets a type's sigma to the trial's, and its steps to the same size as before times a factor.
fn adapt(of_type: &mut TypeSettings, trial: &Trial, factor: f64, fixed: Fixed) {
    scale(of_type, trial.factor);
    if !fixed.alpha {
        of_type.alpha = two_digits(of_type.alpha * factor);
        of_type.alpha_final = two_digits(of_type.alpha_final * factor);
    }
}

/// Returns the trial with the most reliable differences, if that is beyond chance; else the first.
fn most_reliable(first: &Trial, trials: &[Trial]) -> Trial {
    let of = |trial: &Trial| trial.signal.reliability(1.0);
    let error = |trial: &Trial| (1.0 - of(trial)) * trial.signal.doubt();
    // Since the steps keep their size, a wrong sigma does little harm, so one standard error is enough.
    let is_luck = |best: &Trial| of(best) <= of(first) + libm::hypot(error(first), error(best));
    // Beyond this a member is no longer the model with a little noise.
    let is_close = |trial: &&Trial| trial.signal.cost <= (trial.signal.signal + trial.signal.noise).sqrt();
    let best = trials.iter().filter(is_close).max_by(|a, b| of(a).total_cmp(&of(b)));
    best.filter(|best| !is_luck(best)).copied().unwrap_or(*first)
}

/// Returns the number of problems, doubled or halved repeatedly, that takes the least time for a direction of the same
/// worth, if a member takes `beside` seconds apart from its problems.
fn cheapest(findings: &Findings, trial: &Trial, beside: f64, probed: u32) -> u32 {
    let seconds = |prompts: u32| {
        let share = f64::from(prompts) / f64::from(probed);
        let member = beside + (findings.inference - findings.overhead) * share;
        member / trial.signal.reliability(share).max(f64::MIN_POSITIVE)
    };
    let fewest = FEWEST_PROBLEMS.min(probed);
    let halved =
        std::iter::successors(Some(probed), |prompts| Some(prompts / 2).filter(|half| *half >= fewest));
    let candidates = halved.chain([2 * probed, 4 * probed]);
    candidates.min_by(|a, b| seconds(*a).total_cmp(&seconds(*b))).unwrap_or(probed)
}

/// Returns the number of members with which a generation reaches its target worth, and its noise loses no more than
/// allowed; an even number if they are mirrored.
fn population(asked: &Settings, reliability: f64, loss: f64) -> u32 {
    let (least, most) = POPULATION;
    let bearable = loss / MOST_LOST;
    let perturbations = (WORTH / reliability.max(f64::MIN_POSITIVE)).max(bearable * bearable);
    let members = perturbations.round().min(f64::from(most)) as u32;
    if asked.mirror { 2 * members.clamp(least / 2, most / 2) } else { members.clamp(least, most) }
}

/// Returns the least share of the gain that noise loses, for a generation of a single perturbation on `share` times
/// the problems, whose sums have this standard deviation. 0 if it is unknown.
fn loss(findings: &Findings, trial: &Trial, share: f64, deviation: f64) -> f64 {
    let signal = trial.signal.at_most();
    let gain = (signal.signal * signal.reliability(share) / trial.variance).sqrt();
    let cost = findings.cost.map_or(0.0, Cost::at_least);
    if gain > 0.0 { cost * deviation / gain } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Field;
    use crate::probe::DriftOfNoise;
    use crate::probe::Signal;
    use crate::seed_log::{DriftSpec, test_log};
    use crate::settings::Window;
    use crate::tensor_type::TensorType;

    /// Returns the header of a run on the bundled Q4_K model, with 64 members on 64 problems.
    fn header() -> Header {
        let types = vec![TypeSettings {
            tensor_type: TensorType::Q4_K,
            field: Field::Codes,
            sigma: 0.28,
            hit: 1,
            alpha: 0.024,
            alpha_final: 0.008,
        }];
        let settings =
            Settings { types, population: 64, mirror: false, generations: 150, ..test_log::settings() };
        let mut header = test_log::header(settings);
        header.tensors.iter_mut().for_each(|spec| spec.tensor_type = TensorType::Q4_K);
        header.task.prompts = 64;
        header.task.drift =
            Some(DriftSpec { neutral: "built-in".to_owned(), sha256: "00".repeat(32), max: Some(0.05) });
        header
    }

    /// Variance of an integer's noise, with that sigma.
    const VARIANCE: f64 = 0.08;

    /// Returns a trial as measured on that model, except for reliability and cost.
    fn trial(factor: f64, reliability: f64, cost: f64) -> Trial {
        let variance = VARIANCE * factor;
        let signal = 0.00065 * factor;
        let noise = signal / reliability - signal;
        let signal = Signal { members: 64, signal, noise, cost, cost_error: 0.0005 };
        Trial { factor, variance, signal, perturb: 0.0005 }
    }

    /// Returns findings with the first trial's cost of noise.
    fn findings(trials: Vec<Trial>) -> Findings {
        let cost = trials.first().map(|trial| Cost { slope: trial.signal.cost / VARIANCE, error: 0.01 });
        Findings {
            trials,
            cost,
            even: 0.0,
            texts: None,
            own_replies: None,
            displacement: None,
            fitness: -1.4,
            task: -1.4,
            range: (-3.0, -0.1),
            inference: 0.016,
            overhead: 0.001,
            update: 0.01,
            drift_seconds: 0.0,
            held_out: 16,
            members: 128,
            seconds: 3.0,
        }
    }

    fn chosen(trials: Vec<Trial>, fixed: Fixed) -> Choice {
        choose(&header(), &findings(trials), ResidualMode::Stored, fixed).unwrap()
    }

    const NOTHING: Fixed = Fixed { sigma: false, alpha: false, population: false, prompts: false };

    /// The same members and problems as asked for, so that only steps are left to choose.
    const STEPS: Fixed = Fixed { sigma: true, alpha: false, population: true, prompts: true };

    #[test]
    fn a_model_that_bears_its_noise_keeps_its_steps() {
        let choice = chosen(vec![trial(1.0, 0.65, 0.0075)], STEPS);
        assert_eq!(choice.settings, header().settings);
        assert!((0.0..1.4).contains(&choice.outlook.gain), "{choice:?}");
        // As many sums, each as large: twice the members, steps smaller by the root.
        let four = Fixed { population: false, ..STEPS };
        let choice = chosen(vec![trial(1.0, 0.16, 0.0)], four);
        assert_eq!(choice.settings.population, 250);
        assert_eq!(choice.settings.types[0].alpha, two_digits(0.024 * (64.0_f64 / 250.0).sqrt()));
    }

    #[test]
    fn what_cannot_bear_noise_gets_more_members_and_then_smaller_steps() {
        let with = |cost, fixed| chosen(vec![trial(1.0, 0.65, cost)], fixed).settings;
        assert!(with(0.2, STEPS).types[0].alpha < with(0.1, STEPS).types[0].alpha);
        assert!(with(0.1, STEPS).types[0].alpha < 0.024);
        let members = Fixed { population: false, ..STEPS };
        let more = with(0.1, members);
        assert!(more.population > 100 && more.population < 512, "{more:?}");
        let (share, steps) = (f64::from(more.population) / 64.0, more.types[0].alpha / 0.024);
        assert!((steps * share.sqrt() - 1.0).abs() < 0.05, "{more:?}");
        let most = with(1.0, members);
        assert!(most.population == 512 && most.types[0].alpha < 0.003, "{most:?}");
    }

    #[test]
    fn noise_that_breaks_what_was_there_makes_steps_smaller() {
        let with = |rise| {
            let texts = Some(DriftOfNoise { rise, error: 0.0 });
            let found = Findings { texts, ..findings(vec![trial(1.0, 0.65, 0.0)]) };
            choose(&header(), &found, ResidualMode::Stored, STEPS).unwrap()
        };
        assert_eq!(with(-0.1).settings, header().settings);
        let (much, more) = (with(0.1), with(0.4));
        let alpha = |choice: &Choice| choice.settings.types[0].alpha;
        assert!(alpha(&much) < 0.024 && (alpha(&more) / alpha(&much) - 0.5).abs() < 0.05);
        // What is left is within the limit.
        assert!((0.03..0.055).contains(&much.outlook.texts.unwrap()), "{much:?}");
    }

    #[test]
    fn noise_is_changed_when_it_tells_nothing() {
        let sigma = |trials| chosen(trials, NOTHING).settings.types[0].sigma;
        assert_eq!(sigma(vec![trial(1.0, 0.05, 0.0), trial(0.33, 0.02, 0.0), trial(3.0, 0.5, 0.0)]), 0.84);
        assert_eq!(sigma(vec![trial(1.0, 0.60, 0.0), trial(0.33, 0.62, 0.0), trial(3.0, 0.64, 0.0)]), 0.28);
        assert_eq!(
            sigma(vec![trial(1.0, 0.05, 0.0), trial(3.0, 0.5, 9.0)]),
            0.28,
            "not where members are ruins"
        );
    }

    #[test]
    fn few_problems_and_many_members_where_members_are_cheap() {
        let choice = chosen(vec![trial(1.0, 0.65, 0.0075)], NOTHING);
        assert!(choice.prompts < 64, "{choice:?}");
        let evaluations = choice.settings.population * choice.prompts;
        assert!(evaluations < 64 * 64, "a direction worth as much for less: {choice:?}");
        let mut costly = findings(vec![trial(1.0, 0.65, 0.0075)]);
        costly.overhead = 0.016;
        let choice = choose(&header(), &costly, ResidualMode::Stored, NOTHING).unwrap();
        assert!(choice.prompts > 64, "{choice:?}");
        // Where every pair is drawn again and again, it had better be worth it.
        let choose_for = |mode| {
            let mut header = header();
            header.settings.window = Window::Last(32);
            choose(&header, &findings(vec![trial(1.0, 0.65, 0.0075)]), mode, NOTHING).unwrap().prompts
        };
        assert!(choose_for(ResidualMode::Replay) > choose_for(ResidualMode::Stored));
    }

    #[test]
    fn what_is_decided_stays() {
        let all = Fixed { sigma: true, alpha: true, population: true, prompts: true };
        let choice = chosen(vec![trial(1.0, 0.05, 1.0), trial(3.0, 0.9, 0.0)], all);
        assert_eq!((choice.settings, choice.prompts), (header().settings, 64));
    }

    #[test]
    fn nothing_follows_from_nothing() {
        assert!(choose(&header(), &findings(Vec::new()), ResidualMode::Stored, NOTHING).is_none());
    }
}
