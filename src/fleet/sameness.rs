//! Comparison of evaluations of the same members.

/// The rounding that two kernel classes may differ by, if no spread is known.
const COARSE: f64 = 0.05;

/// Returns whether two evaluations of the same members agree: exactly on one kernel class, and otherwise within half
/// of the `spread` of a generation's fitness, which misleads no update far.
pub fn agree(one: &[f64], other: &[f64], same_class: bool, spread: Option<f64>) -> bool {
    let near = |(a, b): (&f64, &f64)| {
        let size = 1.0 + a.abs().max(b.abs());
        let limit = spread.map_or(COARSE * size, |spread| (0.5 * spread).max(1e-6 * size));
        (a - b).abs() <= limit
    };
    let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
    one.len() == other.len()
        && if same_class { one.iter().zip(other).all(same) } else { one.iter().zip(other).all(near) }
}
