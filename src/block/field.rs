//! Kinds of integers in a block that can be tuned.
//!
//! Besides its codes, a block has one or two 16-bit floating-point numbers: the scale `d`, by which its codes are
//! multiplied, and, in some types, a second scale for its minimums (`m` in Q4_1 and Q5_1, `dmin` in Q2_K, Q4_K and
//! Q5_K). Without the sign, the bits of such a number rise with its magnitude, so they are an integer too: one step
//! changes the number by 0.05 to 0.1%. Scales are therefore the fine integers of coarse types.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// One kind of integers in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Field {
    /// The quantized weights.
    Codes = 0,
    /// The bits of the block's scale `d`, one integer a block.
    Scales = 1,
    /// The bits of the block's second scale, that of its minimums, one integer a block.
    Mins = 2,
}

/// A name that no field has.
#[derive(Debug, Error, PartialEq)]
#[error("\"{0}\" is no field of a block; there are codes, scales and mins")]
pub struct UnknownField(String);

impl Field {
    /// All fields, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Codes, Self::Scales, Self::Mins];

    /// Returns the name in logs and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Codes => "codes",
            Self::Scales => "scales",
            Self::Mins => "mins",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Field {
    type Err = UnknownField;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|field| field.name() == name.trim())
            .ok_or_else(|| UnknownField(name.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for field in Field::ALL {
            assert_eq!(field.name().parse(), Ok(field));
            assert_eq!(serde_json::to_string(&field).unwrap(), format!("\"{field}\""));
        }
        let unknown = "scale".parse::<Field>().unwrap_err().to_string();
        assert!(unknown.contains("\"scale\"") && unknown.contains("mins"), "{unknown}");
    }
}
