//! Stands in for the engine in a build without llama.cpp (`--no-default-features`).
//!
//! Such a program does everything for which a log and a base model are enough, wherever there is a Rust compiler. What needs
//! inference compiles here too, but never runs: there is no way to come by a [`LlamaEngine`].

use std::convert::Infallible;

use crate::engine::{Decoding, Engine, EngineError, Request, Score, TensorEdit, Vocabulary};
use crate::store::WorkingCopy;

mod budget;
mod estimate;
mod offload;
mod options;
mod size;
mod uneditable;

pub use estimate::estimated_context_bytes;
pub use offload::{Device, HAS_GPU_BACKEND, Layers, Offload, OffloadError, Split};
pub use options::{LlamaOptions, NotBuiltIn, TensorSlot, check_built_in, context_tokens};
pub use uneditable::Uneditable;

/// Why something in here failed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What stands for the version of llama.cpp.
pub fn version() -> String {
    "without llama.cpp".to_owned()
}

/// Returns the GPUs that a backend was built in for: none.
pub fn devices() -> Vec<Device> {
    Vec::new()
}

/// Refuses what is asked of devices, of which there are none.
///
/// # Errors
/// When one is asked for.
pub fn check_devices(options: &LlamaOptions) -> Result<(), OffloadError> {
    options.offload.choose(&[]).map(drop)
}

/// Says which layers of a model would be put on which devices: none.
pub fn told_layers(_: &LlamaOptions, _: &[u8]) -> Option<String> {
    None
}

/// An engine that this build has none of.
#[derive(Debug)]
pub struct LlamaEngine(Infallible);

impl LlamaEngine {
    /// Fails.
    ///
    /// # Errors
    /// Always: see [`NotBuiltIn`].
    pub fn load(
        working: WorkingCopy,
        _tunable: Vec<TensorSlot>,
        _options: &LlamaOptions,
    ) -> Result<Self, EngineError> {
        Err(EngineError::new(format!("loading {}", working.path().display()), NotBuiltIn))
    }

    /// Bytes that the contexts take at most, as planned.
    pub fn context_bytes(&self) -> u64 {
        match self.0 {}
    }

    /// Says which layers are on which devices.
    pub fn on_devices(&self) -> Option<String> {
        match self.0 {}
    }

    /// Bytes that weights and contexts take on devices.
    pub fn device_bytes(&self) -> u64 {
        match self.0 {}
    }

    /// Warnings of llama.cpp about the quality of what the model will say.
    pub fn warnings(&self) -> &[String] {
        match self.0 {}
    }
}

impl Engine for LlamaEngine {
    type Batch = Infallible;

    fn vocabulary(&self) -> &Vocabulary {
        match self.0 {}
    }

    fn prepare(&self, _: &[Request]) -> Result<Infallible, EngineError> {
        match self.0 {}
    }

    fn check_room(&self, _: &Infallible, _: usize) -> Result<(), EngineError> {
        match self.0 {}
    }

    fn score(&mut self, _: &Infallible) -> Result<Vec<Score>, EngineError> {
        match self.0 {}
    }

    fn complete(&mut self, _: &Infallible, _: &Decoding) -> Result<Vec<String>, EngineError> {
        match self.0 {}
    }

    fn follow(&self, _: &str, _: &[String]) -> Result<Vec<bool>, EngineError> {
        match self.0 {}
    }

    fn edit_codes(&mut self, _: &TensorEdit<'_>) -> Result<(), EngineError> {
        match self.0 {}
    }

    fn read_tensors(&mut self, _: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        match self.0 {}
    }
}
