//! Finds the answer to a sum in a reply.

use crate::task::number::{Number, final_number, first_number};

/// Returns the number that a reply gives for the problem with this text: the one alone on its first line, as a model
/// without a chat template replies, else the one after the problem and an equals sign, else the reply's final number.
pub(super) fn number(reply: &str, problem: &str) -> Option<Number> {
    alone(reply).or_else(|| equated(reply, problem)).or_else(|| final_number(reply))
}

/// Returns the number of a first line that consists of it alone.
fn alone(reply: &str) -> Option<Number> {
    let line = reply.trim_start().lines().next()?.trim_end();
    let number = line.trim_matches('*').trim_end_matches('.');
    let is_alone = number.starts_with(|c: char| c.is_ascii_digit() || "-+\u{2212}".contains(c))
        && number.ends_with(|c: char| c.is_ascii_digit())
        && number.chars().skip(1).all(|c| c.is_ascii_digit() || c == ',');
    if is_alone { first_number(number) } else { None }
}

/// Returns the number after the last equals sign that follows the problem.
fn equated(reply: &str, problem: &str) -> Option<Number> {
    let first = problem.chars().next()?;
    let mut found = None;
    let mut before = ' ';
    for (at, c) in reply.char_indices() {
        let in_number = before.is_ascii_digit() || ".,".contains(before);
        if c == first && !in_number {
            found = behind(&reply[at..], problem).and_then(first_right_away).or(found);
        }
        before = c;
    }
    found
}

/// Returns the text after the problem and an equals sign, regardless of spaces and of the forms of signs.
fn behind<'a>(text: &'a str, problem: &str) -> Option<&'a str> {
    let mut rest = text;
    for wanted in problem.chars().chain(['=']) {
        // Digits of one number stand side by side.
        let spaced = if wanted.is_ascii_digit() && text.len() > rest.len() && ends_with_digit(text, rest) {
            rest
        } else {
            rest.trim_start_matches(|c: char| " $\\()".contains(c) || (c == '*' && wanted != '*'))
        };
        let next = spaced.chars().next()?;
        if sign(next) != wanted {
            let product = ["times", "cdot"].iter().find_map(|word| spaced.strip_prefix(word));
            rest = product.filter(|_| wanted == '*')?;
            continue;
        }
        rest = &spaced[next.len_utf8()..];
    }
    Some(rest)
}

/// Returns whether the text before `rest` ends with a digit.
fn ends_with_digit(text: &str, rest: &str) -> bool {
    text[..text.len() - rest.len()].ends_with(|c: char| c.is_ascii_digit())
}

/// Returns the form of a sign in problems.
fn sign(c: char) -> char {
    match c {
        '\u{2212}' | '\u{2013}' => '-',
        '×' | 'x' | '·' => '*',
        '\u{ff0b}' => '+',
        other => other,
    }
}

/// Returns the number at the start of a text.
fn first_right_away(text: &str) -> Option<Number> {
    let text = text.trim_start_matches([' ', '*', '$', '\\', '{', '_', '(']);
    let text = text.strip_prefix("boxed{").unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_digit() || "-+\u{2212}".contains(c)).then(|| first_number(text))?
}
