//! Runs the work on tiles over all tuned tensors, in parallel with rayon. No result depends on the number of threads:
//! a tile's outcome is a function of the tile alone.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::block::{Arrangement, CodeLayout, Codes};
use crate::engine::TensorBytes;
use crate::perturb::{self, Applied, Edit, Member};
use crate::replay::{History, Residual, Scratch};
use crate::seed_log::TensorSpec;
use crate::tile::Tile;
use crate::update::{Moves, Tuned};
use crate::with_layout;

/// Something kept for each tile of each tensor, from call to call.
pub type PerTile<T> = Vec<Vec<T>>;

/// One `T` for each tile of each tensor.
pub fn per_tile<T: Clone + Default>(tensors: &[TensorSpec], history: &History) -> PerTile<T> {
    each(tensors, history, &T::default())
}

/// What is remembered of members. Where a stored residual takes several bytes a code, one or two more are well spent on drawing
/// each pair only once.
pub fn per_member(tensors: &[TensorSpec], history: &History, residual: &ResidualStore) -> PerTile<Applied> {
    let is_stored = matches!(residual, ResidualStore::Stored(_));
    each(tensors, history, &if is_stored { Applied::keeping() } else { Applied::default() })
}

fn each<T: Clone>(tensors: &[TensorSpec], history: &History, value: &T) -> PerTile<T> {
    let tiles = |(index, tensor): (usize, &TensorSpec)| {
        let tiles = tensor.codes.div_ceil(history.tile_len(index as u32) as u64);
        vec![value.clone(); tiles as usize]
    };
    tensors.iter().enumerate().map(tiles).collect()
}

/// The codes of one tile, in whatever layout.
struct TileCodes<'a> {
    /// Holds the tile, and what is interleaved with it.
    bytes: &'a mut [u8],
    arrangement: Arrangement,
    /// The first block of the tile, counted from the beginning of `bytes` in the order of a file.
    first_block: usize,
    /// The tile's blocks as they are in the base model's file.
    base: &'a [u8],
}

impl TileCodes<'_> {
    fn codes<L: CodeLayout>(&mut self) -> Codes<'_, L> {
        Codes::new(self.bytes, self.arrangement.row_blocks, self.first_block)
    }

    fn tuned<L: CodeLayout>(&mut self) -> Tuned<'_, L> {
        let base = self.base;
        Tuned { codes: self.codes(), base }
    }
}

/// Tiles that are worked on one after the other, since their bytes may be interleaved: whole tiles that are also whole
/// rows of those that a layout interleaves. In the file's layout that is a single tile.
fn tiles_together(arrangement: Arrangement, tile_len: usize) -> usize {
    let apart = arrangement.apart();
    apart / gcd(apart, tile_len)
}

