//! Signal and noise in the fitness differences of members.

use super::cost::{DOUBT, mean_rewards};
use crate::fitness::mean;
use crate::tune::Rewards;

/// Statistics of the rewards of members with one sigma on the same problems.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// Members that were evaluated.
    pub members: usize,
    /// Variance, over members, of the difference in fitness to the unperturbed model if it were measured on all problems.
    pub signal: f64,
    /// Variance added by the choice of these few problems.
    pub noise: f64,
    /// Difference by which the members' mean fitness is below the unperturbed model's.
    pub cost: f64,
    /// Standard error of the cost.
    pub cost_error: f64,
}

impl Signal {
    /// Computes the statistics of at least two members, from their differences to the unperturbed model on each problem.
    pub fn of(base: &Rewards, members: &[Rewards]) -> Self {
        let costs: Vec<f64> = members.iter().map(|member| base.fitness() - member.fitness()).collect();
        let total = variance(&costs);
        // What all members share on a problem is no luck of theirs, so each is compared with their mean.
        let centre = mean_rewards(members);
        let noises: Vec<f64> = centre
            .iter()
            .flat_map(|centre| members.iter().map(move |member| noise(member, centre)))
            .collect();
        let count = members.len() as f64;
        let noise = if count > 1.0 { mean(&noises) * count / (count - 1.0) } else { 0.0 };
        Self {
            members: members.len(),
            signal: (total - noise).max(0.0),
            noise,
            cost: mean(&costs),
            cost_error: (total / costs.len().max(1) as f64).sqrt(),
        }
    }

    /// Returns whether all rewards were finite numbers.
    pub fn is_finite(&self) -> bool {
        (self.signal + self.noise + self.cost).is_finite()
    }

    /// Returns the relative standard error of the differences' variance, which is of so few pairs.
    pub fn doubt(&self) -> f64 {
        (2.0 / self.members.max(2) as f64).sqrt()
    }

    /// Returns whether a signal is likely: it is more than a standard error of the differences' variance.
    pub fn is_seen(&self) -> bool {
        self.signal > self.doubt() * (self.signal + self.noise)
    }

    /// Returns the statistics with the largest plausible signal: [`DOUBT`] standard errors more.
    pub fn at_most(self) -> Self {
        Self { signal: self.signal + DOUBT * self.doubt() * (self.signal + self.noise), ..self }
    }

    /// Returns the share of the differences' variance that is signal, 0.0..=1.0, if there were `factor` times as many
    /// problems.
    pub fn reliability(&self, factor: f64) -> f64 {
        let all = self.signal + self.noise / factor;
        if all > 0.0 { self.signal / all } else { 0.0 }
    }
}

/// Returns the share of the variance of fitness that is even in the noise, so that mirrored members cancel it; 0 if
/// nothing differs. `pairs` have the same perturbation, added and subtracted.
pub fn even_share(base: &Rewards, pairs: &[[Rewards; 2]]) -> f64 {
    let fitness =
        |[plus, minus]: &[Rewards; 2]| (plus.fitness() - base.fitness(), minus.fitness() - base.fitness());
    let of = |part: fn(f64, f64) -> f64| {
        let parts: Vec<f64> = pairs.iter().map(fitness).map(|(plus, minus)| part(plus, minus)).collect();
        variance(&parts)
    };
    let (even, odd) = (of(f64::midpoint), of(|plus, minus| f64::midpoint(plus, -minus)));
    if even + odd > 0.0 { even / (even + odd) } else { 0.0 }
}

/// Returns the variance of the difference of a member to others that is due to the choice of problems.
fn noise(member: &Rewards, base: &Rewards) -> f64 {
    let of_mean = |member: &[f64], base: &[f64]| {
        let differences: Vec<f64> = member.iter().zip(base).map(|(member, base)| member - base).collect();
        variance(&differences) / differences.len().max(1) as f64
    };
    let retained = member.retain.as_ref().zip(base.retain.as_ref());
    let of_retained =
        retained.map_or(0.0, |((member, weight), (base, _))| weight * weight * of_mean(member, base));
    of_mean(&member.task, &base.task) + of_retained
}

