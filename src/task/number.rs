//! Finds the numbers of a text and compares them exactly, for metrics of free text.
//!
//! People and models write one number in many ways: `1234`, `1,234.00`, `$1,234`, `**1234**`, `\boxed{1234}`,
//! `1.234e3`, `1 234,00`. A number is read as a fraction of whole numbers, so that `3.50` is `3.5` and no comparison
//! depends on rounding. A number that does not fit the type is `None`, which equals no answer; so is a division by
//! zero.

mod decimal;
mod latex;
mod reply;
#[cfg(test)]
mod tests;

use num_rational::Ratio;
use num_traits::CheckedDiv;

use decimal::decimal;
pub use reply::{MARK, final_number, marked_number, same_number};

/// An exact number.
pub type Number = Ratio<i128>;

/// Characters that may be between a sign and its digits; the backslash because LaTeX writes `\$5`.
const CURRENCY: [char; 6] = ['$', '€', '£', '¥', '₹', '\\'];

/// Returns the first number of a text.
pub fn first_number(text: &str) -> Option<Number> {
    numbers(text).next()?
}

/// Returns the last number of a text.
pub fn last_number(text: &str) -> Option<Number> {
    numbers(text).last()?
}

/// Returns the numbers of a text in order, `None` for one without a value.
fn numbers(text: &str) -> impl Iterator<Item = Option<Number>> {
    let mut read = 0;
    std::iter::from_fn(move || {
        let mut start = read + text[read..].find(|c: char| c.is_ascii_digit())?;
        if has_bare_point(&text[..start]) {
            start -= 1;
        }
        let (value, rest) = quotient(&text[start..]);
        read = text.len() - rest.len();
        Some(value.map(|value| if is_negated(&text[..start]) { -value } else { value }))
    })
}

/// Returns whether a point before digits is a decimal point, as in `.5`, and ends neither a word nor a row of points.
fn has_bare_point(before: &str) -> bool {
    let before_point = before.strip_suffix('.');
    before_point.is_some_and(|text| !text.ends_with(|c: char| c == '.' || c.is_alphanumeric()))
}

/// Returns whether the text before a number ends with its sign. After a word or a value, `-` is a hyphen, a dash or a
/// subtraction: `GPT-4`, `10-20`.
fn is_negated(before: &str) -> bool {
    let before_sign = before.trim_end_matches(CURRENCY).strip_suffix(['-', '\u{2212}']);
    let ends_value = |c: char| c.is_alphanumeric() || c == ')';
    before_sign.is_some_and(|text| !text.trim_end_matches(CURRENCY).ends_with(ends_value))
}

/// Reads `3/4`, `1 3/4`, or just `3`, from the start of a text, and returns the rest.
fn quotient(text: &str) -> (Option<Number>, &str) {
    let (whole, rest) = decimal(text);
    let is_plain = text[..text.len() - rest.len()].bytes().all(|byte| byte.is_ascii_digit());
    if let Some((fraction, rest)) = rest.strip_prefix(' ').and_then(proper_fraction).filter(|_| is_plain) {
        return (whole.map(|whole| whole + fraction), rest);
    }
    match divisor(rest) {
        Some((below, rest)) => (whole.zip(below).and_then(|(above, below)| above.checked_div(&below)), rest),
        None => (whole, rest),
    }
}

/// Reads `/4` from the start of a text, and returns the rest.
fn divisor(text: &str) -> Option<(Option<Number>, &str)> {
    text.strip_prefix('/').filter(|below| below.starts_with(|c: char| c.is_ascii_digit())).map(decimal)
}

/// Reads a fraction of two short numbers that is less than 1, as it follows a whole number.
fn proper_fraction(text: &str) -> Option<(Number, &str)> {
    let short = |text: &str| {
        let len = text.bytes().take_while(u8::is_ascii_digit).count();
        if (1..=4).contains(&len) {
            text[..len].parse::<i128>().ok().map(|number| (number, len))
        } else {
            None
        }
    };
    let (above, len) = short(text)?;
    let (below, more) = short(text[len..].strip_prefix('/')?)?;
    (above < below).then(|| (Number::new(above, below), &text[len + 1 + more..]))
}
