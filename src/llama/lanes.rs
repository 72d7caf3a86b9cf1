//! Several single-threaded contexts in parallel, for models so small that threads spend their time waiting for each other.
//!
//! A forward pass of a small model is hundreds of short operations with a barrier after each. Two contexts of one
//! thread that take chunks in turn have no barriers: on the bundled 3.5M-parameter model with 2 cores they score 1.2
//! to 1.45 times as many sequences a second as one context with two threads. A large model is limited by reading its
//! weights, which one context does once for all threads; it gets a single lane. The number of lanes is planned in
//! [`super::budget`]. A chunk's results do not depend on the lane.

use super::Failure;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::context::Context;

/// Runs `work` on every item on any free lane, and returns the results in the order of the items.
pub(super) fn deal<I: Sync, T: Send>(
    lanes: &mut [Context],
    items: &[I],
    work: impl Fn(&mut Context, &I) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, Failure> {
    let next = AtomicUsize::new(0);
    let take_turns = |lane: &mut Context| {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return Ok(done) };
            done.push((number, work(lane, item)?));
        }
    };
    let done: Vec<Vec<(usize, T)>> = lanes.par_iter_mut().map(take_turns).collect::<Result<_, Failure>>()?;
    let mut results: Vec<(usize, T)> = done.into_iter().flatten().collect();
    results.sort_unstable_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}
