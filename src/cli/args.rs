//! The command line. Flags that llama.cpp has too are spelled its way.

mod data;
mod drift;
mod files;
#[cfg(feature = "fleet")]
mod fleet;
mod inference;
mod offload;
mod probe;
mod pull;
mod retain;
mod search;
mod short;
mod task;
pub mod task_text;
mod together;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

pub use data::DataArgs;
pub use drift::DriftArgs;
pub use files::{ApplyArgs, ExportArgs, MergeArgs, RevertArgs};
#[cfg(feature = "fleet")]
pub use fleet::{FleetArgs, FleetFiles, FleetFilesArgs, Hours, RestArgs, WorkerArgs};
pub use inference::{InferenceArgs, ThreadsArgs};
pub use probe::ProbeArgs;
pub use pull::{PullArgs, Wanted, What};
pub use retain::RetainArgs;
pub use search::{FieldArg, SearchArgs};
pub use short::command;
pub use task::{OF_DATA, OnTimeout, TaskArgs};
pub use together::misuse;

use crate::llama;

/// Fine-tunes quantized GGUF models in place, without backpropagation.
///
/// A run reads the model, never writes it, and keeps one small file: a seed log (.qes). Base model and log together are
/// the tuned model; `export` writes it out as a GGUF that llama.cpp loads like any other.
#[derive(Debug, Parser)]
#[command(
    name = "qes-gguf",
    version,
    long_version = version(),
    max_term_width = 110,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
    /// Say on the standard error stream what is done and why; -vv adds details and llama.cpp's own messages. Without it,
    /// RUST_LOG says which
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// List the GPUs that inference can use, and do nothing else
    #[arg(long, global = true)]
    pub list_devices: bool,
}

/// This program's version and its llama.cpp's.
fn version() -> &'static str {
    static VERSION: LazyLock<String> =
        LazyLock::new(|| format!("{}\n{}", env!("CARGO_PKG_VERSION"), llama::version()));
    &VERSION
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tune a model on a task and log the run
    Tune(Box<TuneArgs>),
    /// Measure what a run will meet, and choose its settings
    Probe(Box<ProbeArgs>),
    /// Show what a model will see of your data, and what will be left out
    Data(Box<DataArgs>),
    /// Measure a model on held-out problems, and compare it with another
    Eval(Box<EvalArgs>),
    /// Write the tuned model that a base model and a log make
    Export(ExportArgs),
    /// Apply logs and diffs to a base model, one after the other
    Apply(ApplyArgs),
    /// Take diffs back from a tuned model
    Revert(RevertArgs),
    /// Make one file of a model that is split into several
    Merge(MergeArgs),
    /// Check a log, and a tuned model against base and log
    Verify(VerifyArgs),
    /// Describe a model, a log or a diff
    Inspect(InspectArgs),
    /// Draw logs as a page for the browser
    Report(ReportArgs),
    /// Evaluate members of other machines' runs
    #[cfg(feature = "fleet")]
    Worker(Box<WorkerArgs>),
    /// Make the files of a fleet
    #[cfg(feature = "fleet")]
    Fleet(FleetFilesArgs),
    /// Fetch a model from Hugging Face with its own program, hf
    Pull(PullArgs),
    /// Print a script with which your shell completes commands and flags
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write manual pages
    Man(ManArgs),
}

#[derive(Clone, Debug, ClapArgs)]
pub struct TuneArgs {
    /// The GGUF model to tune; it is only read
    #[arg(env = "LLAMA_ARG_MODEL")]
    pub model: PathBuf,
    /// The seed log to write; an existing one is not overwritten unless told to [default: the model's name with .qes, in this folder]
    #[arg(short, long, value_name = "RUN.qes")]
    pub output: Option<PathBuf>,
    /// Also write the tuned model when done; an existing file is replaced
    #[arg(long, value_name = "TUNED.gguf")]
    pub export: Option<PathBuf>,
    /// Leave out of the tuned model's metadata where it comes from
    #[arg(long, requires = "export")]
    pub no_provenance: bool,
    /// Also write a model card for Hugging Face, README.md beside the exported model
    #[arg(long, requires = "export")]
    pub card: bool,
    /// Continue a log exactly where it stopped; its settings are used
    #[arg(long)]
    pub resume: bool,
    /// With --resume: run the reward program that the log names; give it for logs whose origin you know
    #[arg(long, requires = "resume")]
    pub trust_log: bool,
    /// Start anew over an existing seed log, which is lost, and with --card replace a README.md that is there
    #[arg(long, conflicts_with = "resume")]
    pub overwrite: bool,
    /// Probe first, and take the sigma, alpha, population and prompts that suit this model and task, where none are given
    #[arg(long, conflicts_with = "resume")]
    pub auto: bool,
    /// Replay the log on the side and compare the codes after every generation; slow, and takes a second model's memory
    #[arg(long)]
    pub paranoid: bool,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    pub fleet: FleetArgs,
    #[command(flatten)]
    pub run: RunArgs,
}

