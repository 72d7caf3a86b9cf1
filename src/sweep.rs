//! Work on the tiles of all tuned tensors, in parallel with rayon. No result depends on the number of threads, nor on
//! the order in which an engine lends its tensors: a tile's result is a function of the tile alone.

mod past;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::block::{Arrangement, Codes, Field, Integers, integers_of_block};
use crate::engine::{Changed, Engine, EngineError, TensorBytes, TensorEdit};
use crate::perturb::{self, Applied, Edit, Member};
use crate::replay::{History, Residual, Scratch};
use crate::seed_log::TensorSpec;
use crate::tile::Tile;
use crate::update::{Moves, TileOfBase};
use crate::with_integers;

pub use past::rebuild_past;

/// State of each tile of each field of each tensor, fields in the order of [`History::fields`], kept from call to
/// call. A field that a tensor lacks has no tiles.
pub type PerTile<T> = Vec<Vec<Vec<T>>>;

/// Returns one `T` for each tile.
pub fn per_tile<T: Clone + Default>(history: &History) -> PerTile<T> {
    (0..history.specs().len()).map(|index| tiles_of(history, index)).collect()
}

/// Returns one `T` for each tile of one tensor.
fn tiles_of<T: Clone + Default>(history: &History, index: usize) -> Vec<Vec<T>> {
    let spec: &TensorSpec = &history.specs()[index];
    let of_field = |&field: &Field| match history.tile_len(index as u32, field) {
        Some(tile_len) => vec![T::default(); spec.integers(field).div_ceil(tile_len as u64) as usize],
        None => Vec::new(),
    };
    history.fields().iter().map(of_field).collect()
}

/// The blocks of one tile, in any layout.
struct TileBlocks<'a> {
    /// The bytes of the tile, and of blocks interleaved with it.
    bytes: &'a mut [u8],
    arrangement: Arrangement,
    /// The first block of the tile, counted from the start of `bytes` in the order of a file.
    first_block: usize,
    /// The tile's blocks as they are in the base model's file.
    base: &'a [u8],
}

impl TileBlocks<'_> {
    fn blocks<I: Integers>(&mut self) -> Codes<'_, I::Layout> {
        Codes::new(self.bytes, self.arrangement.row_blocks, self.first_block)
    }

    fn tuned<I: Integers>(&mut self) -> TileOfBase<'_, I> {
        let base = self.base;
        TileOfBase { blocks: self.blocks::<I>(), base }
    }
}

/// Division of one field of a tensor into tiles.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Integers of a tile.
    tile_len: usize,
    /// Blocks and bytes of a tile.
    blocks: usize,
    bytes: usize,
    /// Number of tiles that are processed one after the other, since their bytes may be interleaved: they are whole
    /// groups of rows that a layout interleaves. In the file's layout it is a single tile.
    together: usize,
}

impl Cut {
    /// Returns the cut of a tensor's field; `None` if it is not tuned.
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

/// Fewest integers for a thread: for less, the overhead exceeds the gain.
const LEAST_WORK: usize = 1 << 15;

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Passes tensors in main memory to `edit`, in parallel.
pub fn each_tensor(tensors: &mut [TensorBytes<'_>], edit: &TensorEdit<'_>) {
    tensors.par_iter_mut().for_each(|tensor| {
        edit(tensor);
    });
}

/// The result of work on some tiles.
#[derive(Debug, Default)]
struct Done {
    moves: Moves,
    /// Ranges of bytes that may have changed.
    changed: Vec<Range<usize>>,
}

impl Done {
    /// Adds a range of bytes; a range that follows the last is merged with it.
    fn add_changed(&mut self, range: Range<usize>) {
        match self.changed.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.changed.push(range),
        }
    }

    /// Appends the result of the tiles that follow.
    fn join(mut self, next: Self) -> Self {
        self.moves = self.moves + next.moves;
        next.changed.into_iter().for_each(|range| self.add_changed(range));
        self
    }
}

/// The result of work on a tile: its moves, and whether any byte may have changed.
type DoneToTile = (Moves, bool);

fn moved(moves: Moves) -> DoneToTile {
    (moves, moves.moved + moves.pulled > 0)
}

/// Work on all tiles of all tensors, to be run where the tensors are.
#[must_use = "nothing is done until it has the tensors"]
pub struct Sweep<'a> {
    of_tensor: Box<dyn Fn(&mut TensorBytes<'_>) -> Done + Sync + 'a>,
    moves: Mutex<Moves>,
}

impl<'a> Sweep<'a> {
    /// Creates work that calls `work(blocks, tile, state, scratch)` for every tile, with its state.
    fn keeping<T: Send>(
        history: &'a History,
        state: &'a mut PerTile<T>,
        work: impl Fn(&mut TileBlocks<'_>, &Tile, &mut T, &mut Scratch) -> DoneToTile + Sync + 'a,
    ) -> Self {
        let of_each: Vec<Mutex<Option<&mut Vec<Vec<T>>>>> =
            state.iter_mut().map(|of_tensor| Mutex::new(Some(of_tensor))).collect();
        let of_tensor = move |tensor: &mut TensorBytes<'_>| {
            // Taken out, so that nothing is locked while the tiles are worked on.
            let state = of_each[tensor.index].lock().unwrap_or_else(PoisonError::into_inner).take();
            let state = state.unwrap_or_else(|| unreachable!("each tensor is lent once"));
            each_tile(tensor, history, state, &work)
        };
        Self { of_tensor: Box::new(of_tensor), moves: Mutex::default() }
    }

