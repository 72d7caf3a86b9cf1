//! What an engine is asked for. Part of every build, with llama.cpp and without.

use std::ops::Range;

use thiserror::Error;

use super::offload::Offload;
use crate::gguf::TensorEntry;
use crate::store::suitable_threads;
use crate::tensor_type::TensorType;

/// Returns the tokens in memory, all sequences together, where so many are asked for: 1024 where none are, and a multiple of 256.
pub fn context_tokens(asked: Option<u32>) -> u32 {
    asked.unwrap_or(1024).clamp(1, u32::MAX - 255).next_multiple_of(256)
}

/// This program was built without llama.cpp.
#[derive(Clone, Copy, Debug, Error)]
#[error(
    "this build of qes-gguf has no llama.cpp, so it can export, verify, inspect and report, but neither tune nor evaluate; \
     build it without --no-default-features"
)]
pub struct NotBuiltIn;

/// Whether there is an engine in this build.
///
/// # Errors
/// When there is none.
pub fn check_built_in() -> Result<(), NotBuiltIn> {
    if cfg!(feature = "llama") { Ok(()) } else { Err(NotBuiltIn) }
}

/// Where a tunable tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSlot {
    /// Its name in the file.
    pub name: String,
    /// Its bytes, counted from the start of the file.
    pub range: Range<usize>,
    /// Those of its bytes that are tuned: all of them, or whole rows, one part after the other. At least one part.
    pub tuned: Vec<Range<usize>>,
    /// Its type.
    pub tensor_type: TensorType,
    /// Blocks in one of its rows.
    pub row_blocks: usize,
    /// Rows of one of its matrices, of which a tensor of experts has several.
    pub matrix_rows: usize,
}

impl TensorSlot {
    /// Returns the slot of a tensor of a model, these parts of which are tuned.
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

    /// Returns the slot of a tensor of a model, all of which is tuned.
    pub fn whole(tensor: &TensorEntry) -> Self {
        Self::of(tensor, [tensor.byte_range()])
    }

    /// Whether all of the tensor is tuned.
    pub fn is_whole(&self) -> bool {
        self.tuned == [self.range.clone()]
    }
}

/// How to run inference.
#[derive(Clone, Debug)]
pub struct LlamaOptions {
    /// Threads that compute; by default one for each big core.
    pub threads: usize,
    /// Sequences side by side, at most 256; by default 128. A large vocabulary allows fewer.
    pub parallel: Option<usize>,
    /// Tokens in memory, all sequences together; by default 1024. Rounded up to a multiple of 256.
    pub ctx_size: Option<u32>,
    /// Most bytes that the contexts may take: keys, values, and the buffers of a forward pass. They are made smaller, and
    /// fewer, until they fit; that may also lower `parallel`.
    pub context_bytes: Option<u64>,
    /// Whether llama.cpp may keep weights in its interleaved layouts, where it has some for a tunable type that makes
    /// inference faster on this machine. Without tunable tensors, whether it may keep any weights so.
    pub repack: bool,
    /// What is put on which devices.
    pub offload: Offload,
    /// Whether to use flash attention; by default llama.cpp decides.
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
