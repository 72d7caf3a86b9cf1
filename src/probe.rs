//! Measures what a run will meet before it starts: how much its fitness differences tell, what being perturbed costs, how long a
//! member takes. From that follow settings ([`choose`]).
//!
//! The members are those that the run itself would begin with. Nothing is updated, so a probe costs what it evaluates: two
//! or three generations.

mod choice;
mod cost;
mod drift;
mod forecast;
mod signal;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use choice::{Choice, Fixed, choose};
pub use cost::Cost;
pub use drift::{Drift, drift};
pub use forecast::{Forecast, forecast};
pub use signal::Signal;

use crate::engine::Engine;
use crate::fitness::FitnessSummary;
use crate::noise::{MAX_HIT, NoiseSeed};
use crate::perturb::{Member, Sign};
use crate::recipe::two_digits;
use crate::replay::History;
use crate::seed_log::{GenerationRecord, Header};
use crate::settings::TypeSettings;
use crate::sweep::{ResidualStore, per_tile, update_all};
use crate::tune::{Examiners, Exams, Members, Rewards, TuneError};
use cost::mean_rewards;

/// The sigmas that are tried, as multiples of the settings', and the share of the pairs that each gets.
pub const FACTORS: [(f64, f64); 3] = [(1.0, 1.0), (1.0 / 3.0, 0.5), (3.0, 0.5)];

/// What members of one sigma showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The sigma, as a multiple of the settings'.
    pub factor: f64,
    /// Variance of a perturbation, in square steps of the integers, for the type and field with the most of them.
    pub variance: f64,
    /// What their rewards tell.
    pub signal: Signal,
    /// Seconds to perturb a member, at the median.
    pub perturb: f64,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// A trial for each sigma that gave finite rewards; the settings' own is the first.
    pub trials: Vec<Trial>,
    /// What noise costs, by all of them; `None` where it cannot be told, as with a single one.
    pub cost: Option<Cost>,
    /// Fitness of the model nobody perturbed.
    pub fitness: f64,
    /// Seconds of inference for a member, at the median.
    pub inference: f64,
    /// Seconds of that which do not depend on how many problems there are.
    pub overhead: f64,
    /// Seconds to draw a generation's noise and add it up, as each generation that an update replays takes.
    pub update: f64,
    /// Members that were evaluated.
    pub members: u64,
    /// Seconds in all.
    pub seconds: f64,
}

/// Someone who is told of a probe's members: how many are done, of how many.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;

/// Evaluates `pairs` pairs with the header's sigma and fewer with others. Leaves the codes as they were. `None` when it was
/// asked to stop.
///
/// # Errors
/// When inference fails.
pub fn probe<E: Engine>(
    engine: &mut E,
    examiners: &mut Examiners,
    header: &Header,
    pairs: usize,
    stop: &AtomicBool,
    progress: &mut Progress<'_>,
) -> Result<Option<Findings>, TuneError> {
    let start = Instant::now();
    let of_factor = |share: f64| ((pairs as f64 * share).round() as usize).max(4);
    let planned = FACTORS.iter().map(|(_, share)| 2 * of_factor(*share) as u64).sum();
    let exams = examiners.exams(engine, &header.task, 0)?;
    // Once unseen, since the first time everything is slower.
    examiners.rewards(engine, &exams)?;
    let base = examiners.rewards(engine, &exams)?;
    let mut bench =
        Bench { examiners, exams, base, stop, progress, planned, members: 0, inference: Vec::new() };
    let (mut trials, mut means) = (Vec::new(), Vec::new());
    for (factor, share) in FACTORS {
        let Some((trial, rewards)) = bench.trial(engine, header, factor, of_factor(share))? else {
            return Ok(None);
        };
        if trial.signal.is_finite() {
            trials.push(trial);
            means.extend(mean_rewards(&rewards).map(|mean| (trial.variance, mean)));
        }
    }
    let Bench { base, members, inference, .. } = bench;
    let inference = median(inference);
    Ok(Some(Findings {
        trials,
        cost: Cost::of(&means),
        fitness: base.fitness(),
        inference,
        overhead: overhead(engine, examiners, header, inference)?,
        update: time_update(engine, header)?,
        members,
        seconds: start.elapsed().as_secs_f64(),
    }))
}

/// Members that are evaluated on fewer problems, for the time alone.
const TIMED: usize = 5;

