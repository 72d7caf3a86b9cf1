//! Measures, before a run starts, how informative its fitness differences are, the cost and damage of perturbations,
//! and the time of a member. From these follow settings ([`choose`]), and a forecast of a run with them ([`Outlook`],
//! [`TimeForecast`]).
//!
//! The members are those with which the run itself would begin. Nothing is updated, so a probe costs about as much as
//! a generation.

mod choice;
mod cost;
mod damage;
mod forecast;
mod outlook;
mod signal;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

pub use choice::{Choice, Fixed, choose};
pub use cost::Cost;
pub use damage::DriftOfNoise;
pub use forecast::{TimeForecast, forecast};
pub use outlook::Outlook;
pub use signal::Signal;

use crate::engine::Engine;
use crate::fitness::{FitnessSummary, mean};
use crate::noise::{MAX_HIT, NoiseSeed};
use crate::perturb::{Member, Sign};
use crate::recipe::two_digits;
use crate::replay::History;
use crate::seed_log::{GenerationRecord, Header};
use crate::settings::{Settings, TypeSettings};
use crate::sweep::{ResidualStore, per_tile, update_all};
use crate::tune::{Evaluators, GenerationBatch, Members, Rewards, TuneError};
use cost::mean_rewards;
use damage::PerplexityMeter;
use signal::even_share;

/// Most members that are evaluated with the settings' own sigma.
pub const MEMBERS: usize = 32;

/// The sigmas that are tried, as multiples of the settings', and the share of the members for each. Larger noise costs
/// more, so it is tried only if the settings' own shows nothing but chance.
pub const FACTORS: [(f64, f64); 3] = [(1.0, 1.0), (1.0 / 3.0, 0.5), (3.0, 0.5)];

/// Members whose drift is measured; few, as drift varies little between members and takes longer to measure than fitness.
const LOOKS: usize = 4;

/// Share of the members that are also evaluated mirrored.
const MIRRORED: f64 = 0.25;

/// Results of the members with one sigma.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The sigma, as a multiple of the settings'.
    pub factor: f64,
    /// Variance of a perturbation, in squared steps of the integers, for the type and field with the most integers.
    pub variance: f64,
    /// Statistics of their rewards.
    pub signal: Signal,
    /// Seconds to perturb a member, at the median.
    pub perturb: f64,
}

/// Findings of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Findings {
    /// A trial for each sigma that gave finite rewards; the settings' own is the first.
    pub trials: Vec<Trial>,
    /// Cost of noise, from all of them; `None` if it cannot be estimated, as with a single one.
    pub cost: Option<Cost>,
    /// Share of the variance of fitness, with the settings' own sigma, that is even in the noise: mirrored members pay
    /// if it is above one half.
    pub even: f64,
    /// Drift of plain text for a perturbation by the settings' own sigma.
    pub texts: Option<DriftOfNoise>,
    /// Drift of the base model's own replies for such a perturbation.
    pub own_replies: Option<DriftOfNoise>,
    /// Displacement of such a perturbation.
    pub displacement: Option<f64>,
    /// Fitness of the unperturbed model.
    pub fitness: f64,
    /// Mean reward on the task, a part of the fitness.
    pub task: f64,
    /// The lowest and the highest reward of a problem.
    pub range: (f64, f64),
    /// Seconds of inference for a member, at the median.
    pub inference: f64,
    /// Seconds of that which do not depend on the number of problems.
    pub overhead: f64,
    /// Seconds of drawing a generation's noise and adding it up, once for each generation that an update replays.
    pub update: f64,
    /// Seconds of measuring drift in an evaluation.
    pub drift_seconds: f64,
    /// Problems of a held-out evaluation.
    pub held_out: u64,
    /// Members that were evaluated.
    pub members: u64,
    /// Seconds in all.
    pub seconds: f64,
}

/// Callback for a probe's progress: the number of members done, and about how many in all.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;

