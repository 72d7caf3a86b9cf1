//! Records in the lines of a seed log.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DriftRecord, DriftSpec};
use crate::block::{Field, integers_of_block};
use crate::fitness::{FitnessSummary, share};
use crate::settings::Settings;
use crate::task::{Definition, Reward};
use crate::tensor_type::TensorType;

/// The format version that this crate writes. It rises whenever an older version's log would replay to other codes, or
/// lacks something on which its replay depends.
pub const FORMAT_VERSION: u32 = 3;

/// Name and version of the writer in new logs.
pub const TOOL: &str = concat!("qes-gguf ", env!("CARGO_PKG_VERSION"));

/// One line of a log, without its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// The first line.
    Header(Box<Header>),
    /// A generation that was evaluated and whose update was, or is about to be, applied.
    Generation(GenerationRecord),
    /// Held-out results at some point of the run. It decides nothing; replay passes over it.
    Evaluation(EvaluationRecord),
    /// A new planned number of generations. Replay ignores it.
    Plan(PlanRecord),
}

/// The first line of a log: the model it applies to, and the settings of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "header"))]
pub struct Header {
    /// Version of the log format.
    pub version: u32,
    /// Name and version of the program that wrote the log.
    pub tool: String,
    /// The model that the log applies to.
    pub base: BaseModel,
    /// The tuned tensors. A tensor's position here is its address in the noise.
    pub tensors: Vec<TensorSpec>,
    /// All hyper-parameters.
    pub settings: Settings,
    /// Definition of the noise, one entry for each of `settings.types`.
    pub noise: Vec<NoiseSpec>,
    /// The task.
    pub task: TaskSpec,
}

impl Header {
    /// Returns the number of codes of the tuned tensors, whether these or other integers of their blocks are tuned.
    pub fn codes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.codes).sum()
    }

    /// Returns the number of integers that are tuned, all tensors and fields together.
    pub fn integers(&self) -> u64 {
        self.tensors.iter().map(|tensor| self.integers_of(tensor)).sum()
    }

    /// Returns the number of integers of a tensor that are tuned, all fields together.
    pub fn integers_of(&self, tensor: &TensorSpec) -> u64 {
        let of_type = self.settings.types.iter().filter(|of_type| of_type.tensor_type == tensor.tensor_type);
        of_type.map(|of_type| tensor.integers(of_type.field)).sum()
    }
}

/// Identity of a model file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "base"))]
pub struct BaseModel {
    /// Name of the file, without its folder; for people.
    pub file: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, lower-case hexadecimal.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub sha256: String,
}

/// A tuned tensor, or some rows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "tensor_codes"))]
pub struct TensorSpec {
    /// Name in the GGUF.
    pub name: String,
    /// Type of its blocks.
    #[serde(rename = "type")]
    pub tensor_type: TensorType,
    /// Number of codes that are tuned.
    pub codes: u64,
    /// Rows that are tuned; absent for the whole tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
}

/// Consecutive rows of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "row_range"))]
pub struct Rows {
    /// Number of the first one, from 0.
    pub first: u64,
    /// Number of rows, at least 1.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub count: u64,
}

impl Rows {
    /// Returns the number of the row after the last one; the largest possible number for rows that no tensor has.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, count: 1 } => write!(f, "row {first}"),
            Self { first, .. } => write!(f, "rows {first} to {}", self.end().saturating_sub(1)),
        }
    }
}

impl fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows {
            None => f.write_str(&self.name),
            Some(rows) => write!(f, "{}, {rows}", self.name),
        }
    }
}

/// Returns the first tensor of a list that occurs again, unless the later one has rows after all those before.
pub fn named_twice(tensors: &[TensorSpec]) -> Option<&TensorSpec> {
    let mut names = HashSet::new();
    let mut before: Option<&TensorSpec> = None;
    tensors.iter().find(|tensor| {
        let goes_on = before.replace(tensor).is_some_and(|before| {
            let follows = |rows: Rows| before.rows.is_some_and(|before| before.end() <= rows.first);
            before.name == tensor.name && tensor.rows.is_some_and(follows)
        });
        !names.insert(&tensor.name) && !goes_on
    })
}

impl TensorSpec {
    /// Returns whether its codes are whole blocks, in each of its rows, of which there is at least one.
    pub fn has_whole_blocks(&self) -> bool {
        let rows = self.rows.map_or(1, |rows| rows.count);
        let row = self.codes.checked_div(rows).filter(|row| row * rows == self.codes);
        row.is_some_and(|row| self.tensor_type.bytes_of(row).is_some())
    }

    /// Returns the number of integers of a field in the tensor; 0 if its blocks have none.
    pub fn integers(&self, field: Field) -> u64 {
        self.codes / self.tensor_type.block_len() * integers_of_block(self.tensor_type, field)
    }
}

/// Definition of the noise of one field of a tensor type, the same on every version and machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "noise"))]
pub struct NoiseSpec {
    /// Integers in a noise run.
    pub run: u64,
    /// First 16 hexadecimal digits of the SHA-256 of the drawing tables.
    pub tables: String,
}