/// Flags of a run's task, search and inference, which `probe` has too.
#[derive(Clone, Debug, ClapArgs)]
pub struct RunArgs {
    /// Most memory to take, as 800M or 1.5G (powers of 1000) [default: as much as makes it fast]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub mem_budget: Option<u64>,
    #[command(flatten)]
    pub task: TaskArgs,
    #[command(flatten)]
    pub retain: RetainArgs,
    #[command(flatten)]
    pub drift: DriftArgs,
    #[command(flatten)]
    pub search: SearchArgs,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

#[derive(Clone, Debug, ClapArgs)]
pub struct EvalArgs {
    /// The GGUF model
    #[arg(env = "LLAMA_ARG_MODEL")]
    pub model: PathBuf,
    /// Evaluate the model as tuned by this log, on the log's task unless another is named
    #[arg(long, value_name = "RUN.qes")]
    pub log: Option<PathBuf>,
    /// Run the reward program that the log names, where its task has one; give it for logs whose origin you know
    #[arg(long, requires = "log")]
    pub trust_log: bool,
    /// The log's generations to apply, or best, where a held-out evaluation within the limit on drift had the highest
    /// mean reward [default: all]
    #[arg(long, value_name = "G|best", value_parser = until, requires = "log")]
    pub generation: Option<Until>,
    /// Another model, such as the one before tuning, to be evaluated on the same problems
    #[arg(long, value_name = "BASE")]
    pub compare: Option<PathBuf>,
    /// Held-out problems; fewer when the task has fewer [default: as many as the log's run has, else 1024, or 128 of a model of more
    /// than 30 million weights]
    #[arg(long, value_name = "N")]
    pub problems: Option<u32>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub task: TaskArgs,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

/// How much of a log to export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// This many generations.
    Generation(u64),
    /// Those before the best held-out evaluation.
    Best,
}

fn until(text: &str) -> Result<Until, String> {
    match text {
        "best" => Ok(Until::Best),
        number => {
            number.parse().map(Until::Generation).map_err(|_| "expected a number or \"best\"".to_owned())
        }
    }
}

#[derive(Clone, Debug, ClapArgs)]
pub struct VerifyArgs {
    /// The base model that the run started from
    pub model: PathBuf,
    /// The run's seed log
    pub log: PathBuf,
    /// A tuned model that should be exactly what base and log make
    pub tuned: Option<PathBuf>,
    /// Replay up to this many generations, or where a held-out evaluation within the limit on drift had the highest mean reward [default: all; for a
    /// tuned model of a run with --patience, best]
    #[arg(long, value_name = "G|best", value_parser = until)]
    pub generation: Option<Until>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub threads: ThreadsArgs,
}

#[derive(Clone, Debug, ClapArgs)]
pub struct InspectArgs {
    /// A GGUF model, a seed log or a diff
    pub file: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, ClapArgs)]
pub struct ReportArgs {
    /// Seed logs; several are compared
    #[arg(required = true, value_name = "RUN.qes")]
    pub logs: Vec<PathBuf>,
    /// The page to write; an existing file is replaced
    #[arg(short, long, value_name = "PAGE.html", default_value = "report.html")]
    pub output: PathBuf,
    /// The base model of the runs, to show which tensors' codes moved and when: the logs are replayed on it
    #[arg(long, value_name = "BASE.gguf")]
    pub model: Option<PathBuf>,
    /// Show what the model replies before and after, to the first N held-out problems (1 to 100) of each run's task; the flags of
    /// inference are for this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100), requires = "model")]
    pub samples: Option<u32>,
    /// Run the reward programs that the logs name, where their tasks have some; give it for logs whose origin you know
    #[arg(long, requires = "samples")]
    pub trust_log: bool,
    /// The output of `tune --json` of one of the runs, to show where its time went; may be given several times
    #[arg(long, value_name = "RUN.jsonl")]
    pub timing: Vec<PathBuf>,
    /// Also write each chart as a file of its own, PREFIX-fitness.svg and so on
    #[arg(long, value_name = "PREFIX")]
    pub svg: Option<PathBuf>,
    /// The same as pictures for papers and slides, PREFIX-fitness.png and so on, 1760 pixels wide
    #[arg(long, value_name = "PREFIX")]
    pub png: Option<PathBuf>,
    /// Also write the curves as event files, which TensorBoard opens, each run in a folder of its own
    #[arg(long, value_name = "DIR")]
    pub tensorboard: Option<PathBuf>,
    /// Serve the page at http://127.0.0.1:PORT in place of writing it, and follow runs that go on; without =PORT, at a free one
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "0",
        conflicts_with_all = ["output", "model", "timing", "svg", "png", "tensorboard", "json"])]
    pub follow: Option<u16>,
    /// One JSON object instead of text
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub inference: InferenceArgs,
}

#[derive(Clone, Debug, ClapArgs)]
pub struct ManArgs {
    /// The folder to write the pages into, such as ~/.local/share/man/man1
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

fn size(text: &str) -> Result<u64, String> {
    let wrong = || "expected a size such as 800M or 1.5G".to_owned();
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let unit = match text[split..].to_ascii_uppercase().as_str() {
        "" => 1.0,
        "K" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        "G" | "GB" => 1e9,
        "T" | "TB" => 1e12,
        _ => return Err(wrong()),
    };
    let number: f64 = text[..split].trim().parse().map_err(|_| wrong())?;
    let bytes = number * unit;
    if (1.0..1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let read = |text| size(text).ok();
        assert_eq!(read("800M"), Some(800_000_000));
        assert_eq!(read("1.5g"), Some(1_500_000_000));
        assert_eq!(read("2 GB"), Some(2_000_000_000));
        assert_eq!(read("4096"), Some(4096));
        for nonsense in ["", "G", "-1G", "0", "1.5X", "NaN", "inf", "1e30", "1GG", "5BB"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