/// Evaluates up to [`MEMBERS`] members with the header's sigma and fewer with others. Leaves the codes unchanged.
/// `None` if it was asked to stop.
///
/// # Errors
/// When inference fails.
pub fn probe<E: Engine>(
    engine: &mut E,
    evaluators: &mut Evaluators,
    header: &Header,
    stop: &AtomicBool,
    progress: &mut Progress<'_>,
) -> Result<Option<Findings>, TuneError> {
    let start = Instant::now();
    let most = MEMBERS.min(header.settings.population as usize);
    let share_of = |share: f64| ((most as f64 * share).round() as usize).max(4);
    let planned = (share_of(1.0) + share_of(MIRRORED) + share_of(0.5)) as u64;
    evaluators.learn_own_replies(engine, header)?;
    let batches = evaluators.batches(engine, &header.task, 0)?;
    let held_out =
        evaluators.task.held_out(engine, header.task.eval_problems as usize)?.asked().count() as u64;
    // Once unseen, since the first time everything is slower.
    evaluators.rewards(engine, &batches)?;
    let base = evaluators.rewards(engine, &batches)?;
    let damage = PerplexityMeter::begin(engine, evaluators)?;
    let mut bench = Bench {
        evaluators,
        batches,
        base,
        damage,
        stop,
        progress,
        planned,
        members: 0,
        displacement: None,
        inference: Vec::new(),
    };
    let (mut trials, mut means, mut even): (Vec<Trial>, _, _) = (Vec::new(), Vec::new(), 0.0);
    for (factor, share) in FACTORS {
        if factor > 1.0 && trials.first().is_some_and(|trial| trial.signal.is_seen()) {
            continue;
        }
        let mirrored = if factor == 1.0 { share_of(MIRRORED) } else { 0 };
        let Some(tried) = bench.trial(engine, header, factor, share_of(share), mirrored)? else {
            return Ok(None);
        };
        if tried.trial.signal.is_finite() {
            means.extend(mean_rewards(&tried.rewards).map(|mean| (tried.trial.variance, mean)));
            if factor == 1.0 {
                even = even_share(&bench.base, &tried.mirrored);
            }
            trials.push(tried.trial);
        }
    }
    let Bench { base, members, inference, displacement, damage, .. } = bench;
    let inference = median(inference);
    let (texts, own_replies) = (damage.texts(), damage.own_replies());
    Ok(Some(Findings {
        trials,
        cost: Cost::of(&means),
        even,
        texts,
        own_replies,
        displacement,
        fitness: base.fitness(),
        task: mean(&base.task),
        range: range(&base, &means),
        inference,
        overhead: overhead(engine, evaluators, header, inference)?,
        update: time_update(engine, header)?,
        drift_seconds: damage.seconds(),
        held_out,
        members,
        seconds: start.elapsed().as_secs_f64(),
    }))
}

/// Returns the lowest and the highest of the base's rewards and of the members' mean rewards.
fn range(base: &Rewards, means: &[(f64, Rewards)]) -> (f64, f64) {
    let all = || base.task.iter().chain(means.iter().flat_map(|(_, mean)| &mean.task)).copied();
    (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max))
}

/// Members that are evaluated on fewer problems, only to measure time.
const TIMED: usize = 5;

/// Returns the seconds of inference that a member takes apart from its problems, extrapolated from fewer problems to none.
fn overhead<E: Engine>(
    engine: &mut E,
    evaluators: &mut Evaluators,
    header: &Header,
    inference: f64,
) -> Result<f64, TuneError> {
    let mut task = header.task.clone();
    let whole = f64::from(task.prompts);
    task.prompts = (task.prompts / 4).max(1);
    let share = f64::from(task.prompts) / whole;
    let batches = evaluators.batches(engine, &task, 0)?;
    let mut seconds = Vec::new();
    for _ in 0..TIMED {
        let start = Instant::now();
        evaluators.rewards(engine, &batches)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let few = median(seconds);
    // The line through both, at no problems.
    let overhead = if share < 1.0 { (few - share * inference) / (1.0 - share) } else { 0.0 };
    Ok(overhead.clamp(0.0, inference))
}

/// Returns the seconds of an update that moves nothing, since its step size is 0.
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
    update_all(&history, &mut residual).on(engine)?;
    Ok(start.elapsed().as_secs_f64())
}

/// Multiplies the noise by a trial's factor, and the hits too if they are fine enough. A factor of 1 changes nothing.
fn scale(of_type: &mut TypeSettings, factor: f64) {
    if factor != 1.0 {
        of_type.sigma = two_digits(of_type.sigma * factor);
        let hit = (f64::from(of_type.hit) * factor).round().clamp(1.0, f64::from(MAX_HIT));
        of_type.hit = (hit as u16).max(of_type.sigma.ceil() as u16);
    }
}

