//! One number without a sign: digits, thousands, decimals, a power of ten.

use super::Number;

/// Spaces that separate thousands anywhere between digits: no-break, narrow no-break, thin.
const THIN: [char; 3] = ['\u{a0}', '\u{202f}', '\u{2009}'];

/// Reads `1,234.50`, `12`, `.5`, `1.5e3`, `1.5 × 10^3` or `1 234,5` from the start of a text, and returns the rest.
///
/// A decimal comma is accepted only after thousands that are separated by a point or a space, since `1,5` may as well
/// be two numbers; a plain space separates thousands only before such a comma.
pub(super) fn decimal(text: &str) -> (Option<Number>, &str) {
    let (mantissa, decimals, rest) = continental(text).unwrap_or_else(|| plain(text));
    let (exponent, rest) = exponent(rest).unwrap_or((Some(0), rest));
    let scale = || i32::try_from(decimals).ok().and_then(|decimals| exponent?.checked_sub(decimals));
    (mantissa.and_then(|mantissa| scaled(mantissa, scale()?)), rest)
}

/// Returns a number times a power of ten.
fn scaled(mantissa: i128, exponent: i32) -> Option<Number> {
    let power = 10_i128.checked_pow(exponent.unsigned_abs());
    match (mantissa, power) {
        (0, _) => Some(Number::from_integer(0)),
        (_, Some(power)) if exponent >= 0 => mantissa.checked_mul(power).map(Number::from_integer),
        (_, Some(power)) => Some(Number::new(mantissa, power)),
        _ => None,
    }
}

/// Reads `1,234.50`: all digits, the number of decimals among them, and the rest.
fn plain(text: &str) -> (Option<i128>, usize, &str) {
    let (first, mut rest) = digits(text);
    let mut mantissa = append(Some(0), first);
    // Commas part thousands only behind up to three digits and before exactly three.
    if starts_groups(first) {
        while let Some((group, after)) = digits_after(&[','], rest).filter(|(group, _)| group.len() == 3) {
            mantissa = append(mantissa, group);
            rest = after;
        }
        while let Some((group, after)) = digits_after(&THIN, rest).filter(|(group, _)| group.len() == 3) {
            mantissa = append(mantissa, group);
            rest = after;
        }
    }
    let Some((decimals, after)) = digits_after(&['.'], rest) else { return (mantissa, 0, rest) };
    let decimals = decimals.trim_end_matches('0');
    (append(mantissa, decimals), decimals.len(), after)
}

/// Most groups of three digits; a number that fits has no more.
const MOST_GROUPS: usize = 13;

/// Reads `1.234,5` or `1 234,5`, and returns the same as [`plain`].
fn continental(text: &str) -> Option<(Option<i128>, usize, &str)> {
    let (first, mut rest) = digits(text);
    let mark = rest.chars().next().filter(|mark| *mark == '.' || *mark == ' ' || THIN.contains(mark))?;
    if !starts_groups(first) {
        return None;
    }
    let mut mantissa = append(Some(0), first);
    let mut groups = 0;
    while let Some((group, after)) = digits_after(&[mark], rest) {
        groups += 1;
        if group.len() != 3 || groups > MOST_GROUPS {
            return None;
        }
        mantissa = append(mantissa, group);
        rest = after;
    }
    let (decimals, after) = digits_after(&[','], rest)?;
    let decimals = decimals.trim_end_matches('0');
    Some((append(mantissa, decimals), decimals.len(), after))
}

fn starts_groups(digits: &str) -> bool {
    (1..=3).contains(&digits.len()) && !digits.starts_with('0')
}

/// Reads `e3`, `E-3` or ` × 10^3` from the start of a text. An exponent that is too large is `None`.
fn exponent(text: &str) -> Option<(Option<i32>, &str)> {
    if let Some(rest) = text.strip_prefix(['e', 'E']) {
        let (exponent, rest) = signed(rest)?;
        let ends = !rest.starts_with(char::is_alphanumeric);
        return ends.then_some((exponent, rest));
    }
    let rest = text.trim_start_matches(' ').strip_prefix(['×', 'x', '*', '·'])?;
    let rest = rest.trim_start_matches(' ').strip_prefix("10")?;
    match rest.strip_prefix('^').or_else(|| rest.strip_prefix("**")) {
        Some(rest) => match rest.strip_prefix('{') {
            Some(rest) => signed(rest).and_then(|(power, rest)| Some((power, rest.strip_prefix('}')?))),
            None => signed(rest),
        },
        None => raised(rest),
    }
}

/// Reads a small whole number with its sign.
fn signed(text: &str) -> Option<(Option<i32>, &str)> {
    let negative = text.strip_prefix(['-', '\u{2212}']);
    let (digits, rest) = digits(negative.or_else(|| text.strip_prefix('+')).unwrap_or(text));
    if digits.is_empty() {
        return None;
    }
    let value = digits.parse::<i16>().ok().map(i32::from);
    Some((value.map(|value| if negative.is_some() { -value } else { value }), rest))
}

/// Reads a small whole number with its sign in superscript digits.
fn raised(text: &str) -> Option<(Option<i32>, &str)> {
    const DIGITS: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    let digit = |c: char| DIGITS.chars().position(|raised| raised == c);
    let negative = text.strip_prefix('⁻');
    let body = negative.unwrap_or(text);
    let len = body.find(|c| digit(c).is_none()).unwrap_or(body.len());
    if len == 0 {
        return None;
    }
    let value = body[..len]
        .chars()
        .filter_map(digit)
        .try_fold(0_i32, |value, digit| value.checked_mul(10)?.checked_add(i32::try_from(digit).ok()?));
    Some((value.map(|value| if negative.is_some() { -value } else { value }), &body[len..]))
}

/// Splits off the digits at the start of a text, maybe none.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Splits off the digits after a mark at the start of a text, at least one.
fn digits_after<'a>(marks: &[char], text: &'a str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(marks).map(digits).filter(|(digits, _)| !digits.is_empty())
}

/// Returns the number with more digits appended.
fn append(number: Option<i128>, digits: &str) -> Option<i128> {
    let digit = |byte: u8| i128::from(byte - b'0');
    digits.bytes().try_fold(number?, |number, byte| number.checked_mul(10)?.checked_add(digit(byte)))
}
