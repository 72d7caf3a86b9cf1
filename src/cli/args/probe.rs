//! Flags of `probe`: those of `tune` except its outputs.

use std::path::PathBuf;

use clap::Args;

use super::RunArgs;

#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    /// The GGUF model that is to be tuned; it is only read
    #[arg(env = "LLAMA_ARG_MODEL")]
    pub model: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub run: RunArgs,
}
