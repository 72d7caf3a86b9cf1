//! Drift from the base model during a run.

use super::{Evaluators, TuneError, Watch};
use crate::drift::{Drift, DriftMeter, FreeReply, Kind};
use crate::engine::Engine;
use crate::evaluation::FreePrompt;

/// Held-out prompts among the samples of a summary, in addition to one neutral prompt.
const HELD_OUT_SAMPLES: usize = 2;

/// Replies of a model to one prompt, before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftSample {
    /// `true` for a held-out prompt of the task, `false` for a neutral one.
    pub is_held_out: bool,
    /// The prompt.
    pub prompt: String,
    /// The base model's reply.
    pub before: String,
    /// The tuned model's.
    pub after: String,
}

/// The meter, and its measurements since this process began.
pub(super) struct Drifting<B> {
    meter: DriftMeter<B>,
    /// Replies, by the number of generations applied.
    replies: Vec<(u64, Vec<FreeReply>)>,
    seconds: f64,
}

impl<B> Drifting<B> {
    /// Measures the base model, which the engine must hold, on neutral texts and on replies to these prompts.
    pub(super) fn begin<E: Engine<Batch = B>>(
        engine: &mut E,
        evaluators: &Evaluators,
        prompts: Vec<FreePrompt>,
        stop: &[String],
        watch: &mut Watch,
    ) -> Result<Self, TuneError> {
        let before = watch.total().inference;
        let neutral = evaluators.neutral.as_ref().zip(evaluators.everyday(engine)?);
        let begin = || DriftMeter::new(engine, neutral, prompts, stop);
        let meter = watch.time(|split| &mut split.inference, begin)?;
        Ok(Self { meter, replies: Vec::new(), seconds: watch.total().inference - before })
    }

    /// Returns a note for the user, if there is one.
    pub(super) fn note(&self) -> Option<&str> {
        self.meter.note()
    }

    /// Returns the seconds that measuring has taken.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Returns replies of the base model and of the model after this many generations, if this process has both.
    pub(super) fn samples(&self, generations: u64) -> Vec<DriftSample> {
        let Some((_, after)) = self.replies.iter().find(|(number, _)| *number == generations && *number > 0)
        else {
            return Vec::new();
        };
        let pairs = || self.meter.base().replies.iter().zip(after);
        let of_kind = |kind, count| pairs().filter(move |(before, _)| before.kind == kind).take(count);
        let sample = |(before, after): (&FreeReply, &FreeReply)| DriftSample {
            is_held_out: before.kind == Kind::HeldOut,
            prompt: before.prompt.clone(),
            before: before.text.clone(),
            after: after.text.clone(),
        };
        of_kind(Kind::Neutral, 1).chain(of_kind(Kind::HeldOut, HELD_OUT_SAMPLES)).map(sample).collect()
    }

    /// Measures the drift of the model after this many generations, which the engine must hold. The base has been measured.
    pub(super) fn measure<E: Engine<Batch = B>>(
        &mut self,
        engine: &mut E,
        generations: u64,
        watch: &mut Watch,
    ) -> Result<Drift, TuneError> {
        if generations == 0 {
            return Ok(self.meter.base().clone());
        }
        let before = watch.total().inference;
        let found = watch.time(|split| &mut split.inference, || self.meter.measure(engine))?;
        self.seconds += watch.total().inference - before;
        self.replies.push((generations, found.replies.clone()));
        Ok(found)
    }
}
