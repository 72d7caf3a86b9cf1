//! Single values of an object.

use serde_json::{Map, Value};

use super::Fault;

/// Returns whether a value is equivalent to an absent one.
pub(super) fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

/// Returns the weight of an object's example: its `weight`, 1 if it has none. In a table it is a text.
pub(super) fn weight(object: &Map<String, Value>, what: impl FnOnce() -> String) -> Result<f64, Fault> {
    let found = match object.get("weight") {
        None | Some(Value::Null) => return Ok(1.0),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(1.0),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(value) => value.as_f64(),
    };
    let weight = found.filter(|weight: &f64| (0.0..=1e6).contains(weight));
    weight.ok_or_else(|| Fault::Weight { what: what() })
}
