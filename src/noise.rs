//! From a pair's seed to its sparse integer perturbation.
//!
//! The perturbation of a code is u = floor(s) + Bernoulli(s - floor(s)) with s = sigma * eps and eps standard normal
//! (QES, arXiv 2602.03120, section 3), independent for every code and pair. For the small sigma that tuning uses nearly
//! all u are 0, so this module draws the *hits* (u other than 0) and never visits the codes between them:
//!
//! - The codes of a tensor are cut into runs of a power of two. Each run has its own random stream, addressed by
//!   (pair seed, tensor, run), so that any run can be drawn alone, in any order, on any thread.
//! - Gaps between hits are geometric. One 32-bit word draws a gap and a sign through an alias table. A hit's magnitude is
//!   1, since larger ones do not occur with so small a sigma.
//! - From a hit probability of `DENSE_FROM` on a gap buys nothing, and sixteen bits a code draw sign and magnitude.
//!
//! Words are drawn [`BATCH`](crate::rng::BATCH) at a time, which is what ChaCha yields at once and what a compiler turns
//! into vector instructions. What is drawn goes into a [`Sink`].
//!
//! The tables are integers made with portable arithmetic, so every machine draws the same perturbation.

mod alias;
mod dense;
mod distribution;
mod hits;

use std::ops::Range;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::rng::{Batches, Domain, Source};
use dense::Dense;

pub use hits::Hits;

/// Hit probability from which on every code gets a draw of its own: about where both ways cost the same. Below it, all hits
/// have magnitude 1, others being too rare to matter.
const DENSE_FROM: f64 = 0.125;

/// A run is the longest power of two with no more hits than this on average. Half a batch of words is left over at a run's
/// end; with at least half of these hits to a run, as any sigma from 0.0025 on has, that is little.
const HITS_PER_RUN: f64 = 256.0;

/// Longest run, in codes, as a power of two: a tile holds at least one, and has to fit the cache.
const MAX_RUN_BITS: u32 = 16;

/// Smallest and largest usable sigma, in code units.
pub const SIGMA_RANGE: std::ops::RangeInclusive<f64> = 1e-5..=64.0;

/// A sigma that no perturbation can be drawn for.
#[derive(Debug, Error, PartialEq)]
#[error("sigma is {0}, but must be a number from {min} to {max} (in code units)", min = SIGMA_RANGE.start(), max = SIGMA_RANGE.end())]
pub struct SigmaError(f64);

/// Draws the perturbations of one sigma.
#[derive(Clone, Debug)]
pub struct Noise {
    sigma: f64,
    run_bits: u32,
    draws: Draws,
}

/// How a run is drawn.
#[derive(Clone, Debug)]
enum Draws {
    /// By the gaps between hits.
    Sparse(Hits),
    /// Code by code.
    Dense(Dense),
}

impl Noise {
    /// The noise of scale `sigma`, in code units.
    ///
    /// # Errors
    /// When sigma is outside [`SIGMA_RANGE`] or not a number.
    pub fn new(sigma: f64) -> Result<Self, SigmaError> {
        if !SIGMA_RANGE.contains(&sigma) {
            return Err(SigmaError(sigma));
        }
        let magnitudes = distribution::magnitudes(sigma);
        let hit_probability: f64 = magnitudes[1..].iter().sum();
        if hit_probability >= DENSE_FROM || magnitudes.len() > 2 {
            let draws = Draws::Dense(Dense::new(&magnitudes));
            return Ok(Self { sigma, run_bits: dense::RUN_BITS, draws });
        }
        let fits = |&bits: &u32| (1_u64 << bits) as f64 * hit_probability <= HITS_PER_RUN;
        let run_bits = (0..=MAX_RUN_BITS).rev().find(fits).unwrap_or_default();
        Ok(Self { sigma, run_bits, draws: Draws::Sparse(Hits::new(hit_probability)) })
    }

    /// The scale, in code units.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Whether every code gets a draw of its own, which makes perturbing and replaying cost tens of times more than noise
    /// with few hits does.
    pub fn is_dense(&self) -> bool {
        matches!(self.draws, Draws::Dense(_))
    }

