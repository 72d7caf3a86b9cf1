//! Bounds on numbers of a log that are drawn.

/// Numbers beyond this are drawn as if they were this, so that sums and differences of two stay finite.
pub(super) const HUGE: f64 = 1e300;

/// Returns a number clamped to those bounds.
pub(super) fn bounded(value: f64) -> f64 {
    value.clamp(-HUGE, HUGE)
}
