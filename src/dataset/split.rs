//! The split of examples into training and held-out ones.

use std::collections::{BTreeMap, HashSet};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Content, DataPrompt, Example};

/// The share of the examples that is held out by default.
pub const HELD_OUT_SHARE: f64 = 0.2;

/// Examples in two parts, each in the order of the file, neither empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Examples for training.
    pub training: Vec<Example>,
    /// Examples for evaluation alone.
    pub held_out: Vec<Example>,
}

/// Reasons for which examples cannot be split.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum SplitError {
    #[error("the share to hold out is {0}, but must be more than 0 and less than 1")]
    Share(f64),
    #[error(
        "no example can be held out, as all are the same (there are {0}); give more, or a folder with train.jsonl and valid.jsonl, \
         which may be equal where all is to be learned by heart"
    )]
    AllTheSame(usize),
}

/// Fewest held-out examples of a split, unless that is more than a quarter of all.
pub const FEWEST_HELD_OUT: usize = 4;

/// Most examples of which the held-out share is exact.
const EXACT: usize = 10_000;

/// Holds out a share of the examples.
///
/// The side of an example depends on its prompt alone (on its text if it has none), so a prompt that occurs twice is
/// never on both sides. The prompts are ordered by their SHA-256, and the first are held out: of up to 10,000 examples
/// the exact number (but at least [`FEWEST_HELD_OUT`], unless that is more than a quarter); of more, those whose hash,
/// its first 8 bytes as a fraction of 1, is less than the share. So reordering lines changes nothing, and after adding
/// lines all but a few examples are on the same side as before. If all prompts are the same, the whole content decides
/// instead.
///
/// # Errors
/// When the share is not a fraction, or there are no two different examples.
pub fn split(examples: Vec<Example>, share: f64) -> Result<Split, SplitError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(SplitError::Share(share));
    }
    let places = places(&examples).ok_or(SplitError::AllTheSame(examples.len()))?;
    let held_out = if places.len() > EXACT { by_hash(&places, share) } else { by_number(&places, share) };
    let mut split = Split { training: Vec::new(), held_out: Vec::new() };
    for (example, place) in examples.into_iter().zip(places) {
        let side = if held_out.contains(&place) { &mut split.held_out } else { &mut split.training };
        side.push(example);
    }
    Ok(split)
}

/// Returns the places whose hash is less than the share; at least one, and not all.
fn by_hash(places: &[Place], share: f64) -> HashSet<Place> {
    let threshold = (share * (1_u128 << 64) as f64) as u64;
    let (least, greatest) = (places.iter().min().copied(), places.iter().max().copied());
    let is_held_out =
        |place: &Place| (number(*place) < threshold || Some(*place) == least) && Some(*place) != greatest;
    places.iter().copied().filter(is_held_out).collect()
}

/// Returns the first places in order, as many as come nearest to the share of all examples; at least one, and not all.
fn by_number(places: &[Place], share: f64) -> HashSet<Place> {
    let len = places.len();
    let asked = (share * len as f64).round() as usize;
    let wanted = asked.max(FEWEST_HELD_OUT.min(len / 4)).max(1);
    let mut groups: BTreeMap<Place, usize> = BTreeMap::new();
    for place in places {
        *groups.entry(*place).or_default() += 1;
    }
    groups.pop_last();
    let mut held_out = HashSet::new();
    let mut count: usize = 0;
    for (place, size) in groups {
        let is_nearer = (count + size).abs_diff(wanted) <= count.abs_diff(wanted);
        if count > 0 && !is_nearer {
            break;
        }
        held_out.insert(place);
        count += size;
    }
    held_out
}

/// A SHA-256, which orders examples independently of their content.
pub(super) type Place = [u8; 32];

/// Returns each example's place; `None` if no two of them differ.
fn places(examples: &[Example]) -> Option<Vec<Place>> {
    [false, true].into_iter().find_map(|whole| {
        let places: Vec<Place> = examples.iter().map(|example| place(&example.content, whole)).collect();
        let differ = places.iter().any(|place| Some(place) != places.first());
        differ.then_some(places)
    })
}

fn number(place: Place) -> u64 {
    place.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Returns the place of an example by its prompt, or by its whole content.
pub(super) fn place(content: &Content, whole: bool) -> Place {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        // With its length, so that two texts are not taken for two others that read the same one after the other.
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    let replies: &[&String] = match content {
        Content::Text { text, .. } => {
            add(text);
            &[]
        }
        Content::Prompt(prompt) => {
            add_prompt(prompt, &mut add);
            &[]
        }
        Content::Reply { prompt, reply } => {
            add_prompt(prompt, &mut add);
            &[reply]
        }
        Content::Preference { prompt, chosen, rejected } => {
            add_prompt(prompt, &mut add);
            &[chosen, rejected]
        }
    };
    if whole {
        replies.iter().for_each(|reply| add(reply));
    }
    hash.finalize().into()
}

fn add_prompt(prompt: &DataPrompt, add: &mut impl FnMut(&str)) {
    match prompt {
        DataPrompt::Text(text) => add(text),
        DataPrompt::Messages(messages) => {
            for message in messages {
                add(&message.role);
                add(&message.content);
            }
        }
    }
}
