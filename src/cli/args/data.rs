//! Flags of `data`.

use std::path::PathBuf;

use clap::Args;

use super::{InferenceArgs, TaskArgs};

#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// Your examples: a file, or a folder with train.jsonl and valid.jsonl
    pub file: PathBuf,
    /// The model that is to see them; without one, tokens are not counted and prompts are shown without a chat template
    #[arg(long, value_name = "MODEL", env = "LLAMA_ARG_MODEL")]
    pub model: Option<PathBuf>,
    /// Examples to show
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub show: usize,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub task: TaskArgs,
    #[command(flatten)]
    pub inference: InferenceArgs,
}