/// Seconds of inference that a member takes apart from its problems: what fewer problems take less, carried on to none.
fn overhead<E: Engine>(
    engine: &mut E,
    examiners: &mut Examiners,
    header: &Header,
    inference: f64,
) -> Result<f64, TuneError> {
    let mut task = header.task.clone();
    let whole = f64::from(task.prompts);
    task.prompts = (task.prompts / 4).max(1);
    let share = f64::from(task.prompts) / whole;
    let exams = examiners.exams(engine, &task, 0)?;
    let mut seconds = Vec::new();
    for _ in 0..TIMED {
        let start = Instant::now();
        examiners.rewards(engine, &exams)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let few = median(seconds);
    // The line through both, at no problems.
    let overhead = if share < 1.0 { (few - share * inference) / (1.0 - share) } else { 0.0 };
    Ok(overhead.clamp(0.0, inference))
}

/// Seconds of an update that moves nothing, since its step size is 0.
fn time_update<E: Engine>(engine: &mut E, header: &Header) -> Result<f64, TuneError> {
    let mut history = History::new(header)?;
    let types = &header.settings.types;
    let fitness = FitnessSummary { mean: 0.0, spread: 0.0, best: 0.0 };
    history.push(&GenerationRecord {
        generation: 0,
        alpha: vec![0.0; types.len()],
        weights: vec![1.0; header.settings.perturbations()],
        fitness,
        evaluations: 0,
    });
    let mut residual = match history.must_store() {
        true => ResidualStore::Stored(per_tile(&history)),
        false => ResidualStore::Replay,
    };
    let start = Instant::now();
    engine.edit_codes(&mut |tensors| {
        update_all(tensors, &history, &mut residual);
    })?;
    Ok(start.elapsed().as_secs_f64())
}

/// Multiplies the noise by a trial's factor, hits included where they are fine enough. What was asked for stays as it is.
fn scale(of_type: &mut TypeSettings, factor: f64) {
    if factor != 1.0 {
        of_type.sigma = two_digits(of_type.sigma * factor);
        let hit = (f64::from(of_type.hit) * factor).round().clamp(1.0, f64::from(MAX_HIT));
        of_type.hit = (hit as u16).max(of_type.sigma.ceil() as u16);
    }
}

/// Returns the position among the settings' types of that with the most integers.
pub fn main_type(header: &Header) -> usize {
    let integers = |position: &usize| -> u64 {
        let TypeSettings { tensor_type, field, .. } = header.settings.types[*position];
        let of_type = header.tensors.iter().filter(|spec| spec.tensor_type == tensor_type);
        of_type.map(|spec| spec.integers(field)).sum()
    };
    (0..header.settings.types.len()).max_by_key(integers).unwrap_or_default()
}

/// What the members of one sigma showed, and what those of each pair got.
type Tried = (Trial, Vec<[Rewards; 2]>);

/// Evaluates members on the same problems.
struct Bench<'a, 'b, B> {
    examiners: &'a mut Examiners,
    exams: Exams<B>,
    /// The rewards of the model nobody perturbed.
    base: Rewards,
    stop: &'a AtomicBool,
    progress: &'a mut Progress<'b>,
    planned: u64,
    members: u64,
    /// Seconds of each member.
    inference: Vec<f64>,
}

impl<B> Bench<'_, '_, B> {
    /// What the first pairs of a run with this header show, its sigmas multiplied, and what they got. Restores the codes, whatever
    /// happens.
    fn trial<E: Engine<Batch = B>>(
        &mut self,
        engine: &mut E,
        header: &Header,
        factor: f64,
        pairs: usize,
    ) -> Result<Option<Tried>, TuneError> {
        let mut header = header.clone();
        header.settings.types.iter_mut().for_each(|of_type| scale(of_type, factor));
        let history = History::new(&header)?;
        let mut members = Members::new(&history);
        let mut perturb = Vec::new();
        let seeds = NoiseSeed::of_generation(header.settings.seed, 0, pairs);
        let rewards: Result<Option<Vec<_>>, TuneError> = seeds
            .iter()
            .map(|seed| {
                let mut of_sign = |sign| {
                    if self.stop.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                    let start = Instant::now();
                    members.turn_into(Some(Member { seed, sign }), engine, &history)?;
                    perturb.push(start.elapsed().as_secs_f64());
                    self.member(engine).map(Some)
                };
                let plus = of_sign(Sign::Plus)?;
                Ok(plus.zip(of_sign(Sign::Minus)?).map(|(plus, minus)| [plus, minus]))
            })
            .collect();
        members.turn_into(None, engine, &history)?;
        let sigma = header.settings.types[main_type(&header)].sigma;
        let variance = sigma * sigma;
        Ok(rewards?.map(|rewards| {
            let signal = Signal::of(&self.base, &rewards);
            (Trial { factor, variance, signal, perturb: median(perturb) }, rewards)
        }))
    }

    /// The rewards of the member that is in place.
    fn member<E: Engine<Batch = B>>(&mut self, engine: &mut E) -> Result<Rewards, TuneError> {
        let start = Instant::now();
        let rewards = self.examiners.rewards(engine, &self.exams)?;
        self.inference.push(start.elapsed().as_secs_f64());
        self.members += 1;
        (self.progress)(self.members, self.planned);
        Ok(rewards)
    }
}

/// The middle one of some numbers; 0 of none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}
