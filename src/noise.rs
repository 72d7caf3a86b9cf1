//! From a member's seed to its sparse integer perturbation.
//!
//! The perturbation of an integer is +m or -m with probability p / 2 each, and 0 otherwise, independently for every integer
//! and member. Its variance is sigma squared: p = (sigma / m)^2. Any symmetric noise of a given variance estimates the same
//! gradient to first order (docs/ALGORITHM.md), and this one costs in proportion to its hits:
//!
//! - The integers of one field of a tensor are cut into runs of a power of two. Each run has its own random stream,
//!   addressed by (member seed, tensor, field, run), so that any run can be drawn alone, in any order, on any thread.
//! - Gaps between hits are geometric. One 32-bit word draws a gap and a sign through an alias table; integers that are
//!   not hit cost nothing.
//!
//! Words are drawn [`BATCH`](crate::rng::BATCH) at a time, which ChaCha yields at once and a compiler turns into
//! vector instructions. What is drawn goes into a [`Sink`].
//!
//! The tables are integers computed with portable arithmetic, so every machine draws the same perturbation.

mod alias;
mod hits;

use std::ops::{Range, RangeInclusive};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::block::Field;
use crate::rng::{Batches, Domain, Source};

pub use hits::Hits;

/// Most hits in a run on average: a run is the longest power of two with no more. Half a batch of words is left over
/// at a run's end; with at least half of these hits in a run that is little.
const HITS_PER_RUN: f64 = 256.0;
/// Shortest and longest run, in integers, as powers of two: whole blocks of every type, and no more than fits the cache.
const RUN_BITS: RangeInclusive<u32> = 8..=16;
/// Smallest and largest usable sigma, in steps of the integers.
pub const SIGMA_RANGE: RangeInclusive<f64> = 1e-5..=4096.0;
/// Largest magnitude of a hit.
pub const MAX_HIT: u16 = 8192;

/// Noise that cannot be drawn.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum NoiseError {
    #[error("sigma is {0}, but must be a number from {min} to {max} (in steps of the integers)", min = SIGMA_RANGE.start(), max = SIGMA_RANGE.end())]
    Sigma(f64),
    #[error("hit is {0}, but must be from 1 to {MAX_HIT}")]
    Hit(u16),
    #[error("sigma is {sigma}, but hits of {hit} give at most {hit}; use larger hits or a smaller sigma")]
    TooFew { sigma: f64, hit: u16 },
}

/// Draws the perturbations of one sigma and magnitude.
#[derive(Clone, Debug)]
pub struct Noise {
    sigma: f64,
    hit: u16,
    run_bits: u32,
    hits: Hits,
}

impl Noise {
    /// Creates noise with the root mean square `sigma` made of hits of the magnitude `hit`, both in steps of the integers.
    ///
    /// # Errors
    /// When sigma is not in [`SIGMA_RANGE`], the magnitude is not in 1..=[`MAX_HIT`], or sigma exceeds the magnitude.
    pub fn new(sigma: f64, hit: u16) -> Result<Self, NoiseError> {
        if !SIGMA_RANGE.contains(&sigma) {
            return Err(NoiseError::Sigma(sigma));
        }
        if !(1..=MAX_HIT).contains(&hit) {
            return Err(NoiseError::Hit(hit));
        }
        let probability = probability(sigma, hit);
        if probability > 1.0 {
            return Err(NoiseError::TooFew { sigma, hit });
        }
        let fits = |&bits: &u32| (1_u64 << bits) as f64 * probability <= HITS_PER_RUN;
        let run_bits = RUN_BITS.rev().find(fits).unwrap_or(*RUN_BITS.start());
        Ok(Self { sigma, hit, run_bits, hits: Hits::new(probability) })
    }

    /// Returns the root mean square of a perturbation, in steps of the integers.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Returns the magnitude of a hit, in steps of the integers.
    pub fn hit(&self) -> u16 {
        self.hit
    }

    /// Returns the share of the integers that a perturbation hits, 0.0..=1.0.
    pub fn probability(&self) -> f64 {
        probability(self.sigma, self.hit)
    }

    /// Returns the number of integers in a run, a power of two.
    pub fn run_len(&self) -> usize {
        1 << self.run_bits
    }

    /// Returns the digest of everything that determines a draw besides the seed; the same on every machine.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.run_bits.to_le_bytes());
        hash.update(self.hit.to_le_bytes());
        hash.update(self.hits.bytes().collect::<Vec<u8>>());
        hash.finalize().into()
    }

    /// Draws the perturbation of one run into `sink`, in which the run's integers are `integers`. Those are fewer than
    /// [`Noise::run_len`] only for the last run of a tensor. `batches` are the member's.
    #[inline]
    pub fn draw(&self, batches: &mut Batches, run: RunAddress, integers: Range<usize>, sink: &mut impl Sink) {
        debug_assert!(integers.len() <= self.run_len());
        self.hits.draw(batches, run, integers, |index, is_negative| {
            let hit = self.hit as i16;
            sink.hit(index, if is_negative { -hit } else { hit });
        });
    }
}

fn probability(sigma: f64, hit: u16) -> f64 {
    (sigma / f64::from(hit)) * (sigma / f64::from(hit))
}

/// Receives a perturbation, hit by hit.
pub trait Sink {
    /// Perturbs the integer at `index` by `u`, which is not 0. Indices rise within a run.
    fn hit(&mut self, index: usize, u: i16);
}

/// A sink that collects the perturbation of every integer, for tests.
#[cfg(test)]
pub(crate) struct OneByOne(pub Vec<i16>);

#[cfg(test)]
impl Sink for OneByOne {
    fn hit(&mut self, index: usize, u: i16) {
        self.0[index] = u;
    }
}

/// Address of a run of one field of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct RunAddress {
    /// Position of the tensor in the log's tensor list; below 2^24.
    pub tensor: u32,
    /// The field of the run's integers.
    pub field: Field,
    /// Number of the run; below 2^38.
    pub run: u64,
}

impl RunAddress {
    /// Returns the number of the run's random stream.
    pub fn stream(self) -> u64 {
        u64::from(self.tensor) << 40 | (self.field as u64) << 38 | self.run
    }
}

/// The source of one perturbation: that of a member, or of the two members of a mirrored pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoiseSeed(Source);

impl NoiseSeed {
    /// Returns the source with this seed.
    pub fn new(seed: u64) -> Self {
        Self(Source::new(seed, Domain::Perturbation))
    }

    /// Returns the words from which the perturbation is drawn.
    pub fn batches(&self) -> Batches {
        self.0.batches()
    }

    /// Returns the sources of one generation of a run. Every 64-bit run seed, 0 included, has its own.
    pub fn of_generation(run_seed: u64, generation: u64, count: usize) -> Vec<Self> {
        let mut stream = Source::new(run_seed, Domain::NoiseSeeds).stream(generation);
        (0..count).map(|_| Self::new(stream.next_u64())).collect()
    }
}

#[cfg(test)]
mod tests;
