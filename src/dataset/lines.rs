//! JSON: objects, one a line or over several; one array of objects; or an object that holds such an array.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::error::kind;
use super::keys::KeyReader;
use super::layouts::is_example;
use super::{Dataset, Example, Fault, LineCounter, Located, Shape};

/// White space of JSON within a line.
const BLANK: [char; 3] = [' ', '\t', '\r'];

/// Keys under which a file of one object has its examples.
const WRAPPINGS: [&str; 5] = ["data", "examples", "rows", "train", "items"];

/// End of the message about a line that is not one object.
const ONE_A_LINE: &str = "; a file has one whole object a line, or is one array of objects";

pub(super) fn parse(text: &str, wanted: &[Shape]) -> Result<Dataset, Located> {
    let mut reader = KeyReader::new(wanted);
    let is_array = text.trim_start().starts_with('[');
    let examples = match wrapped(text) {
        Some(elements) => array(text, elements, &mut reader)?,
        None if is_array => {
            let elements = serde_json::from_str(text).map_err(|error| broken(text, &error, 1, ""))?;
            array(text, elements, &mut reader)?
        }
        None => match objects(text) {
            Some(elements) => array(text, elements, &mut reader)?,
            None => lines(text, &mut reader)?,
        },
    };
    let (shape, notes) = reader.finish().ok_or((None, Fault::Empty))?;
    Ok(Dataset { shape, examples, notes })
}

/// Returns the examples in a text that is one object with a list of them.
fn wrapped(text: &str) -> Option<Vec<&RawValue>> {
    let object = text.trim_start().strip_prefix('{')?;
    // Only a file that begins so is read a second time.
    let first = object.trim_start().strip_prefix('"')?;
    let is_likely = WRAPPINGS.iter().any(|key| text.contains(&format!("\"{key}\"")));
    if first.is_empty() || !is_likely {
        return None;
    }
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    if is_example(fields.keys().map(String::as_str)) {
        return None;
    }
    let lists =
        WRAPPINGS.iter().filter_map(|key| fields.get(*key)).filter(|value| value.get().starts_with('['));
    let list = lists.into_iter().next()?;
    let elements: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    elements.first().is_some_and(|first| first.get().starts_with('{')).then_some(elements)
}

/// Returns the objects of a text whose first one takes more than a line.
fn objects(text: &str) -> Option<Vec<&RawValue>> {
    let first = text.split('\n').map(|line| line.trim_matches(BLANK)).find(|line| !line.is_empty())?;
    let is_open =
        first.starts_with('{') && serde_json::from_str::<&RawValue>(first).is_err_and(|error| error.is_eof());
    if !is_open {
        return None;
    }
    let all: Result<Vec<&RawValue>, serde_json::Error> =
        serde_json::Deserializer::from_str(text).into_iter().collect();
    all.ok().filter(|all| all.iter().all(|one| one.get().starts_with('{')))
}

fn lines(text: &str, reader: &mut KeyReader<'_>) -> Result<Vec<Example>, Located> {
    let numbered = (1..).zip(text.split('\n').map(|line| line.trim_matches(BLANK)));
    let read = |(number, line): (u64, &str)| object(line, number, ONE_A_LINE, reader);
    numbered.filter(|(_, line)| !line.is_empty()).map(read).collect()
}

/// Returns the examples in elements that are parts of a text.
fn array(text: &str, elements: Vec<&RawValue>, reader: &mut KeyReader<'_>) -> Result<Vec<Example>, Located> {
    let mut lines = LineCounter::new(text);
    let example = |element: &RawValue| {
        // Where the element stands in the text, of which it is a part.
        let start = element.get().as_ptr().addr() - text.as_ptr().addr();
        object(element.get(), lines.at(start), "", reader)
    };
    elements.into_iter().map(example).collect()
}

/// Returns the example in a text that begins on line `first`.
fn object(
    text: &str,
    first: u64,
    hint: &'static str,
    reader: &mut KeyReader<'_>,
) -> Result<Example, Located> {
    match serde_json::from_str(text).map_err(|error| broken(text, &error, first, hint))? {
        Value::Object(object) => reader.read(first, object).map_err(|problem| (Some(first), problem)),
        other => Err((Some(first), Fault::NotAnObject { found: kind(&other) })),
    }
}

/// Returns the error of a text that begins on line `first`; the hint is for one that ends too soon.
fn broken(text: &str, error: &serde_json::Error, first: u64, hint: &'static str) -> Located {
    let what = error.to_string();
    // The parser counts lines from its own start, so its line numbers are left out.
    let what = what.rsplit_once(" at line ").map_or(what.as_str(), |(what, _)| what).to_owned();
    let behind = error.line().saturating_sub(1);
    let line = Some(first + behind as u64);
    if what.contains("surrogate") || what.contains("end of hex escape") {
        let column = text.lines().nth(behind).and_then(|line| half(line, error.column()));
        return (line, Fault::Surrogate { column: column.unwrap_or(error.column()) });
    }
    let hint = if error.is_eof() { hint } else { "" };
    (line, Fault::Json { column: error.column(), what, hint })
}

/// Returns the column of the last escape of a surrogate that begins before this one.
fn half(line: &str, column: usize) -> Option<usize> {
    let before = &line[..line.floor_char_boundary(column)];
    let at = before.to_ascii_lowercase().rfind("\\ud");
    at.map(|at| at + 1)
}
