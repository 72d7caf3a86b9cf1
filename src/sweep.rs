//! Runs the work on tiles over all tuned tensors, in parallel with rayon. No result depends on the number of threads:
//! a tile's outcome is a function of the tile alone.

mod past;

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::block::{Arrangement, Codes, Field, Integers, integers_of_block};
use crate::engine::TensorBytes;
use crate::perturb::{self, Applied, Edit, Member};
use crate::replay::{History, Residual, Scratch};
use crate::seed_log::TensorSpec;
use crate::tile::Tile;
use crate::update::{Moves, Tuned};
use crate::with_integers;

pub use past::rebuild_past;

/// Something kept for each tile of each tensor of each field, in the order of [`History::fields`], from call to call. A tensor
/// without the field has no tiles.
pub type PerTile<T> = Vec<Vec<Vec<T>>>;

/// Returns one `T` for each tile.
pub fn per_tile<T: Clone + Default>(history: &History) -> PerTile<T> {
    history.fields().iter().map(|&field| per_tile_of(history, field)).collect()
}

/// Returns one `T` for each tile of one field.
fn per_tile_of<T: Clone + Default>(history: &History, field: Field) -> Vec<Vec<T>> {
    let tiles = |(tensor, index)| match history.tile_len(index, field) {
        Some(tile_len) => {
            let spec: &TensorSpec = tensor;
            vec![T::default(); spec.integers(field).div_ceil(tile_len as u64) as usize]
        }
        None => Vec::new(),
    };
    history.specs().iter().zip(0_u32..).map(tiles).collect()
}

/// The blocks of one tile, in whatever layout.
struct TileBlocks<'a> {
    /// Holds the tile, and what is interleaved with it.
    bytes: &'a mut [u8],
    arrangement: Arrangement,
    /// The first block of the tile, counted from the beginning of `bytes` in the order of a file.
    first_block: usize,
    /// The tile's blocks as they are in the base model's file.
    base: &'a [u8],
}

impl TileBlocks<'_> {
    fn blocks<I: Integers>(&mut self) -> Codes<'_, I::Layout> {
        Codes::new(self.bytes, self.arrangement.row_blocks, self.first_block)
    }

    fn tuned<I: Integers>(&mut self) -> Tuned<'_, I> {
        let base = self.base;
        Tuned { blocks: self.blocks::<I>(), base }
    }
}

/// How one field of a tensor is cut into tiles.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Integers of a tile.
    tile_len: usize,
    /// Blocks and bytes of a tile.
    blocks: usize,
    bytes: usize,
    /// Tiles that are worked on one after the other, since their bytes may be interleaved: whole tiles that are also whole rows
    /// of those that a layout interleaves. In the file's layout that is a single tile.
    together: usize,
}

impl Cut {
    /// Returns the cut of a tensor's field; `None` where it is not tuned.
    fn new(history: &History, index: u32, field: Field, arrangement: Arrangement) -> Option<Self> {
        let tensor_type = arrangement.tensor_type;
        let tile_len = history.tile_len(index, field)?;
        let blocks = tile_len / integers_of_block(tensor_type, field) as usize;
        let apart = arrangement.apart() / tensor_type.block_len() as usize;
        let (bytes, together) = (blocks * tensor_type.block_bytes() as usize, apart / gcd(apart, blocks));
        Some(Self { tile_len, blocks, bytes, together })
    }

    /// Returns the tile with this number of a field of `integers` integers.
    fn tile(&self, tensor: u32, field: Field, number: usize, integers: u64) -> Tile {
        let first = (number * self.tile_len) as u64;
        let len = (integers - first).min(self.tile_len as u64) as usize;
        Tile { tensor, field, first, len }
    }
}

