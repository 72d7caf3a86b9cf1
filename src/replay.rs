//! The residual, and with it the tuned integers, rebuilt from a log's generations.
//!
//! A residual is a function of seeds and weights alone ([`crate::update`]), so there are three ways to compute it with
//! the same result, bit for bit:
//!
//! - [`History::update_replayed`] draws the window again for every update and stores nothing;
//! - [`History::update_stored`] keeps one residual an integer (4 bytes; two with a window) and draws only the newest generation;
//! - [`History::rebuild`] walks the whole log, for resuming and exporting.
//!
//! Windows start at multiples of their length ([`crate::settings::Window`]), so two residuals are enough: the one in use and
//! the one that the next window will use.
//!
//! Of the other methods, two have no residual, and that of [`Method::QesGated`] is a function of the codes too: it is
//! stored, or rebuilt together with them from the base model's codes.

use std::ops::Range;

use crate::block::{Field, Integers};
use crate::noise::{Noise, NoiseSeed};
use crate::seed_log::{GenerationRecord, Header, LogError, SeedLog, TensorSpec};
use crate::settings::{TypeSettings, Window};
use crate::tile::{Tile, tile_len};
use crate::update::{Anchor, Buffers, Method, Moves, StepRule, TileOfBase, Update, step};

/// Part of each generation that replay needs.
#[derive(Clone, Debug)]
struct Step {
    weights: Vec<f32>,
    /// Rule of each entry of the settings' types.
    rules: Vec<StepRule>,
}

/// The generations of a log, ready to be replayed on any tile.
#[derive(Clone, Debug)]
pub struct History {
    specs: Vec<TensorSpec>,
    fields: Vec<Field>,
    seed: u64,
    perturbations: usize,
    mirror: bool,
    method: Method,
    decay: f64,
    window: Window,
    anchor: Option<Anchor>,
    /// Noise of each entry of the settings' types.
    noises: Vec<Noise>,
    /// Position of the settings of each field of each tuned tensor, if the field is tuned.
    entries: Vec<[Option<usize>; Field::ALL.len()]>,
    steps: Vec<Step>,
}

/// Arrays of a tile's length for the work on one tile; reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    buffers: Buffers,
    copy: Vec<f32>,
    residual: Residual,
}

/// Bytes of a stored residual for each integer, with the defaults: one f32.
pub const STORED_BYTES: u64 = 4;

/// The residuals of a tile: of the current window, and of the next. Each is empty if it does not exist.
#[derive(Clone, Debug, Default)]
pub struct Residual {
    current: Vec<f32>,
    next: Vec<f32>,
}

impl Residual {
    /// Prepares for generation `generation`: if a window begins with it, a new residual starts from zero, and that of
    /// the window before becomes the current one.
    fn turn(&mut self, generation: u64, window: Window) {
        if let Window::Last(length) = window
            && generation > 0
            && generation.is_multiple_of(length)
        {
            // In the first window both would be the same, so only `current` is kept; it stays for the second.
            if generation >= 2 * length {
                std::mem::swap(&mut self.current, &mut self.next);
            }
            self.next.fill(0.0);
        }
    }

    /// Adds one generation to the residual of the next window; `sum` holds the weighted sums.
    fn advance_next(
        &mut self,
        generation: u64,
        window: Window,
        sum: &[f32],
        copy: &mut Vec<f32>,
        rule: StepRule,
    ) {
        if !self.next.is_empty() && matches!(window, Window::Last(length) if generation >= length) {
            copy.clear();
            copy.extend_from_slice(sum);
            step(copy, &mut self.next, rule);
        }
    }
}

impl History {
    /// Creates the empty history of a log with this header.
    ///
    /// # Errors
    /// When the header's settings are inconsistent.
    pub fn new(header: &Header) -> Result<Self, LogError> {
        let settings = &header.settings;
        settings.validate().map_err(LogError::Settings)?;
        let noises = settings.types.iter().map(TypeSettings::noise);
        let entries =
            |tensor: &TensorSpec| Field::ALL.map(|field| settings.index_of(tensor.tensor_type, field));
        Ok(Self {
            specs: header.tensors.clone(),
            fields: settings.fields().collect(),
            seed: settings.seed,
            perturbations: settings.perturbations(),
            mirror: settings.mirror,
            method: settings.method,
            decay: settings.decay,
            window: settings.window,
            anchor: Anchor::new(settings.seed, settings.anchor),
            noises: noises.collect::<Result<_, _>>().map_err(|e| LogError::Header(e.to_string()))?,
            entries: header.tensors.iter().map(entries).collect(),
            steps: Vec::new(),
        })
    }

    /// Returns the history of a log's first `generations` generations.
    ///
    /// # Errors
    /// When the header's settings are inconsistent.
    pub fn of_log(log: &SeedLog, generations: u64) -> Result<Self, LogError> {
        let mut history = Self::new(&log.header)?;
        log.generations.iter().take(generations as usize).for_each(|record| history.push(record));
        Ok(history)
    }

    /// Adds the next generation.
    pub fn push(&mut self, record: &GenerationRecord) {
        let scales = record.alpha.iter().zip(&self.noises);
        let rules = scales.map(|(&alpha, noise)| StepRule::new(alpha, noise.sigma(), self.decay)).collect();
        self.steps.push(Step { weights: record.weights.clone(), rules });
    }

    /// Returns the number of generations.
    pub fn len(&self) -> u64 {
        self.steps.len() as u64
    }

    /// Returns whether there is no generation yet.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the tuned tensors, in the header's order.
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// Returns the fields that are tuned, of any tensor.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns the noise of a tensor's field, by the tensor's position in the header; `None` if it is not tuned.
    pub fn noise(&self, tensor: u32, field: Field) -> Option<&Noise> {
        Some(&self.noises[self.entry(tensor, field)?])
    }

