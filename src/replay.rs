//! The residual, and with it the codes, from a log's generations.
//!
//! A residual is a function of seeds and weights alone ([`crate::update`]), so there are three ways to obtain it with one
//! result, bit for bit:
//!
//! - [`History::update_replayed`] draws the window again for every update and stores nothing;
//! - [`History::update_stored`] keeps two residuals a code (8 bytes) and draws only the newest generation;
//! - [`History::rebuild`] walks the whole log, for resuming and exporting.
//!
//! Windows are anchored ([`crate::settings::Window`]), so two residuals are enough: the one in use and the one that the
//! next window will use.

use crate::block::{CodeLayout, Codes};
use crate::noise::{Noise, Pair};
use crate::seed_log::{GenerationRecord, Header, LogError, SeedLog};
use crate::settings::Window;
use crate::tile::{Tile, tile_len};
use crate::update::{Moves, StepRule, apply, step, weighted_sum};

/// What replay needs of each generation.
#[derive(Clone, Debug)]
struct Step {
    weights: Vec<f32>,
    /// Per entry of the settings' types.
    rules: Vec<StepRule>,
}

/// The generations of a log, ready to be replayed on any tile.
#[derive(Clone, Debug)]
pub struct History {
    seed: u64,
    pairs: usize,
    decay: f64,
    window: Window,
    /// Per entry of the settings' types.
    noises: Vec<Noise>,
    /// Per tuned tensor: position of its type's settings.
    types: Vec<usize>,
    steps: Vec<Step>,
}

/// Arrays of a tile's length that the work on one tile needs; used again and again.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    sum: Vec<f32>,
    copy: Vec<f32>,
    residual: Residual,
}

/// Bytes that a stored residual takes for each code: two f32.
pub const STORED_BYTES: u64 = 8;

/// The two residuals of a tile: of the window in use, and of the one after it.
#[derive(Clone, Debug, Default)]
pub struct Residual {
    current: Vec<f32>,
    next: Vec<f32>,
}

impl Residual {
    fn reset(&mut self, len: usize) {
        for residual in [&mut self.current, &mut self.next] {
            residual.clear();
            residual.resize(len, 0.0);
        }
    }

    /// Before generation `generation`: a window that begins here starts a residual from zero, and the one that began a
    /// window ago takes over.
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

    /// One generation: `sum` holds its weighted sums and receives its deltas.
    fn advance(
        &mut self,
        generation: u64,
        window: Window,
        sum: &mut [f32],
        copy: &mut Vec<f32>,
        rule: StepRule,
    ) {
        self.turn(generation, window);
        if matches!(window, Window::Last(length) if generation >= length) {
            copy.clear();
            copy.extend_from_slice(sum);
            step(copy, &mut self.next, rule);
        }
        step(sum, &mut self.current, rule);
    }
}

impl History {
    /// The empty history of a log with this header.
    ///
    /// # Errors
    /// When the header's settings do not hold together.
    pub fn new(header: &Header) -> Result<Self, LogError> {
        let settings = &header.settings;
        settings.validate().map_err(LogError::Settings)?;
        let noises = settings.types.iter().map(|of_type| Noise::new(of_type.sigma));
        let type_of = |tensor: &crate::seed_log::TensorSpec| {
            let missing = || LogError::Header(format!("it has no settings for {}", tensor.tensor_type));
            settings.type_index(tensor.tensor_type).ok_or_else(missing)
        };
        Ok(Self {
            seed: settings.seed,
            pairs: settings.pairs(),
            decay: settings.decay,
            window: settings.window,
            noises: noises.collect::<Result<_, _>>().map_err(|e| LogError::Header(e.to_string()))?,
            types: header.tensors.iter().map(type_of).collect::<Result<_, _>>()?,
            steps: Vec::new(),
        })
    }

    /// The history of a log's first `generations` generations.
    ///
    /// # Errors
    /// When the header's settings do not hold together.
    pub fn of_log(log: &SeedLog, generations: u64) -> Result<Self, LogError> {
        let mut history = Self::new(&log.header)?;
        log.generations.iter().take(generations as usize).for_each(|record| history.push(record));
        Ok(history)
    }

