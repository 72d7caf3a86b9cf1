//! CSV: the header row names the keys, and every value is a string.

use std::collections::HashSet;

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::keys::Reader;
use super::{Dataset, Example, LineCounter, Located, Problem, Shape, excerpt};

pub(super) fn parse(text: &str, wanted: &[Shape]) -> Result<Dataset, Located> {
    let mut lines = LineCounter::new(text);
    let mut line_of = |position: Option<&Position>| {
        let offset = usize::try_from(position?.byte()).ok()?;
        // A record's place is before the line ends that part it from the one before.
        let behind = text.as_bytes().get(offset..)?.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        Some(lines.at(offset + behind))
    };
    let mut table = ReaderBuilder::new().from_reader(text.as_bytes());
    let header = table.headers().map_err(|error| (Some(1), broken(&error)))?.clone();
    check_names(&header)?;
    let mut reader = Reader::new(wanted);
    let mut examples: Vec<Example> = Vec::new();
    for record in table.records() {
        let record = record.map_err(|error| (line_of(error.position()), broken(&error)))?;
        let line = line_of(record.position()).unwrap_or(1);
        let cells = header.iter().zip(record.iter());
        let object: Map<String, Value> = cells.map(|(name, cell)| (name.to_owned(), cell.into())).collect();
        examples.push(reader.read(line, object).map_err(|problem| (Some(line), problem))?);
    }
    // A quote that is not closed takes in all that follows it, so only the last record can hold one.
    if !text.bytes().filter(|byte| *byte == b'"').count().is_multiple_of(2) {
        let what = "there is an odd number of quotes, so a quoted value is never closed".to_owned();
        return Err((examples.last().and_then(|last| last.line), Problem::Csv { what }));
    }
    let shape = reader.shape().ok_or((None, Problem::Empty))?;
    Ok(Dataset { shape, examples })
}

/// Refuses a header row that names a key twice.
fn check_names(header: &StringRecord) -> Result<(), Located> {
    let mut names = HashSet::new();
    match header.iter().find(|name| !names.insert(*name)) {
        None => Ok(()),
        Some(name) => {
            let what = format!("two columns are named \"{}\"", excerpt(name, 40));
            Err((Some(1), Problem::Csv { what }))
        }
    }
}

fn broken(error: &csv::Error) -> Problem {
    let what = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("found {len} columns, but the header row has {expected_len}")
        }
        _ => error.to_string(),
    };
    Problem::Csv { what }
}
