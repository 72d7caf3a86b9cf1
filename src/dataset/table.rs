//! Tables: the header row names the keys, and every value is a string.
//!
//! The separator of columns is a comma, a semicolon, as in spreadsheets with decimal commas, or a tab: the one that
//! splits the header row into known keys. A first line `sep=;`, which Excel writes, states it explicitly.

use std::collections::HashSet;

use csv::{ErrorKind, Position, Reader as Csv, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};

use super::keys::KeyReader;
use super::layouts::is_example;
use super::{Dataset, Example, Fault, LineCounter, Located, Shape, excerpt};

/// Separators of columns, the usual one first.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

pub(super) fn parse(text: &str, wanted: &[Shape]) -> Result<Dataset, Located> {
    let (separator, body) = separator(text);
    let skipped = text.len() - body.len();
    let mut lines = LineCounter::new(text);
    let mut line_of = |position: Option<&Position>| {
        let offset = skipped + usize::try_from(position?.byte()).ok()?;
        // A record's place is before the line ends that part it from the one before.
        let behind = text.as_bytes().get(offset..)?.iter().take_while(|byte| b"\r\n".contains(byte)).count();
        Some(lines.at(offset + behind))
    };
    let mut table = reader(body, separator);
    let header = names(&mut table).map_err(|error| (Some(1), broken(&error)))?;
    check_names(&header)?;
    let mut reader = KeyReader::new(wanted);
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
        return Err((examples.last().and_then(|last| last.line), Fault::Csv { what }));
    }
    let (shape, notes) = reader.finish().ok_or((None, Fault::Empty))?;
    Ok(Dataset { shape, examples, notes })
}

fn reader(text: &str, separator: u8) -> Csv<&[u8]> {
    ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes())
}

/// Returns the header row's names, without white space around them.
fn names(table: &mut Csv<&[u8]>) -> Result<StringRecord, csv::Error> {
    Ok(table.headers()?.iter().map(str::trim).collect())
}

/// Returns the separator of a table's columns, and the table.
fn separator(text: &str) -> (u8, &str) {
    if let Some(rest) = text.strip_prefix("sep=")
        && let Some(&separator) = rest.as_bytes().first()
        && let Some(body) = rest[1..].strip_prefix("\r\n").or_else(|| rest[1..].strip_prefix('\n'))
        && separator.is_ascii()
    {
        return (separator, body);
    }
    let makes_keys =
        |separator: &u8| names(&mut reader(text, *separator)).is_ok_and(|header| is_example(header.iter()));
    let columns = |separator: &u8| names(&mut reader(text, *separator)).map_or(0, |header| header.len());
    let found = SEPARATORS.into_iter().find(makes_keys);
    // Where none makes keys, the one that makes most columns, so that a message names them; of equal ones the first.
    let most = || SEPARATORS.into_iter().rev().max_by_key(columns);
    (found.or_else(most).unwrap_or(b','), text)
}

/// Refuses a header row that names a key twice.
fn check_names(header: &StringRecord) -> Result<(), Located> {
    let mut names = HashSet::new();
    match header.iter().find(|name| !names.insert(*name)) {
        None => Ok(()),
        Some(name) => {
            let what = format!("two columns are named \"{}\"", excerpt(name, 40));
            Err((Some(1), Fault::Csv { what }))
        }
    }
}

fn broken(error: &csv::Error) -> Fault {
    let what = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "found {len} columns, but the header row has {expected_len}; a value with a separator or a line end in it needs \
                 quotes around it"
            )
        }
        _ => error.to_string(),
    };
    Fault::Csv { what }
}
