//! What the lines of a seed log hold.

use serde::{Deserialize, Serialize};

use crate::fitness::{FitnessSummary, share};
use crate::settings::Settings;
use crate::tensor_type::TensorType;

/// The format version that this crate writes. It rises whenever an older version's log would replay to other codes, or does
/// not say what its replay depends on.
pub const FORMAT_VERSION: u32 = 2;

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
}

/// What a log applies to and how it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT_VERSION`] of the writer.
    pub version: u32,
    /// Name and version of the program that wrote the log.
    pub tool: String,
    /// The model that the log applies to.
    pub base: BaseModel,
    /// The tuned tensors. A tensor's position here is its address in the noise.
    pub tensors: Vec<TensorSpec>,
    /// All hyper-parameters.
    pub settings: Settings,
    /// Per entry of `settings.types`: length of a noise run, and digest of the noise tables.
    pub noise: Vec<NoiseSpec>,
    /// What the model was tuned on.
    pub task: TaskSpec,
}

/// Identity of a model file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    /// Name of the file, without its folder; for people.
    pub file: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the whole file, lower-case hexadecimal.
    pub sha256: String,
}

/// A tuned tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorSpec {
    /// Name in the GGUF.
    pub name: String,
    /// Type of its blocks.
    #[serde(rename = "type")]
    pub tensor_type: TensorType,
    /// Number of codes.
    pub codes: u64,
}

/// What pins the noise of one tensor type across versions and machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseSpec {
    /// Codes in a noise run.
    pub run: u64,
    /// First 16 hexadecimal digits of the SHA-256 of the drawing tables.
    pub tables: String,
}

/// The task and its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// Name, such as `arith`.
    pub name: String,
    /// How a reply is rewarded.
    pub reward: RewardKind,
    /// Problems that each member of a generation is evaluated on.
    pub prompts: u32,
    /// Problems of a held-out evaluation.
    pub eval_problems: u32,
    /// Generations between held-out evaluations; 0 evaluates only before and after.
    pub eval_every: u64,
}

/// Most problems in a generation or a held-out evaluation.
pub const MAX_PROBLEMS: u32 = 1 << 20;

/// How a reply is rewarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RewardKind {
    /// 1 for the right reply, else 0.
    Exact,
    /// Log-likelihood of the right reply.
    Loglik,
}

/// One generation: with the header, all that its update needs. Pair seeds are derived from the run's seed and the
/// generation's number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationRecord {
    /// Number of the generation, from 0.
    pub generation: u64,
    /// Step size used, per entry of `settings.types`.
    pub alpha: Vec<f64>,
    /// Noise scale used, per entry of `settings.types`.
    pub sigma: Vec<f64>,
    /// Weight of each pair.
    pub weights: Vec<f32>,
    /// The members' fitness.
    pub fitness: FitnessSummary,
    /// Rewards computed: members times prompts.
    pub evaluations: u64,
}

/// Held-out results after some number of generations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationRecord {
    /// Generations applied to the codes that were evaluated.
    pub generations: u64,
    /// Held-out problems.
    pub problems: u64,
    /// Problems answered right.
    pub correct: u64,
    /// Mean log-likelihood of the right replies.
    pub mean_loglik: f64,
    /// SHA-256 over the bytes of all tuned tensors, in the header's order, lower-case hexadecimal.
    pub codes_sha256: String,
}

impl EvaluationRecord {
    /// Share of the problems answered right.
    pub fn accuracy(&self) -> f64 {
        share(self.correct, self.problems)
    }
}
