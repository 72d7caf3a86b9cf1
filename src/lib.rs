//! Fine-tunes quantized GGUF models in place with Quantized Evolution Strategies.
#![deny(missing_docs)]

pub mod block;
pub mod engine;
pub mod es;
pub mod fitness;
pub mod gguf;
pub mod llama;
pub mod noise;
pub mod perturb;
pub mod replay;
pub mod rng;
pub mod seed_log;
pub mod settings;
pub mod store;
pub mod sweep;
pub mod tensor_type;
pub mod tile;
pub mod update;
