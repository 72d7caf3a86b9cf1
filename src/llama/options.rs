//! Options of an engine. Part of every build, with llama.cpp and without.

use std::ops::Range;

use thiserror::Error;

use super::offload::Offload;
use crate::gguf::TensorEntry;
use crate::store::suitable_threads;
use crate::tensor_type::TensorType;

/// Returns the tokens in the KV cache, all sequences together, for the number asked for: 1024 by default, and a
/// multiple of 256.
pub fn context_tokens(asked: Option<u32>) -> u32 {
    asked.unwrap_or(1024).clamp(1, u32::MAX - 255).next_multiple_of(256)
}

/// Error of a program that was built without llama.cpp.
#[derive(Clone, Copy, Debug, Error)]
#[error(
    "this build of qes-gguf has no llama.cpp, so it can export, verify, inspect and report, but neither tune nor evaluate; \
     build it without --no-default-features"
)]
pub struct NotBuiltIn;

/// Checks that there is an engine in this build.
///
/// # Errors
/// When there is none.
pub fn check_built_in() -> Result<(), NotBuiltIn> {
    if cfg!(feature = "llama") { Ok(()) } else { Err(NotBuiltIn) }
}

/// Place of a tunable tensor in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSlot {
    /// Its name in the file.
    pub name: String,
    /// Its bytes as a range of the file.
    pub range: Range<usize>,
    /// The ranges of its bytes that are tuned: all of them, or whole rows, one part after the other. At least one part.
    pub tuned: Vec<Range<usize>>,
    /// Its type.
    pub tensor_type: TensorType,
    /// Blocks in one of its rows.
    pub row_blocks: usize,
    /// Rows of one of its matrices; a tensor of experts has several matrices.
    pub matrix_rows: usize,
}

impl TensorSlot {
    /// Returns the slot of a model's tensor, of which these parts are tuned.
    pub fn of(tensor: &TensorEntry, tuned: impl IntoIterator<Item = Range<usize>>) -> Self {
        let row = tensor.shape.first().copied().unwrap_or(1);
        Self {
            name: tensor.name.clone(),
            range: tensor.byte_range(),
            tuned: tuned.into_iter().collect(),
            tensor_type: tensor.tensor_type,
            row_blocks: (row / tensor.tensor_type.block_len()).max(1) as usize,
            matrix_rows: tensor.shape.get(1).copied().unwrap_or(1) as usize,
        }
    }

    /// Returns the slot of a model's tensor, all of which is tuned.
    pub fn whole(tensor: &TensorEntry) -> Self {
        Self::of(tensor, [tensor.byte_range()])
    }

    /// Returns whether all of the tensor is tuned.
    pub fn is_whole(&self) -> bool {
        self.tuned == [self.range.clone()]
    }
}

/// Options of inference.
#[derive(Clone, Debug)]
pub struct LlamaOptions {
    /// Threads that compute; by default one for each big core.
    pub threads: usize,
    /// Sequences in parallel, at most 256; by default 128. A large vocabulary allows fewer.
    pub parallel: Option<usize>,
    /// Tokens in the KV cache, all sequences together; by default 1024. Rounded up to a multiple of 256.
    pub ctx_size: Option<u32>,
    /// Most bytes that the contexts may take: keys, values, and the buffers of a forward pass. They are made smaller, and
    /// fewer, until they fit; that may also lower `parallel`.
    pub context_bytes: Option<u64>,
    /// `true` if llama.cpp may keep weights in its interleaved layouts, where one for a tunable type makes inference
    /// faster on this machine. Without tunable tensors, `true` if it may keep any weights so.
    pub repack: bool,
    /// Options of offloading to devices.
    pub offload: Offload,
    /// `true` to use flash attention, `false` not to; by default llama.cpp decides.
    pub flash_attention: Option<bool>,
}

impl Default for LlamaOptions {
    fn default() -> Self {
        Self {
            threads: suitable_threads(),
            parallel: None,
            ctx_size: None,
            context_bytes: None,
            repack: true,
            offload: Offload::default(),
            flash_attention: None,
        }
    }
}
