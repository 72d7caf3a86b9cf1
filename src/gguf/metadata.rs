//! Keys and values. Strings, integers and booleans are kept; floats and arrays (above all, the vocabulary) are
//! measured and skipped, not decoded.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use gguf_rs_lib::format::{GGUF_MAX_METADATA_KEY_LENGTH, GGUFValueType, MetadataValue};

use super::cursor::Cursor;
use super::error::{GgufError, Section};

/// Least bytes of an entry: length of the key, type, and a value of one byte.
const MIN_ENTRY_BYTES: u64 = 8 + 4 + 1;
/// Longest string and longest array that llama.cpp reads.
const MAX_LENGTH: u64 = 1 << 30;
/// Deepest nesting of arrays. No model nests them at all, and llama.cpp does not read those that do.
const MAX_DEPTH: u32 = 4;
/// Longest part of a key that an error message repeats, in characters.
const MAX_QUOTED: usize = 80;

/// The values that are kept, by key, and the place of each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    values: BTreeMap<String, KeptValue>,
    /// Key, type and value of each entry as bytes of the file, in the file's order.
    places: Vec<(String, Range<usize>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum KeptValue {
    Text(String),
    Unsigned(u64),
    Boolean(bool),
    /// Any other kind, or a negative integer, which is not needed.
    Other,
}

impl Metadata {
    /// Reads `count` entries.
    pub fn read(cursor: &mut Cursor<'_>, count: u64) -> Result<Self, GgufError> {
        cursor.enter(Section::Metadata);
        cursor.expect(count, MIN_ENTRY_BYTES)?;
        let mut seen = HashSet::new();
        let (mut values, mut places) = (BTreeMap::new(), Vec::new());
        for _ in 0..count {
            let offset = cursor.offset();
            let key = cursor.name("the metadata key", GGUF_MAX_METADATA_KEY_LENGTH as u64)?;
            if !seen.insert(key) {
                return Err(GgufError::DuplicateKey { key: quoted(key), offset });
            }
            let value = read_value(cursor, key)?;
            values.insert(key.to_owned(), value);
            // Within the file's bytes, so nothing is lost.
            places.push((key.to_owned(), offset as usize..cursor.offset() as usize));
        }
        Ok(Self { values, places })
    }

    /// Returns the entries in the file's order: keys, and the byte ranges of key, type and value.
    pub fn places(&self) -> &[(String, Range<usize>)] {
        &self.places
    }

    /// Returns the strings under `key`, all of them UTF-8.
    pub fn texts(&self, file: &[u8], key: &str) -> Option<Vec<String>> {
        let (_, place) = self.places.iter().find(|(of, _)| of == key)?;
        let mut cursor = Cursor::over(file.get(place.clone())?);
        cursor.string("the metadata key", MAX_LENGTH).ok()?;
        let types = [read_type(&mut cursor, key).ok()?, read_type(&mut cursor, key).ok()?];
        if types != [GGUFValueType::Array, GGUFValueType::String] {
            return None;
        }
        let count = cursor.length("the metadata array", MAX_LENGTH).ok()?;
        let text = |_| {
            let bytes = cursor.string("the string in a metadata array", MAX_LENGTH).ok()?;
            String::from_utf8(bytes.to_vec()).ok()
        };
        (0..count).map(text).collect()
    }

    /// Returns whether the key is present, with a value of any type.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// Returns the string under `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.values.get(key) {
            Some(KeptValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns the integer under `key`, unless it is negative.
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        match self.values.get(key) {
            Some(KeptValue::Unsigned(number)) => Some(*number),
            _ => None,
        }
    }

    /// Returns the boolean under `key`.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        match self.values.get(key) {
            Some(KeptValue::Boolean(truth)) => Some(*truth),
            _ => None,
        }
    }
}

fn read_value(cursor: &mut Cursor<'_>, key: &str) -> Result<KeptValue, GgufError> {
    let value_type = read_type(cursor, key)?;
    match value_type.size_in_bytes() {
        Some(size) => Ok(scalar(cursor.take(size as u64)?, value_type)),
        None if value_type == GGUFValueType::String => {
            let bytes = cursor.string("the metadata string", MAX_LENGTH)?;
            Ok(KeptValue::Text(String::from_utf8_lossy(bytes).into_owned()))
        }
        None => skip_array(cursor, key, 1).map(|()| KeptValue::Other),
    }
}

fn read_type(cursor: &mut Cursor<'_>, key: &str) -> Result<GGUFValueType, GgufError> {
    let offset = cursor.offset();
    let id = cursor.u32()?;
    GGUFValueType::from_u32(id).map_err(|_| GgufError::UnknownValueType { key: quoted(key), offset, id })
}

/// Returns the value of fixed size in `bytes`.
fn scalar(mut bytes: &[u8], value_type: GGUFValueType) -> KeptValue {
    let value = MetadataValue::read_from(&mut bytes, value_type).ok();
    if let Some(MetadataValue::Bool(truth)) = value {
        return KeptValue::Boolean(truth);
    }
    let signed = |value: &MetadataValue| value.as_i64().and_then(|number| u64::try_from(number).ok());
    value
        .and_then(|value| value.as_u64().or_else(|| signed(&value)))
        .map_or(KeptValue::Other, KeptValue::Unsigned)
}

/// Skips an array at nesting level `depth`.
fn skip_array(cursor: &mut Cursor<'_>, key: &str, depth: u32) -> Result<(), GgufError> {
    if depth > MAX_DEPTH {
        let offset = cursor.offset();
        return Err(GgufError::NestedTooDeep { key: quoted(key), offset, limit: MAX_DEPTH });
    }
    let value_type = read_type(cursor, key)?;
    let length = cursor.length("the metadata array", MAX_LENGTH)?;
    match value_type.size_in_bytes() {
        Some(size) => cursor.take(length.saturating_mul(size as u64)).map(drop),
        None if value_type == GGUFValueType::String => {
            cursor.expect(length, 8)?;
            (0..length)
                .try_for_each(|_| cursor.string("the string in a metadata array", MAX_LENGTH).map(drop))
        }
        None => {
            cursor.expect(length, 4 + 8)?;
            (0..length).try_for_each(|_| skip_array(cursor, key, depth + 1))
        }
    }
}

/// Returns the start of a key, for an error message.
fn quoted(key: &str) -> String {
    key.chars().take(MAX_QUOTED).collect()
}
