//! Replacement of the engine in a build without llama.cpp (`--no-default-features`).
//!
//! Such a program does everything that needs only a log and a base model, on every platform with a Rust compiler. Code
//! that needs inference compiles here too, but never runs: no [`LlamaEngine`] can be created.

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
pub use offload::{Device, HAS_GPU_BACKEND, Layers, Offload, OffloadError, SplitMode};
pub use options::{LlamaOptions, NotBuiltIn, TensorSlot, check_built_in, context_tokens};
pub use uneditable::Uneditable;

/// Error in this module.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Returns a text in place of the version of llama.cpp.
pub fn version() -> String {
    "without llama.cpp".to_owned()
}

/// Returns the instructions of processors that llama.cpp uses: none.
pub fn instructions() -> Vec<&'static str> {
    Vec::new()
}

/// Returns the GPUs that a backend was built in for: none.
pub fn devices() -> Vec<Device> {
    Vec::new()
}

/// Refuses options that ask for devices, of which there are none.
///
/// # Errors
/// When one is asked for.
pub fn check_devices(options: &LlamaOptions) -> Result<(), OffloadError> {
    options.offload.choose(&[]).map(drop)
}

/// Describes which layers of a model would be put on which devices: none.
pub fn told_layers(_: &LlamaOptions, _: &[u8]) -> Option<String> {
    None
}

/// The engine, which does not exist in this build.
#[derive(Debug)]
pub struct LlamaEngine(Infallible);

impl LlamaEngine {
    /// Fails in this build.
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

    /// Returns the planned bytes of the contexts, at most.
    pub fn context_bytes(&self) -> u64 {
        match self.0 {}
    }

    /// Describes which layers are on which devices.
    pub fn on_devices(&self) -> Option<String> {
        match self.0 {}
    }

    /// Returns the bytes of weights and contexts on devices.
    pub fn device_bytes(&self) -> u64 {
        match self.0 {}
    }

    /// Returns llama.cpp's warnings about the quality of the model's output.
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
