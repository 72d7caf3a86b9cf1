//! The ggml tensor types: the number of codes in a block, its bytes, and the range of its codes.
//!
//! Layouts are those of ggml's `ggml-common.h`; numbers are the ids of `enum ggml_type`. A type is *tunable* if
//! [`crate::block`] can read and write its codes, or at least its scales; every other type is left unchanged and only
//! reported.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A ggml tensor type, by its name in prose (`Q4_K`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct TensorType(&'static TypeRow);

/// One row of the type table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct TypeRow {
    ggml_id: u32,
    name: &'static str,
    block_len: u32,
    block_bytes: u32,
    tuned: Tunable,
}

/// The integers of a type that this crate can change.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Tunable {
    /// None.
    Nothing,
    /// Scales alone.
    Scales,
    /// Scales, and codes from the lowest to the highest.
    Codes(i16, i16),
}

const fn fixed(ggml_id: u32, name: &'static str, block_len: u32, block_bytes: u32) -> TypeRow {
    TypeRow { ggml_id, name, block_len, block_bytes, tuned: Tunable::Nothing }
}

const fn scaled(ggml_id: u32, name: &'static str, block_len: u32, block_bytes: u32) -> TypeRow {
    TypeRow { ggml_id, name, block_len, block_bytes, tuned: Tunable::Scales }
}

const fn tunable(
    ggml_id: u32,
    name: &'static str,
    block_len: u32,
    block_bytes: u32,
    lo: i16,
    hi: i16,
) -> TypeRow {
    TypeRow { ggml_id, name, block_len, block_bytes, tuned: Tunable::Codes(lo, hi) }
}

/// Every type that a present GGUF can hold (`enum ggml_type` without removed ids).
static TABLE: [TypeRow; 35] = [
    fixed(0, "F32", 1, 4),
    fixed(1, "F16", 1, 2),
    tunable(2, "Q4_0", 32, 18, 0, 15),
    tunable(3, "Q4_1", 32, 20, 0, 15),
    tunable(6, "Q5_0", 32, 22, 0, 31),
    tunable(7, "Q5_1", 32, 24, 0, 31),
    tunable(8, "Q8_0", 32, 34, -127, 127),
    fixed(9, "Q8_1", 32, 36),
    tunable(10, "Q2_K", 256, 84, 0, 3),
    tunable(11, "Q3_K", 256, 110, 0, 7),
    tunable(12, "Q4_K", 256, 144, 0, 15),
    tunable(13, "Q5_K", 256, 176, 0, 31),
    tunable(14, "Q6_K", 256, 210, 0, 63),
    fixed(15, "Q8_K", 256, 292),
    scaled(16, "IQ2_XXS", 256, 66),
    scaled(17, "IQ2_XS", 256, 74),
    scaled(18, "IQ3_XXS", 256, 98),
    scaled(19, "IQ1_S", 256, 50),
    tunable(20, "IQ4_NL", 32, 18, 0, 15),
    scaled(21, "IQ3_S", 256, 110),
    scaled(22, "IQ2_S", 256, 82),
    tunable(23, "IQ4_XS", 256, 136, 0, 15),
    fixed(24, "I8", 1, 1),
    fixed(25, "I16", 1, 2),
    fixed(26, "I32", 1, 4),
    fixed(27, "I64", 1, 8),
    fixed(28, "F64", 1, 8),
    fixed(29, "IQ1_M", 256, 56),
    fixed(30, "BF16", 1, 2),
    scaled(34, "TQ1_0", 256, 54),
    tunable(35, "TQ2_0", 256, 66, 0, 2),
    fixed(39, "MXFP4", 32, 17),
    fixed(40, "NVFP4", 64, 36),
    fixed(41, "Q1_0", 128, 18),
    fixed(42, "Q2_0", 64, 18),
];

