//! Tiles: the pieces of a tensor for perturbation, replay and updates.
//!
//! Everything the optimizer does is element-wise, so it goes tile by tile: a tile's gradient estimate and residual fit
//! the cache, and nothing as long as the model is needed besides its integers. A tile has integers of one field: whole
//! runs of the noise and whole blocks. Its length does not change any result.

use std::ops::Range;

use crate::block::Field;
use crate::noise::RunAddress;

/// Shortest tile, in integers: two f32 arrays of this length take 64 KiB.
const MIN_LEN: usize = 8192;

/// Integers of a run of an update's own draws, which are separate from the noise of perturbations: every tile begins
/// with a run. It is part of the log format.
pub const UPDATE_RUN: usize = 8192;

/// Returns the integers per tile for noise with runs of `run_len` integers (a power of two): whole runs and whole blocks.
pub fn tile_len(run_len: usize) -> usize {
    run_len.max(MIN_LEN)
}

/// One piece of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Position of the tensor in the log's tensor list.
    pub tensor: u32,
    /// The field of the tile's integers.
    pub field: Field,
    /// First integer of the tile within its tensor; a multiple of the tile length.
    pub first: u64,
    /// Integers in the tile: the tile length, less at a tensor's end.
    pub len: usize,
}

impl Tile {
    /// Returns the runs of the tile: each run's address and its integers within the tile.
    pub fn runs(&self, run_len: usize) -> impl Iterator<Item = (RunAddress, Range<usize>)> + use<> {
        let Self { tensor, field, first, len } = *self;
        let first_run = first / run_len as u64;
        (0..len.div_ceil(run_len)).map(move |i| {
            let (start, run) = (i * run_len, first_run + i as u64);
            (RunAddress { tensor, field, run }, start..(start + run_len).min(len))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_the_tile_once() {
        let tile = Tile { tensor: 0, field: Field::Scales, first: 16_384, len: 1000 };
        let runs: Vec<_> = tile.runs(256).map(|(address, integers)| (address.run, integers)).collect();
        assert_eq!(runs, [(64, 0..256), (65, 256..512), (66, 512..768), (67, 768..1000)]);
    }

    #[test]
    fn a_tile_holds_whole_runs() {
        for bits in 8..=20 {
            assert_eq!(tile_len(1 << bits) % (1 << bits), 0);
            assert_eq!(tile_len(1 << bits) % UPDATE_RUN, 0);
        }
    }
}
