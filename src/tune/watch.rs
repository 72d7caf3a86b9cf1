//! Measurement of time by kind of work. It is for people only: no time reaches a log.

use std::time::Instant;

/// Seconds by kind of work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    /// Applying perturbations, each in place of the one before, and mirroring them.
    pub perturb: f64,
    /// Inference.
    pub inference: f64,
    /// Reverting a generation's last perturbation.
    pub restore: f64,
    /// Applying updates, replay of the residual included.
    pub update: f64,
    /// The whole, including work of no other kind.
    pub seconds: f64,
}

impl Seconds {
    /// Returns the time added since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            perturb: self.perturb - before.perturb,
            inference: self.inference - before.inference,
            restore: self.restore - before.restore,
            update: self.update - before.update,
            seconds: self.seconds - before.seconds,
        }
    }
}

/// A stopwatch over a run.
#[derive(Clone, Debug)]
pub struct Watch {
    start: Instant,
    total: Seconds,
}

impl Watch {
    /// Starts now.
    pub fn start() -> Self {
        Self { start: Instant::now(), total: Seconds::default() }
    }

    /// Does some work and adds its time to a part of the split.
    pub fn time<T>(&mut self, part: impl FnOnce(&mut Seconds) -> &mut f64, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        *part(&mut self.total) += start.elapsed().as_secs_f64();
        result
    }

    /// Returns the split of all time so far.
    pub fn total(&self) -> Seconds {
        Seconds { seconds: self.start.elapsed().as_secs_f64(), ..self.total }
    }
}
