//! Fine-tunes quantized GGUF models in place with Quantized Evolution Strategies (QES, arXiv 2602.03120).
//!
//! The codes (integers) of a model's quantized tensors are perturbed where llama.cpp reads them, each perturbation
//! gets a reward, and an update with error feedback moves the codes. A run's only product is a [`seed_log`]; base
//! model and log rebuild the tuned model byte for byte ([`export`]). `docs/ALGORITHM.md` and `docs/SEED_LOG.md` have
//! the details.
//!
//! An example that rebuilds a tuned model, from one of the logs for tests:
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
//! `examples/` holds whole programs: `closure` tunes with a reward that is a Rust function, `replay` rebuilds a model
//! from a log, `codes` reads the codes of a GGUF.
//!
//! # Modules for users
//!
//! | module | purpose |
//! |---|---|
//! | [`tuning`] | a run from code: a model, a task, a reward function |
//! | [`task`], [`judge`] | problems, and the rewards of replies |
//! | [`chat`] | conversations: chat templates |
//! | [`settings`], [`recipe`] | the hyper-parameters of a run, and their defaults |
//! | [`tune`] | the loop of a run: its events, its outcome, and the evaluation of its members |
//! | [`drift`] | drift of a model from its base |
//! | [`seed_log`] | a run's log: records, hash chain, validation |
//! | [`model`] | a base model: its identity, and the replay of logs on it |
//! | [`export`] | from base model and logs or diffs to tuned model, and back |
//! | [`gguf`], [`tensor_type`], [`block`] | contents of a model file, down to the codes of a block |
//! | [`llama`], [`engine`] | inference by llama.cpp, and the interface that tuning needs |
//! | [`report`] | charts of logs, event files, model cards |
//!
//! The other modules are public for this package's own tests, benchmarks and fuzzing, but are not documented here.
//!
//! # Stability
//!
//! Versions follow [semantic versioning](https://semver.org). Before 1.0, a version with a higher second number may
//! break what is listed here, and its entry in `CHANGELOG.md` describes the change and the migration; one with a
//! higher third number does not.
//!
//! - The *seed log* (`docs/SEED_LOG.md`) and the *diff* (`docs/DIFF.md`) carry a version of their own. A release reads
//!   files of an earlier release, with the same codes to the byte, or refuses them by that number; it never reads them
//!   differently.
//! - *Command line*: commands, flags, exit codes, and the names and meanings of keys in `--json` output. Keys may be added.
//!   Text for people may change at any time, and so may default hyper-parameters: a log records those it was made with.
//! - *Library*: everything public and documented in the modules above. Errors and records may gain variants and fields.
//! - The oldest Rust that builds it rises only with the second number.
//!
//! Nothing is promised for anything undocumented, even if it is public. Rewards, and so new runs, may differ with
//! another version of llama.cpp.
//!
//! # Layers
//!
//! A module uses only modules above it, and modules inside of one do not use each other in a circle;
//! `tests/layering.rs` checks the sources against these tables. Those of the first table are pure: no files, no clock,
//! no threads, no output, no `unsafe`.
//!
//! | module | one line |
//! |---|---|
//! | `rng` | counter-based random words from (seed, domain, stream, position) |
//! | [`tensor_type`] | ggml's types: block length, bytes, code range |
//! | [`block`] | reads and writes codes in place |
//! | [`gguf`] | the validated view of a model file |
//! | `noise` | from a member's seed to its sparse integer perturbation |
//! | `tile` | the pieces of a tensor that are processed at a time |
//! | `perturb` | applies a member's perturbation to a tile and reverts it |
//! | `fitness` | from rewards to weights |
//! | `update` | THE one step |
//! | [`settings`] | the hyper-parameters of a run |
//! | `dataset` | the user's own data: bytes to examples |
//! | [`chat`] | conversations in a model's own chat template |
//! | [`task`] | problems, rewards, and verdicts on replies |
//! | [`seed_log`] | a run's log: records, hash chain, validation |
//! | `replay` | the residual and the codes from a log |
//! | [`recipe`] | default hyper-parameters |
//! | `es` | `ask` and `tell` over generations |
//! | `select` | selection of the tensors that are tuned |
//! | `diff` | changes between two models, both ways |
//! | [`judge`] | rewards of replies, by rules of the user's own |
//!
//! The others need a computer's resources:
//!
//! | module | one line |
//! |---|---|
//! | [`engine`] | the interface between tuning and inference, a trait |
//! | `evaluation` | evaluates a model on problems: prompts, outputs, metrics |
//! | [`drift`] | drift of a model from its base, and detection of replies that loop |
//! | `surprise` | tokens of wanted replies that surprise a model |
//! | `ending` | detects replies that lack only an end |
//! | `text` | numbers and words for people |
//! | `sweep` | work on all tiles, in parallel, wherever the tensors are |
//! | `store` | mappings, atomic files, the append-only log, files of data |
//! | `reward_command` | the user's own program as a judge |
//! | [`llama`] | the engine on llama.cpp; the only foreign code |
//! | [`model`] | a base model: its identity, and the replay of logs on it |
//! | [`export`] | from base model and logs or diffs to tuned model, and back |
//! | [`tune`] | the loop over generations, and the population that it evaluates |
//! | `workload` | from a definition and the user's data to problems and judges |
//! | `plan` | from hyper-parameters to a log's header and to memory; continued logs |
//! | [`tuning`] | a run from code |
//! | `probe` | a forecast of a run, measured before it starts |
//! | [`report`] | charts of logs: a page, figures, event files; model cards |
//! | `fleet` | one run over several machines |
//! | `cli` | from arguments to calls of the library |
//!
//! `tile`, `settings` and `select` are separate because live tuning, replay and the command line need them alike;
//! `evaluation` and `sweep` because the loop should know neither prompts nor threads.
//!
//! Without the feature `llama`, which is on by default, the module of this name holds an engine that cannot be
//! created, and no foreign code is built. All else is the same code; `tune` and `eval` then report what is missing.
//! `fleet` is part of a build with the feature of that name, which is off by default.
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
#[cfg(feature = "fleet")]
#[doc(hidden)]
pub mod fleet;
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