    /// Creates work on tiles without state.
    fn forgetting(
        history: &'a History,
        work: impl Fn(&mut TileBlocks<'_>, &Tile, &mut Scratch) -> DoneToTile + Sync + 'a,
    ) -> Self {
        let work = move |blocks: &mut TileBlocks<'_>, tile: &Tile, (): &mut (), scratch: &mut Scratch| {
            work(blocks, tile, scratch)
        };
        let of_tensor = move |tensor: &mut TensorBytes<'_>| {
            each_tile(tensor, history, &mut tiles_of(history, tensor.index), &work)
        };
        Self { of_tensor: Box::new(of_tensor), moves: Mutex::default() }
    }

    /// Does the work on one tensor, and returns the ranges that may have changed. It can be called once for each tensor.
    pub fn tensor(&self, tensor: &mut TensorBytes<'_>) -> Changed {
        let Done { moves, changed } = (self.of_tensor)(tensor);
        // A sum, so the order in which tensors come to be done does not matter.
        let mut sum = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        *sum = *sum + moves;
        Changed::of(changed)
    }

    /// Does the work on the tensors of an engine, and returns the moves.
    ///
    /// # Errors
    /// When changed bytes cannot be copied to the memory that inference reads.
    pub fn on<E: Engine>(self, engine: &mut E) -> Result<Moves, EngineError> {
        engine.edit_codes(&|tensor| self.tensor(tensor))?;
        Ok(self.moves.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does the work on tensors in main memory, and returns the moves.
    pub fn over(self, tensors: &mut [TensorBytes<'_>]) -> Moves {
        each_tensor(tensors, &|tensor| self.tensor(tensor));
        self.moves.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `work(blocks, tile, state, scratch)` for every tile of a tensor, field by field, and adds up the results.
fn each_tile<T: Send>(
    tensor: &mut TensorBytes<'_>,
    history: &History,
    state: &mut [Vec<T>],
    work: &(impl Fn(&mut TileBlocks<'_>, &Tile, &mut T, &mut Scratch) -> DoneToTile + Sync),
) -> Done {
    let fields = history.fields().iter().zip(state);
    fields.fold(Done::default(), |done, (&field, state)| {
        done.join(each_tile_of(field, tensor, history, state, work))
    })
}

/// Calls `work` for every tile of one field of a tensor, and adds up the results.
fn each_tile_of<T: Send>(
    field: Field,
    tensor: &mut TensorBytes<'_>,
    history: &History,
    state: &mut [T],
    work: &(impl Fn(&mut TileBlocks<'_>, &Tile, &mut T, &mut Scratch) -> DoneToTile + Sync),
) -> Done {
    let (index, arrangement, base) = (tensor.index as u32, tensor.arrangement, tensor.base);
    let Some(cut) = Cut::new(history, index, field, arrangement) else { return Done::default() };
    let integers = history.specs()[tensor.index].integers(field);
    let unit_bytes = cut.together * cut.bytes;
    let add_unit = |(mut scratch, mut done): (Scratch, Done),
                    (unit, (bytes, state)): (usize, (&mut [u8], &mut [T]))| {
        let mut any_changed = false;
        for (number, state) in state.iter_mut().enumerate() {
            let tile = unit * cut.together + number;
            let base = &base[tile * cut.bytes..base.len().min((tile + 1) * cut.bytes)];
            let first_block = number * cut.blocks;
            let mut blocks = TileBlocks { bytes: &mut *bytes, arrangement, first_block, base };
            let tile = cut.tile(index, field, tile, integers);
            let (moves, changed) = work(&mut blocks, &tile, state, &mut scratch);
            done.moves = done.moves + moves;
            any_changed |= changed;
        }
        if any_changed {
            done.add_changed(unit * unit_bytes..unit * unit_bytes + bytes.len());
        }
        (scratch, done)
    };
    let units = tensor.bytes.par_chunks_mut(unit_bytes).zip(state.par_chunks_mut(cut.together)).enumerate();
    let units = units.with_min_len((LEAST_WORK / (cut.together * cut.tile_len)).max(1));
    units.fold(Default::default, add_unit).map(|(_, done)| done).reduce(Done::default, Done::join)
}

/// Returns work that edits all tensors by perturbations of members, one after the other, in a single pass over the
/// tiles of each field.
pub fn edit_all<'a>(
    edits: &'a [(Edit, Member<'a>)],
    history: &'a History,
    applied: &'a mut PerTile<Applied>,
) -> Sweep<'a> {
    Sweep::keeping(history, applied, move |blocks, tile, applied, _| {
        let Some(noise) = history.noise(tile.tensor, tile.field) else { return DoneToTile::default() };
        for &(what, member) in edits {
            with_integers!(blocks.arrangement, tile.field, I => {
                perturb::edit::<I>(what, &mut blocks.blocks::<I>(), tile, noise, member, applied);
            });
        }
        // There is hardly a tile that the noise passes by.
        (Moves::default(), !edits.is_empty())
    })
}

/// Source of the residual for the next update, if there is one. Both give the same codes, bit for bit.
#[derive(Debug)]
pub enum ResidualStore {
    /// Replayed from the log's window at every update; takes no memory. A history that [must
    /// store](History::must_store) its residual can be rebuilt without, but not updated.
    Replay,
    /// Kept in memory, 4 bytes an integer or, with a window, 8; updates are faster.
    Stored(PerTile<Residual>),
}

/// Returns work that applies the newest generation of the history to all tensors.
pub fn update_all<'a>(history: &'a History, residual: &'a mut ResidualStore) -> Sweep<'a> {
    match residual {
        ResidualStore::Replay => Sweep::forgetting(history, |blocks, tile, scratch| {
            moved(with_integers!(blocks.arrangement, tile.field, I => {
                history.update_replayed(&mut blocks.tuned::<I>(), tile, scratch)
            }))
        }),
        ResidualStore::Stored(residuals) => {
            Sweep::keeping(history, residuals, move |blocks, tile, residual, scratch| {
                moved(with_integers!(blocks.arrangement, tile.field, I => {
                    history.update_stored(&mut blocks.tuned::<I>(), tile, residual, scratch)
                }))
            })
        }
    }
}

/// Returns work that applies the whole history to the base model's integers; a stored residual ends ready for the next
/// update.
pub fn rebuild_all<'a>(history: &'a History, residual: &'a mut ResidualStore) -> Sweep<'a> {
    match residual {
        ResidualStore::Replay => Sweep::forgetting(history, |blocks, tile, scratch| {
            let residual = &mut Residual::default();
            moved(with_integers!(blocks.arrangement, tile.field, I => {
                history.rebuild(&mut blocks.tuned::<I>(), tile, residual, scratch)
            }))
        }),
        ResidualStore::Stored(residuals) => {
            Sweep::keeping(history, residuals, move |blocks, tile, residual, scratch| {
                moved(with_integers!(blocks.arrangement, tile.field, I => {
                    history.rebuild(&mut blocks.tuned::<I>(), tile, residual, scratch)
                }))
            })
        }
    }
}

/// Applies the whole history to the base model's integers, and returns each tensor's moves in each `span` generations.
pub fn rebuild_counting(tensors: &mut [TensorBytes<'_>], history: &History, span: u64) -> Vec<Vec<Moves>> {
    let span = span.max(1);
    let spans = history.len().div_ceil(span) as usize;
    let none = || Mutex::new(vec![Moves::default(); spans]);
    let counts: Vec<Mutex<Vec<Moves>>> = history.specs().iter().map(|_| none()).collect();
    let sweep = Sweep::forgetting(history, |blocks, tile, scratch| {
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
        moved(moves)
    });
    sweep.over(tensors);
    counts.into_iter().map(|count| count.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
mod tests;
