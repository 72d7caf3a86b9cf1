//! Arithmetic over whole numbers in the usual notation: parsed, checked and evaluated exactly in one pass.
//!
//! The syntax has `+ - * /` (also `− × · ÷`), a minus in front, parentheses and spaces; `*` and `/` bind tighter than
//! `+` and `-`, and operators of equal precedence are left-associative. Signs whose right operand is not yet known
//! wait in a list of their own, not on the call stack, so no nesting is too deep.

use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Zero};
use thiserror::Error;

use super::number::Number;

/// Value of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluated {
    /// The exact value.
    pub value: Number,
    /// The numbers written in it, in order.
    pub literals: Vec<u64>,
}

/// Reasons for which a text has no value. Positions are in bytes, from 0.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum ExpressionError {
    #[error("byte {0}: a number, a minus or an opening parenthesis must come here")]
    NoOperand(usize),
    #[error("byte {0}: one of + - * / or a closing parenthesis must come here")]
    NoOperation(usize),
    #[error("byte {0}: this parenthesis closes none")]
    Unopened(usize),
    #[error("byte {0}: this parenthesis is not closed")]
    Unclosed(usize),
    #[error("byte {0}: division by zero")]
    DivisionByZero(usize),
    #[error("byte {0}: the number is too large")]
    TooLarge(usize),
}

/// Operator or parenthesis whose right side is not complete yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    Open,
    Add,
    Subtract,
    Multiply,
    Divide,
    /// A minus in front: subtraction from zero that binds tighter than all.
    Negate,
}

impl Pending {
    fn of_sign(sign: char) -> Option<Self> {
        match sign {
            '+' => Some(Self::Add),
            '-' | '\u{2212}' => Some(Self::Subtract),
            '*' | '×' | '·' => Some(Self::Multiply),
            '/' | '÷' => Some(Self::Divide),
            _ => None,
        }
    }

    /// Returns the precedence: of two neighbours, the one that binds tighter goes first.
    fn binding(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Add | Self::Subtract => 1,
            Self::Multiply | Self::Divide => 2,
            Self::Negate => 3,
        }
    }
}

/// Evaluates an expression.
///
/// # Errors
/// For a text that is not an expression, and for one whose value is undefined or does not fit.
pub fn evaluate(text: &str) -> Result<Evaluated, ExpressionError> {
    let mut reader = ExpressionReader::default();
    let mut wants_operand = true;
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let mut len = first.len_utf8();
        if !wants_operand {
            wants_operand = reader.operation(first, at)?;
        } else if first.is_ascii_digit() {
            len = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            reader.literal(&rest[..len], at)?;
            wants_operand = false;
        } else {
            reader.prefix(first, at)?;
        }
        rest = rest[len..].trim_start();
    }
    if wants_operand {
        return Err(ExpressionError::NoOperand(text.len()));
    }
    reader.finish()
}

#[derive(Default)]
struct ExpressionReader {
    literals: Vec<u64>,
    values: Vec<Number>,
    pending: Vec<(Pending, usize)>,
}

impl ExpressionReader {
    fn literal(&mut self, digits: &str, at: usize) -> Result<(), ExpressionError> {
        let number: u64 = digits.parse().map_err(|_| ExpressionError::TooLarge(at))?;
        self.literals.push(number);
        self.values.push(Number::from(i128::from(number)));
        Ok(())
    }

    /// Reads a sign that may precede an operand.
    fn prefix(&mut self, sign: char, at: usize) -> Result<(), ExpressionError> {
        if sign == '(' {
            self.pending.push((Pending::Open, at));
        } else if Pending::of_sign(sign) == Some(Pending::Subtract) {
            self.values.push(Number::zero());
            self.pending.push((Pending::Negate, at));
        } else {
            return Err(ExpressionError::NoOperand(at));
        }
        Ok(())
    }

