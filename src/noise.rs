//! From a pair's seed to its sparse integer perturbation.
//!
//! The perturbation of a code is u = floor(s) + Bernoulli(s - floor(s)) with s = sigma * eps and eps standard normal
//! (QES, arXiv 2602.03120, section 3), independent for every code and pair. For the small sigma that tuning uses nearly
//! all u are 0, so this module draws the *hits* (u other than 0) and never visits the codes between them:
//!
//! - The codes of a tensor are cut into runs of a power of two. Each run has its own random stream, addressed by
//!   (pair seed, tensor, run), so that any run can be drawn alone, in any order, on any thread.
//! - Gaps between hits are geometric. One 32-bit word draws a gap and a sign through an alias table; a second word
//!   draws the magnitude, only for a sigma where magnitudes other than 1 occur.
//! - From a hit probability of `DENSE_FROM` on a gap buys nothing, and one word a code draws sign and magnitude.
//!
//! The tables are integers made with portable arithmetic, so every machine draws the same perturbation.

mod alias;
mod distribution;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::rng::{Domain, Source, Stream};
use alias::AliasTable;

/// Hit probability from which on every code gets a draw of its own.
const DENSE_FROM: f64 = 0.4;

/// A run is the longest power of two with no more hits than this on average: together with their gaps they then fit
/// the 64 words that ChaCha yields at a time.
const HITS_PER_RUN: f64 = 56.0;

/// Shortest and longest run, in codes.
const RUN_BITS: std::ops::RangeInclusive<u32> = 5..=20;

/// Columns of the gap table, as a power of two; the last outcome means "that many codes without a hit, draw again".
const GAP_BITS: u32 = 10;
const NO_HIT: u32 = (1 << GAP_BITS) - 1;

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
    /// Gaps between hits; `None` when every code gets a draw.
    gaps: Option<AliasTable>,
    /// Magnitudes of the hits, less `least`; `None` when all of them are 1.
    magnitudes: Option<AliasTable>,
    least: u32,
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
        let dense = hit_probability >= DENSE_FROM;
        let run_bits = RUN_BITS
            .rev()
            .find(|&bits| (1_u64 << bits) as f64 * hit_probability <= HITS_PER_RUN)
            .unwrap_or(*RUN_BITS.start());
        let least = u32::from(!dense);
        Ok(Self {
            sigma,
            run_bits,
            gaps: (!dense).then(|| gap_table(hit_probability)),
            magnitudes: magnitude_table(&magnitudes[least as usize..]),
            least,
        })
    }

    /// The scale, in code units.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Whether every code gets a draw of its own, which makes perturbing and replaying cost tens of times more.
    pub fn is_dense(&self) -> bool {
        self.gaps.is_none()
    }

    /// Codes in a run: a power of two.
    pub fn run_len(&self) -> usize {
        1 << self.run_bits
    }

    /// Digest of everything that decides a draw besides the seed; the same on every machine for the same sigma.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.run_bits.to_le_bytes());
        for table in [&self.gaps, &self.magnitudes] {
            let bytes: Vec<u8> = table.iter().flat_map(AliasTable::bytes).collect();
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        hash.finalize().into()
    }

    /// Calls `hit(position, u)` for every code of the run that the pair perturbs, in rising order of the position
    /// within the run; `u` is never 0. `len` is the length of the run, shorter than [`Noise::run_len`] only for the
    /// last run of a tensor.
    #[inline]
    pub fn for_each_hit(&self, run: RunAddress<'_>, len: usize, hit: impl FnMut(usize, i16)) {
        debug_assert!(len <= self.run_len());
        let mut stream = run.stream();
        match (&self.gaps, &self.magnitudes) {
            (Some(gaps), None) => sparse(&mut stream, gaps, len, |_| 1, hit),
            (Some(gaps), Some(magnitudes)) => {
                let least = self.least;
                sparse(&mut stream, gaps, len, |stream| magnitudes.draw(stream.next_u32()) + least, hit);
            }
            (None, Some(magnitudes)) => dense(&mut stream, magnitudes, len, hit),
            (None, None) => unreachable!("dense noise has at least the magnitudes 0 and 1"),
        }
    }
}

/// Where a run's draws come from.
#[derive(Clone, Copy, Debug)]
pub struct RunAddress<'a> {
    /// The pair.
    pub pair: &'a Pair,
    /// Position of the tensor in the log's tensor list; below 2^24.
    pub tensor: u32,
    /// Number of the run in its tensor; below 2^40.
    pub run: u64,
}

impl RunAddress<'_> {
    fn stream(&self) -> Stream {
        self.pair.0.stream(u64::from(self.tensor) << 40 | self.run)
    }
}

/// The source of one antithetic pair's perturbation.
#[derive(Clone, Debug)]
pub struct Pair(Source);

impl Pair {
    /// The pair with this seed.
    pub fn new(seed: u64) -> Self {
        Self(Source::new(seed, Domain::Perturbation))
    }

    /// The pairs of one generation of a run. Every 64-bit run seed, 0 included, has its own.
    pub fn of_generation(run_seed: u64, generation: u64, count: usize) -> Vec<Self> {
        let mut stream = Source::new(run_seed, Domain::PairSeeds).stream(generation);
        (0..count).map(|_| Self::new(stream.next_u64())).collect()
    }
}

/// The distribution of the number of codes before the next hit.
fn gap_table(hit_probability: f64) -> AliasTable {
    let mut none_yet = 1.0;
    let mut gaps = Vec::with_capacity(1 << GAP_BITS);
    for _ in 0..NO_HIT {
        gaps.push(none_yet * hit_probability);
        none_yet *= 1.0 - hit_probability;
    }
    gaps.push(none_yet);
    AliasTable::new(GAP_BITS, &gaps)
}

/// The distribution of magnitudes, or `None` when there is only one.
fn magnitude_table(probabilities: &[f64]) -> Option<AliasTable> {
    let bits = probabilities.len().next_power_of_two().trailing_zeros();
    (probabilities.len() > 1).then(|| AliasTable::new(bits, probabilities))
}

#[inline]
fn signed(word: u32, magnitude: u32) -> i16 {
    let magnitude = magnitude as i16;
    if word & 1 == 0 { magnitude } else { -magnitude }
}

#[inline]
fn sparse(
    stream: &mut Stream,
    gaps: &AliasTable,
    len: usize,
    mut magnitude: impl FnMut(&mut Stream) -> u32,
    mut hit: impl FnMut(usize, i16),
) {
    let mut position = 0;
    loop {
        let word = stream.next_u32();
        let gap = gaps.draw(word);
        position += gap as usize;
        if position >= len {
            return;
        }
        if gap != NO_HIT {
            hit(position, signed(word, magnitude(stream)));
            position += 1;
        }
    }
}

#[inline]
fn dense(stream: &mut Stream, magnitudes: &AliasTable, len: usize, mut hit: impl FnMut(usize, i16)) {
    for position in 0..len {
        let word = stream.next_u32();
        let magnitude = magnitudes.draw(word);
        if magnitude != 0 {
            hit(position, signed(word, magnitude));
        }
    }
}

#[cfg(test)]
mod tests;
