//! Writes GGUF bytes by hand, right or wrong.

use crate::tensor_type::TensorType;

/// Ids of `enum ggml_type`.
pub const F32: u32 = 0;
pub const Q8_0: u32 = 8;
pub const Q4_K: u32 = 12;

/// A file in the making. Tensor data is filled with 1 for the first tensor, 2 for the second and so on.
#[derive(Clone)]
pub struct Builder {
    version: u32,
    /// Counts that the header claims in place of the true ones: tensors, metadata entries.
    counts: (Option<u64>, Option<u64>),
    alignment: u32,
    entries: Vec<Vec<u8>>,
    tensors: Vec<Tensor>,
}

#[derive(Clone)]
struct Tensor {
    info: Vec<u8>,
    offset: u64,
    size: u64,
}

impl Builder {
    /// A file that holds nothing.
    pub fn bare() -> Self {
        Self { version: 3, counts: (None, None), alignment: 32, entries: Vec::new(), tensors: Vec::new() }
    }

    /// A file that holds only its architecture.
    pub fn new() -> Self {
        Self::bare().text("general.architecture", "llama")
    }

    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Has the header claim this many tensors and metadata entries; `None` for the true count.
    pub fn claiming(mut self, tensors: Option<u64>, entries: Option<u64>) -> Self {
        self.counts = (tensors, entries);
        self
    }

    /// Declares an alignment and lays out the tensors that follow by it.
    pub fn alignment(mut self, alignment: u32) -> Self {
        self.alignment = alignment;
        self.u32("general.alignment", alignment)
    }

    /// A metadata entry with any type and value.
    pub fn raw(self, key: &str, value_type: u32, value: &[u8]) -> Self {
        self.entry(&[&string(key.as_bytes())[..], &value_type.to_le_bytes(), value].concat())
    }

    /// Any bytes, counted as a metadata entry.
    pub fn entry(mut self, bytes: &[u8]) -> Self {
        self.entries.push(bytes.to_vec());
        self
    }

    pub fn text(self, key: &str, value: &str) -> Self {
        self.raw(key, 8, &string(value.as_bytes()))
    }

    pub fn u32(self, key: &str, value: u32) -> Self {
        self.raw(key, 4, &value.to_le_bytes())
    }

    pub fn strings(self, key: &str, values: &[&str]) -> Self {
        let strings = values.iter().flat_map(|value| string(value.as_bytes()));
        self.raw(key, 9, &array(8, values.len() as u64).into_iter().chain(strings).collect::<Vec<_>>())
    }

    /// A tensor behind those so far.
    pub fn tensor(self, name: &str, shape: &[u64], ggml_id: u32) -> Self {
        let end = self.tensors.last().map_or(0, |last| last.offset + last.size);
        let offset = end.next_multiple_of(u64::from(self.alignment));
        self.tensor_at(name, shape, ggml_id, offset)
    }

    /// A tensor at any offset. One whose size cannot be told, or is beyond reason, gets no data.
    pub fn tensor_at(self, name: &str, shape: &[u64], ggml_id: u32, offset: u64) -> Self {
        let elements = shape.iter().try_fold(1_u64, |product, length| product.checked_mul(*length));
        let size = TensorType::from_ggml_id(ggml_id).and_then(|known| known.bytes_of(elements?));
        let size = size.filter(|size| *size < 1 << 20).unwrap_or(0);
        self.listed(&[&string(name.as_bytes())[..], &shape_of(shape)].concat(), ggml_id, offset, size)
    }

    /// A tensor whose entry starts with any bytes.
    pub fn listed(mut self, start: &[u8], ggml_id: u32, offset: u64, size: u64) -> Self {
        let info = [start, &ggml_id.to_le_bytes(), &offset.to_le_bytes()].concat();
        self.tensors.push(Tensor { info, offset, size });
        self
    }

    pub fn build(&self) -> Vec<u8> {
        let tensors = self.counts.0.unwrap_or(self.tensors.len() as u64);
        let entries = self.counts.1.unwrap_or(self.entries.len() as u64);
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(tensors.to_le_bytes());
        bytes.extend(entries.to_le_bytes());
        bytes.extend(self.entries.concat());
        bytes.extend(self.tensors.iter().flat_map(|tensor| &tensor.info));
        if !self.tensors.is_empty() {
            bytes.resize(bytes.len().next_multiple_of(self.alignment.max(1) as usize), 0);
        }
        let start = bytes.len();
        for (number, tensor) in (1_u32..).zip(&self.tensors).filter(|(_, tensor)| tensor.offset < 1 << 20) {
            let begin = start + tensor.offset as usize;
            let end = begin + tensor.size as usize;
            bytes.resize(bytes.len().max(end), 0);
            bytes[begin..end].fill(number as u8);
        }
        bytes
    }
}

/// A length and the bytes.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat()
}

/// The start of an array: type and length.
pub fn array(value_type: u32, length: u64) -> Vec<u8> {
    [&value_type.to_le_bytes()[..], &length.to_le_bytes()].concat()
}

/// Number of dimensions and dimensions.
pub fn shape_of(shape: &[u64]) -> Vec<u8> {
    let lengths = shape.iter().flat_map(|length| length.to_le_bytes());
    (shape.len() as u32).to_le_bytes().into_iter().chain(lengths).collect()
}
