//! A model's file with other metadata: a new start of the file, followed by the unchanged tensor data.
//!
//! Entries are copied as bytes, so that unknown keys, types and values are preserved in order. The list of tensors is
//! copied too: its offsets count from the start of the tensor data, wherever that is.

use std::ops::Range;

use gguf_rs_lib::format::GGUFValueType;

use super::Gguf;

/// Bytes of the header with the number of metadata entries: after magic, version and number of tensors.
const COUNT: Range<usize> = 16..24;

/// A metadata entry to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Value,
}

impl Entry {
    /// Creates an entry.
    pub fn new(key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { key: key.into(), value: value.into() }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        write_text(bytes, &self.key);
        let write_type = |bytes: &mut Vec<u8>, of: GGUFValueType| bytes.extend((of as u32).to_le_bytes());
        write_type(bytes, self.value.kind());
        match &self.value {
            Value::U32(number) => bytes.extend(number.to_le_bytes()),
            Value::U64(number) => bytes.extend(number.to_le_bytes()),
            Value::F64(number) => bytes.extend(number.to_le_bytes()),
            Value::Text(text) => write_text(bytes, text),
            Value::Texts(texts) => {
                write_type(bytes, GGUFValueType::String);
                bytes.extend((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|text| write_text(bytes, text));
            }
        }
    }
}

/// A metadata value of a kind that can be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    U32(u32),
    /// A whole number that may be large.
    U64(u64),
    /// A number.
    F64(f64),
    /// A string.
    Text(String),
    /// An array of strings.
    Texts(Vec<String>),
}

impl Value {
    fn kind(&self) -> GGUFValueType {
        match self {
            Self::U32(_) => GGUFValueType::U32,
            Self::U64(_) => GGUFValueType::U64,
            Self::F64(_) => GGUFValueType::F64,
            Self::Text(_) => GGUFValueType::String,
            Self::Texts(_) => GGUFValueType::Array,
        }
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::U32(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::U64(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::F64(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Self {
        Self::Texts(texts)
    }
}

fn write_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// The start of a file, up to its tensor data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderStart {
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// Differences from the start that it was made from, in rising order; all bytes in between are the same.
    pub splices: Vec<Splice>,
}

/// A replaced part of a file's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The bytes that are replaced, as a range of the old start.
    pub before: Range<usize>,
    /// The bytes in their place, as a range of the new start.
    pub after: Range<usize>,
}

impl HeaderStart {
    /// Appends unchanged bytes.
    fn copy(&mut self, file: &[u8], range: Range<usize>) {
        self.bytes.extend(file.get(range).unwrap_or_default());
    }

    /// Appends bytes that replace those in `range`.
    fn put(&mut self, range: Range<usize>, bytes: &[u8]) {
        let at = self.bytes.len();
        self.bytes.extend(bytes);
        self.splices.push(Splice { before: range, after: at..self.bytes.len() });
    }
}

impl Gguf {
    /// Returns the start of this model's file with `entries` at the end of its metadata. Existing entries under the
    /// same keys, and those whose key `is_dropped` accepts, are left out. `file` are the bytes that were parsed.
    pub fn start_with(
        &self,
        file: &[u8],
        entries: &[Entry],
        is_dropped: impl Fn(&str) -> bool,
    ) -> HeaderStart {
        let is_replaced = |key: &str| is_dropped(key) || entries.iter().any(|entry| entry.key == key);
        let places = self.metadata.places();
        let kept = places.iter().filter(|(key, _)| !is_replaced(key)).count();
        let mut start = HeaderStart::default();
        start.copy(file, 0..COUNT.start);
        start.put(COUNT, &((kept + entries.len()) as u64).to_le_bytes());
        for (key, place) in places {
            if is_replaced(key) {
                start.put(place.clone(), &[]);
            } else {
                start.copy(file, place.clone());
            }
        }
        // All of these lie within the file.
        let [list, list_end, data] =
            [self.list.start, self.list.end, self.data_start()].map(|at| at as usize);
        let mut added = Vec::new();
        entries.iter().for_each(|entry| entry.write(&mut added));
        start.put(list..list, &added);
        start.copy(file, list..list_end);
        let padded = (start.bytes.len() as u64).next_multiple_of(self.alignment) as usize;
        start.put(list_end..data.min(file.len()), &vec![0; padded - start.bytes.len()]);
        start
    }
}