/// Returns the variance of the population that a sample is from; 0 of a single value.
fn variance(sample: &[f64]) -> f64 {
    let centre = mean(sample);
    let squares: f64 = sample.iter().map(|value| (value - centre) * (value - centre)).sum();
    if sample.len() < 2 { 0.0 } else { squares / (sample.len() - 1) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Domain, Source};

    fn rewards(task: Vec<f64>) -> Rewards {
        Rewards { task, retain: None }
    }

    /// Returns members whose true differences and problems' own ones are drawn evenly from -1 to 1, times these factors.
    fn drawn(signal: f64, noise: f64, members: usize, problems: usize) -> Vec<Rewards> {
        let mut stream = Source::new(1, Domain::Problems).stream(0);
        let mut even = || 2.0 * stream.unit() - 1.0;
        let mut member = || {
            let difference = signal * even();
            rewards((0..problems).map(|_| difference + noise * even() - 0.5).collect())
        };
        (0..members).map(|_| member()).collect()
    }

    #[test]
    fn signal_and_noise_are_told_apart() {
        let base = rewards(vec![0.25; 16]);
        for (signal, noise) in [(0.3, 0.3), (0.1, 1.0), (1.0, 0.1)] {
            let measured = Signal::of(&base, &drawn(signal, noise, 4000, 16));
            // The variance of an even distribution from -a to a is a^2 / 3.
            let (of_signal, of_noise) = (signal * signal / 3.0, noise * noise / 3.0 / 16.0);
            assert!((measured.signal / of_signal - 1.0).abs() < 0.15, "{measured:?} for {signal} {noise}");
            assert!((measured.noise / of_noise - 1.0).abs() < 0.05, "{measured:?} for {signal} {noise}");
            let expected = of_signal / (of_signal + of_noise / 4.0);
            assert!((measured.reliability(4.0) - expected).abs() < 0.1);
            assert!((measured.cost - 0.75).abs() < 4.0 * measured.cost_error, "{measured:?}");
            assert!(measured.is_seen());
        }
    }

    #[test]
    fn few_members_may_have_missed_a_signal() {
        let of = |members| Signal { members, signal: 1.0, noise: 3.0, cost: 0.0, cost_error: 0.0 };
        assert_eq!(of(32).at_most(), Signal { signal: 1.0 + 2.0 * 4.0 / 4.0, ..of(32) });
        assert!(of(20_000).at_most().signal < 1.1 && of(20_000).at_most().noise == 3.0);
        assert!(of(64).is_seen() && !of(16).is_seen());
    }

    #[test]
    fn nothing_but_noise_is_no_signal() {
        let measured = Signal::of(&rewards(vec![0.0; 16]), &drawn(0.0, 1.0, 4000, 16));
        assert!(measured.reliability(1.0) < 0.05, "{measured:?}");
        let silent = Signal::of(&rewards(vec![0.0; 4]), &vec![rewards(vec![0.0; 4]); 4]);
        assert_eq!((silent.signal, silent.noise, silent.reliability(1.0)), (0.0, 0.0, 0.0));
        assert!(!silent.is_seen());
    }

    #[test]
    fn what_is_even_is_the_same_for_both_of_a_pair() {
        let base = rewards(vec![1.0]);
        let pair = |plus: f64, minus: f64| [rewards(vec![1.0 + plus]), rewards(vec![1.0 + minus])];
        assert_eq!(even_share(&base, &[pair(0.5, -0.5), pair(-0.25, 0.25)]), 0.0);
        assert_eq!(even_share(&base, &[pair(0.5, 0.5), pair(-0.25, -0.25)]), 1.0);
        assert_eq!(
            even_share(&base, &[pair(1.0, 0.0), pair(0.0, 1.0), pair(-1.0, 0.0), pair(0.0, -1.0)]),
            0.5
        );
        assert_eq!(even_share(&base, &[pair(0.0, 0.0), pair(0.0, 0.0)]), 0.0);
    }

    #[test]
    fn what_is_retained_counts_by_its_weight() {
        let retain = |values: [f64; 2]| Rewards { task: vec![0.0; 2], retain: Some((values.to_vec(), 3.0)) };
        // Variance 1/2 of the differences 1 and 0, of their mean 1/4, and the weight squared.
        assert_eq!(noise(&retain([1.0, 0.0]), &retain([0.0, 0.0])), 9.0 / 4.0);
    }
}
