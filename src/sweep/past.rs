//! Replays a log once and yields the tensors at several points of it.

use rayon::prelude::*;

use super::{Cut, TileBlocks};
use crate::block::{Arrangement, Field};
use crate::engine::TensorBytes;
use crate::replay::{History, Residual, Scratch};
use crate::tile::Tile;
use crate::with_integers;

/// Bytes of copies that are made at a time, all threads together.
const COPIED_AT_A_TIME: usize = 64 << 20;

/// Points that are copied at a time, so that a log with many of them does not take memory in proportion.
const POINTS_AT_A_TIME: usize = 64;

/// Applies the whole history to the base model's integers, in the file's layout, and yields the tensors at each of
/// `points`, numbers of generations that never fall.
///
/// Calls `show(first, copies)` in the order of the tensors' bytes: `copies` has, for each of some consecutive regions,
/// the region's bytes at `points[first..]`, a few dozen points at a time.
pub fn rebuild_past(
    points: &[u64],
    tensors: &mut [TensorBytes<'_>],
    history: &History,
    mut show: impl FnMut(usize, &[Vec<Vec<u8>>]),
) {
    let copied = points.len().clamp(1, POINTS_AT_A_TIME);
    for tensor in tensors {
        let index = tensor.index as u32;
        let cut = |&field| Some((field, Cut::new(history, index, field, tensor.arrangement)?));
        let cuts: Vec<(Field, Cut)> = history.fields().iter().filter_map(cut).collect();
        let bytes = cuts.iter().map(|(_, cut)| cut.bytes).max().unwrap_or(tensor.bytes.len().max(1));
        let together = (COPIED_AT_A_TIME / (bytes * copied)).clamp(1, 4096);
        let pieces = tensor.bytes.chunks_mut(bytes * together).zip(tensor.base.chunks(bytes * together));
        for (piece, (changed, base)) in pieces.enumerate() {
            let regions = changed.chunks_mut(bytes).zip(base.chunks(bytes)).enumerate();
            let region = |(number, (changed, base))| {
                let start = (piece * together + number) * bytes;
                Region::new(index, start, changed, base, tensor.arrangement, (history, &cuts))
            };
            let mut regions: Vec<Region<'_>> = regions.map(region).collect();
            for group in 0..points.len().div_ceil(copied).max(1) {
                let rest = &points[group * copied..];
                let (points, is_last) = (&rest[..rest.len().min(copied)], rest.len() <= copied);
                let of_region = |scratch: &mut Scratch, region: &mut Region<'_>| {
                    let copies = region.copies(points, history, scratch);
                    if is_last {
                        region.advance(history.len(), history, scratch);
                        region.tiles.clear();
                    }
                    copies
                };
                let copies: Vec<_> = regions.par_iter_mut().map_init(Scratch::default, of_region).collect();
                show(group * copied, &copies);
            }
        }
    }
}

/// Whole tiles of every field, at some generation.
struct Region<'a> {
    changed: &'a mut [u8],
    base: &'a [u8],
    arrangement: Arrangement,
    tiles: Vec<Passing>,
    /// Generations that have been applied.
    done: u64,
}

/// A tile of a region.
struct Passing {
    tile: Tile,
    /// Its first block in the region.
    first_block: usize,
    residual: Residual,
}

impl<'a> Region<'a> {
    /// Returns the region of a tensor that starts at the byte `start`.
    fn new(
        tensor: u32,
        start: usize,
        changed: &'a mut [u8],
        base: &'a [u8],
        arrangement: Arrangement,
        (history, cuts): (&History, &[(Field, Cut)]),
    ) -> Self {
        let mut tiles = Vec::new();
        for &(field, cut) in cuts {
            let integers = history.specs()[tensor as usize].integers(field);
            for place in 0..changed.len().div_ceil(cut.bytes) {
                let tile = cut.tile(tensor, field, start / cut.bytes + place, integers);
                tiles.push(Passing { tile, first_block: place * cut.blocks, residual: Residual::default() });
            }
        }
        Self { changed, base, arrangement, tiles, done: 0 }
    }

    /// Returns its bytes at each point.
    fn copies(&mut self, points: &[u64], history: &History, scratch: &mut Scratch) -> Vec<Vec<u8>> {
        let copy = |&point: &u64| {
            self.advance(point, history, scratch);
            self.changed.to_vec()
        };
        points.iter().map(copy).collect()
    }

    /// Applies generations up to this number.
    fn advance(&mut self, to: u64, history: &History, scratch: &mut Scratch) {
        let arrangement = self.arrangement;
        let block = arrangement.tensor_type.block_bytes() as usize;
        for Passing { tile, first_block, residual } in &mut self.tiles {
            let (base, first_block) = (&self.base[*first_block * block..], *first_block);
            let mut blocks = TileBlocks { bytes: self.changed, arrangement, first_block, base };
            with_integers!(arrangement, tile.field, I => {
                history.rebuild_part(self.done..to, &mut blocks.tuned::<I>(), tile, residual, scratch, |_, _| ());
            });
        }
        self.done = to;
    }
}
