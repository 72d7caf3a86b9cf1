//! The choice of the answers that are checked by a second evaluation.

use sha2::{Digest, Sha256};

use super::round::Round;

/// Robust standard deviations from the median beyond which a fitness is checked.
const FAR: f64 = 6.0;

/// Members below which no spread is known.
const FEW: usize = 8;

/// Factor from the median absolute deviation to the standard deviation of a normal distribution.
const OF_NORMAL: f64 = 1.4826;

/// Draws the units that are evaluated twice. Workers must not foresee the draw, so its seed is secret.
#[derive(Clone, Copy, Debug)]
pub struct Audits {
    /// Seed of the draw.
    pub secret: u64,
    /// Share of the units that are drawn, 0.0..=1.0.
    pub share: f64,
}

impl Audits {
    /// Returns whether a unit is drawn.
    pub fn draws(&self, generation: u64, first: u32) -> bool {
        let mut hash = Sha256::new();
        hash.update(self.secret.to_le_bytes());
        hash.update(generation.to_le_bytes());
        hash.update(first.to_le_bytes());
        let word = hash.finalize()[..4].iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        f64::from(word) < self.share * f64::from(u32::MAX)
    }
}

/// Returns the median of the fitness and a robust measure of its spread, if there are enough members.
fn middle(fitness: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut all: Vec<f64> = fitness.collect();
    if all.len() < FEW {
        return None;
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let center = median(&mut all);
    let mut distances: Vec<f64> = all.iter().map(|value| (value - center).abs()).collect();
    // Where more than half are equal, as with few problems that are right or wrong.
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    let robust = OF_NORMAL * median(&mut distances);
    Some((center, if robust > 0.0 { robust } else { mean }))
}

/// Returns the spread of a generation's answers so far, if there are enough.
pub fn spread(round: &Round) -> Option<f64> {
    middle(round.reported()).map(|(_, spread)| spread)
}

/// Returns the numbers of the pieces with a fitness far from the others'.
pub fn outliers(round: &Round) -> Vec<usize> {
    let Some((center, spread)) = middle(round.reported()) else { return Vec::new() };
    let is_far = |value: f64| (value - center).abs() > FAR * spread.max(f64::EPSILON * (1.0 + center.abs()));
    let numbers = round.pieces().iter().enumerate();
    numbers.filter(|(_, piece)| piece.reported().any(is_far)).map(|(number, _)| number).collect()
}
