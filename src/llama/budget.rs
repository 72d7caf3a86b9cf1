//! Sizes of contexts within a limit on memory.
//!
//! llama.cpp reports the size of a context only once it exists. The size of a large one is extrapolated from a small
//! one: keys and values grow with the cells, a recurrent model's states with the sequences, the buffers of a forward
//! pass with its tokens.
//!
//! The size is chosen for one context, and then as many contexts as fit: the size decides the layout of requests, and
//! with it the last bits of rewards, and must not depend on the number of threads.

use super::size::{ContextBuffers, ContextSize, MAX_SEQUENCES};
use super::{Failure, LlamaOptions, context_tokens};

/// The size of the context that others are extrapolated from.
pub(super) const PROBE: ContextSize =
    ContextSize { cells: 256, sequences: 1, tokens: 64, outputs: 1, threads: 1 };

/// Fewest tokens in one forward pass: with fewer, every weight is read for hardly any work.
const LEAST_TOKENS: usize = 64;

/// Smallest memory, in cells; llama.cpp rounds up to it.
const LEAST_CELLS: usize = 256;

/// Fewest rows of logits.
const LEAST_OUTPUTS: usize = 8;

/// Tokens in one forward pass: more make it no faster on a CPU, and cost memory.
const PASS_TOKENS: usize = 512;

/// Memory for the logits of one forward pass, which bounds the number of rows if the vocabulary is large.
const LOGITS_BYTES: usize = 32 << 20;

/// Bytes that the vocabulary takes for each token: its text in several tables.
const TOKEN_BYTES: u64 = 256;

/// Bytes that a context takes besides its buffers: graphs and bookkeeping, measured.
const BOOKKEEPING: u64 = 6_000_000;

/// Largest model that gets a lane for each thread: its weights stay in the cores' shared cache.
const SMALL_MODEL_BYTES: u64 = 32 << 20;

/// Most lanes, since each has memory of its own for keys, values and logits, some tens of megabytes.
const MAX_LANES: usize = 8;

/// Returns whether a model's chunks are evaluated in parallel on several lanes.
pub(super) fn is_small(model_bytes: u64) -> bool {
    model_bytes <= SMALL_MODEL_BYTES
}

/// Returns the number of lanes, and the threads in each. A device computes one thing at a time.
pub(super) fn plan(model_bytes: u64, threads: usize, on_devices: bool) -> (usize, usize) {
    let side_by_side = is_small(model_bytes) && threads <= MAX_LANES && !on_devices;
    if side_by_side { (threads, 1) } else { (1, threads) }
}

/// Memory of the contexts of a model.
#[derive(Clone, Copy, Debug)]
pub(super) struct ContextCost {
    probe: ContextBuffers,
    vocabulary: usize,
}

impl ContextCost {
    /// Returns the costs extrapolated from the buffers of a context of size [`PROBE`].
    pub(super) fn new(probe: ContextBuffers, vocabulary: usize) -> Self {
        Self { probe, vocabulary }
    }

    /// Returns the bytes of a context.
    fn of(&self, size: ContextSize) -> u64 {
        let ContextBuffers { cells, states, compute } = self.probe;
        let cells = cells.saturating_mul(size.cells as u64) / PROBE.cells as u64;
        let states = states.saturating_mul(size.sequences as u64);
        let compute = compute.saturating_mul(size.tokens as u64) / PROBE.tokens as u64;
        // Of which cells each token may see, up to an f32 each; the probe's is too small to be told from the rest.
        let mask = 4 * (size.cells * size.tokens) as u64;
        // Once in the buffer of the forward pass and once kept for us.
        let logits = 2 * 4 * (size.outputs * self.vocabulary) as u64;
        [cells, states, compute, mask, logits].into_iter().fold(BOOKKEEPING, u64::saturating_add)
    }

    /// Returns the bytes of this many contexts, and of the model's vocabulary.
    pub(super) fn of_lanes(&self, lanes: usize, size: ContextSize) -> u64 {
        (lanes as u64).saturating_mul(self.of(size)).saturating_add(TOKEN_BYTES * self.vocabulary as u64)
    }

    /// Returns the bytes on devices of a context of this size, from those of a small one.
    #[cfg_attr(not(feature = "llama"), allow(dead_code))] // A build without llama.cpp has no devices.
    pub(super) fn on_devices(&self, on_devices: ContextBuffers, size: ContextSize) -> u64 {
        if on_devices == ContextBuffers::NONE {
            return 0;
        }
        let there = Self { probe: on_devices, ..*self };
        there.of(size).saturating_sub(BOOKKEEPING)
    }

    /// Returns the number and size of the contexts for a model of this many bytes.
    pub(super) fn choose(
        &self,
        model_bytes: u64,
        options: &LlamaOptions,
        on_devices: bool,
    ) -> Result<(usize, ContextSize), Failure> {
        let (lanes, threads) = plan(model_bytes, options.threads.max(1), on_devices);
        let size = ContextSize { threads, ..self.asked(options) };
        self.fit(lanes, size, options.ctx_size.is_none(), options.context_bytes.unwrap_or(u64::MAX))
    }

