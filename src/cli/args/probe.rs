//! What can be typed after `probe`: what `tune` takes, but for what it writes.

use std::path::PathBuf;

use clap::Args;

use super::{InferenceArgs, RetainArgs, SearchArgs, TaskArgs, TuneArgs, size};

#[derive(Clone, Debug, Args)]
pub struct ProbeArgs {
    /// The GGUF model that is to be tuned; it is only read
    pub model: PathBuf,
    /// Most memory to take, as 800M or 1.5G (powers of 1000) [default: as much as makes it fast]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub mem_budget: Option<u64>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub task: TaskArgs,
    #[command(flatten)]
    pub retain: RetainArgs,
    #[command(flatten)]
    pub search: SearchArgs,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

impl ProbeArgs {
    /// The run that is probed for.
    pub fn as_tune(&self) -> TuneArgs {
        let Self { model, mem_budget, json, task, retain, search, inference } = self.clone();
        TuneArgs {
            model,
            output: None,
            export: None,
            no_provenance: false,
            trust_log: false,
            resume: false,
            overwrite: false,
            auto: true,
            mem_budget,
            paranoid: false,
            json,
            task,
            retain,
            search,
            inference,
        }
    }
}
