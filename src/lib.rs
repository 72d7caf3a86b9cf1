//! Fine-tunes quantized GGUF models in place with Quantized Evolution Strategies (QES, arXiv 2602.03120).
//!
//! The codes (integers) of a model's quantized tensors are perturbed where llama.cpp reads them, each perturbation is
//! judged by a reward, and an update with error feedback moves the codes. A run's only product is a [`seed_log`]; base model
//! and log rebuild the tuned model byte for byte ([`export`]). `docs/ALGORITHM.md` and `docs/SEED_LOG.md` say exactly how.
//!
//! Rebuilding a tuned model, here one of the logs that the tests hold on to:
//!
//! ```
//! use std::path::Path;
//!
//! use qes_gguf::export::{Form, export};
//! use qes_gguf::seed_log::SeedLog;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("qes-gguf-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let tuned = &folder.join("tuned.gguf");
//! let log = SeedLog::parse(&std::fs::read("tests/exactness/q4_k-qes.qes")?)?;
//! let generations = log.generations.len() as u64;
//! let base = Path::new("models/arith-tiny-q4_k.gguf");
//! let codes_sha256 = export(base, &log, generations, Form::WithProvenance, tuned)?;
//! println!("{generations} generations lead to codes with the SHA-256 {codes_sha256}");
//! # assert_eq!(std::fs::read(tuned)?.starts_with(b"GGUF"), true);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/` holds whole programs: `closure` tunes with a reward that is a Rust function, `replay` rebuilds a model from a
//! log, `codes` reads the codes of a GGUF.
//!
//! # Modules for users
//!
//! | module | what for |
//! |---|---|
//! | [`tuning`] | a run from code: a model, a task, a function that says what a reply is worth |
//! | [`task`], [`judge`] | what a model is asked, and what a reply is worth |
//! | [`chat`] | how conversations are written: chat templates |
//! | [`settings`], [`recipe`] | the hyper-parameters of a run, and their defaults |
//! | [`tune`] | what a run tells those who watch it, how it ends, and who evaluates its members |
//! | [`drift`] | how far a model has moved from its base |
//! | [`seed_log`] | a run's log: records, hash chain, validation |
//! | [`model`] | a base model: which file it is, and where logs lead from it |
//! | [`export`] | base model and logs or diffs to tuned model, and back |
//! | [`gguf`], [`tensor_type`], [`block`] | what is in a model file, down to the codes of a block |
//! | [`llama`], [`engine`] | how llama.cpp is run, and what tuning needs of inference |
//! | [`report`] | pictures of logs, event files, model cards |
//!
//! The other modules can be reached, for this package's own tests, benchmarks and fuzzing, but are not documented here.
//!
//! # Stability
//!
//! Versions follow [semantic versioning](https://semver.org). Before 1.0, a version whose second number is higher may break
//! what is listed here, and its entry in `CHANGELOG.md` says what and how to go on; one whose third number is higher does not.
//!
//! - The *seed log* (`docs/SEED_LOG.md`) and the *diff* (`docs/DIFF.md`) carry a version of their own. A release reads what an
//!   earlier release wrote, with the same codes to the byte, or refuses it by that number; it never reads it differently.
//! - *Command line*: commands, flags, exit codes, and the names and meanings of keys in `--json` output. Keys may be added.
//!   Text for people may change at any time, and so may default hyper-parameters: a log records those it was made with.
//! - *Library*: what is public and documented in the modules above. Errors and records may gain variants and fields.
//! - The oldest Rust that builds it rises only with the second number.
//!
//! Nothing is promised for what is not documented here, whether it can be reached or not. Rewards, and so new runs, may differ
//! with another version of llama.cpp.
//!
//! # Layers
//!
//! A module uses only modules above it, and modules inside of one do not use each other in a circle; `tests/layering.rs` reads
//! these tables and holds the sources to them. Those of the first are pure: no files, no clock, no threads, no output, no
//! `unsafe`.
//!
//! | module | one line |
//! |---|---|
//! | `rng` | counter-based random words from (seed, domain, stream, position) |
//! | [`tensor_type`] | ggml's types: block length, bytes, code range |
//! | [`block`] | reads and writes codes in place |
//! | [`gguf`] | the validated view of a model file |
//! | `noise` | from a member's seed to its sparse integer perturbation |
//! | `tile` | the pieces of a tensor that are worked on |
//! | `perturb` | applies a member to a tile and takes it back |
//! | `fitness` | from rewards to weights |
//! | `update` | THE one step |
//! | [`settings`] | the hyper-parameters of a run |
//! | `dataset` | the user's own data: bytes to examples |
//! | [`chat`] | conversations as a model sees them: its own template, run |
//! | [`task`] | problems, rewards, and what a reply is worth |
//! | [`seed_log`] | a run's log: records, hash chain, validation |
//! | `replay` | the residual and the codes from a log |
//! | [`recipe`] | default hyper-parameters |
//! | `es` | `ask` and `tell` over generations |
//! | `select` | which tensors are tuned |
//! | `diff` | what changed between two models, both ways |
//! | [`judge`] | what a reply is worth, by rules of the user's own |
//!
//! The others do what takes a computer:
//!
//! | module | one line |
//! |---|---|
//! | [`engine`] | what tuning needs of inference, as a trait |
//! | `evaluation` | evaluates a model on problems: prompts, outputs, metrics |
//! | [`drift`] | how far a model has moved from its base, and whether its replies loop |
//! | `surprise` | tokens that replies surprise a model with |
//! | `ending` | whether all that replies lack is an end |
//! | `text` | numbers and words as people read them |
//! | `sweep` | work on all tiles, in parallel, wherever the tensors are |
//! | `store` | mappings, atomic files, the append-only log, files of data |
//! | `reward_command` | the user's own program as a judge |
//! | [`llama`] | the engine on llama.cpp; the only foreign code |
//! | [`model`] | a base model: which file it is, and where logs lead from it |
//! | [`export`] | base model and logs or diffs to tuned model, and back |
//! | [`tune`] | the loop over generations, and the population that it has evaluated |
//! | `workload` | from a definition and the user's data to problems and judges |
//! | `plan` | from hyper-parameters to a log's header and to memory; logs that are continued |
//! | [`tuning`] | a run from code |
//! | `probe` | what a run will meet, measured before it starts |
//! | [`report`] | pictures of logs: a page, figures, event files; model cards |
//! | `cli` | arguments to plan to call |
//!
//! `tile`, `settings` and `select` stand apart because live tuning, replay and the command line need them alike; `evaluation` and
//! `sweep` because the loop should neither know how a model is asked nor how work is spread over threads.
//!
//! Without the feature `llama`, which is on by default, the module of this name holds an engine that cannot be made, and
//! nothing foreign is built. All else is the same code; `tune` and `eval` then say what is missing.
#![deny(missing_docs)]