    /// Share of the codes that a perturbation changes.
    pub fn hit_probability(&self) -> f64 {
        distribution::magnitudes(self.sigma)[1..].iter().sum()
    }

    /// Variance of a code's perturbation, in square code units: more than that of the Gaussian, since rounding adds to it.
    pub fn variance(&self) -> f64 {
        let magnitudes = distribution::magnitudes(self.sigma);
        magnitudes.iter().enumerate().map(|(k, p)| (k * k) as f64 * p).sum()
    }

    /// The largest magnitude that can be drawn.
    pub fn largest(&self) -> u16 {
        match &self.draws {
            Draws::Sparse(_) => 1,
            Draws::Dense(dense) => dense.largest(),
        }
    }

    /// Codes in a run: a power of two.
    pub fn run_len(&self) -> usize {
        1 << self.run_bits
    }

    /// Digest of everything that decides a draw besides the seed; the same on every machine for the same sigma.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.run_bits.to_le_bytes());
        let (gaps, magnitudes): (Vec<u8>, Vec<u8>) = match &self.draws {
            Draws::Sparse(hits) => (hits.bytes().collect(), Vec::new()),
            Draws::Dense(dense) => (Vec::new(), dense.bytes().collect()),
        };
        for bytes in [gaps, magnitudes] {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        hash.finalize().into()
    }

    /// Draws the perturbation of one run into `sink`, in which the run's codes are `codes`. Those are fewer than
    /// [`Noise::run_len`] only for the last run of a tensor. `batches` are the pair's.
    #[inline]
    pub fn draw(&self, batches: &mut Batches, run: RunAddress, codes: Range<usize>, sink: &mut impl Sink) {
        debug_assert!(codes.len() <= self.run_len());
        match &self.draws {
            // With so small a sigma, all hits have magnitude 1.
            Draws::Sparse(hits) => hits.draw(batches, run, codes, sink),
            Draws::Dense(dense) => {
                batches.start(run.stream());
                sink.values(codes.start, &dense.draw(batches)[..codes.len()]);
            }
        }
    }
}

/// What perturbations are drawn into, in rising order of the codes.
pub trait Sink {
    /// The code at `index` is perturbed by `u`, which is not 0. This is how sparse noise arrives.
    fn hit(&mut self, index: usize, u: i16);

    /// The codes from `first` on are perturbed by `values`, zeros among them. This is how dense noise arrives: a run at a
    /// time.
    fn values(&mut self, first: usize, values: &[i16]);
}

/// The perturbation of every code, for tests.
#[cfg(test)]
pub(crate) struct CodeByCode(pub Vec<i16>);

#[cfg(test)]
impl Sink for CodeByCode {
    fn hit(&mut self, index: usize, u: i16) {
        self.0[index] = u;
    }

    fn values(&mut self, first: usize, values: &[i16]) {
        self.0[first..first + values.len()].copy_from_slice(values);
    }
}

/// Which run of a model.
#[derive(Clone, Copy, Debug)]
pub struct RunAddress {
    /// Position of the tensor in the log's tensor list; below 2^24.
    pub tensor: u32,
    /// Number of the run in its tensor; below 2^40.
    pub run: u64,
}

impl RunAddress {
    /// The number of the run's random stream.
    pub fn stream(self) -> u64 {
        u64::from(self.tensor) << 40 | self.run
    }
}

/// The source of one antithetic pair's perturbation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair(Source);

impl Pair {
    /// The pair with this seed.
    pub fn new(seed: u64) -> Self {
        Self(Source::new(seed, Domain::Perturbation))
    }

    /// The words that its perturbation is drawn from.
    pub fn batches(&self) -> Batches {
        self.0.batches()
    }

    /// The pairs of one generation of a run. Every 64-bit run seed, 0 included, has its own.
    pub fn of_generation(run_seed: u64, generation: u64, count: usize) -> Vec<Self> {
        let mut stream = Source::new(run_seed, Domain::PairSeeds).stream(generation);
        (0..count).map(|_| Self::new(stream.next_u64())).collect()
    }
}

#[inline]
fn signed(word: u32, magnitude: u16) -> i16 {
    let magnitude = magnitude as i16;
    if word & 1 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests;
