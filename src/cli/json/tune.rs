//! Of `tune`, line by line.

use serde::Serialize;

use super::{Measures, ProbeFields, SeenExample, TunedRows};
use crate::cli::text;
use crate::seed_log::{DriftRecord, EvaluationRecord, GenerationRecord, SeedLog, TaskSpec};
use crate::settings::Settings;
use crate::tune::{DriftSample, Seconds, Summary};
use crate::update::Moves;

/// A line of a run. `start` comes first; `done` or `interrupted` comes last.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "tune"))]
pub enum TuneLine<'a> {
    /// The first line.
    Start(StartLine<'a>),
    /// After `start`, with `--auto`: what the probe measured and chose.
    Probe(ProbeFields<'a>),
    /// After `start`, where the run tunes only the rows of some tokens, because of how replies begin or go on.
    Rows(TunedRows<'a>),
    /// Held-out results, at the start, every `--eval-every` generations and at the end. Follows the `generation` whose codes were
    /// evaluated.
    Evaluation(EvaluationLine),
    /// A generation.
    Generation(GenerationLine<'a>),
    /// A warning during the run.
    Warning(WarningLine<'a>),
    /// The last line. The exit code is 3 where `damage` is not empty.
    Done(EndLine),
    /// The last line of a run that Ctrl-C ended; nothing is exported.
    Interrupted(EndLine),
}

/// The plan of a run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct StartLine<'a> {
    /// File of the log.
    pub log: String,
    /// Generations that were in the log already.
    pub generations_done: u64,
    /// Tensors that are tuned.
    pub tensors: u64,
    /// Integers of the tuned fields in them.
    pub integers: u64,
    /// Memory planned, in bytes.
    pub planned_rss_bytes: u64,
    /// Hyper-parameters.
    pub settings: Settings,
    /// The task.
    pub task: &'a TaskSpec,
    /// The first example as the model sees it; `null` where there is none.
    pub example: Option<SeenExample>,
}

/// Held-out results.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct EvaluationLine {
    /// Generations applied.
    generations: u64,
    /// Results of the model.
    #[serde(flatten)]
    measures: Measures,
    /// Mean reward on the task of `--retain`; `null` without one.
    retained: Option<f64>,
    /// Drift from the base; `null` where it was not measured.
    drift: Option<MeasuredDrift>,
    /// RMS change of the tuned weights, as a share of the RMS of the base's; `null` where it was not measured.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    displacement: Option<f64>,
    /// The same of the last generation alone, from its step sizes and weights; `null` before the first one.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    displacement_last: Option<f64>,
}

impl From<&EvaluationRecord> for EvaluationLine {
    fn from(record: &EvaluationRecord) -> Self {
        Self {
            generations: record.generations,
            measures: Measures::from(&text::summary_of(record)),
            retained: record.retained,
            drift: record.drift.as_ref().map(MeasuredDrift::from),
            displacement: record.displacement,
            displacement_last: record.displacement_last,
        }
    }
}

/// Drift of a model from its base.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "drift"))]
struct MeasuredDrift {
    /// Rise of its perplexity on neutral texts, per token, as a share of the base's; `null` where it was not measured.
    texts: Option<f64>,
    /// Rise of its perplexity on the base's own replies to neutral prompts, per token, as a share of the base's; `null` where it was
    /// not measured.
    own_replies: Option<f64>,
    /// Replies generated freely, to neutral and held-out prompts.
    replies: u64,
    /// Those that loop.
    loops: u64,
    /// Those that the limit on new tokens cut off.
    endless: u64,
    /// Texts and replies that were rated or generated to measure drift.
    evaluations: u64,
}

impl From<&DriftRecord> for MeasuredDrift {
    fn from(drift: &DriftRecord) -> Self {
        let replies = drift.replies();
        Self {
            texts: drift.texts,
            own_replies: drift.own_replies,
            replies: replies.replies,
            loops: replies.loops,
            endless: replies.endless,
            evaluations: drift.evaluations,
        }
    }
}

/// A generation.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct GenerationLine<'a> {
    /// Its number, from 1.
    generation: u64,
    /// Mean of the members' fitness.
    fitness_mean: f64,
    /// Standard deviation of the members' fitness.
    fitness_spread: f64,
    /// Highest fitness of a member.
    fitness_best: f64,
    /// Step sizes in code units, one for each entry of `settings.types`.
    #[cfg_attr(test, schemars(inner(range(min = 0.0))))]
    alpha: &'a [f64],
    /// Integers that the update moved.
    moved: u64,
    /// Moves dropped because they would have left an integer's range.
    gated: u64,
    /// Integers that `--anchor` pulled back.
    pulled: u64,
    /// Rewards computed.
    evaluations: u64,
    /// Seconds in all.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    seconds: f64,
    /// Seconds of perturbing codes.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    seconds_perturb: f64,
    /// Seconds of inference.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    seconds_inference: f64,
    /// Seconds of restoring codes.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    seconds_restore: f64,
    /// Seconds of the update.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    seconds_update: f64,
}

impl<'a> GenerationLine<'a> {
    /// Returns the line of a generation.
    pub fn new(record: &'a GenerationRecord, moves: Moves, split: Seconds) -> Self {
        Self {
            generation: record.generation + 1,
            fitness_mean: record.fitness.mean,
            fitness_spread: record.fitness.spread,
            fitness_best: record.fitness.best,
            alpha: &record.alpha,
            moved: moves.moved,
            gated: moves.gated,
            pulled: moves.pulled,
            evaluations: record.evaluations,
            seconds: split.seconds,
            seconds_perturb: split.perturb,
            seconds_inference: split.inference,
            seconds_restore: split.restore,
            seconds_update: split.update,
        }
    }
}

/// A warning during a run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct WarningLine<'a> {
    /// Reason of the warning. `equal_rewards`: all members of every generation so far had the same fitness. `restrained`: from here
    /// on steps are smaller than planned, to keep drift within the limit.
    #[cfg_attr(test, schemars(extend("enum" = ["equal_rewards", "restrained"])))]
    pub kind: &'static str,
    /// Generations so far.
    pub generations: u64,
    /// With `equal_rewards`, the fitness of all members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitness: Option<f64>,
    /// With `equal_rewards`, possible reasons that judges of replies name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hints: Option<&'a [String]>,
    /// With `restrained`, the factor on the planned step sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub factor: Option<f64>,
    /// The warning as a sentence.
    pub message: String,
}