/// Codes that a thread takes at least: less is hardly worth the handing out.
const LEAST_WORK: usize = 1 << 15;

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Calls `work(codes, tile, state, scratch)` for every tile and adds up the answers.
fn each_tile<T: Send>(
    tensors: &mut [TensorBytes<'_>],
    specs: &[TensorSpec],
    history: &History,
    state: &mut PerTile<T>,
    work: impl Fn(&mut TileCodes<'_>, &Tile, &mut T, &mut Scratch) -> Moves + Sync,
) -> Moves {
    let of_tensor = |(tensor, state): (&mut TensorBytes<'_>, &mut Vec<T>)| {
        let index = tensor.index as u32;
        let TensorSpec { codes, tensor_type, .. } = specs[tensor.index];
        let (arrangement, base) = (tensor.arrangement, tensor.base);
        let tile_len = history.tile_len(index);
        let tile_blocks = tile_len / tensor_type.block_len() as usize;
        let tile_bytes = tile_blocks * tensor_type.block_bytes() as usize;
        let together = tiles_together(arrangement, tile_len);
        let bytes = together * tile_bytes;
        let units = tensor.bytes.par_chunks_mut(bytes).zip(state.par_chunks_mut(together)).enumerate();
        let of_unit = |scratch: &mut Scratch, (unit, (bytes, state)): (usize, (&mut [u8], &mut [T]))| {
            let mut moves = Moves::default();
            for (number, state) in state.iter_mut().enumerate() {
                let tile = unit * together + number;
                let first = (tile * tile_len) as u64;
                let len = (codes - first).min(tile_len as u64) as usize;
                let base = &base[tile * tile_bytes..base.len().min((tile + 1) * tile_bytes)];
                let first_block = number * tile_blocks;
                let mut of_tile = TileCodes { bytes: &mut *bytes, arrangement, first_block, base };
                moves = moves + work(&mut of_tile, &Tile { tensor: index, first, len }, state, scratch);
            }
            moves
        };
        let units = units.with_min_len((LEAST_WORK / (together * tile_len)).max(1));
        units.map_init(Scratch::default, of_unit).reduce(Moves::default, |a, b| a + b)
    };
    tensors.par_iter_mut().zip(state.par_iter_mut()).map(of_tensor).reduce(Moves::default, |a, b| a + b)
}

/// Edits all tensors by perturbations of members, one after the other, in a single pass over the tiles.
pub fn edit_all(
    edits: &[(Edit, Member<'_>)],
    tensors: &mut [TensorBytes<'_>],
    specs: &[TensorSpec],
    history: &History,
    applied: &mut PerTile<Applied>,
) {
    each_tile(tensors, specs, history, applied, |codes, tile, applied, _| {
        let noise = history.noise(tile.tensor);
        for &(what, member) in edits {
            with_layout!(codes.arrangement, L => {
                perturb::edit(what, &mut codes.codes::<L>(), tile, noise, member, applied);
            });
        }
        Moves::default()
    });
}

/// Where the residual of the next update comes from, where there is one. Both give the same codes, bit for bit.
#[derive(Debug)]
pub enum ResidualStore {
    /// Drawn again from the log's window at every update; takes no memory. A history that
    /// [must store](History::must_store) its residual is rebuilt without, but not updated.
    Replay,
    /// Kept in memory, up to 8 bytes a code; updates are faster.
    Stored(PerTile<Residual>),
}

/// Applies the newest generation of the history to all tensors.
pub fn update_all(
    tensors: &mut [TensorBytes<'_>],
    specs: &[TensorSpec],
    history: &History,
    residual: &mut ResidualStore,
) -> Moves {
    match residual {
        ResidualStore::Replay => {
            let nothing = &mut per_tile::<()>(specs, history);
            each_tile(
                tensors,
                specs,
                history,
                nothing,
                |codes, tile, (), scratch| with_layout!(codes.arrangement, L => history.update_replayed(&mut codes.tuned::<L>(), tile, scratch)),
            )
        }
        ResidualStore::Stored(residuals) => each_tile(
            tensors,
            specs,
            history,
            residuals,
            |codes, tile, residual, scratch| with_layout!(codes.arrangement, L => history.update_stored(&mut codes.tuned::<L>(), tile, residual, scratch)),
        ),
    }
}

/// Applies the whole history to the base model's codes; a stored residual ends ready for the next update.
pub fn rebuild_all(
    tensors: &mut [TensorBytes<'_>],
    specs: &[TensorSpec],
    history: &History,
    residual: &mut ResidualStore,
) -> Moves {
    match residual {
        ResidualStore::Replay => {
            let nothing = &mut per_tile::<()>(specs, history);
            each_tile(tensors, specs, history, nothing, |codes, tile, (), scratch| {
                let residual = &mut Residual::default();
                with_layout!(codes.arrangement, L => history.rebuild(&mut codes.tuned::<L>(), tile, residual, scratch))
            })
        }
        ResidualStore::Stored(residuals) => each_tile(
            tensors,
            specs,
            history,
            residuals,
            |codes, tile, residual, scratch| with_layout!(codes.arrangement, L => history.rebuild(&mut codes.tuned::<L>(), tile, residual, scratch)),
        ),
    }
}

/// Bytes of copies that are made at a time, all threads together.
const COPIED_AT_A_TIME: usize = 64 << 20;

/// Points that copies are made of at a time, lest a log with many of them takes memory in proportion.
const POINTS_AT_A_TIME: usize = 64;

/// Applies the whole history to the base model's codes, in the file's layout, and shows for each of `points`, numbers of
/// generations that never fall, what the tensors were like then: `show` gets the points' bytes piece by piece, in the
/// tensors' order, for one piece at a time those of all points, some of them at a time, the first of which has the number
/// that it is told.
pub fn rebuild_past(
    points: &[u64],
    tensors: &mut [TensorBytes<'_>],
    specs: &[TensorSpec],
    history: &History,
    mut show: impl FnMut(usize, &[Vec<Vec<u8>>]),
) {
    let copied = points.len().clamp(1, POINTS_AT_A_TIME);
    for tensor in tensors {
        let index = tensor.index as u32;
        let TensorSpec { codes, tensor_type, .. } = specs[tensor.index];
        let arrangement = tensor.arrangement;
        let tile_len = history.tile_len(index);
        let bytes = tile_len / tensor_type.block_len() as usize * tensor_type.block_bytes() as usize;
        let together = (COPIED_AT_A_TIME / (bytes * copied)).clamp(1, 4096);
        let pieces = tensor.bytes.chunks_mut(bytes * together).zip(tensor.base.chunks(bytes * together));
        for (piece, (changed, base)) in pieces.enumerate() {
            let past = |(number, (bytes, base))| {
                let first = ((piece * together + number) * tile_len) as u64;
                let tile = Tile { tensor: index, first, len: (codes - first).min(tile_len as u64) as usize };
                let codes = TileCodes { bytes, arrangement, first_block: 0, base };
                Past { codes, tile, residual: Residual::default(), done: 0 }
            };
            let mut pasts: Vec<Past<'_>> =
                changed.chunks_mut(bytes).zip(base.chunks(bytes)).enumerate().map(past).collect();
            for group in 0..points.len().div_ceil(copied).max(1) {
                let rest = &points[group * copied..];
                let (points, is_last) = (&rest[..rest.len().min(copied)], rest.len() <= copied);
                let of_tile = |scratch: &mut Scratch, past: &mut Past<'_>| {
                    let copies = past.copies(points, history, scratch);
                    if is_last {
                        past.advance(history.len(), history, scratch);
                        past.residual = Residual::default();
                    }
                    copies
                };
                let copies: Vec<_> = pasts.par_iter_mut().map_init(Scratch::default, of_tile).collect();
                show(group * copied, &copies);
            }
        }
    }
}

/// A tile on its way through the generations.
struct Past<'a> {
    codes: TileCodes<'a>,
    tile: Tile,
    residual: Residual,
    /// Generations that were applied.
    done: u64,
}

impl Past<'_> {
    /// Its bytes at each point.
    fn copies(&mut self, points: &[u64], history: &History, scratch: &mut Scratch) -> Vec<Vec<u8>> {
        let copy = |&point: &u64| {
            self.advance(point, history, scratch);
            self.codes.bytes.to_vec()
        };
        points.iter().map(copy).collect()
    }

    /// Brings it to where so many generations lead.
    fn advance(&mut self, to: u64, history: &History, scratch: &mut Scratch) {
        let Self { codes, tile, residual, done } = self;
        with_layout!(codes.arrangement, L => {
            history.rebuild_part(*done..to, &mut codes.tuned::<L>(), tile, residual, scratch, |_, _| ());
        });
        *done = to;
    }
}

/// Applies the whole history to the base model's codes, and tells for each tensor what moved in each `span` generations.
pub fn rebuild_counting(
    tensors: &mut [TensorBytes<'_>],
    specs: &[TensorSpec],
    history: &History,
    span: u64,
) -> Vec<Vec<Moves>> {
    let span = span.max(1);
    let spans = history.len().div_ceil(span) as usize;
    let counts: Vec<Mutex<Vec<Moves>>> =
        specs.iter().map(|_| Mutex::new(vec![Moves::default(); spans])).collect();
    let nothing = &mut per_tile::<()>(specs, history);
    each_tile(tensors, specs, history, nothing, |codes, tile, (), scratch| {
        let mut of_tile = vec![Moves::default(); spans];
        let watch = |generation: u64, moves| {
            let count = &mut of_tile[(generation / span) as usize];
            *count = *count + moves;
        };
        let residual = &mut Residual::default();
        let moves = with_layout!(codes.arrangement, L => {
            history.rebuild_part(0..history.len(), &mut codes.tuned::<L>(), tile, residual, scratch, watch)
        });
        // Sums, so the order in which tiles come to be done does not matter.
        let mut count = counts[tile.tensor as usize].lock().unwrap_or_else(PoisonError::into_inner);
        count.iter_mut().zip(of_tile).for_each(|(sum, moves)| *sum = *sum + moves);
        moves
    });
    counts.into_iter().map(|count| count.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
mod tests;
