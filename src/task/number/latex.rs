//! LaTeX around numbers, simplified so that the numbers can be found.

use std::borrow::Cow;

/// Returns the text with fractions as `3/4`, products as `×`, thin spaces as such, and without decoration. `\boxed` stays.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let command = &rest[at + 1..];
        let len = command.bytes().take_while(u8::is_ascii_alphabetic).count();
        rest = if len > 0 { word(&mut out, command, len) } else { sign(&mut out, command) };
    }
    out.push_str(rest);
    if out.contains("{,}") {
        out = out.replace("{,}", ",")
    }
    Cow::Owned(out)
}

/// Writes a command that is a word of `len` letters, and returns the text after it.
fn word<'a>(out: &mut String, command: &'a str, len: usize) -> &'a str {
    let (name, rest) = command.split_at(len);
    match name {
        "frac" | "dfrac" | "tfrac" => match fraction(rest) {
            Some((above, below, rest)) => {
                out.push_str(above);
                out.push('/');
                out.push_str(below);
                return rest;
            }
            None => out.push(' '),
        },
        "times" | "cdot" => out.push('×'),
        "div" => out.push('÷'),
        "approx" => out.push('≈'),
        "left" | "right" | "text" | "textbf" | "mathbf" | "mathrm" | "mathit" | "displaystyle" => (),
        _ => {
            out.push('\\');
            out.push_str(name);
        }
    }
    rest
}

/// Writes a command that is a sign, and returns the text after it.
fn sign<'a>(out: &mut String, command: &'a str) -> &'a str {
    let Some(sign) = command.chars().next() else { return command };
    match sign {
        ',' | ';' | ':' | '!' => out.push('\u{2009}'),
        '\\' => out.push('\n'),
        '(' | ')' | '[' | ']' => out.push(' '),
        other => out.push(other),
    }
    &command[sign.len_utf8()..]
}

/// Reads `{3}{4}`, both without braces inside: numerator, denominator, rest.
fn fraction(text: &str) -> Option<(&str, &str, &str)> {
    let group = |text: &'_ str| -> Option<usize> {
        let inside = text.strip_prefix('{')?;
        inside.find(['{', '}']).filter(|end| inside[*end..].starts_with('}'))
    };
    let first = group(text)?;
    let after = &text[first + 2..];
    let second = group(after)?;
    Some((&text[1..=first], &after[1..=second], &after[second + 2..]))
}