#[cfg(any(target_pointer_width = "16", target_pointer_width = "32"))]
compile_error!(
    "qes-gguf is for 64-bit processors: it maps whole model files, and 32-bit addresses do not reach far enough; on a 64-bit \
     Arm, use a 64-bit system and the target aarch64-unknown-linux-gnu"
);

#[cfg(target_endian = "big")]
compile_error!(
    "qes-gguf is for little-endian processors: it changes the numbers of a model file in place, and they are little-endian"
);

pub mod block;
pub mod chat;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod dataset;
#[doc(hidden)]
pub mod diff;
pub mod drift;
#[doc(hidden)]
pub mod ending;
pub mod engine;
#[doc(hidden)]
pub mod es;
#[doc(hidden)]
pub mod evaluation;
pub mod export;
#[doc(hidden)]
pub mod fitness;
pub mod gguf;
pub mod judge;
#[cfg(feature = "llama")]
pub mod llama;
#[cfg(not(feature = "llama"))]
#[path = "llama/absent.rs"]
pub mod llama;
pub mod model;
#[doc(hidden)]
pub mod noise;
#[doc(hidden)]
pub mod perturb;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod probe;
pub mod recipe;
#[doc(hidden)]
pub mod replay;
pub mod report;
#[doc(hidden)]
pub mod reward_command;
#[doc(hidden)]
pub mod rng;
pub mod seed_log;
#[doc(hidden)]
pub mod select;
pub mod settings;
#[doc(hidden)]
pub mod store;
#[doc(hidden)]
pub mod surprise;
#[doc(hidden)]
pub mod sweep;
pub mod task;
pub mod tensor_type;
#[doc(hidden)]
pub mod text;
#[doc(hidden)]
pub mod tile;
pub mod tune;
pub mod tuning;
#[doc(hidden)]
pub mod update;
#[doc(hidden)]
pub mod workload;
