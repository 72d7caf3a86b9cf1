//! The ggml tensor types this crate knows: how many codes a block holds, how many bytes it takes, and which
//! integer range its codes have.
//!
//! Layouts are those of ggml's `ggml-common.h`; numbers are the ids of `enum ggml_type`. A type is *tunable* when
//! [`crate::block`] can read and write its codes; every other type is left alone and only reported.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A ggml tensor type, by its name in prose (`Q4_K`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TensorType(&'static Layout);

/// One row of the type table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Layout {
    ggml_id: u32,
    name: &'static str,
    block_len: u32,
    block_bytes: u32,
    /// Lowest and highest code; `None` where this crate cannot tune the type.
    codes: Option<(i16, i16)>,
}

const fn fixed(ggml_id: u32, name: &'static str, block_len: u32, block_bytes: u32) -> Layout {
    Layout { ggml_id, name, block_len, block_bytes, codes: None }
}

const fn tunable(
    ggml_id: u32,
    name: &'static str,
    block_len: u32,
    block_bytes: u32,
    lo: i16,
    hi: i16,
) -> Layout {
    Layout { ggml_id, name, block_len, block_bytes, codes: Some((lo, hi)) }
}

/// Every type a GGUF of today can hold (`enum ggml_type`, removed ids left out).
static TABLE: [Layout; 35] = [
    fixed(0, "F32", 1, 4),
    fixed(1, "F16", 1, 2),
    fixed(2, "Q4_0", 32, 18),
    fixed(3, "Q4_1", 32, 20),
    fixed(6, "Q5_0", 32, 22),
    fixed(7, "Q5_1", 32, 24),
    tunable(8, "Q8_0", 32, 34, -127, 127),
    fixed(9, "Q8_1", 32, 36),
    fixed(10, "Q2_K", 256, 84),
    fixed(11, "Q3_K", 256, 110),
    tunable(12, "Q4_K", 256, 144, 0, 15),
    fixed(13, "Q5_K", 256, 176),
    fixed(14, "Q6_K", 256, 210),
    fixed(15, "Q8_K", 256, 292),
    fixed(16, "IQ2_XXS", 256, 66),
    fixed(17, "IQ2_XS", 256, 74),
    fixed(18, "IQ3_XXS", 256, 98),
    fixed(19, "IQ1_S", 256, 50),
    fixed(20, "IQ4_NL", 32, 18),
    fixed(21, "IQ3_S", 256, 110),
    fixed(22, "IQ2_S", 256, 82),
    fixed(23, "IQ4_XS", 256, 136),
    fixed(24, "I8", 1, 1),
    fixed(25, "I16", 1, 2),
    fixed(26, "I32", 1, 4),
    fixed(27, "I64", 1, 8),
    fixed(28, "F64", 1, 8),
    fixed(29, "IQ1_M", 256, 56),
    fixed(30, "BF16", 1, 2),
    fixed(34, "TQ1_0", 256, 54),
    fixed(35, "TQ2_0", 256, 66),
    fixed(39, "MXFP4", 32, 17),
    fixed(40, "NVFP4", 64, 36),
    fixed(41, "Q1_0", 128, 18),
    fixed(42, "Q2_0", 64, 18),
];

impl TensorType {
    /// The 4-bit K-quant: 256 codes of 0..=15 in 144 bytes.
    pub const Q4_K: Self = Self(&TABLE[10]);
    /// The 8-bit quant: 32 codes of -127..=127 in 34 bytes.
    pub const Q8_0: Self = Self(&TABLE[6]);
    /// The types whose codes this crate can change.
    pub const TUNABLE: [Self; 2] = [Self::Q4_K, Self::Q8_0];

    /// The type with this id in `enum ggml_type`, or `None` for an id not in the table.
    pub fn from_ggml_id(id: u32) -> Option<Self> {
        TABLE.iter().find(|layout| layout.ggml_id == id).map(Self)
    }

    /// The id in `enum ggml_type`.
    pub fn ggml_id(self) -> u32 {
        self.0.ggml_id
    }

    /// The name as ggml spells it, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Codes (elements) in one block.
    pub fn block_len(self) -> u64 {
        self.0.block_len.into()
    }

    /// Bytes of one block.
    pub fn block_bytes(self) -> u64 {
        self.0.block_bytes.into()
    }

    /// Lowest and highest code, both reachable; `None` where the type is not tunable.
    pub fn code_range(self) -> Option<(i16, i16)> {
        self.0.codes
    }

    /// Whether this crate can change the codes of this type.
    pub fn is_tunable(self) -> bool {
        self.0.codes.is_some()
    }

    /// Bytes that `elements` elements take, or `None` when they do not fill whole blocks or the product overflows.
    pub fn bytes_of(self, elements: u64) -> Option<u64> {
        if !elements.is_multiple_of(self.block_len()) {
            return None;
        }
        (elements / self.block_len()).checked_mul(self.block_bytes())
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no ggml type.
#[derive(Debug, Error)]
#[error("\"{0}\" is not a ggml tensor type; expected a name such as Q4_K or Q8_0")]
pub struct UnknownTensorType(String);

impl FromStr for TensorType {
    type Err = UnknownTensorType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = TABLE.iter().find(|layout| layout.name.eq_ignore_ascii_case(name));
        found.map(Self).ok_or_else(|| UnknownTensorType(name.to_owned()))
    }
}

impl TryFrom<String> for TensorType {
    type Error = UnknownTensorType;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<TensorType> for String {
    fn from(value: TensorType) -> Self {
        value.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_lead_back_to_their_row() {
        for layout in &TABLE {
            assert_eq!(TensorType::from_ggml_id(layout.ggml_id), Some(TensorType(layout)));
            assert_eq!(layout.name.parse::<TensorType>().unwrap(), TensorType(layout));
        }
    }

    #[test]
    fn the_tunable_constants_are_the_tunable_rows() {
        let rows: Vec<_> = TABLE.iter().filter(|row| row.codes.is_some()).map(TensorType).collect();
        let mut constants = TensorType::TUNABLE.to_vec();
        constants.sort();
        assert_eq!(rows, constants);
        assert_eq!(TensorType::Q4_K.name(), "Q4_K");
        assert_eq!(TensorType::Q8_0.name(), "Q8_0");
    }

    #[test]
    fn sizes_are_whole_blocks_or_nothing() {
        assert_eq!(TensorType::Q4_K.bytes_of(512), Some(288));
        assert_eq!(TensorType::Q4_K.bytes_of(500), None);
        assert_eq!(TensorType::Q8_0.bytes_of(u64::MAX - 31), None);
    }
}