/// Returns the position, among the settings' types, of the type with the most integers.
pub fn main_type(header: &Header) -> usize {
    let integers = |position: &usize| -> u64 {
        let TypeSettings { tensor_type, field, .. } = header.settings.types[*position];
        let of_type = header.tensors.iter().filter(|spec| spec.tensor_type == tensor_type);
        of_type.map(|spec| spec.integers(field)).sum()
    };
    (0..header.settings.types.len()).max_by_key(integers).unwrap_or_default()
}

/// Returns the initial standard deviation of a generation's sums in an integer of the main type and field, in its steps.
fn deviation(settings: &Settings, main: usize, variance: f64) -> f64 {
    let TypeSettings { sigma, alpha, .. } = settings.types[main];
    let members = if settings.mirror { 2.0 } else { 1.0 };
    members * alpha / sigma * (settings.perturbations() as f64 * variance).sqrt()
}

/// Results of the members with one sigma, and their rewards.
struct Tried {
    trial: Trial,
    /// Rewards of each member.
    rewards: Vec<Rewards>,
    /// Rewards of some of them, and of their mirror images.
    mirrored: Vec<[Rewards; 2]>,
}

/// Evaluates members on the same problems.
struct Bench<'a, 'b, B> {
    evaluators: &'a mut Evaluators,
    batches: GenerationBatch<B>,
    /// Rewards of the unperturbed model.
    base: Rewards,
    damage: PerplexityMeter<B>,
    stop: &'a AtomicBool,
    progress: &'a mut Progress<'b>,
    planned: u64,
    members: u64,
    /// Displacement of the first member.
    displacement: Option<f64>,
    /// Seconds of inference of each member.
    inference: Vec<f64>,
}

impl<B> Bench<'_, '_, B> {
    /// Evaluates the first members of a run with this header, its sigmas multiplied, and the mirror images of some.
    /// Restores the codes in every case.
    fn trial<E: Engine<Batch = B>>(
        &mut self,
        engine: &mut E,
        header: &Header,
        factor: f64,
        count: usize,
        mirrored: usize,
    ) -> Result<Option<Tried>, TuneError> {
        let mut header = header.clone();
        header.settings.types.iter_mut().for_each(|of_type| scale(of_type, factor));
        let history = History::new(&header)?;
        let mut members = Members::new(&history);
        let mut perturb = Vec::new();
        let seeds = NoiseSeed::of_generation(header.settings.seed, 0, count);
        let mut evaluate = |bench: &mut Self, number: usize, sign| {
            if bench.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let start = Instant::now();
            members.turn_into(Some(Member { seed: &seeds[number], sign }), engine, &history)?;
            perturb.push(start.elapsed().as_secs_f64());
            let rewards = bench.member(engine)?;
            if factor == 1.0 && sign == Sign::Plus && number < LOOKS {
                bench.look(engine)?;
            }
            Ok::<_, TuneError>(Some(rewards))
        };
        let mut all = || {
            let (mut rewards, mut pairs) = (Vec::new(), Vec::new());
            for number in 0..count {
                let Some(plus) = evaluate(self, number, Sign::Plus)? else { return Ok(None) };
                if number < mirrored {
                    let Some(minus) = evaluate(self, number, Sign::Minus)? else { return Ok(None) };
                    pairs.push([plus.clone(), minus]);
                }
                rewards.push(plus);
            }
            Ok::<_, TuneError>(Some((rewards, pairs)))
        };
        let found = all();
        members.turn_into(None, engine, &history)?;
        let sigma = header.settings.types[main_type(&header)].sigma;
        let base = &self.base;
        Ok(found?.map(|(rewards, mirrored)| {
            let signal = Signal::of(base, &rewards);
            let trial = Trial { factor, variance: sigma * sigma, signal, perturb: median(perturb) };
            Tried { trial, rewards, mirrored }
        }))
    }

    /// Returns the rewards of the present member.
    fn member<E: Engine<Batch = B>>(&mut self, engine: &mut E) -> Result<Rewards, TuneError> {
        let start = Instant::now();
        let rewards = self.evaluators.rewards(engine, &self.batches)?;
        self.inference.push(start.elapsed().as_secs_f64());
        self.members += 1;
        (self.progress)(self.members, self.planned.max(self.members));
        Ok(rewards)
    }

    /// Measures the drift of the present member.
    fn look<E: Engine<Batch = B>>(&mut self, engine: &mut E) -> Result<(), TuneError> {
        if self.displacement.is_none() {
            self.displacement = engine.displacement()?;
        }
        Ok(self.damage.look(engine)?)
    }
}

/// Returns the median of some numbers; 0 if there are none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}
