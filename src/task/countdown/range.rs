//! Ranges in the notation `3-4`: on the command line, in task files and in logs.

use std::ops::RangeInclusive;

use serde::{Deserialize, Deserializer, Serializer, de};

/// Parses `3-4`, or a single number.
///
/// # Errors
/// When the text is neither.
pub fn parse(text: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str| {
        text.trim().parse().map_err(|_| format!("\"{text}\" is no number; expected a range such as 3-4"))
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    Ok(number(low)?..=number(high)?)
}

/// Returns the text that [`parse`] reads.
pub fn text(range: &RangeInclusive<u32>) -> String {
    format!("{}-{}", range.start(), range.end())
}

pub(super) fn serialize<S: Serializer>(range: &RangeInclusive<u32>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&text(range))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RangeInclusive<u32>, D::Error> {
    parse(&String::deserialize(from)?).map_err(de::Error::custom)
}
