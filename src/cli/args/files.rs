//! Flags of the commands that make files of models and logs.

use std::path::PathBuf;

use clap::Args;

use super::{ThreadsArgs, Until, until};
use crate::export::Form;

#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The base model that the run started from
    pub model: PathBuf,
    /// The run's seed log
    pub log: PathBuf,
    /// The tuned model to write; an existing file is replaced
    #[arg(short, long, value_name = "TUNED.gguf", required_unless_present = "as_diff")]
    pub output: Option<PathBuf>,
    /// Write what changed, to be put in place by `apply` and taken back by `revert`; an existing file is replaced
    #[arg(long, value_name = "TUNED.qesdiff")]
    pub as_diff: Option<PathBuf>,
    /// Also write a model card for Hugging Face, README.md beside the tuned model
    #[arg(long, requires = "output")]
    pub card: bool,
    /// Also write a Modelfile beside the tuned model, with which Ollama asks it as it was asked
    #[arg(long, requires = "output")]
    pub ollama: bool,
    /// Replace a README.md or a Modelfile that is there
    #[arg(long)]
    pub overwrite: bool,
    /// Stop after this many generations, or where a held-out evaluation within the limit on drift had the highest
    /// mean reward [default: all]
    #[arg(long, value_name = "G|best", value_parser = until)]
    pub generation: Option<Until>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub form: FormArgs,
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

/// Flag of the metadata of a written model.
#[derive(Clone, Debug, Args)]
pub struct FormArgs {
    /// Leave out of the tuned model's metadata where it comes from: nothing but codes differs from the base
    #[arg(long)]
    no_provenance: bool,
}

impl FormArgs {
    /// The form that is asked for.
    pub fn form(&self) -> Form {
        if self.no_provenance { Form::Bare } else { Form::WithProvenance }
    }
}

#[derive(Clone, Debug, Args)]
pub struct ApplyArgs {
    /// The model that the first of them starts from; it is only read
    pub model: PathBuf,
    /// Seed logs and diffs in the order in which they were made
    #[arg(required = true, value_name = "RUN.qes|TUNED.qesdiff")]
    pub items: Vec<PathBuf>,
    /// The model to write; an existing file is replaced
    #[arg(short, long, value_name = "TUNED.gguf")]
    pub output: PathBuf,
    /// Stop after this many generations of the last log, or where a held-out evaluation of it within the limit on drift had the highest mean reward
    /// [default: all]
    #[arg(long, value_name = "G|best", value_parser = until)]
    pub generation: Option<Until>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub form: FormArgs,
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

#[derive(Clone, Debug, Args)]
pub struct RevertArgs {
    /// The tuned model; it is only read
    pub model: PathBuf,
    /// The diffs that made it, in any order, or the last of them
    #[arg(required = true, value_name = "TUNED.qesdiff")]
    pub items: Vec<PathBuf>,
    /// The model to write; an existing file is replaced
    #[arg(short, long, value_name = "BASE.gguf")]
    pub output: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct MergeArgs {
    /// One of the parts, named NAME-00001-of-00003.gguf; the others lie beside it
    pub part: PathBuf,
    /// The model to write; an existing file is replaced
    #[arg(short, long, value_name = "MERGED.gguf")]
    pub output: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}
