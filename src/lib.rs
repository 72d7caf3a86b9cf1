//! Fine-tunes quantized GGUF models in place with Quantized Evolution Strategies (QES, arXiv 2602.03120).
//!
//! The codes (integers) of a model's quantized tensors are perturbed where llama.cpp reads them, each perturbation is
//! judged by a reward, and an update with error feedback moves the codes. A run's only product is a [`seed_log`]; base model
//! and log rebuild the tuned model byte for byte ([`export`]). `docs/ALGORITHM.md` and `docs/SEED_LOG.md` say exactly how.
//!
//! # Layers
//!
//! A module uses only modules above it; `tests/layering.rs` holds it to that. The first part is pure: no files, no clock, no
//! threads, no `unsafe`.
//!
//! | module | one line |
//! |---|---|
//! | [`rng`] | counter-based random words from (seed, domain, stream, position) |
//! | [`tensor_type`] | ggml's types: block length, bytes, code range |
//! | [`block`] | reads and writes codes in place |
//! | [`gguf`] | the validated view of a model file |
//! | [`noise`] | from a pair's seed to its sparse integer perturbation |
//! | [`tile`] | the pieces of a tensor that are worked on |
//! | [`perturb`] | applies a member to a tile and takes it back |
//! | [`fitness`] | from rewards to weights |
//! | [`update`] | THE one step |
//! | [`settings`] | the hyper-parameters of a run |
//! | [`dataset`] | the user's own data: bytes to examples |
//! | [`task`] | problems, rewards, and what a reply is worth |
//! | [`seed_log`] | a run's log: records, hash chain, validation |
//! | [`replay`] | the residual and the codes from a log |
//! | [`es`] | `ask` and `tell` over generations |
//! | [`select`] | which tensors are tuned |
//! | [`diff`] | what changed between two models, both ways |
//! | [`judge`] | what a reply is worth, by rules of the user's own |
//! | [`engine`] | what tuning needs of inference, as a trait |
//! | [`exam`] | puts problems to an engine and grades it |
//! | [`text`] | numbers and words as people read them |
//! | [`sweep`] | work on all tiles, in parallel |
//! | [`store`] | mappings, atomic files, the append-only log, files of data |
//! | [`reward_command`] | the user's own program as a judge |
//! | [`llama`] | the engine on llama.cpp; the only foreign code |
//! | [`export`] | base model and logs or diffs to tuned model, and back |
//! | [`recipe`] | default hyper-parameters |
//! | [`tune`] | the loop over generations |
//! | [`probe`] | what a run will meet, measured before it starts |
//! | [`report`] | pictures of logs: a page, figures, event files; model cards |
//! | [`cli`] | arguments to plan to call |
//!
//! `tile`, `settings` and `select` stand apart because live tuning, replay and the command line need them alike; `exam` and
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
pub mod cli;
pub mod dataset;
pub mod diff;
pub mod engine;
pub mod es;
pub mod exam;
pub mod export;
pub mod fitness;
pub mod gguf;
pub mod judge;
#[cfg(feature = "llama")]
pub mod llama;
#[cfg(not(feature = "llama"))]
#[path = "llama/absent.rs"]
pub mod llama;
pub mod noise;
pub mod perturb;
pub mod probe;
pub mod recipe;
pub mod replay;
pub mod report;
pub mod reward_command;
pub mod rng;
pub mod seed_log;
pub mod select;
pub mod settings;
pub mod store;
pub mod sweep;
pub mod task;
pub mod tensor_type;
pub mod text;
pub mod tile;
pub mod tune;
pub mod update;
