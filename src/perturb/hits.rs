//! Hits of sparse noise, gathered until they are worth a batch.

use crate::block::BATCH;

/// Hits that wait to be worked on.
#[derive(Clone, Debug)]
pub(super) struct Hits {
    /// The numbers of their codes in the tile.
    pub codes: [u32; BATCH],
    /// Their perturbations.
    pub values: [i16; BATCH],
    /// How many there are.
    pub count: usize,
}

impl Hits {
    /// No hits.
    pub(super) fn new() -> Self {
        Self { codes: [0; BATCH], values: [0; BATCH], count: 0 }
    }

    /// Adds a hit. Says whether these are as many as can be, which must then be worked on, and taken out.
    #[inline(always)]
    pub(super) fn push(&mut self, code: usize, value: i16) -> bool {
        let place = self.count % BATCH;
        // A tile has far fewer codes than 2^32.
        self.codes[place] = code as u32;
        self.values[place] = value;
        self.count += 1;
        self.count == BATCH
    }
}
