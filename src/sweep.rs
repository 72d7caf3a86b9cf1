//! Runs the work on tiles over all tuned tensors, in parallel with rayon. No result depends on the number of threads:
//! a tile's outcome is a function of the tile alone.

use rayon::prelude::*;

use crate::engine::TensorBytes;
use crate::perturb::{self, Applied, Edit, Member};
use crate::replay::{History, Residual, Scratch};
use crate::seed_log::TensorSpec;
use crate::tile::Tile;
use crate::update::Moves;
use crate::with_block;

/// Something kept for each tile of each tensor, from call to call.
pub type PerTile<T> = Vec<Vec<T>>;

/// One `T` for each tile of each tensor.
pub fn per_tile<T: Default>(tensors: &[TensorSpec], history: &History) -> PerTile<T> {
    let tiles = |(index, tensor): (usize, &TensorSpec)| {
        let tiles = tensor.codes.div_ceil(history.tile_len(index as u32) as u64);
        (0..tiles).map(|_| T::default()).collect()
    };
    tensors.iter().enumerate().map(tiles).collect()
}

/// Calls `work(type, bytes, tile, state, scratch)` for every tile and adds up the answers.
fn each_tile<T: Send>(
    tensors: &mut [TensorBytes<'_>],
    specs: &[TensorSpec],
    history: &History,
    state: &mut PerTile<T>,
    work: impl Fn(&TensorSpec, &mut [u8], &Tile, &mut T, &mut Scratch) -> Moves + Sync,
) -> Moves {
    let of_tensor = |(tensor, state): (&mut TensorBytes<'_>, &mut Vec<T>)| {
        let index = tensor.index as u32;
        let spec = &specs[tensor.index];
        let tile_len = history.tile_len(index) as u64;
        let tile_bytes = tile_len / spec.tensor_type.block_len() * spec.tensor_type.block_bytes();
        let tiles = tensor.bytes.par_chunks_mut(tile_bytes as usize).zip(state.par_iter_mut()).enumerate();
        let of_tile = |scratch: &mut Scratch, (number, (bytes, state)): (usize, (&mut [u8], &mut T))| {
            let first = number as u64 * tile_len;
            let len = tile_len.min(spec.codes - first) as usize;
            work(spec, bytes, &Tile { tensor: index, first, len }, state, scratch)
        };
        tiles.map_init(Scratch::default, of_tile).reduce(Moves::default, |a, b| a + b)
    };
    tensors.par_iter_mut().zip(state.par_iter_mut()).map(of_tensor).reduce(Moves::default, |a, b| a + b)
}

/// Edits all tensors by a member's perturbation.
pub fn edit_all(
    what: Edit,
    tensors: &mut [TensorBytes<'_>],
    specs: &[TensorSpec],
    history: &History,
    member: Member<'_>,
    applied: &mut PerTile<Applied>,
) {
    each_tile(tensors, specs, history, applied, |spec, bytes, tile, applied, _| {
        let noise = history.noise(tile.tensor);
        with_block!(spec.tensor_type, B => perturb::edit::<B>(what, bytes, tile, noise, member, applied));
        Moves::default()
    });
}

/// Where the residual of the next update comes from. Both give the same codes, bit for bit.
#[derive(Debug)]
pub enum ResidualStore {
    /// Drawn again from the log's window at every update; takes no memory.
    Replay,
    /// Kept in memory, 8 bytes a code; updates are faster.
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
                |spec, bytes, tile, (), scratch| with_block!(spec.tensor_type, B => history.update_replayed::<B>(bytes, tile, scratch)),
            )
        }
        ResidualStore::Stored(residuals) => each_tile(
            tensors,
            specs,
            history,
            residuals,
            |spec, bytes, tile, residual, scratch| with_block!(spec.tensor_type, B => history.update_stored::<B>(bytes, tile, residual, scratch)),
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
            each_tile(tensors, specs, history, nothing, |spec, bytes, tile, (), scratch| {
                let mut residual = Residual::default();
                with_block!(spec.tensor_type, B => history.rebuild::<B>(bytes, tile, &mut residual, scratch))
            })
        }
        ResidualStore::Stored(residuals) => each_tile(
            tensors,
            specs,
            history,
            residuals,
            |spec, bytes, tile, residual, scratch| with_block!(spec.tensor_type, B => history.rebuild::<B>(bytes, tile, residual, scratch)),
        ),
    }
}
