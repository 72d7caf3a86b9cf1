//! Faults of a model file. Every message says what is wrong, where, and what to do about it.

use std::fmt;

use thiserror::Error;

use crate::tensor_type::TensorType;

/// Part of the file ahead of the tensor data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Magic, version and counts: the first 24 bytes.
    Header,
    /// Keys and values.
    Metadata,
    /// Name, shape, type and offset of each tensor.
    TensorList,
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Section::Header => "its header",
            Section::Metadata => "its metadata",
            Section::TensorList => "its list of tensors",
        })
    }
}

/// Reasons for which a file is not a model that can be tuned. Offsets count bytes from the start of the file unless
/// stated otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file is empty.
    #[error("the file is empty; download the model again")]
    Empty,

    /// The file does not start with `GGUF`.
    #[error("this is not a GGUF file but {looks_like}; {advice}")]
    NotGguf {
        /// Kind of file that the first bytes suggest.
        looks_like: &'static str,
        /// A way to get a GGUF file.
        advice: &'static str,
    },

    /// The version field is byte-swapped.
    #[error(
        "the file is GGUF in big-endian byte order, which is not supported; download the little-endian file of \
         this model, or convert it with gguf_convert_endian.py of llama.cpp"
    )]
    BigEndian,

    /// Version 1, which llama.cpp no longer reads either.
    #[error(
        "the file is GGUF version 1, which llama.cpp no longer reads; download a current GGUF of this model, or \
         make one from the original weights with convert_hf_to_gguf.py of llama.cpp"
    )]
    Version1,

    /// Version 2, which llama.cpp still reads and rewrites as version 3.
    #[error(
        "the file is GGUF version 2, and only version 3 is supported; rewrite it without changing its tensors: \
         llama-quantize old.gguf new.gguf COPY"
    )]
    Version2,

    /// A version that this program does not know.
    #[error("the file is GGUF version {version}, and only version 3 is supported; update this program")]
    UnknownVersion {
        /// The version found.
        version: u32,
    },

    /// The file ends ahead of the tensor data.
    #[error(
        "the file ends inside {section}: what starts at byte {offset} needs a file of at least {expected} bytes, \
         and this one has {actual}; the download is probably incomplete, so download the model again"
    )]
    Truncated {
        /// Section in which the file ends.
        section: Section,
        /// First byte of the part that could not be read.
        offset: u64,
        /// Size that the file would need for this part alone.
        expected: u64,
        /// Size of the file.
        actual: u64,
    },

    /// The file ends inside the tensor data.
    #[error(
        "the file ends before the end of tensor {tensor:?}: its tensors take {expected} bytes, and it has {actual}; \
         the download is probably incomplete, so download the model again"
    )]
    TruncatedData {
        /// First tensor that is not complete.
        tensor: String,
        /// Size that the file would need for all tensors.
        expected: u64,
        /// Size of the file.
        actual: u64,
    },

    /// The header counts more entries than any model has.
    #[error(
        "the header counts {count} {what}, and at most {limit} are allowed; the file is damaged, so download the \
         model again"
    )]
    TooMany {
        /// Name of the things counted.
        what: &'static str,
        /// The count found.
        count: u64,
        /// The highest count accepted.
        limit: u64,
    },

    /// A string or an array is longer than any model has.
    #[error(
        "{what} at byte {offset} has length {length}, and at most {limit} is allowed; the file is damaged, so \
         download the model again"
    )]
    TooLong {
        /// Name of the text or array that is too long.
        what: &'static str,
        /// Offset of its length.
        offset: u64,
        /// The length found.
        length: u64,
        /// The highest length accepted.
        limit: u64,
    },

    /// A metadata key or a tensor name is empty.
    #[error("{what} at byte {offset} is empty; the file is damaged, so download the model again")]
    EmptyName {
        /// Name of the empty text.
        what: &'static str,
        /// Offset of its length.
        offset: u64,
    },

    /// A metadata key or a tensor name is not UTF-8, or holds a zero byte.
    #[error("{what} at byte {offset} is not text; the file is damaged, so download the model again")]
    NotText {
        /// Name of the bytes that are not text.
        what: &'static str,
        /// Offset of its length.
        offset: u64,
    },

    /// Two metadata entries have the same key.
    #[error(
        "metadata key {key:?} occurs a second time at byte {offset}; make the file again with a current llama.cpp"
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// Offset of its second entry.
        offset: u64,
    },

    /// A metadata value has a type that GGUF version 3 does not define.
    #[error(
        "metadata key {key:?} has value type {id} at byte {offset}, which GGUF version 3 does not define; the file \
         is damaged, so download the model again"
    )]
    UnknownValueType {
        /// The key.
        key: String,
        /// Offset of the type.
        offset: u64,
        /// The type found.
        id: u32,
    },

    /// Arrays inside arrays inside arrays.
    #[error(
        "metadata key {key:?} nests arrays more than {limit} deep at byte {offset}; the file is damaged, so \
         download the model again"
    )]
    NestedTooDeep {
        /// The key.
        key: String,
        /// Offset of the innermost array.
        offset: u64,
        /// The deepest nesting accepted.
        limit: u32,
    },

    /// `general.alignment` is not an integer.
    #[error("general.alignment is not an unsigned integer; make the file again with a current llama.cpp")]
    AlignmentType,

    /// `general.alignment` is zero, no power of two, or beyond 32 bits.
    #[error(
        "general.alignment is {value}, which is not a power of two below 2^32; make the file again with a current \
         llama.cpp"
    )]
    Alignment {
        /// The alignment found.
        value: u64,
    },

    /// The file is one of several that make up the model.
    #[error(
        "the file is one of {count} parts of a split model; merge them first: qes-gguf merge FIRST-PART.gguf -o \
         MERGED.gguf"
    )]
    Split {
        /// Number of parts.
        count: u64,
    },

    /// `general.architecture` is absent, empty or not a string.
    #[error(
        "the metadata has no general.architecture, so this is not a language model that llama.cpp can run; make it \
         from the original weights with convert_hf_to_gguf.py of llama.cpp"
    )]
    MissingArchitecture,

    /// Two tensors have the same name.
    #[error(
        "tensor {tensor:?} is listed a second time at byte {offset}; make the file again with a current llama.cpp"
    )]
    DuplicateTensor {
        /// The name.
        tensor: String,
        /// Offset of its second entry.
        offset: u64,
    },

    /// A tensor has no dimensions, or more than four.
    #[error(
        "tensor {tensor:?} has {count} dimensions at byte {offset}, and 1 to 4 are allowed; the file is damaged, so \
         download the model again"
    )]
    Dimensions {
        /// Name of the tensor.
        tensor: String,
        /// Offset of the number of dimensions.
        offset: u64,
        /// The number found.
        count: u32,
    },

    /// A tensor has a dimension of zero.
    #[error(
        "tensor {tensor:?} has shape {shape:?}, with a dimension of zero; make the file again with a current llama.cpp"
    )]
    ZeroDimension {
        /// Name of the tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<u64>,
    },

    /// A tensor has more elements or bytes than 63 bits count.
    #[error(
        "tensor {tensor:?} has shape {shape:?}, more than any file can hold; the file is damaged, so download the \
         model again"
    )]
    TooManyElements {
        /// Name of the tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<u64>,
    },

    /// The rows of a tensor do not fill whole blocks.
    #[error(
        "tensor {tensor:?} has rows of {row} elements, and {tensor_type} stores them in blocks of {}; the file is \
         damaged or was made by a faulty converter, so make it again with a current llama.cpp",
        tensor_type.block_len()
    )]
    UnevenRow {
        /// Name of the tensor.
        tensor: String,
        /// Its type.
        tensor_type: TensorType,
        /// Its first dimension.
        row: u64,
    },

    /// A tensor has a type whose size is not known, so the end of its bytes is not known either.
    #[error(
        "tensor {tensor:?} has ggml type {id}, which this program does not know; update it, or download a GGUF of \
         this model in a usual type such as Q4_K_M or Q8_0"
    )]
    UnknownTensorType {
        /// Name of the tensor.
        tensor: String,
        /// The id in `enum ggml_type`.
        id: u32,
    },

    /// A tensor does not start at a multiple of the alignment.
    #[error(
        "tensor {tensor:?} starts at offset {offset} of the tensor data, which is not a multiple of {alignment}; \
         make the file again with a current llama.cpp"
    )]
    Misaligned {
        /// Name of the tensor.
        tensor: String,
        /// Its offset from the start of the tensor data.
        offset: u64,
        /// The alignment of the file.
        alignment: u64,
    },

    /// A tensor starts beyond what all tensors of the file take together, so its offset is wrong.
    #[error(
        "tensor {tensor:?} starts at offset {offset} of the tensor data, but all tensors together take {total} \
         bytes; the file is damaged, so download the model again"
    )]
    OffsetPastEnd {
        /// Name of the tensor.
        tensor: String,
        /// Its offset from the start of the tensor data.
        offset: u64,
        /// Bytes of all tensors with their padding.
        total: u64,
    },

    /// Two tensors share bytes.
    #[error(
        "tensors {first:?} and {second:?} overlap at byte {offset}; the file is damaged, so download the model again"
    )]
    Overlap {
        /// Tensor that starts first.
        first: String,
        /// Tensor that starts inside it.
        second: String,
        /// First byte of the second tensor.
        offset: u64,
    },
}
