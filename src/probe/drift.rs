//! How far a schedule of steps takes a code: what error feedback makes of sums too small for a step, in numbers.
//!
//! A code sees, generation by generation, a sum that is mostly noise with a little mean. By the rule of
//! [`crate::update`] some of both arrives in the code: all of it where sums are large, nothing where they are so small that the
//! residual decays before it makes half a step. Formulas exist for neither end nor middle, so chains of codes are simulated.

use crate::fitness::mean;
use crate::rng::{Domain, Source, Stream};

/// Codes that are simulated, each with a mean to either side.
const CHAINS: usize = 1000;

/// Generations that are simulated at most; longer schedules are sampled.
const MOST: u64 = 200;

/// The mean of a sum, as a share of its standard deviation. Of little account as long as it is small.
const MEAN: f64 = 0.2;

/// What becomes of a code in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// How far a mean takes the code, for each part of a standard deviation that the mean is: the sum of the steps' standard
    /// deviations, where everything arrives.
    pub path: f64,
    /// Variance of where the noise takes the code.
    pub variance: f64,
    /// Share of the codes that a generation moves, on average.
    pub moved: f64,
}

/// Follows a code through a run. `step` is the standard deviation of a generation's sum in code units by the share of the
/// run that has passed.
pub fn drift(step: impl Fn(f64) -> f64, decay: f64, generations: u64) -> Drift {
    let simulated = generations.clamp(1, MOST);
    let stretch = generations as f64 / simulated as f64;
    let steps: Vec<f64> = (0..simulated).map(|t| step(t as f64 / simulated.max(2) as f64)).collect();
    let mut stream = Source::new(0, Domain::Problems).stream(u64::MAX);
    let chains: Vec<[Walk; 2]> = (0..CHAINS).map(|_| walk(&steps, decay, &mut stream)).collect();
    let paths: Vec<f64> = chains.iter().map(|[up, down]| (up.place - down.place) / (2.0 * MEAN)).collect();
    let middles: Vec<f64> = chains.iter().map(|[up, down]| f64::midpoint(up.place, down.place)).collect();
    let moves: Vec<f64> = chains.iter().map(|[up, down]| f64::midpoint(up.moves, down.moves)).collect();
    let centre = mean(&middles);
    let squares: Vec<f64> = middles.iter().map(|middle| (middle - centre) * (middle - centre)).collect();
    Drift {
        path: stretch * mean(&paths),
        variance: stretch * mean(&squares),
        moved: mean(&moves) / simulated as f64,
    }
}

/// Where a code has come to.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    residual: f64,
    place: f64,
    moves: f64,
}

impl Walk {
    fn step(&mut self, sum: f64, decay: f64) {
        let evidence = sum + decay * self.residual;
        let delta = evidence.round_ties_even();
        self.residual = evidence - delta;
        self.place += delta;
        self.moves += f64::from(delta != 0.0);
    }
}

/// Two codes that see the same noise, one with a mean upwards and one with a mean downwards.
fn walk(steps: &[f64], decay: f64, stream: &mut Stream) -> [Walk; 2] {
    let (mut up, mut down) = (Walk::default(), Walk::default());
    for step in steps {
        let noise = normal(stream);
        up.step(step * (noise + MEAN), decay);
        down.step(step * (noise - MEAN), decay);
    }
    [up, down]
}

/// A draw from the standard normal distribution.
fn normal(stream: &mut Stream) -> f64 {
    let radius = (-2.0 * libm::log(1.0 - stream.unit())).sqrt();
    radius * libm::cos(2.0 * std::f64::consts::PI * stream.unit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_steps_arrive_whole() {
        let drift = drift(|_| 3.0, 0.9, 100);
        assert!((drift.path / 300.0 - 1.0).abs() < 0.05, "{drift:?}");
        assert!((drift.variance / 900.0 - 1.0).abs() < 0.2, "{drift:?}");
        assert!(drift.moved > 0.8, "{drift:?}");
    }

    #[test]
    fn without_decay_small_steps_add_up() {
        let drift = drift(|_| 0.05, 1.0, 200);
        assert!((drift.path / 10.0 - 1.0).abs() < 0.1, "{drift:?}");
    }

    #[test]
    fn with_decay_tiny_steps_are_lost() {
        let drift = drift(|_| 0.03, 0.9, 200);
        assert!(drift.path < 0.1 && drift.moved < 1e-3, "{drift:?}");
    }

    #[test]
    fn long_schedules_are_sampled() {
        let (short, long) = (drift(|_| 0.3, 0.9, 200), drift(|_| 0.3, 0.9, 2000));
        assert!((long.path / short.path - 10.0).abs() < 1e-9, "{short:?} {long:?}");
        assert!((long.moved - short.moved).abs() < 1e-12, "{short:?} {long:?}");
    }
}
