//! Counts the examples that two lists share.

use std::collections::HashSet;

use super::Example;
use super::split::{Place, place};

/// Numbers of examples that occur more than once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Training examples with the prompt and reply of an earlier one.
    pub repeated: u64,
    /// Held-out examples whose prompt (or text, if there is no prompt) is also a training example's.
    pub shared: u64,
}

/// Counts the examples that occur more than once.
pub fn overlap(training: &[Example], held_out: &[Example]) -> Overlap {
    let mut whole = HashSet::new();
    let repeated = training.iter().filter(|example| !whole.insert(place(&example.content, true))).count();
    let prompts: HashSet<Place> = training.iter().map(|example| place(&example.content, false)).collect();
    let shared = held_out.iter().filter(|example| prompts.contains(&place(&example.content, false))).count();
    Overlap { repeated: repeated as u64, shared: shared as u64 }
}