/// Integers that a thread takes at least: less is hardly worth the handing out.
const LEAST_WORK: usize = 1 << 15;

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Calls `work(blocks, tile, state, scratch)` for every tile, field by field, and adds up the answers.
fn each_tile<T: Send>(
    tensors: &mut [TensorBytes<'_>],
    history: &History,
    state: &mut PerTile<T>,
    work: impl Fn(&mut TileBlocks<'_>, &Tile, &mut T, &mut Scratch) -> Moves + Sync,
) -> Moves {
    let fields = history.fields().iter().zip(state);
    fields.fold(Moves::default(), |moves, (&field, state)| {
        moves + each_tile_of(field, tensors, history, state, &work)
    })
}

/// The same for one field.
fn each_tile_of<T: Send>(
    field: Field,
    tensors: &mut [TensorBytes<'_>],
    history: &History,
    state: &mut [Vec<T>],
    work: &(impl Fn(&mut TileBlocks<'_>, &Tile, &mut T, &mut Scratch) -> Moves + Sync),
) -> Moves {
    let of_tensor = |(tensor, state): (&mut TensorBytes<'_>, &mut Vec<T>)| {
        let (index, arrangement, base) = (tensor.index as u32, tensor.arrangement, tensor.base);
        let Some(cut) = Cut::new(history, index, field, arrangement) else { return Moves::default() };
        let integers = history.specs()[tensor.index].integers(field);
        let units = tensor.bytes.par_chunks_mut(cut.together * cut.bytes);
        let of_unit = |scratch: &mut Scratch, (unit, (bytes, state)): (usize, (&mut [u8], &mut [T]))| {
            let mut moves = Moves::default();
            for (number, state) in state.iter_mut().enumerate() {
                let tile = unit * cut.together + number;
                let base = &base[tile * cut.bytes..base.len().min((tile + 1) * cut.bytes)];
                let first_block = number * cut.blocks;
                let mut blocks = TileBlocks { bytes: &mut *bytes, arrangement, first_block, base };
                moves = moves + work(&mut blocks, &cut.tile(index, field, tile, integers), state, scratch);
            }
            moves
        };
        let units = units.zip(state.par_chunks_mut(cut.together)).enumerate();
        let units = units.with_min_len((LEAST_WORK / (cut.together * cut.tile_len)).max(1));
        units.map_init(Scratch::default, of_unit).reduce(Moves::default, |a, b| a + b)
    };
    tensors.par_iter_mut().zip(state.par_iter_mut()).map(of_tensor).reduce(Moves::default, |a, b| a + b)
}

/// Edits all tensors by perturbations of members, one after the other, in a single pass over the tiles of each field.
pub fn edit_all(
    edits: &[(Edit, Member<'_>)],
    tensors: &mut [TensorBytes<'_>],
    history: &History,
    applied: &mut PerTile<Applied>,
) {
    each_tile(tensors, history, applied, |blocks, tile, applied, _| {
        let Some(noise) = history.noise(tile.tensor, tile.field) else { return Moves::default() };
        for &(what, member) in edits {
            with_integers!(blocks.arrangement, tile.field, I => {
                perturb::edit::<I>(what, &mut blocks.blocks::<I>(), tile, noise, member, applied);
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
    /// Kept in memory, 4 bytes an integer or, with a window, 8; updates are faster.
    Stored(PerTile<Residual>),
}

/// Applies the newest generation of the history to all tensors.
pub fn update_all(tensors: &mut [TensorBytes<'_>], history: &History, residual: &mut ResidualStore) -> Moves {
    match residual {
        ResidualStore::Replay => {
            each_tile(tensors, history, &mut per_tile::<()>(history), |blocks, tile, (), scratch| {
                with_integers!(blocks.arrangement, tile.field, I => {
                    history.update_replayed(&mut blocks.tuned::<I>(), tile, scratch)
                })
            })
        }
        ResidualStore::Stored(residuals) => {
            each_tile(tensors, history, residuals, |blocks, tile, residual, scratch| {
                with_integers!(blocks.arrangement, tile.field, I => {
                    history.update_stored(&mut blocks.tuned::<I>(), tile, residual, scratch)
                })
            })
        }
    }
}

/// Applies the whole history to the base model's integers; a stored residual ends ready for the next update.
pub fn rebuild_all(
    tensors: &mut [TensorBytes<'_>],
    history: &History,
    residual: &mut ResidualStore,
) -> Moves {
    match residual {
        ResidualStore::Replay => {
            each_tile(tensors, history, &mut per_tile::<()>(history), |blocks, tile, (), scratch| {
                let residual = &mut Residual::default();
                with_integers!(blocks.arrangement, tile.field, I => {
                    history.rebuild(&mut blocks.tuned::<I>(), tile, residual, scratch)
                })
            })
        }
        ResidualStore::Stored(residuals) => {
            each_tile(tensors, history, residuals, |blocks, tile, residual, scratch| {
                with_integers!(blocks.arrangement, tile.field, I => {
                    history.rebuild(&mut blocks.tuned::<I>(), tile, residual, scratch)
                })
            })
        }
    }
}

/// Applies the whole history to the base model's integers, and returns for each tensor what moved in each `span`
/// generations.
pub fn rebuild_counting(tensors: &mut [TensorBytes<'_>], history: &History, span: u64) -> Vec<Vec<Moves>> {
    let span = span.max(1);
    let spans = history.len().div_ceil(span) as usize;
    let none = || Mutex::new(vec![Moves::default(); spans]);
    let counts: Vec<Mutex<Vec<Moves>>> = history.specs().iter().map(|_| none()).collect();
    each_tile(tensors, history, &mut per_tile::<()>(history), |blocks, tile, (), scratch| {
        let mut of_tile = vec![Moves::default(); spans];
        let watch = |generation: u64, moves| {
            let count = &mut of_tile[(generation / span) as usize];
            *count = *count + moves;
        };
        let (all, residual) = (0..history.len(), &mut Residual::default());
        let moves = with_integers!(blocks.arrangement, tile.field, I => {
            history.rebuild_part(all, &mut blocks.tuned::<I>(), tile, residual, scratch, watch)
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
