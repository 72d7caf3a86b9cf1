//! JSON Lines, and one array of objects, which is told from lines by its bracket.

use serde_json::Value;
use serde_json::value::RawValue;

use super::error::kind;
use super::keys::Reader;
use super::{Dataset, Example, LineCounter, Located, Problem, Shape};

/// What JSON takes for white space within a line.
const BLANK: [char; 3] = [' ', '\t', '\r'];

pub(super) fn parse(text: &str, wanted: &[Shape]) -> Result<Dataset, Located> {
    let mut reader = Reader::new(wanted);
    let is_array = text.trim_start().starts_with('[');
    let examples = if is_array { array(text, &mut reader) } else { lines(text, &mut reader) }?;
    let shape = reader.shape().ok_or((None, Problem::Empty))?;
    Ok(Dataset { shape, examples })
}

fn lines(text: &str, reader: &mut Reader<'_>) -> Result<Vec<Example>, Located> {
    let numbered = (1..).zip(text.split('\n').map(|line| line.trim_matches(BLANK)));
    numbered.filter(|(_, line)| !line.is_empty()).map(|(number, line)| object(line, number, reader)).collect()
}

fn array(text: &str, reader: &mut Reader<'_>) -> Result<Vec<Example>, Located> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| broken(&error, 1))?;
    let mut lines = LineCounter::new(text);
    let example = |element: &RawValue| {
        // Where the element stands in the text, of which it is a part.
        let start = element.get().as_ptr().addr() - text.as_ptr().addr();
        object(element.get(), lines.at(start), reader)
    };
    elements.into_iter().map(example).collect()
}

/// The example in a text that begins on line `first`.
fn object(text: &str, first: u64, reader: &mut Reader<'_>) -> Result<Example, Located> {
    match serde_json::from_str(text).map_err(|error| broken(&error, first))? {
        Value::Object(object) => reader.read(first, object).map_err(|problem| (Some(first), problem)),
        other => Err((Some(first), Problem::NotAnObject { found: kind(&other) })),
    }
}

/// The error of a text that begins on line `first`.
fn broken(error: &serde_json::Error, first: u64) -> Located {
    let what = error.to_string();
    // The parser counts lines from where it began, so what it says of them is left out.
    let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what).to_owned();
    let line = first + (error.line() as u64).saturating_sub(1);
    (Some(line), Problem::Json { column: error.column(), what })
}
