//! Finds the numbers of a text and compares them exactly, for graders of free text.
//!
//! People and models write one number in many ways: `1234`, `1,234.00`, `$1,234`, `**1234**`, `\boxed{1234}`. A number is
//! read as a fraction of whole numbers, so that `3.50` is `3.5` and no comparison depends on rounding. One that does not
//! fit the type is `None`, which equals no answer; so is one divided by zero.

use num_rational::Ratio;
use num_traits::CheckedDiv;

/// An exact number.
pub type Number = Ratio<i128>;

/// What may stand between a sign and its digits; the backslash because LaTeX writes `\$5`.
const CURRENCY: [char; 6] = ['$', '€', '£', '¥', '₹', '\\'];

/// What stands before the final number in the answers of GSM8K.
pub const MARK: &str = "####";

/// The first number of a text.
pub fn first_number(text: &str) -> Option<Number> {
    numbers(text).next()?
}

/// The last number of a text.
pub fn last_number(text: &str) -> Option<Number> {
    numbers(text).last()?
}

/// The number right after the last `####`, on the same line or, where nothing else is on it, the next.
pub fn marked_number(text: &str) -> Option<Number> {
    let (_, rest) = text.rsplit_once(MARK)?;
    first_number(rest.trim_start().lines().next()?)
}

/// The number that a reply ends up with: after `####`, or else in the last `\boxed{}`, or else its last number.
pub fn final_number(reply: &str) -> Option<Number> {
    marked_number(reply).or_else(|| boxed_number(reply)).or_else(|| last_number(reply))
}

fn boxed_number(text: &str) -> Option<Number> {
    let (_, rest) = text.rsplit_once("\\boxed{")?;
    first_number(rest.split_once('}')?.0)
}

/// The numbers of a text in order, `None` for one that has no value.
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

/// Whether a point in front of digits is a decimal point, as in `.5`, and ends neither a word nor a row of points.
fn has_bare_point(before: &str) -> bool {
    let before_point = before.strip_suffix('.');
    before_point.is_some_and(|text| !text.ends_with(|c: char| c == '.' || c.is_alphanumeric()))
}

/// Whether what stands before a number ends with its sign. After a word or a value, `-` is a hyphen, a dash or a
/// subtraction: `GPT-4`, `10-20`.
fn is_negated(before: &str) -> bool {
    let before_sign = before.trim_end_matches(CURRENCY).strip_suffix(['-', '\u{2212}']);
    let ends_value = |c: char| c.is_alphanumeric() || c == ')';
    before_sign.is_some_and(|text| !text.trim_end_matches(CURRENCY).ends_with(ends_value))
}

/// Reads `3/4`, or just `3`, from the start of a text, and returns the rest.
fn quotient(text: &str) -> (Option<Number>, &str) {
    let (above, rest) = decimal(text);
    match rest.strip_prefix('/') {
        Some(below) if below.starts_with(|c: char| c.is_ascii_digit()) => {
            let (below, rest) = decimal(below);
            (above.zip(below).and_then(|(above, below)| above.checked_div(&below)), rest)
        }
        _ => (above, rest),
    }
}

/// Reads `1,234.50`, `12` or `.5` from the start of a text, and returns the rest.
fn decimal(text: &str) -> (Option<Number>, &str) {
    let (first, mut rest) = digits(text);
    let mut mantissa = append(Some(0), first);
    // Commas separate thousands only behind up to three digits and before exactly three.
    if first.len() <= 3 && !first.starts_with('0') {
        while let Some((group, after)) = digits_after(',', rest).filter(|(group, _)| group.len() == 3) {
            mantissa = append(mantissa, group);
            rest = after;
        }
    }
    let mut scale = Some(1);
    if let Some((decimals, after)) = digits_after('.', rest) {
        let decimals = decimals.trim_end_matches('0');
        mantissa = append(mantissa, decimals);
        scale = u32::try_from(decimals.len()).ok().and_then(|places| 10_i128.checked_pow(places));
        rest = after;
    }
    (mantissa.zip(scale).map(|(mantissa, scale)| Number::new(mantissa, scale)), rest)
}

/// The digits at the start of a text, maybe none, and the rest.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The digits after a mark at the start of a text, at least one, and the rest.
fn digits_after(mark: char, text: &str) -> Option<(&str, &str)> {
    text.strip_prefix(mark).map(digits).filter(|(digits, _)| !digits.is_empty())
}

