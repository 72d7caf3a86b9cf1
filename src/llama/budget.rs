//! Sizes of contexts that keep within a number of bytes.
//!
//! llama.cpp tells how large a context is once it exists. What a large one would take follows from a small one: keys and
//! values grow with the cells, the buffers of a forward pass with its tokens.

use super::Failure;
use super::context::{Buffers, Size};

/// The size of the context that others are extrapolated from.
pub(super) const PROBE: Size = Size { cells: 256, sequences: 1, tokens: 64, outputs: 1, threads: 1 };

/// Fewest tokens in one forward pass to go down to: below, every weight is read for hardly any work.
const LEAST_TOKENS: usize = 64;

/// Smallest memory to go down to, in cells; llama.cpp rounds up to it.
const LEAST_CELLS: usize = 256;

/// What a context takes besides its buffers: graphs and bookkeeping, measured.
const BOOKKEEPING: u64 = 6_000_000;

/// What contexts of a model take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    probe: Buffers,
    vocabulary: usize,
}

impl Cost {
    /// The costs that follow from the buffers of a context of size [`PROBE`].
    pub(super) fn new(probe: Buffers, vocabulary: usize) -> Self {
        Self { probe, vocabulary }
    }

    /// Bytes of a context.
    fn of(&self, size: Size) -> u64 {
        let memory = self.probe.memory * size.cells as u64 / PROBE.cells as u64;
        let compute = self.probe.compute * size.tokens as u64 / PROBE.tokens as u64;
        let logits = 4 * (size.outputs * self.vocabulary) as u64;
        BOOKKEEPING + memory + compute + logits
    }

    /// Bytes of so many contexts.
    pub(super) fn of_lanes(&self, lanes: usize, size: Size) -> u64 {
        lanes as u64 * self.of(size)
    }

    /// The largest contexts that take no more than `limit` bytes: `lanes` of this size; else fewer tokens at once, then
    /// fewer cells where `may_shrink` allows it, then one context with all threads.
    pub(super) fn fit(
        &self,
        mut lanes: usize,
        mut size: Size,
        may_shrink: bool,
        limit: u64,
    ) -> Result<(usize, Size), Failure> {
        while self.of_lanes(lanes, size) > limit {
            if size.tokens > LEAST_TOKENS {
                size = size.with_tokens(size.tokens / 2);
            } else if size.cells > LEAST_CELLS && may_shrink {
                size.cells -= LEAST_CELLS;
            } else if lanes > 1 {
                (size.threads, lanes) = (size.threads * lanes, 1);
            } else {
                let (needed, left) = (self.of(size).div_ceil(1_000_000), limit / 1_000_000);
                return Err(format!(
                    "its smallest context takes {needed} MB, but the budget leaves {left} MB for it; allow {} MB more",
                    needed - left
                )
                .into());
            }
        }
        Ok((lanes, size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { cells: 1024, sequences: 128, tokens: 512, outputs: 128, threads: 1 };

    /// A token costs 1,000 bytes, a cell 4,000.
    fn cost() -> Cost {
        Cost::new(Buffers { memory: 256 * 4_000, compute: 64 * 1_000 }, 0)
    }

    #[test]
    fn what_fits_stays() {
        let bytes = cost().of(SIZE);
        assert_eq!(bytes, BOOKKEEPING + 1024 * 4_000 + 512 * 1_000);
        assert_eq!(cost().fit(2, SIZE, true, 2 * bytes).unwrap(), (2, SIZE));
    }

    #[test]
    fn tokens_then_cells_then_lanes_are_given_up() {
        let fit = |limit, may_shrink| cost().fit(2, SIZE, may_shrink, limit);
        let (lanes, size) = fit(2 * cost().of(SIZE) - 1, true).unwrap();
        assert_eq!((lanes, size.tokens, size.cells), (2, 256, 1024));
        let (lanes, size) = fit(2 * (BOOKKEEPING + 300 * 4_000), true).unwrap();
        assert_eq!((lanes, size.tokens, size.cells, size.outputs), (2, 64, 256, 64));
        let (lanes, size) = fit(BOOKKEEPING + 1100 * 4_000, false).unwrap();
        assert_eq!((lanes, size.cells, size.threads), (1, 1024, 2), "a given context stays");
    }

    #[test]
    fn too_small_a_budget_says_how_much_is_missing() {
        let message = cost().fit(2, SIZE, true, 2_000_000).unwrap_err().to_string();
        assert!(
            message.contains("takes 8 MB")
                && message.contains("leaves 2 MB")
                && message.contains("6 MB more"),
            "{message}"
        );
    }
}