/// The task and its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "task"))]
pub struct TaskSpec {
    /// Problems and rewards.
    pub definition: Definition,
    /// SHA-256 over the user's data, lower-case hexadecimal; absent of a task without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub data_sha256: Option<String>,
    /// Problems that each member of a generation is evaluated on.
    pub prompts: u32,
    /// Problems that these are chosen from, more than `prompts`; absent where the problems that are drawn are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 2)))]
    pub candidates: Option<u32>,
    /// Problems of a held-out evaluation.
    pub eval_problems: u32,
    /// Generations between held-out evaluations; 0 evaluates only before and after.
    pub eval_every: u64,
    /// The task of `--retain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<RetainSpec>,
    /// Weight of the base model's own replies beside the likelihood of the openings of wanted replies, in a run that tunes rows of
    /// tokens; absent where they do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_replies: Option<f64>,
    /// `true` if members are scored on the log-likelihood of the base model's own replies that the rewards find right, or of an end where
    /// these would be right if they ended there, and on that of its first words to everyday prompts; not on replies of their own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub right_replies: bool,
    /// Held-out evaluations without a new best one after which the run ends, at least 1; absent without `--patience`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Measure of drift and its limit; absent where only held-out replies are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftSpec>,
}

impl TaskSpec {
    /// Returns the evaluations that a generation of this many members takes on the task: each member's on each
    /// problem, and one of each candidate.
    pub fn evaluations(&self, members: u64) -> u64 {
        members * u64::from(self.prompts) + u64::from(self.candidates.unwrap_or(0))
    }

    /// Returns whether the fitness of members depends on what the base model itself replies, of which a processor of
    /// another kind may compute other last bits, and so have other replies.
    pub fn depends_on_own_replies(&self) -> bool {
        self.own_replies.is_some() || self.right_replies
    }

    /// Returns the reason that its problems cannot be chosen as it says, if there is one.
    pub fn unchoosable(&self) -> Option<String> {
        let candidates = self.candidates?;
        let prompts = self.prompts;
        if candidates <= prompts {
            return Some(format!(
                "{candidates} candidates are no choice for {prompts} problems a member; give more of them"
            ));
        }
        let is_for_wanted = |reward: &Reward| reward.kind.is_for_wanted_reply();
        (!self.definition.rewards.iter().any(is_for_wanted)).then(|| {
            format!(
                "candidates are chosen by how likely their wanted replies are, but the reward is {}; it should have one of \
                 loglik, soft-loglik, exact, numeric",
                self.definition.rewards_text()
            )
        })
    }
}

/// A task that must not get worse while the model is tuned on another: it is evaluated too, and counts with its weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "retain"))]
pub struct RetainSpec {
    /// Its problems and rewards.
    pub definition: Definition,
    /// SHA-256 over its data, lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub data_sha256: Option<String>,
    /// Weight of its mean reward in a member's fitness, at least 0; with 0 it is only measured.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub weight: f64,
    /// Problems of it that each member of a generation is evaluated on, where the weight is not 0.
    pub prompts: u32,
}

/// Most problems in a generation or a held-out evaluation.
pub const MAX_PROBLEMS: u32 = 1 << 20;

/// One generation: with the header, all that its update needs. Seeds are derived from the run's seed and the generation's
/// number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationRecord {
    /// Number of the generation, from 0.
    pub generation: u64,
    /// Step size used, per entry of `settings.types`.
    pub alpha: Vec<f64>,
    /// Weight of each perturbation: of each member, or of each mirrored pair. 0 of one that was not evaluated, too.
    pub weights: Vec<f32>,
    /// The fitness of the members that were evaluated.
    pub fitness: FitnessSummary,
    /// Evaluations of a problem by the model: members that were evaluated times prompts, and one of each candidate.
    pub evaluations: u64,
}

/// Another number of generations than was planned so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRecord {
    /// Generations of the run in all.
    pub generations: u64,
}

/// Held-out results after some number of generations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "logged_evaluation"))]
pub struct EvaluationRecord {
    /// Generations applied to the codes that were evaluated.
    pub generations: u64,
    /// Held-out problems.
    pub problems: u64,
    /// Problems solved; absent where replies are not right or wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correct: Option<u64>,
    /// Mean reward.
    pub mean_reward: f64,
    /// Mean log-likelihood of the wanted replies; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_loglik: Option<f64>,
    /// Mean reward on the task of `--retain`; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained: Option<f64>,
    /// Drift from the base model; absent where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftRecord>,
    /// RMS change of the tuned weights, as a share of the RMS of the base's; absent where the engine does not know the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub displacement: Option<f64>,
    /// The same of the last generation alone, from its step sizes and weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub displacement_last: Option<f64>,
    /// SHA-256 over the bytes of all tuned tensors, in the header's order, lower-case hexadecimal.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub codes_sha256: String,
}

impl EvaluationRecord {
    /// Returns the share of the problems solved, if problems can be solved.
    pub fn accuracy(&self) -> Option<f64> {
        self.correct.map(|correct| share(correct, self.problems))
    }
}
