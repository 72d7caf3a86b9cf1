//! Which examples tuning never sees.

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{Content, Example, Prompt};

/// The share of the examples that is held out by default.
pub const HELD_OUT_SHARE: f64 = 0.2;

/// Examples on two sides, each in the order of the file, neither empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What tuning draws from.
    pub training: Vec<Example>,
    /// What only evaluation sees.
    pub held_out: Vec<Example>,
}

/// Why examples cannot be split.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum SplitError {
    #[error("the share to hold out is {0}, but must be more than 0 and less than 1")]
    Share(f64),
    #[error(
        "no example can be held out, as all are the same (there are {0}); give more, or a folder with train.jsonl and valid.jsonl"
    )]
    AllTheSame(usize),
}

/// Holds out about this share of the examples.
///
/// On which side an example lands depends on its prompt alone (on its text where it has none): the first 8 bytes of a SHA-256,
/// as a fraction of 1, are less than `share` for those that are held out. So it stays there when lines are added or reordered,
/// and a prompt that comes twice is never on both sides. Where all prompts are the same, the whole content counts instead. Where
/// that would leave a side empty, as it may with a handful of examples, the nearest example to the other side moves there.
///
/// # Errors
/// When the share is no fraction, or there are no two different examples.
pub fn split(examples: Vec<Example>, share: f64) -> Result<Split, SplitError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(SplitError::Share(share));
    }
    let places = places(&examples).ok_or(SplitError::AllTheSame(examples.len()))?;
    let threshold = (share * (1_u128 << 64) as f64) as u64;
    let (least, greatest) = (places.iter().min().copied(), places.iter().max().copied());
    let is_held_out = |place| (number(place) < threshold || Some(place) == least) && Some(place) != greatest;
    let mut split = Split { training: Vec::new(), held_out: Vec::new() };
    for (example, place) in examples.into_iter().zip(places) {
        let side = if is_held_out(place) { &mut split.held_out } else { &mut split.training };
        side.push(example);
    }
    Ok(split)
}

/// A SHA-256, by which examples are in an order that has nothing to do with them.
type Place = [u8; 32];

/// Each example's place; `None` where not two of them differ.
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

/// The place of an example by its prompt, or by everything.
fn place(content: &Content, whole: bool) -> Place {
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

fn add_prompt(prompt: &Prompt, add: &mut impl FnMut(&str)) {
    match prompt {
        Prompt::Text(text) => add(text),
        Prompt::Messages(messages) => {
            for message in messages {
                add(&message.role);
                add(&message.content);
            }
        }
    }
}