    /// Adds the next generation.
    pub fn push(&mut self, record: &GenerationRecord) {
        let scales = record.alpha.iter().zip(&record.sigma);
        let rules = scales.map(|(&alpha, &sigma)| StepRule::new(alpha, sigma, self.decay)).collect();
        self.steps.push(Step { weights: record.weights.clone(), rules });
    }

    /// Number of generations.
    pub fn len(&self) -> u64 {
        self.steps.len() as u64
    }

    /// Whether there is no generation yet.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The noise of a tensor, by the tensor's position in the header.
    pub fn noise(&self, tensor: u32) -> &Noise {
        &self.noises[self.types[tensor as usize]]
    }

    /// Codes in a tile of this tensor.
    pub fn tile_len(&self, tensor: u32) -> usize {
        tile_len(self.noise(tensor).run_len())
    }

    /// The pairs of one generation.
    pub fn pairs_of(&self, generation: u64) -> Vec<Pair> {
        Pair::of_generation(self.seed, generation, self.pairs)
    }

    fn rule(&self, generation: u64, tensor: u32) -> StepRule {
        self.steps[generation as usize].rules[self.types[tensor as usize]]
    }

    fn weighted_sum(&self, generation: u64, tile: &Tile, sum: &mut Vec<f32>) {
        sum.resize(tile.len, 0.0);
        let pairs = self.pairs_of(generation);
        let weights = &self.steps[generation as usize].weights;
        weighted_sum(sum, tile, self.noise(tile.tensor), &pairs, weights);
    }

    /// Applies the newest generation to the codes of a tile, its residual replayed from the window.
    pub fn update_replayed<L: CodeLayout>(
        &self,
        codes: &mut Codes<'_, L>,
        tile: &Tile,
        scratch: &mut Scratch,
    ) -> Moves {
        let Some(newest) = self.len().checked_sub(1) else { return Moves::default() };
        scratch.residual.reset(tile.len);
        for generation in self.window.start(newest)..=newest {
            self.weighted_sum(generation, tile, &mut scratch.sum);
            step(&mut scratch.sum, &mut scratch.residual.current, self.rule(generation, tile.tensor));
        }
        apply(codes, &scratch.sum)
    }

    /// Applies the newest generation to the codes of a tile, its residual kept in `residual` from call to call (empty
    /// at first).
    pub fn update_stored<L: CodeLayout>(
        &self,
        codes: &mut Codes<'_, L>,
        tile: &Tile,
        residual: &mut Residual,
        scratch: &mut Scratch,
    ) -> Moves {
        let Some(newest) = self.len().checked_sub(1) else { return Moves::default() };
        if residual.current.len() != tile.len {
            residual.reset(tile.len);
        }
        self.advance(newest, codes, tile, residual, &mut scratch.sum, &mut scratch.copy)
    }

    /// Applies all generations, in order, to the base model's codes of a tile. `residual` ends as
    /// [`History::update_stored`] would have left it.
    pub fn rebuild<L: CodeLayout>(
        &self,
        codes: &mut Codes<'_, L>,
        tile: &Tile,
        residual: &mut Residual,
        scratch: &mut Scratch,
    ) -> Moves {
        residual.reset(tile.len);
        (0..self.len()).fold(Moves::default(), |moves, generation| {
            moves + self.advance(generation, codes, tile, residual, &mut scratch.sum, &mut scratch.copy)
        })
    }

    fn advance<L: CodeLayout>(
        &self,
        generation: u64,
        codes: &mut Codes<'_, L>,
        tile: &Tile,
        residual: &mut Residual,
        sum: &mut Vec<f32>,
        copy: &mut Vec<f32>,
    ) -> Moves {
        self.weighted_sum(generation, tile, sum);
        residual.advance(generation, self.window, sum, copy, self.rule(generation, tile.tensor));
        apply(codes, sum)
    }
}

#[cfg(test)]
mod tests;
