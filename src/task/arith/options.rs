//! Options of arithmetic problems.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most digits of an answer to a product, so that it fits an `i64`.
const MAX_PRODUCT_DIGITS: u32 = 18;

/// Operation between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Operation {
    /// Addition.
    #[serde(rename = "+")]
    Add,
    /// Subtraction.
    #[serde(rename = "-")]
    Subtract,
    /// Multiplication, which binds tighter than the others.
    #[serde(rename = "*")]
    Multiply,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Add, Self::Subtract, Self::Multiply];

    /// Returns the sign in a problem's text.
    pub fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
        }
    }

    /// Returns the operations whose signs make up a text such as `+-*`.
    ///
    /// # Errors
    /// When the text is empty or holds anything else.
    pub fn set(signs: &str) -> Result<BTreeSet<Self>, ArithOptionsError> {
        let of_sign = |sign| Self::ALL.into_iter().find(|operation| operation.sign() == sign);
        let operations: Option<BTreeSet<Self>> = signs.chars().map(of_sign).collect();
        operations
            .filter(|operations| !operations.is_empty())
            .ok_or_else(|| ArithOptionsError::Operations(signs.to_owned()))
    }
}

/// Which problems are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct ArithOptions {
    /// Operations between operands, each equally likely.
    pub operations: BTreeSet<Operation>,
    /// Digits of every operand, 1 to 9. Operands of one digit are 1 to 9, without 0.
    pub digits: u32,
    /// Operands of a problem, 2 to 8.
    pub operands: u32,
}

impl Default for ArithOptions {
    fn default() -> Self {
        Self { operations: [Operation::Add, Operation::Subtract].into(), digits: 2, operands: 2 }
    }
}

/// Errors of options.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum ArithOptionsError {
    #[error("--operations is \"{0}\", but must be one or more of + - *, such as \"+-\"")]
    Operations(String),
    #[error("--digits is {0}, but must be from 1 to 9")]
    Digits(u32),
    #[error("--operands is {0}, but must be from 2 to 8")]
    Operands(u32),
    #[error(
        "--operations with * allows --digits times --operands of at most {MAX_PRODUCT_DIGITS}, but {digits} times {operands} is more: lower one of them"
    )]
    Products { digits: u32, operands: u32 },
}

impl ArithOptions {
    /// Checks the options, each alone and together.
    ///
    /// # Errors
    /// For the first invalid one.
    pub fn validate(&self) -> Result<(), ArithOptionsError> {
        let (digits, operands) = (self.digits, self.operands);
        if self.operations.is_empty() {
            return Err(ArithOptionsError::Operations(String::new()));
        }
        if !(1..=9).contains(&digits) {
            return Err(ArithOptionsError::Digits(digits));
        }
        if !(2..=8).contains(&operands) {
            return Err(ArithOptionsError::Operands(operands));
        }
        if self.operations.contains(&Operation::Multiply) && digits * operands > MAX_PRODUCT_DIGITS {
            return Err(ArithOptionsError::Products { digits, operands });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked_and_read_back() {
        use ArithOptionsError::*;
        for (signs, digits, operands, error) in [
            ("", 2, 2, Operations(String::new())),
            ("+/", 2, 2, Operations("+/".to_owned())),
            ("+ -", 2, 2, Operations("+ -".to_owned())),
            ("+", 0, 2, Digits(0)),
            ("+", 10, 2, Digits(10)),
            ("+", 2, 1, Operands(1)),
            ("+", 2, 9, Operands(9)),
            ("+*", 7, 3, Products { digits: 7, operands: 3 }),
        ] {
            let checked = Operation::set(signs)
                .and_then(|operations| ArithOptions { operations, digits, operands }.validate());
            assert_eq!(checked, Err(error), "{signs} {digits} {operands}");
        }
        assert!(ArithOptions { operations: BTreeSet::new(), ..Default::default() }.validate().is_err());
        for (signs, digits, operands) in [("+-", 9, 8), ("*", 9, 2), ("+-*", 6, 3), ("*", 2, 8)] {
            let operations = Operation::set(signs).unwrap();
            assert_eq!(ArithOptions { operations, digits, operands }.validate(), Ok(()), "{signs}");
        }
        let options = ArithOptions { operations: Operation::set("*+*").unwrap(), digits: 3, operands: 4 };
        let text = r#"{"operations":["+","*"],"digits":3,"operands":4}"#;
        assert_eq!(serde_json::to_string(&options).unwrap(), text);
        assert_eq!(serde_json::from_str::<ArithOptions>(text).unwrap(), options);
        assert!(serde_json::from_str::<ArithOptions>(r#"{"digit":3}"#).is_err());
    }
}
