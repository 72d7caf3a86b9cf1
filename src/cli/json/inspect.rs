//! Of `inspect`.

use serde::Serialize;

use crate::diff::DiffHeader;
use crate::export::PastTune;
use crate::fitness::FitnessSummary;
use crate::seed_log::{EvaluationRecord, Header};
use crate::tensor_type::TensorType;

/// The contents of a file.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "inspect"))]
pub enum Inspected<'a> {
    /// A model.
    Model(ModelFacts<'a>),
    /// A seed log, without the weights of its generations.
    Log(LogFacts<'a>),
    /// A diff.
    Diff(DiffFacts<'a>),
}

/// A model.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct ModelFacts<'a> {
    /// Bytes of the file.
    pub bytes: usize,
    /// Version of the GGUF format.
    pub gguf_version: u32,
    /// `general.name`.
    pub name: Option<&'a str>,
    /// `general.architecture`.
    pub architecture: &'a str,
    /// True where the model has a chat template.
    pub has_chat_template: bool,
    /// Error of the chat template, where it cannot be run.
    pub chat_template_error: Option<String>,
    /// Faults that may spoil the model's replies.
    pub warnings: Vec<String>,
    /// Earlier tunes that its metadata name, the first tune first.
    pub tunes: Vec<PastTune>,
    /// Codes that a bare `tune` tunes.
    pub tuned_codes: u64,
    /// Bytes of their tensors.
    pub tuned_bytes: u64,
    /// Bytes that a stored residual takes for them.
    pub stored_residual_bytes: u64,
    /// Memory that a bare `tune` plans, in bytes; `null` where that cannot be told.
    pub planned_rss_bytes: Option<u64>,
    /// Parts of the planned memory.
    pub planned: Option<PlannedMemory>,
    /// All tensors of the model.
    pub tensors: Vec<ModelTensor<'a>>,
}

/// Memory that a bare `tune` plans.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "planned"))]
pub struct PlannedMemory {
    /// Threads that it would use.
    pub threads: usize,
    /// Bytes of the inference contexts, estimated.
    pub context_bytes: u64,
    /// Storage of the residual.
    #[cfg_attr(test, schemars(extend("enum" = ["stored", "replay"])))]
    pub residual: &'static str,
    /// Bytes in all with a replayed residual.
    pub rss_bytes_replay: u64,
    /// Bytes in all with a stored residual.
    pub rss_bytes_stored: u64,
}

/// A tensor of a model.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "tensor"))]
pub struct ModelTensor<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    #[serde(rename = "type")]
    pub tensor_type: TensorType,
    /// Its dimensions, the length of a row first.
    pub shape: &'a [u64],
    /// Bytes of its data.
    pub bytes: u64,
    /// True where its type can be tuned.
    pub tunable: bool,
    /// True where a bare `tune` tunes it.
    pub tuned_by_default: bool,
}

/// A seed log.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct LogFacts<'a> {
    /// Its first line.
    pub header: &'a Header,
    /// Its generations.
    pub generations: Vec<LoggedGeneration<'a>>,
    /// Its held-out evaluations.
    pub evaluations: &'a [EvaluationRecord],
    /// Generations planned.
    pub planned: u64,
    /// Bytes of its whole lines.
    pub bytes: u64,
    /// Bytes of a torn line behind them.
    pub torn_bytes: u64,
    /// Hash of its last line.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub hash: String,
}

/// A generation of a log.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "logged_generation"))]
pub struct LoggedGeneration<'a> {
    /// Its number, from 1.
    pub generation: u64,
    /// Step sizes in code units, one for each entry of `settings.types`.
    #[cfg_attr(test, schemars(inner(range(min = 0.0))))]
    pub alpha: &'a [f64],
    /// Fitness of the members.
    pub fitness: FitnessSummary,
}

/// A diff.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct DiffFacts<'a> {
    /// Its first line (docs/DIFF.md).
    pub header: &'a DiffHeader,
    /// Bytes of the file.
    pub bytes: u64,
}