/// The number with more digits behind it.
fn append(number: Option<i128>, digits: &str) -> Option<i128> {
    let digit = |byte: u8| i128::from(byte - b'0');
    digits.bytes().try_fold(number?, |number, byte| number.checked_mul(10)?.checked_add(digit(byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ratio(above: i128, below: i128) -> Option<Number> {
        Some(Number::new(above, below))
    }

    #[test]
    fn one_number_in_many_forms() {
        for (text, above, below) in [
            ("42", 42, 1),
            ("007", 7, 1),
            ("+42", 42, 1),
            ("-42", -42, 1),
            ("\u{2212}42", -42, 1),
            ("- 42", 42, 1),
            ("x=-42", -42, 1),
            ("**42**", 42, 1),
            ("**-42**", -42, 1),
            ("It is 42.", 42, 1),
            ("42.Then", 42, 1),
            ("1,234,567", 1_234_567, 1),
            ("1,234kg", 1234, 1),
            ("12,345.50", 24691, 2),
            ("3.50", 7, 2),
            ("0.5", 1, 2),
            (".5", 1, 2),
            ("-.5", -1, 2),
            ("3.000", 3, 1),
            ("$1,000.00", 1000, 1),
            ("\\$1,000", 1000, 1),
            ("-$5", -5, 1),
            ("$-5", -5, 1),
            ("\u{2212}€5", -5, 1),
            ("£2.50", 5, 2),
            ("50%", 50, 1),
            ("3/4", 3, 4),
            ("-6/8", -3, 4),
            ("1.5/0.5", 3, 1),
            ("$10/hour", 10, 1),
            ("\\boxed{42}", 42, 1),
            ("GPT-4", 4, 1),
            ("etc.5", 5, 1),
            ("...5", 5, 1),
            ("٣ or 3", 3, 1),
        ] {
            assert_eq!(first_number(text), ratio(above, below), "{text}");
            assert_eq!(last_number(text), ratio(above, below), "{text}");
        }
    }

    #[test]
    fn two_numbers_are_two() {
        for (text, first, last) in [
            ("1,23", 1, 23),
            ("1,2345", 1, 2345),
            ("1234,567", 1234, 567),
            ("0,123", 0, 123),
            ("1,234,56", 1234, 56),
            ("10-20", 10, 20),
            ("10, 20", 10, 20),
            ("(3)-4", 3, 4),
            ("12-34 is -22", 12, -22),
            ("3/ 4", 3, 4),
            ("1 .. 2", 1, 2),
        ] {
            assert_eq!(first_number(text), ratio(first, 1), "{text}");
            assert_eq!(last_number(text), ratio(last, 1), "{text}");
        }
    }

    #[test]
    fn what_has_no_value_is_none() {
        let (long, longer) = ("9".repeat(39), "7".repeat(1 << 20));
        let finer = format!("0.{longer}");
        for text in ["", "none", ".", "-$", "٣", "½", "5/0", &long, &longer, &finer] {
            assert_eq!(first_number(text), None, "{:.50}", text);
            assert_eq!(last_number(text), None, "{:.50}", text);
        }
        assert_eq!(last_number(&format!("7 or {long}")), None, "the number before it is another");
        assert_eq!(first_number(&i128::MAX.to_string()), ratio(i128::MAX, 1));
        assert_eq!(first_number(&format!("-{}", i128::MAX)), ratio(-i128::MAX, 1));
        assert_eq!(first_number(&format!("2.50{}", "0".repeat(100))), ratio(5, 2), "zeros do not count");
    }

    #[test]
    fn long_texts_take_no_time() {
        for piece in ["$", "-", "1,", "1,111", "5/", ".5", "\\boxed{", "####", "#### 1", "−", "1.1.1"] {
            let text = piece.repeat((1 << 20) / piece.len());
            let started = std::time::Instant::now();
            let found = [first_number(&text), last_number(&text), final_number(&text)];
            assert!(started.elapsed().as_secs() < 5, "{piece}: {found:?}");
        }
    }

    #[test]
    fn the_final_number_is_where_the_reply_says() {
        for (reply, number) in [
            ("5 + 6 = 11\n#### 11", 11),
            ("#### 11\nThat took 2 steps.", 11),
            ("#### 10\n#### 11", 11),
            ("####\n11", 11),
            ("#### $1,100 in 3 years", 1100),
            ("#### **11**", 11),
            ("#####11", 11),
            ("#### Result\nIt is 11", 11),
            ("It is \\boxed{11}, after 2 steps.", 11),
            ("\\boxed{10}, no, \\boxed{x = 11}.", 11),
            ("\\boxed{x}, which is 11", 11),
            ("\\boxed{3 is 11", 11),
            ("6 + 5 = 11.", 11),
            ("\\boxed{12}\n#### 11", 11),
        ] {
            assert_eq!(final_number(reply), ratio(number, 1), "{reply}");
        }
        for text in ["", "11", "####", "####   \n ", "#### none\n11"] {
            assert_eq!(marked_number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".*", numeric in "[-−0-9,./$ #}]*") {
            for text in [text, numeric] {
                prop_assert_eq!(first_number(&text).is_some(), first_number(&format!("a {text}")).is_some());
                last_number(&text);
                final_number(&text);
                final_number(&format!("\\boxed{{{text}####{text}"));
            }
        }

        #[test]
        fn written_decimals_are_read_back(mantissa in -10_i128.pow(30)..10_i128.pow(30), places in 0_usize..12) {
            let digits = format!("{:0width$}", mantissa.abs(), width = places + 1);
            let (whole, decimals) = digits.split_at(digits.len() - places);
            let grouped: Vec<&str> = whole.as_bytes().rchunks(3).rev().map(|g| str::from_utf8(g).unwrap()).collect();
            let sign = if mantissa < 0 { "-" } else { "" };
            let point = if places > 0 { "." } else { "" };
            for whole in [whole.to_owned(), grouped.join(",")] {
                let text = format!("so {sign}${whole}{point}{decimals}.");
                prop_assert_eq!(first_number(&text), ratio(mantissa, 10_i128.pow(places as u32)), "{}", text);
                prop_assert_eq!(last_number(&text), first_number(&text));
            }
        }
    }
}
