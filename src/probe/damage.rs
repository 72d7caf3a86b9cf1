//! Damage by perturbations: the rise of perplexity on plain text, and on the base model's own replies, from the base to
//! members.

use std::time::Instant;

use crate::drift::DriftMeter;
use crate::engine::{Engine, EngineError};
use crate::fitness::{deviation, mean};
use crate::tune::{Evaluators, TuneError};

/// Effect of a perturbation on a text's log-perplexity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriftOfNoise {
    /// Rise per token, in nats, on average over members.
    pub rise: f64,
    /// Its standard error.
    pub error: f64,
}

/// The meter, and its findings.
pub(super) struct PerplexityMeter<B> {
    meter: Option<DriftMeter<B>>,
    /// Rise of each member's log-perplexity of plain texts and of the base's own replies.
    rises: [Vec<f64>; 2],
    seconds: f64,
}

impl<B> PerplexityMeter<B> {
    /// Measures the base model, which the engine must hold.
    pub fn begin<E: Engine<Batch = B>>(engine: &mut E, evaluators: &Evaluators) -> Result<Self, TuneError> {
        let start = Instant::now();
        let neutral = evaluators.neutral.as_ref().zip(evaluators.everyday(engine)?);
        let meter =
            neutral.map(|neutral| DriftMeter::new(engine, Some(neutral), Vec::new(), &[])).transpose()?;
        Ok(Self { meter, rises: Default::default(), seconds: start.elapsed().as_secs_f64() })
    }

    /// Measures a member.
    pub fn look<E: Engine<Batch = B>>(&mut self, engine: &mut E) -> Result<(), EngineError> {
        let Some(meter) = &self.meter else { return Ok(()) };
        for (rises, share) in self.rises.iter_mut().zip(meter.perplexity(engine)?) {
            rises.extend(share.map(libm::log1p));
        }
        Ok(())
    }

    /// Returns the drift of plain texts, if it was measured.
    pub fn texts(&self) -> Option<DriftOfNoise> {
        of(&self.rises[0])
    }

    /// Returns the drift of the base's own replies, if it was measured.
    pub fn own_replies(&self) -> Option<DriftOfNoise> {
        of(&self.rises[1])
    }

    /// Returns the seconds that measuring the base took. An evaluation takes about as long: it has fewer neutral
    /// prompts, and also replies to held-out ones.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

fn of(rises: &[f64]) -> Option<DriftOfNoise> {
    let error = deviation(rises) / (rises.len().saturating_sub(1).max(1) as f64).sqrt();
    (!rises.is_empty()).then(|| DriftOfNoise { rise: mean(rises), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_has_an_error() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[0.25]), Some(DriftOfNoise { rise: 0.25, error: 0.0 }));
        assert_eq!(of(&[0.0, 2.0]), Some(DriftOfNoise { rise: 1.0, error: 1.0 }));
    }
}