impl TensorType {
    /// 32 codes of 4 bits and a scale.
    pub const Q4_0: Self = Self::row(2);
    /// 32 codes of 4 bits, a scale and a minimum.
    pub const Q4_1: Self = Self::row(3);
    /// 32 codes of 5 bits and a scale.
    pub const Q5_0: Self = Self::row(6);
    /// 32 codes of 5 bits, a scale and a minimum.
    pub const Q5_1: Self = Self::row(7);
    /// 32 codes of 8 bits and a scale.
    pub const Q8_0: Self = Self::row(8);
    /// The 2-bit K-quant: 256 codes with 16 scales and minimums.
    pub const Q2_K: Self = Self::row(10);
    /// The 3-bit K-quant: 256 codes with 16 scales.
    pub const Q3_K: Self = Self::row(11);
    /// The 4-bit K-quant: 256 codes with 8 scales and minimums.
    pub const Q4_K: Self = Self::row(12);
    /// The 5-bit K-quant: 256 codes with 8 scales and minimums.
    pub const Q5_K: Self = Self::row(13);
    /// The 6-bit K-quant: 256 codes with 16 scales.
    pub const Q6_K: Self = Self::row(14);
    /// 32 codes of 4 bits, each the index of a value in a table, and a scale.
    pub const IQ4_NL: Self = Self::row(20);
    /// 256 codes of 4 bits, each the index of a value in a table, with 8 scales.
    pub const IQ4_XS: Self = Self::row(23);
    /// 256 weights as indices into a table of vectors, 2.06 bits each.
    pub const IQ2_XXS: Self = Self::row(16);
    /// 256 weights as indices into a table of vectors, 2.31 bits each.
    pub const IQ2_XS: Self = Self::row(17);
    /// 256 weights as indices into a table of vectors, 3.06 bits each.
    pub const IQ3_XXS: Self = Self::row(18);
    /// 256 weights as indices into a table of vectors, 1.56 bits each.
    pub const IQ1_S: Self = Self::row(19);
    /// 256 weights as indices into a table of vectors, 3.44 bits each.
    pub const IQ3_S: Self = Self::row(21);
    /// 256 weights as indices into a table of vectors, 2.56 bits each.
    pub const IQ2_S: Self = Self::row(22);
    /// 256 ternary weights, five in a byte, and a scale.
    pub const TQ1_0: Self = Self::row(34);
    /// 256 ternary weights as codes of 2 bits, and a scale.
    pub const TQ2_0: Self = Self::row(35);
    /// The types whose codes or scales this crate can change, in the order of their ids.
    pub const TUNABLE: [Self; 20] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ2_XXS,
        Self::IQ2_XS,
        Self::IQ3_XXS,
        Self::IQ1_S,
        Self::IQ4_NL,
        Self::IQ3_S,
        Self::IQ2_S,
        Self::IQ4_XS,
        Self::TQ1_0,
        Self::TQ2_0,
    ];

    /// Returns the type with an id that is in the table; for any other this does not compile.
    const fn row(ggml_id: u32) -> Self {
        let mut row = 0;
        while TABLE[row].ggml_id != ggml_id {
            row += 1;
        }
        Self(&TABLE[row])
    }

    /// Returns the type with this id in `enum ggml_type`, or `None` for an id not in the table.
    pub fn from_ggml_id(id: u32) -> Option<Self> {
        TABLE.iter().find(|layout| layout.ggml_id == id).map(Self)
    }

    /// Returns the id in `enum ggml_type`.
    pub fn ggml_id(self) -> u32 {
        self.0.ggml_id
    }

    /// Returns the name as ggml spells it, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Returns the codes (elements) in one block.
    pub fn block_len(self) -> u64 {
        self.0.block_len.into()
    }

    /// Returns the bytes of one block.
    pub fn block_bytes(self) -> u64 {
        self.0.block_bytes.into()
    }

    /// Returns the lowest and the highest code, both reachable; `None` where codes cannot be changed.
    pub fn code_range(self) -> Option<(i16, i16)> {
        match self.0.tuned {
            Tunable::Codes(lo, hi) => Some((lo, hi)),
            Tunable::Scales | Tunable::Nothing => None,
        }
    }

    /// Returns whether this crate can change codes or scales of this type.
    pub fn is_tunable(self) -> bool {
        self.0.tuned != Tunable::Nothing
    }

    /// Returns the bytes of `elements` elements, or `None` if they do not fill whole blocks or the product overflows.
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

/// Error of a name that is not a ggml type.
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
        let rows: Vec<_> = TABLE.iter().filter(|row| row.tuned != Tunable::Nothing).map(TensorType).collect();
        assert_eq!(rows, TensorType::TUNABLE);
        let names = TensorType::TUNABLE.map(TensorType::name).join(" ");
        let known = "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ2_XXS IQ2_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ2_S IQ4_XS \
                     TQ1_0 TQ2_0";
        assert_eq!(names, known);
    }

    #[test]
    fn sizes_are_whole_blocks_or_nothing() {
        assert_eq!(TensorType::Q4_K.bytes_of(512), Some(288));
        assert_eq!(TensorType::Q4_K.bytes_of(500), None);
        assert_eq!(TensorType::Q8_0.bytes_of(u64::MAX - 31), None);
    }
}
