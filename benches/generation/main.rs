//! A generation of tuning, taken apart: what a member's edits, its inference and an update cost, and what share of a
//! generation lies outside inference. Figures of one run are compared with each other, as ratios, since machines differ
//! and are noisy.
//!
//! `cargo bench --bench generation` measures the bundled models; `-- --help` says what else it does. `scripts/bench` puts
//! its figures into a table.

mod clock;
mod completing;
mod figures;
mod forged;
mod stock;
mod subject;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use qes_gguf::model::Model;
use qes_gguf::store::suitable_threads;

use figures::Figures;
use subject::Workload;

/// Times the parts of a generation of tuning.
#[derive(Debug, Parser)]
struct Args {
    /// GGUF models, tuned on 64 texts of 64 letters with 32 members and sigma 0.01 [default: the bundled ones, with
    /// --defaults]
    models: Vec<PathBuf>,
    /// Tune on what a bare `tune --task arith` does instead
    #[arg(long)]
    defaults: bool,
    /// Only time greedy completion, with replies of very different lengths
    #[arg(long)]
    completing: bool,
    /// Also write the figures, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Threads [default: those of `tune`]
    #[arg(short, long, value_name = "N")]
    threads: Option<usize>,
    /// Take the median of this many; of 3 where one takes over 20 seconds, of more where all are quick
    #[arg(long, value_name = "N", default_value_t = 5)]
    repeats: usize,
    /// Only write the log of a run that never took place: 300 generations of 32 members, sigma 0.01
    #[arg(long, num_args = 2, value_names = ["MODEL", "OUT.qes"], conflicts_with = "models")]
    forge: Option<Vec<PathBuf>>,
    /// Passed by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    match args.forge.as_deref() {
        Some([model, place]) => forge(model, place),
        _ => measure(args),
    }
}

fn forge(model: &Path, place: &Path) -> Result<()> {
    let text = forged::log(&Model::open(model)?)?;
    fs::write(place, text).with_context(|| place.display().to_string())?;
    println!("wrote {}: {} generations that never took place", place.display(), forged::GENERATIONS);
    Ok(())
}

fn measure(args: Args) -> Result<()> {
    ensure!(args.repeats > 0 && args.threads != Some(0), "--repeats and --threads must be at least 1");
    let threads = args.threads.unwrap_or_else(suitable_threads);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let (models, workload) = match args.models.as_slice() {
        [] => (bundled(), Workload::Defaults),
        _ if args.defaults => (args.models, Workload::Defaults),
        _ => (args.models, Workload::Letters),
    };
    if args.completing {
        return models.iter().try_for_each(|model| completing::measure(model, threads, args.repeats));
    }
    let measure = |model: &PathBuf| Figures::measure(model, workload, threads, args.repeats);
    let figures = models.iter().map(measure).collect::<Result<Vec<_>>>()?;
    if let Some(place) = &args.json {
        let text = serde_json::to_string_pretty(&figures)?;
        fs::write(place, text).with_context(|| place.display().to_string())?;
    }
    Ok(())
}

fn bundled() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    ["arith-tiny-q4_k.gguf", "arith-tiny-q8_0.gguf"].map(|name| folder.join(name)).into()
}
