//! Where the time goes. The clock is for people only: nothing that it says reaches a log.

use std::time::Instant;

/// Seconds by kind of work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    /// Applying perturbations, each in place of the one before, and turning them into their mirror images.
    pub perturb: f64,
    /// Inference.
    pub inference: f64,
    /// Taking a generation's last perturbation back.
    pub restore: f64,
    /// Applying updates, replay of the residual included.
    pub update: f64,
    /// The whole, including what is in none of the above.
    pub seconds: f64,
}

/// A stopwatch over a run.
#[derive(Clone, Debug)]
pub struct Watch {
    start: Instant,
    generation_start: Instant,
    before_generation: Seconds,
    total: Seconds,
}

impl Watch {
    /// Starts now.
    pub fn start() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            generation_start: now,
            before_generation: Seconds::default(),
            total: Seconds::default(),
        }
    }

    /// Does some work and adds its time to a part of the split.
    pub fn time<T>(&mut self, part: impl FnOnce(&mut Seconds) -> &mut f64, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        *part(&mut self.total) += start.elapsed().as_secs_f64();
        result
    }

    /// A generation begins.
    pub fn begin_generation(&mut self) {
        self.generation_start = Instant::now();
        self.before_generation = self.total;
    }

    /// The generation ended: where its time went.
    pub fn end_generation(&self) -> Seconds {
        let (now, before) = (&self.total, &self.before_generation);
        Seconds {
            perturb: now.perturb - before.perturb,
            inference: now.inference - before.inference,
            restore: now.restore - before.restore,
            update: now.update - before.update,
            seconds: self.generation_start.elapsed().as_secs_f64(),
        }
    }

    /// Where all time so far went.
    pub fn total(&self) -> Seconds {
        Seconds { seconds: self.seconds(), ..self.total }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}