/// The end of a run.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct EndLine {
    /// Generations in the log.
    generations: u64,
    /// True where `--patience` has come to an end, whether or not generations were left.
    out_of_patience: bool,
    /// Held-out accuracy at the start.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    accuracy_before: Option<f64>,
    /// Held-out accuracy at the end.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    accuracy_after: Option<f64>,
    /// Held-out accuracy where the mean reward was highest.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    accuracy_best: Option<f64>,
    /// Held-out mean reward at the start.
    reward_before: Option<f64>,
    /// Held-out mean reward at the end.
    reward_after: Option<f64>,
    /// Highest held-out mean reward.
    reward_best: Option<f64>,
    /// Generations after which the mean reward was highest.
    best_generations: Option<u64>,
    /// Mean reward on the task of `--retain`, at the start.
    retained_before: Option<f64>,
    /// Mean reward on the task of `--retain`, at the end.
    retained_after: Option<f64>,
    /// Drift of the last evaluated model from the base; `null` where it was not measured.
    drift: Option<MeasuredDrift>,
    /// RMS change of that model's tuned weights, as a share of the RMS of the base's; `null` where it was not measured.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    displacement: Option<f64>,
    /// Ways in which the model that the run leaves exceeds `--max-drift`, as sentences.
    damage: Vec<String>,
    /// Replies before and after, to a neutral prompt and two held-out ones.
    samples: Vec<SampledReplies>,
    /// Seconds that measuring drift took.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    seconds_drift: f64,
    /// Seconds of the run, without those before a `--resume`.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    seconds: f64,
    /// Seconds of inference.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    seconds_inference: f64,
    /// Share of the time outside inference.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    outside_inference: f64,
    /// Memory planned, in bytes.
    planned_rss_bytes: u64,
    /// Largest resident memory in bytes; `null` where the system does not tell.
    peak_rss_bytes: Option<u64>,
    /// Bytes of the log.
    log_bytes: u64,
    /// The model that was written.
    export: Option<String>,
    /// The model card that was written.
    card: Option<String>,
}

impl EndLine {
    /// Returns the end of a run without files that it wrote.
    pub fn new(summary: &Summary, log: &SeedLog, planned: u64, damage: Vec<String>) -> Self {
        let best = log.best().cloned();
        let accuracy =
            |record: &Option<EvaluationRecord>| record.as_ref().and_then(EvaluationRecord::accuracy);
        let reward = |record: &Option<EvaluationRecord>| record.as_ref().map(|record| record.mean_reward);
        let Summary { before, after, .. } = summary;
        Self {
            generations: summary.generations,
            out_of_patience: log.is_out_of_patience(),
            accuracy_before: accuracy(before),
            accuracy_after: accuracy(after),
            accuracy_best: accuracy(&best),
            reward_before: reward(before),
            reward_after: reward(after),
            reward_best: reward(&best),
            best_generations: best.as_ref().map(|record| record.generations),
            retained_before: before.as_ref().and_then(|record| record.retained),
            retained_after: after.as_ref().and_then(|record| record.retained),
            drift: after.as_ref().and_then(|record| record.drift.as_ref()).map(MeasuredDrift::from),
            displacement: after.as_ref().and_then(|record| record.displacement),
            damage,
            samples: summary.samples.iter().map(SampledReplies::from).collect(),
            seconds_drift: summary.drift_seconds,
            seconds: summary.seconds,
            seconds_inference: summary.total.inference,
            outside_inference: summary.outside_inference(),
            planned_rss_bytes: planned,
            peak_rss_bytes: crate::store::peak_rss_bytes(),
            log_bytes: summary.log_bytes,
            export: None,
            card: None,
        }
    }

    /// Adds the files that were written.
    pub fn with_files(self, export: Option<String>, card: Option<String>) -> Self {
        Self { export, card, ..self }
    }
}

/// Replies to one prompt.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "sample"))]
pub struct SampledReplies {
    /// True of a held-out prompt of the task, false of a neutral one.
    held_out: bool,
    /// The prompt.
    prompt: String,
    /// Reply of the base model.
    before: String,
    /// Reply of the tuned model.
    after: String,
}

impl From<&DriftSample> for SampledReplies {
    fn from(sample: &DriftSample) -> Self {
        Self {
            held_out: sample.is_held_out,
            prompt: sample.prompt.clone(),
            before: sample.before.clone(),
            after: sample.after.clone(),
        }
    }
}