    /// Returns the size that options ask for, regardless of memory.
    fn asked(&self, options: &LlamaOptions) -> ContextSize {
        let cells = usize::try_from(context_tokens(options.ctx_size)).unwrap_or(usize::MAX);
        let tokens = cells.min(PASS_TOKENS);
        let outputs = (LOGITS_BYTES / 4 / self.vocabulary.max(1)).clamp(8, tokens);
        let sequences = options.parallel.unwrap_or(128).clamp(1, outputs.min(MAX_SEQUENCES));
        ContextSize { cells, sequences, tokens, outputs, threads: options.threads.max(1) }
    }

    /// Returns the largest contexts that take no more than `limit` bytes, up to `lanes` of this size with one thread
    /// each: with fewer tokens in a pass, then fewer cells if `may_shrink` allows it, then fewer logits, until one
    /// context fits. The threads of contexts that do not fit go to the others.
    pub(super) fn fit(
        &self,
        lanes: usize,
        mut size: ContextSize,
        may_shrink: bool,
        limit: u64,
    ) -> Result<(usize, ContextSize), Failure> {
        while self.of_lanes(1, size) > limit {
            if size.tokens > LEAST_TOKENS {
                size = size.with_tokens(size.tokens / 2);
            } else if size.cells > LEAST_CELLS && may_shrink {
                size.cells -= LEAST_CELLS;
            } else if size.outputs > LEAST_OUTPUTS {
                size = size.with_outputs(size.outputs / 2);
            } else {
                let (needed, left) = (self.of_lanes(1, size).div_ceil(1_000_000), limit / 1_000_000);
                return Err(format!(
                    "its smallest context takes {needed} MB, but the budget leaves {left} MB for it; allow {} MB more",
                    needed - left
                )
                .into());
            }
        }
        let fitting = (1..=lanes).rev().find(|&lanes| self.of_lanes(lanes, size) <= limit).unwrap_or(1);
        size.threads = size.threads * lanes / fitting;
        Ok((fitting, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: ContextSize =
        ContextSize { cells: 1024, sequences: 128, tokens: 512, outputs: 128, threads: 1 };

    /// Returns costs of 1,000 bytes a token, 4,000 a cell, and 80 a row of logits.
    fn cost() -> ContextCost {
        ContextCost::new(ContextBuffers { cells: 256 * 4_000, states: 0, compute: 64 * 1_000 }, 10)
    }

    #[test]
    fn what_fits_stays() {
        let bytes = cost().of(SIZE);
        assert_eq!(bytes, BOOKKEEPING + 1024 * 4_000 + 512 * 1_000 + 4 * 1024 * 512 + 128 * 80);
        assert_eq!(cost().fit(2, SIZE, true, 2 * bytes + 2560).unwrap(), (2, SIZE));
    }

    #[test]
    fn lanes_are_given_up_before_sizes() {
        let (lanes, size) = cost().fit(4, SIZE, true, 3 * cost().of(SIZE)).unwrap();
        assert_eq!((lanes, size), (2, ContextSize { threads: 2, ..SIZE }));
    }

    #[test]
    fn tokens_then_cells_then_logits_are_given_up() {
        let fit = |limit, may_shrink| cost().fit(2, SIZE, may_shrink, limit).unwrap().1;
        let size = fit(cost().of(SIZE) - 1, true);
        assert_eq!((size.tokens, size.cells, size.threads), (256, 1024, 2));
        let size = fit(BOOKKEEPING + 64 * 1_000 + 300 * 4_000 + 128 * 1024, true);
        assert_eq!((size.tokens, size.cells, size.outputs, size.sequences), (64, 256, 64, 64));
        let size = fit(BOOKKEEPING + 64 * 1_000 + 1024 * 4_000 + 4 * 64 * 1024 + 2560 + 50 * 80, false);
        assert_eq!((size.cells, size.outputs), (1024, 32), "a given context stays");
    }

    #[test]
    fn sizes_do_not_depend_on_lanes() {
        for limit in (8_000_000..60_000_000).step_by(100_000) {
            let size =
                |lanes| Some(ContextSize { threads: 1, ..cost().fit(lanes, SIZE, true, limit).ok()?.1 });
            assert_eq!(size(1), size(2));
            assert_eq!(size(1), size(7));
        }
    }

    #[test]
    fn too_small_a_budget_says_how_much_is_missing() {
        let message = cost().fit(2, SIZE, true, 2_000_000).unwrap_err().to_string();
        assert!(message.contains("takes 8 MB") && message.contains("leaves 2 MB"), "{message}");
        assert!(message.contains("6 MB more"), "{message}");
    }
}
