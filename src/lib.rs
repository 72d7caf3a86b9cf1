//! Fine-tunes quantized GGUF models in place with Quantized Evolution Strategies.
#![deny(missing_docs)]

pub mod block;
pub mod cli;
pub mod engine;
pub mod es;
pub mod exam;
pub mod export;
pub mod fitness;
pub mod gguf;
pub mod llama;
pub mod noise;
pub mod perturb;
pub mod recipe;
pub mod replay;
pub mod rng;
pub mod seed_log;
pub mod select;
pub mod settings;
pub mod store;
pub mod sweep;
pub mod task;
pub mod tensor_type;
pub mod tile;
pub mod tune;
pub mod update;
