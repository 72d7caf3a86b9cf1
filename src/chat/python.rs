//! Values with Python's semantics, which templates were written for.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

/// Returns a value of JSON as a template gets it.
pub(super) fn value(json: &serde_json::Value) -> Value {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    match json {
        Null => Value::from(()),
        Bool(truth) => (*truth).into(),
        Number(number) => match number.as_i64() {
            Some(whole) => whole.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        String(text) => text.as_str().into(),
        Array(list) => Value::from(list.iter().map(value).collect::<Vec<Value>>()),
        Object(map) => Value::from_pairs(map.iter().map(|(key, json)| (key.as_str(), value(json)))),
    }
}

/// The test `iterable`; unlike in the engine, `none` is not iterable.
pub(super) fn is_iterable(value: &Value) -> bool {
    !value.is_none() && value.try_iter().is_ok()
}

/// The test `sequence`: true for everything with a length and items, texts and dictionaries included.
pub(super) fn is_sequence(value: &Value) -> bool {
    use ValueKind::{Map, Seq, String, Undefined};
    matches!(value.kind(), Seq | String | Map | Undefined)
}

/// The filter `tojson` as in `transformers`: Python's `json.dumps`, without escapes for HTML or for non-ASCII characters.
pub(super) fn tojson(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<String, Error> {
    let indent = match indent {
        None => options.get::<Option<usize>>("indent")?,
        indent => indent,
    };
    // What else json.dumps takes changes nothing that templates rely on.
    for name in ["ensure_ascii", "separators", "sort_keys"] {
        options.get::<Option<Value>>(name)?;
    }
    options.assert_all_used()?;
    let mut text = String::new();
    write(value, indent.map(|width| (width.min(16), 0)), &mut text)?;
    Ok(text)
}

/// Writes a value; `indent` is the width of a level, and the current level.
fn write(value: &Value, indent: Option<(usize, usize)>, text: &mut String) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => text.push_str("null"),
        ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => text.push_str(&value.to_string()),
        ValueKind::String => text.push_str(&quoted(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Vec<Value> = value.try_iter()?.collect();
            list(('[', ']'), &items, indent, text, write)?;
        }
        ValueKind::Map => {
            let keys: Vec<Value> = value.try_iter()?.collect();
            list(('{', '}'), &keys, indent, text, |key, inner, text| {
                text.push_str(&quoted(&key.to_string()));
                text.push_str(": ");
                write(&value.get_item(key)?, inner, text)
            })?;
        }
        kind => {
            return Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} cannot be written as JSON")));
        }
    }
    Ok(())
}

/// Writes items between brackets.
fn list(
    (open, close): (char, char),
    items: &[Value],
    indent: Option<(usize, usize)>,
    text: &mut String,
    item: impl Fn(&Value, Option<(usize, usize)>, &mut String) -> Result<(), Error>,
) -> Result<(), Error> {
    let inner = indent.map(|(width, levels)| (width, levels + 1));
    let newline = |(width, levels): (usize, usize)| format!("\n{}", " ".repeat(width * levels));
    text.push(open);
    for (place, value) in items.iter().enumerate() {
        if place > 0 {
            text.push_str(if inner.is_some() { "," } else { ", " });
        }
        text.push_str(&inner.map_or_else(String::new, newline));
        item(value, inner, text)?;
    }
    if !items.is_empty() {
        text.push_str(&indent.map_or_else(String::new, newline));
    }
    text.push(close);
    Ok(())
}

/// Returns a text as a string of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
