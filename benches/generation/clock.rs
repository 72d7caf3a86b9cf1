//! Repeated timings and their medians.

use std::time::Instant;

use anyhow::Result;
use serde::Serialize;

/// What takes longer than this is repeated only `FEW` times.
const LONG_SECONDS: f64 = 20.0;
const FEW: usize = 3;

/// What is short is repeated until it has taken so long in all, but at most `MANY` times.
const SHORT_SECONDS: f64 = 2.0;
const MANY: usize = 51;

/// Seconds that something took, again and again.
#[derive(Clone, Debug)]
pub struct Samples(Vec<f64>);

/// What is left of samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Timing {
    /// Median of the seconds.
    pub seconds: f64,
    /// How many there were.
    pub runs: usize,
}

impl Samples {
    pub fn timing(&self) -> Timing {
        Timing { seconds: median(self.0.clone()), runs: self.0.len() }
    }

    /// Median of the ratios to other samples, round by round: a machine that is slow for a while slows both.
    pub fn ratio(&self, other: &Self) -> f64 {
        median(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// Runs rounds, each of which times the same parts; the first warms up and does not count. `repeats` rounds count, fewer
/// where one part takes long, more where all are short.
pub fn rounds(repeats: usize, mut round: impl FnMut(usize) -> Result<Vec<f64>>) -> Result<Vec<Samples>> {
    let first = round(0)?;
    let longest = first.iter().copied().fold(0.0, f64::max);
    let fit = (SHORT_SECONDS / first.iter().sum::<f64>().max(1e-6)) as usize;
    let count = if longest > LONG_SECONDS { repeats.min(FEW) } else { fit.min(MANY).max(repeats) };
    let mut parts = vec![Samples(Vec::with_capacity(count)); first.len()];
    for number in 1..=count {
        for (samples, seconds) in parts.iter_mut().zip(round(number)?) {
            samples.0.push(seconds);
        }
    }
    Ok(parts)
}

/// The seconds that some work takes.
pub fn time<T>(work: impl FnOnce() -> Result<T>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}
