//! The sizes of contexts and of their buffers.

/// llama.cpp's own limit (`LLAMA_MAX_SEQ`).
pub(super) const MAX_SEQUENCES: usize = 256;

/// The sizes of a context, fixed at its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContextSize {
    /// Tokens that fit in the KV cache, all sequences together.
    pub(super) cells: usize,
    /// Sequences in parallel.
    pub(super) sequences: usize,
    /// Tokens in one forward pass.
    pub(super) tokens: usize,
    /// Rows of logits kept from one forward pass; at least `sequences`.
    pub(super) outputs: usize,
    /// Threads that compute.
    pub(super) threads: usize,
}

impl ContextSize {
    /// Returns it with this many tokens in one forward pass, and no more outputs than that.
    pub(super) fn with_tokens(self, tokens: usize) -> Self {
        Self { tokens, ..self }.with_outputs(self.outputs.min(tokens))
    }

    /// Returns it with this many rows of logits, and no more sequences than that.
    pub(super) fn with_outputs(self, outputs: usize) -> Self {
        Self { outputs, sequences: self.sequences.min(outputs), ..self }
    }
}

/// Bytes of the buffers of a context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ContextBuffers {
    /// Keys and values; they grow with the cells.
    pub(super) cells: u64,
    /// States of a recurrent model; they grow with the sequences.
    pub(super) states: u64,
    /// Memory in which a forward pass computes.
    pub(super) compute: u64,
}

impl ContextBuffers {
    /// No buffers.
    #[cfg_attr(not(feature = "llama"), allow(dead_code))] // A build without llama.cpp has no buffers to add up.
    pub(super) const NONE: Self = Self { cells: 0, states: 0, compute: 0 };
}