    /// Reads a sign that may follow an operand; returns whether another operand must follow.
    fn operation(&mut self, sign: char, at: usize) -> Result<bool, ExpressionError> {
        if sign == ')' {
            self.settle(Pending::Add)?;
            self.pending.pop().ok_or(ExpressionError::Unopened(at))?;
            return Ok(false);
        }
        let operation = Pending::of_sign(sign).ok_or(ExpressionError::NoOperation(at))?;
        self.settle(operation)?;
        self.pending.push((operation, at));
        Ok(true)
    }

    fn finish(mut self) -> Result<Evaluated, ExpressionError> {
        self.settle(Pending::Add)?;
        if let Some((_, at)) = self.pending.pop() {
            return Err(ExpressionError::Unclosed(at));
        }
        let value = self.values.pop().ok_or(ExpressionError::NoOperand(0))?;
        Ok(Evaluated { value, literals: self.literals })
    }

    /// Computes the pending operations that bind at least as tightly as `next`; an open parenthesis stops it.
    fn settle(&mut self, next: Pending) -> Result<(), ExpressionError> {
        while let Some((pending, at)) =
            self.pending.pop_if(|(pending, _)| pending.binding() >= next.binding())
        {
            let (Some(right), Some(left)) = (self.values.pop(), self.values.pop()) else {
                return Err(ExpressionError::NoOperand(at));
            };
            let value = match pending {
                Pending::Divide if right.is_zero() => return Err(ExpressionError::DivisionByZero(at)),
                Pending::Add => left.checked_add(&right),
                Pending::Multiply => left.checked_mul(&right),
                Pending::Divide => left.checked_div(&right),
                Pending::Open | Pending::Subtract | Pending::Negate => left.checked_sub(&right),
            };
            self.values.push(value.ok_or(ExpressionError::TooLarge(at))?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_known_expressions() {
        for (text, above, below) in [
            ("7", 7, 1),
            (" 1+2 * 3 ", 7, 1),
            ("(1 + 2)*3", 9, 1),
            ("10-4-3", 3, 1),
            ("10-(4-3)", 9, 1),
            ("100/10/5", 2, 1),
            ("100/(10/5)", 50, 1),
            ("2*3/4*2", 3, 1),
            ("1/3+1/6", 1, 2),
            ("8/(3-8/3)", 24, 1),
            ("-2*3", -6, 1),
            ("2*-3", -6, 1),
            ("2--3", 5, 1),
            ("--3", 3, 1),
            ("-(2+3)", -5, 1),
            ("6-2*-(1+1)", 10, 1),
            ("12 × 3 ÷ 4 · 2 − 1", 17, 1),
            ("((((5))))", 5, 1),
            ("0/5", 0, 1),
            ("18446744073709551615", i128::from(u64::MAX), 1),
        ] {
            assert_eq!(evaluate(text).map(|found| found.value), Ok(Number::new(above, below)), "{text}");
        }
    }

    #[test]
    fn literals_are_told_in_order() {
        assert_eq!(evaluate("(25 - 4) * 007 / 25").unwrap().literals, [25, 4, 7, 25]);
    }

    #[test]
    fn faults_are_told_with_their_place() {
        use ExpressionError::*;
        for (text, error) in [
            ("", NoOperand(0)),
            ("  ", NoOperand(2)),
            ("1+", NoOperand(2)),
            ("1 + * 2", NoOperand(4)),
            ("+1", NoOperand(0)),
            ("()", NoOperand(1)),
            ("(1+)", NoOperand(3)),
            ("x", NoOperand(0)),
            ("1 2", NoOperation(2)),
            ("1.5", NoOperation(1)),
            ("2(3)", NoOperation(1)),
            ("(2)3", NoOperation(3)),
            ("2**3", NoOperand(2)),
            ("2^3", NoOperation(1)),
            ("1=1", NoOperation(1)),
            ("1−x", NoOperand(4)),
            ("1)", Unopened(1)),
            ("(1))+(2", Unopened(3)),
            ("((1)", Unclosed(0)),
            ("1*(2", Unclosed(2)),
            ("1/0", DivisionByZero(1)),
            ("1/(2-2)+1", DivisionByZero(1)),
            ("18446744073709551616", TooLarge(0)),
            ("1+99999999999999999999", TooLarge(2)),
        ] {
            assert_eq!(evaluate(text), Err(error), "{text}");
        }
        let large = u64::MAX.to_string();
        let product = format!("{large}*{large}*{large}");
        assert_eq!(evaluate(&product), Err(TooLarge(20)));
        let finer = format!("1/{large}/{large}/{large}");
        assert_eq!(evaluate(&finer), Err(TooLarge(22)));
    }

    #[test]
    fn hostile_lengths_are_read_to_their_end() {
        let many = 1 << 20;
        let (open, close) = ("(".repeat(many), ")".repeat(many));
        assert_eq!(evaluate(&open), Err(ExpressionError::NoOperand(many)));
        assert_eq!(evaluate(&close), Err(ExpressionError::NoOperand(0)));
        assert_eq!(evaluate(&format!("{open}1")), Err(ExpressionError::Unclosed(many - 1)));
        assert_eq!(evaluate(&format!("{open}7{close}")).unwrap().value, Number::from(7));
        assert_eq!(evaluate(&format!("{}7", "-".repeat(many))).unwrap().value, Number::from(7));
        assert_eq!(evaluate(&"9".repeat(many)), Err(ExpressionError::TooLarge(0)));
        let sum = evaluate(&format!("0{}", "+1".repeat(many / 2))).unwrap();
        assert_eq!(sum.value, Number::from(1_i128 << 19));
        assert_eq!(evaluate(&"1-(".repeat(many / 2)), Err(ExpressionError::NoOperand(many / 2 * 3)));
    }

    /// An expression written with spare parentheses, its value as a fraction, and its literals.
    #[derive(Clone, Debug)]
    struct WrittenExpression {
        text: String,
        value: Option<(i64, i64)>,
        literals: Vec<u64>,
    }

    fn combine(left: WrittenExpression, sign: char, right: WrittenExpression) -> WrittenExpression {
        let value = left.value.zip(right.value).and_then(|((a, b), (c, d))| match sign {
            '+' => Some((a * d + c * b, b * d)),
            '-' | '−' => Some((a * d - c * b, b * d)),
            '*' | '×' | '·' => Some((a * c, b * d)),
            _ => (c != 0).then_some((a * d, b * c)),
        });
        let text = format!("({}) {sign}({} )", left.text, right.text);
        WrittenExpression { text, value, literals: [left.literals, right.literals].concat() }
    }

    fn negate(inner: WrittenExpression) -> WrittenExpression {
        let value = inner.value.map(|(a, b)| (-a, b));
        WrittenExpression { text: format!("-({})", inner.text), value, literals: inner.literals }
    }

    fn written() -> impl Strategy<Value = WrittenExpression> {
        let literal =
            |n: u64| WrittenExpression { text: n.to_string(), value: Some((n as i64, 1)), literals: vec![n] };
        // Eight literals below ten keep the reference's fractions within i64.
        (0_u64..10).prop_map(literal).prop_recursive(3, 8, 2, |inner| {
            let sign = prop::sample::select(vec!['+', '-', '−', '*', '×', '·', '/', '÷']);
            prop_oneof![
                4 => (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| combine(a, sign, b)),
                1 => inner.prop_map(negate),
            ]
        })
    }

    proptest! {
        #[test]
        fn written_expressions_have_their_value(written in written()) {
            let found = evaluate(&written.text);
            match written.value {
                Some((above, below)) => {
                    let value = Number::new(above.into(), below.into());
                    prop_assert_eq!(found, Ok(Evaluated { value, literals: written.literals }));
                }
                None => prop_assert!(matches!(found, Err(ExpressionError::DivisionByZero(_))), "{:?}", found),
            }
        }

        #[test]
        fn any_text_is_read(text in ".*", close in "[-+*/()0-9 ×÷−·]*", large in "([0-9]{15,20}[-+*/]-?){0,12}7") {
            for text in [text, close, large] {
                let spaced = text.replace('(', " ( ");
                prop_assert_eq!(evaluate(&text).ok(), evaluate(&spaced).ok());
            }
        }
    }
}
