//! Types of the output of `--json`.
//!
//! Their doc comments are what users read: the test in `test_documents` makes docs/json-schema.json and docs/JSON.md from them.
//! `UPDATE=1 cargo test --release --lib json_documents` writes both anew.

mod data;
mod eval;
mod files;
mod inspect;
mod probe;
mod rows;
#[cfg(test)]
mod test_documents;
mod tune;

use std::path::Path;

use serde::Serialize;

use crate::evaluation;
pub use data::{DataOutput, LongProblem, Percentiles, ShownProblem, TokenCounts};
pub use eval::{ComparedModel, EvalOutput, MeanDifference, Measures};
pub use files::{ExportOutput, PullOutput, ReportOutput, VerifyOutput, WrittenOutput};
pub use inspect::{DiffFacts, Inspected, LogFacts, LoggedGeneration, ModelFacts, ModelTensor, PlannedMemory};
pub use probe::{NoiseDrift, ProbeFields, ProbeOutput, SigmaTrial};
pub use rows::TunedRows;
pub use tune::{EndLine, EvaluationLine, GenerationLine, StartLine, TuneLine, WarningLine};

/// An example as the model sees it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "example"))]
pub struct SeenExample {
    /// Its place in the data.
    place: String,
    /// Tokens before those that are scored or replied, with the names of control tokens.
    prompt: String,
    /// Tokens that are scored; `null` where only replies count.
    scored: Option<String>,
}

impl From<&evaluation::PromptedExample> for SeenExample {
    fn from(evaluation::PromptedExample { place, prompt, scored }: &evaluation::PromptedExample) -> Self {
        Self { place: place.clone(), prompt: prompt.clone(), scored: scored.clone() }
    }
}

/// Returns a path as text; characters that are not UTF-8 are replaced.
pub fn path(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}
