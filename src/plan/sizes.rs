//! Sizes of noise and steps in the user's notation: `0.1`, `3%`, `Q4_K=0.1,Q6_K=0.6`, `scales=2%`, `Q4_K.scales=2%`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::block::Field;
use crate::tensor_type::TensorType;

/// A size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// In steps of the integers.
    Steps(f64),
    /// As displacement: a share of the weights' root mean square.
    Displacement(f64),
}

/// Sizes for all types and fields, or for some of them; the last one that matches a field of a type is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    parts: Vec<ScopedSize>,
    /// The text as it was given.
    text: String,
}

/// A size, with its type and field; `None` for all.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ScopedSize {
    tensor_type: Option<TensorType>,
    field: Option<Field>,
    size: Size,
}

/// Error of parsing sizes.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SizesError(String);

impl FromStr for Sizes {
    type Err = SizesError;

    fn from_str(text: &str) -> Result<Self, SizesError> {
        let parts = text.split(',').map(part).collect::<Result<_, _>>()?;
        Ok(Self { parts, text: text.to_owned() })
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Sizes {
    /// Returns the size for a field of a type.
    pub fn find(&self, tensor_type: TensorType, field: Field) -> Option<Size> {
        let is_for = |part: &&ScopedSize| {
            part.tensor_type.is_none_or(|of| of == tensor_type) && part.field.is_none_or(|of| of == field)
        };
        self.parts.iter().rfind(is_for).map(|part| part.size)
    }

    /// Returns whether it is one share of the weights for all types and fields.
    pub fn fits_all(&self) -> bool {
        matches!(self.parts[..], [ScopedSize { tensor_type: None, field: None, size: Size::Displacement(_) }])
    }
}

/// Parses a part into its size and its type, field, or both with a dot between.
fn part(text: &str) -> Result<ScopedSize, SizesError> {
    let wrong = |e: &dyn fmt::Display| SizesError(e.to_string());
    let of_type = |name: &str| name.parse::<TensorType>().map_err(|e| wrong(&e));
    let Some((name, size)) = text.split_once('=') else {
        return Ok(ScopedSize { tensor_type: None, field: None, size: parse_size(text.trim())? });
    };
    let name = name.trim();
    let (tensor_type, field) = match (name.parse::<Field>(), name.split_once('.')) {
        (Ok(field), _) => (None, Some(field)),
        (_, Some((tensor_type, field))) => {
            let field = field.parse().map_err(|e| wrong(&e))?;
            (Some(of_type(tensor_type)?), Some(field))
        }
        (_, None) => (Some(of_type(name)?), None),
    };
    Ok(ScopedSize { tensor_type, field, size: parse_size(size.trim())? })
}

fn parse_size(text: &str) -> Result<Size, SizesError> {
    let (number, is_share) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
    let number: f64 = number.trim().parse().map_err(|_| SizesError(format!("\"{text}\" is not a number")))?;
    Ok(if is_share { Size::Displacement(number / 100.0) } else { Size::Steps(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_all_or_for_a_type_or_a_field() {
        let size = |text: &str, tensor_type, field| {
            text.parse().map(|sizes: Sizes| sizes.find(tensor_type, field)).map_err(|e| e.to_string())
        };
        let (q4_k, q8_0) = (TensorType::Q4_K, TensorType::Q8_0);
        assert_eq!(size("0.5", q4_k, Field::Codes), Ok(Some(Size::Steps(0.5))));
        assert_eq!(size("Q4_K=0.5,Q8_0=2", q8_0, Field::Codes), Ok(Some(Size::Steps(2.0))));
        assert_eq!(size("1,q8_0=2", q8_0, Field::Scales), Ok(Some(Size::Steps(2.0))));
        assert_eq!(size("Q8_0=2", q4_k, Field::Codes), Ok(None));
        assert_eq!(size("3%", q4_k, Field::Mins), Ok(Some(Size::Displacement(0.03))));
        assert_eq!(size("scales=3%,mins=5", q4_k, Field::Mins), Ok(Some(Size::Steps(5.0))));
        assert_eq!(size("Q4_K.scales=7", q4_k, Field::Mins), Ok(None));
        assert_eq!(size("Q4_K.scales=7", q4_k, Field::Scales), Ok(Some(Size::Steps(7.0))));
        for (text, says) in
            [("x", "\"x\" is not a number"), ("Q9=1", "Q9"), ("Q4_K.dust=1", "\"dust\" is no field")]
        {
            let message = size(text, q4_k, Field::Codes).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn a_share_for_all_fits_whatever_is_tuned() {
        let fits = |text: &str| text.parse::<Sizes>().unwrap().fits_all();
        assert!(fits("3%") && fits(" 3 % "));
        for text in ["0.1", "scales=3%", "3%,mins=2%", "Q4_K=3%"] {
            assert!(!fits(text), "{text}");
        }
    }
}