    /// Returns the integers in a tile of a tensor's field; `None` if it is not tuned.
    pub fn tile_len(&self, tensor: u32, field: Field) -> Option<usize> {
        Some(tile_len(self.noise(tensor, field)?.run_len()))
    }

    fn entry(&self, tensor: u32, field: Field) -> Option<usize> {
        self.entries[tensor as usize][field as usize]
    }

    /// Returns the seeds of the perturbations of one generation.
    pub fn seeds_of(&self, generation: u64) -> Vec<NoiseSeed> {
        NoiseSeed::of_generation(self.seed, generation, self.perturbations)
    }

    /// Returns whether the residual must be stored from update to update, because the log alone does not determine it.
    pub fn must_store(&self) -> bool {
        self.method.looks_at_codes()
    }

    /// Returns the number of residuals of an integer: with a window, one for it and one for the next.
    fn chains(&self) -> usize {
        match self.window {
            _ if !self.method.has_residual() => 0,
            Window::Last(_) => 2,
            Window::All => 1,
        }
    }

    /// Returns the bytes of a stored residual for each integer.
    pub fn residual_bytes(&self) -> u64 {
        self.chains() as u64 * size_of::<f32>() as u64
    }

    /// Returns the first generation that the update of `generation` depends on, given the codes before it.
    fn first_of(&self, generation: u64) -> u64 {
        if self.method.has_residual() { self.window.start(generation) } else { generation }
    }

    fn reset(&self, residual: &mut Residual, len: usize) {
        for (number, chain) in [&mut residual.current, &mut residual.next].into_iter().enumerate() {
            chain.clear();
            chain.resize(if number < self.chains() { len } else { 0 }, 0.0);
        }
    }

    fn update(&self, generation: u64, tile: &Tile) -> Update<'_> {
        let step = &self.steps[generation as usize];
        let entry = self.entry(tile.tensor, tile.field);
        let entry = entry.unwrap_or_else(|| unreachable!("tiles are made of tuned fields alone"));
        Update {
            method: self.method,
            seed: self.seed,
            generation,
            mirror: self.mirror,
            noise: &self.noises[entry],
            seeds: self.seeds_of(generation),
            weights: &step.weights,
            rule: step.rules[entry],
            anchor: self.anchor.as_ref(),
        }
    }

    /// Applies the newest generation to the integers of a tile, with the residual replayed from the window.
    ///
    /// # Panics
    /// When the history [must store](History::must_store) its residual.
    pub fn update_replayed<I: Integers>(
        &self,
        tuned: &mut TileOfBase<'_, I>,
        tile: &Tile,
        scratch: &mut Scratch,
    ) -> Moves {
        assert!(!self.must_store(), "this residual is a function of codes that are gone");
        let Some(newest) = self.len().checked_sub(1) else { return Moves::default() };
        let Scratch { buffers, residual, .. } = scratch;
        self.reset(residual, tile.len);
        for generation in self.first_of(newest)..newest {
            let update = self.update(generation, tile);
            update.weigh_blindly(tile, &mut buffers.sum);
            step(&mut buffers.sum, &mut residual.current, update.rule);
        }
        let update = self.update(newest, tile);
        update.weigh_blindly(tile, &mut buffers.sum);
        update.apply(tuned, tile, &mut residual.current, buffers)
    }

    /// Applies the newest generation to the integers of a tile, with the residual kept in `residual` from call to call
    /// (empty at first).
    pub fn update_stored<I: Integers>(
        &self,
        tuned: &mut TileOfBase<'_, I>,
        tile: &Tile,
        residual: &mut Residual,
        scratch: &mut Scratch,
    ) -> Moves {
        let Some(newest) = self.len().checked_sub(1) else { return Moves::default() };
        if residual.current.len() != tile.len {
            self.reset(residual, tile.len);
        }
        self.advance(newest, tuned, tile, residual, scratch)
    }

    /// Applies all generations, in order, to the base model's integers of a tile. `residual` ends as
    /// [`History::update_stored`] would have left it.
    pub fn rebuild<I: Integers>(
        &self,
        tuned: &mut TileOfBase<'_, I>,
        tile: &Tile,
        residual: &mut Residual,
        scratch: &mut Scratch,
    ) -> Moves {
        self.rebuild_part(0..self.len(), tuned, tile, residual, scratch, |_, _| ())
    }

    /// Applies some of the generations, continuing from the integers and `residual` after those before them; `watch`
    /// gets the moves of each generation.
    pub fn rebuild_part<I: Integers>(
        &self,
        generations: Range<u64>,
        tuned: &mut TileOfBase<'_, I>,
        tile: &Tile,
        residual: &mut Residual,
        scratch: &mut Scratch,
        mut watch: impl FnMut(u64, Moves),
    ) -> Moves {
        if generations.start == 0 {
            self.reset(residual, tile.len);
        }
        generations.fold(Moves::default(), |moves, generation| {
            let of_generation = self.advance(generation, tuned, tile, residual, scratch);
            watch(generation, of_generation);
            moves + of_generation
        })
    }

    fn advance<I: Integers>(
        &self,
        generation: u64,
        tuned: &mut TileOfBase<'_, I>,
        tile: &Tile,
        residual: &mut Residual,
        Scratch { buffers, copy, .. }: &mut Scratch,
    ) -> Moves {
        let update = self.update(generation, tile);
        update.weigh(tuned, tile, buffers);
        residual.turn(generation, self.window);
        residual.advance_next(generation, self.window, &buffers.sum, copy, update.rule);
        update.apply(tuned, tile, &mut residual.current, buffers)
    }
}

#[cfg(test)]
mod tests;
