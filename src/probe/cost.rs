//! Cost of noise to a model, in fitness for each squared code of displacement.
//!
//! To second order a member is on average worse than the model by an amount that grows with the variance of its noise.
//! It is not measured against the model itself: rewards jump a little with the least change of any code, so that
//! members differ from the unperturbed model even if their noise is next to nothing, by an amount that has the same
//! sign for all of them (on the bundled models with 16 problems, more than the cost of noise). Instead, members of
//! more noise are compared with members of less.

use crate::fitness::mean;
use crate::tune::Rewards;

/// Standard errors by which a finding must differ from the assumption, so that settings do not follow from chance.
pub const DOUBT: f64 = 2.0;

/// Cost in fitness of a squared code of displacement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// The cost; below 0 if noise improves the model.
    pub slope: f64,
    /// Its standard error, from the differences between problems.
    pub error: f64,
}

impl Cost {
    /// Returns the slope of mean rewards over the variance of noise, by least squares, from the rewards of members of
    /// each variance on the same problems. `None` with fewer than two variances.
    pub fn of(trials: &[(f64, Rewards)]) -> Option<Self> {
        let variances: Vec<f64> = trials.iter().map(|(variance, _)| *variance).collect();
        let centre = mean(&variances);
        let spread: f64 = variances.iter().map(|variance| (variance - centre) * (variance - centre)).sum();
        if trials.len() < 2 || spread <= 0.0 {
            return None;
        }
        let shares: Vec<f64> = variances.iter().map(|variance| (variance - centre) / spread).collect();
        let task = slope(&shares, trials.iter().map(|(_, rewards)| &rewards.task[..]));
        let (_, first) = trials.first()?;
        let Some((_, weight)) = first.retain else { return Some(task) };
        let retained =
            slope(&shares, trials.iter().filter_map(|(_, rewards)| Some(&rewards.retain.as_ref()?.0[..])));
        Some(Self {
            slope: task.slope + weight * retained.slope,
            error: libm::hypot(task.error, weight * retained.error),
        })
    }

    /// Returns the cost beyond chance: minus [`DOUBT`] standard errors, and not below 0.
    pub fn at_least(self) -> f64 {
        (self.slope - DOUBT * self.error).max(0.0)
    }
}

/// Returns the mean slope of the problems' rewards, to which the trials contribute with these shares, and its standard
/// error.
fn slope<'a>(shares: &[f64], of_trials: impl Iterator<Item = &'a [f64]>) -> Cost {
    let mut slopes = Vec::new();
    for (share, rewards) in shares.iter().zip(of_trials) {
        slopes.resize(rewards.len(), 0.0);
        slopes.iter_mut().zip(rewards).for_each(|(slope, reward)| *slope -= share * reward);
    }
    let centre = mean(&slopes);
    let squares: f64 = slopes.iter().map(|slope| (slope - centre) * (slope - centre)).sum();
    let count = slopes.len() as f64;
    let error = if slopes.len() < 2 { f64::INFINITY } else { (squares / (count - 1.0) / count).sqrt() };
    Cost { slope: centre, error }
}

/// Returns the mean of each problem's rewards over members; `None` if there are none.
pub fn mean_rewards(members: &[Rewards]) -> Option<Rewards> {
    let (first, rest) = members.split_first()?;
    let mut mean = first.clone();
    for member in rest {
        add(&mut mean.task, &member.task);
        if let (Some((sum, _)), Some((rewards, _))) = (&mut mean.retain, &member.retain) {
            add(sum, rewards);
        }
    }
    let retained = mean.retain.iter_mut().flat_map(|(rewards, _)| rewards);
    mean.task.iter_mut().chain(retained).for_each(|reward| *reward /= members.len() as f64);
    Some(mean)
}

fn add(sums: &mut [f64], rewards: &[f64]) {
    sums.iter_mut().zip(rewards).for_each(|(sum, reward)| *sum += reward);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Domain, Source};

    fn rewards(task: &[f64]) -> Rewards {
        Rewards { task: task.to_vec(), retain: None }
    }

    /// Returns rewards that fall by `slope` for each squared code, each problem's by up to `uneven` more or less.
    fn falling(slope: f64, uneven: f64, problems: usize) -> Vec<(f64, Rewards)> {
        let mut stream = Source::new(5, Domain::Problems).stream(0);
        let slopes: Vec<f64> = (0..problems).map(|_| slope + uneven * (2.0 * stream.unit() - 1.0)).collect();
        let at = |variance: f64| {
            (variance, rewards(&slopes.iter().map(|slope| -1.3 - slope * variance).collect::<Vec<_>>()))
        };
        [0.08, 0.027, 0.24].map(at).into()
    }

    #[test]
    fn the_slope_and_its_error_are_found() {
        let exact = Cost::of(&falling(0.06, 0.0, 16)).unwrap();
        assert!((exact.slope - 0.06).abs() < 1e-9 && exact.error < 1e-9, "{exact:?}");
        let uneven = Cost::of(&falling(0.06, 0.3, 4000)).unwrap();
        // An even distribution from -a to a has the variance a^2 / 3.
        let error = (0.3_f64.powi(2) / 3.0 / 4000.0).sqrt();
        assert!((uneven.error / error - 1.0).abs() < 0.05, "{uneven:?}");
        assert!((uneven.slope - 0.06).abs() < 4.0 * error, "{uneven:?}");
    }

    #[test]
    fn luck_is_no_cost() {
        assert!((Cost { slope: 0.06, error: 0.02 }.at_least() - 0.02).abs() < 1e-9);
        assert_eq!(Cost { slope: 0.06, error: 0.04 }.at_least(), 0.0);
        assert_eq!(Cost { slope: -0.06, error: 0.01 }.at_least(), 0.0, "noise that does good");
        let single = Cost::of(&falling(0.06, 0.3, 1)).unwrap();
        assert_eq!(single.at_least(), 0.0, "one problem tells nothing of others");
    }

    #[test]
    fn one_variance_has_no_slope() {
        assert!(Cost::of(&[]).is_none());
        assert!(Cost::of(&[(0.08, rewards(&[1.0, 2.0]))]).is_none());
        assert!(Cost::of(&[(0.08, rewards(&[1.0])), (0.08, rewards(&[1.0]))]).is_none());
    }

    #[test]
    fn what_is_retained_counts_by_its_weight() {
        let retain = |task, retained: [f64; 2]| Rewards { task, retain: Some((retained.to_vec(), 3.0)) };
        let trials = [(0.0, retain(vec![0.0; 4], [0.0; 2])), (1.0, retain(vec![-1.0; 4], [-2.0, -4.0]))];
        let cost = Cost::of(&trials).unwrap();
        // Means 1 and 3, the latter with a standard error of 1.
        assert!((cost.slope - 10.0).abs() < 1e-9 && (cost.error - 3.0).abs() < 1e-9, "{cost:?}");
    }

    #[test]
    fn rewards_are_averaged_problem_by_problem() {
        let member = |a, b, kept| Rewards { task: vec![a, b], retain: Some((vec![kept], 0.5)) };
        let mean = mean_rewards(&[
            member(1.0, 10.0, 0.0),
            member(2.0, 20.0, 0.0),
            member(3.0, 30.0, 4.0),
            member(6.0, 60.0, 0.0),
        ]);
        assert_eq!(mean, Some(Rewards { task: vec![3.0, 30.0], retain: Some((vec![1.0], 0.5)) }));
        assert_eq!(mean_rewards(&[]), None);
    }
}
