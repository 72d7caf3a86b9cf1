//! Replies in JSON.

use serde_json::{Number, Value};

use super::schema::Schema;
use super::{Asked, Judge, JudgeError, needed};

/// The reward of a reply that is JSON, but does not match the schema or is not the wanted value: a partial reward, so
/// that progress is seen.
const OF_OTHER_FORM: f64 = 0.5;
/// The reward of JSON that neither matches the schema nor is the wanted value.
const OF_NEITHER: f64 = 0.25;

/// Gives 1 for a reply that is JSON and matches a schema, 0.5 for other JSON, else 0; without a schema 1 for any JSON.
///
/// Compared with the wanted reply ([`Json::equal_to_wanted`]), it gives 1 for the same value, whatever the order of
/// keys and the form of numbers, 0.5 for other JSON that matches the schema, 0.25 for JSON that does not match it,
/// else 0.
///
/// The whole reply must be JSON, except for white space around it; it may be in a Markdown fence, with nothing before
/// or after that.
#[derive(Debug)]
pub struct Json {
    schema: Option<Schema>,
    equal: bool,
}

impl Json {
    /// Accepts any JSON.
    pub fn any() -> Self {
        Self { schema: None, equal: false }
    }

    /// Accepts JSON that matches a JSON Schema, of the draft that its `$schema` names, else of 2020-12. References
    /// within the schema are followed. References to anything else are errors, since nothing is ever fetched or read.
    ///
    /// # Errors
    /// When the schema is not valid, or refers to something outside of itself, and in a build without the feature
    /// `json-schema`.
    pub fn of_schema(schema: &Value) -> Result<Self, JudgeError> {
        Ok(Self { schema: Some(Schema::new(schema)?), equal: false })
    }

    /// Also compares replies with the wanted ones, which must be JSON.
    pub fn equal_to_wanted(self) -> Self {
        Self { equal: true, ..self }
    }

    fn reward(&self, one: &Asked<'_>) -> Result<f64, JudgeError> {
        let wanted = if self.equal { Some(wanted(one.wanted, one.line)?) } else { None };
        let Ok(value) = serde_json::from_str::<Value>(unfenced(one.reply)) else { return Ok(0.0) };
        let fits = self.schema.as_ref().is_none_or(|schema| schema.is_met_by(&value));
        Ok(match wanted {
            None if fits => 1.0,
            Some(wanted) if same(&wanted, &value) => 1.0,
            Some(_) if !fits => OF_NEITHER,
            _ => OF_OTHER_FORM,
        })
    }
}

impl Judge for Json {
    fn check(&self, text: Option<&str>, line: Option<u64>) -> Result<(), JudgeError> {
        if self.equal { wanted(text, line).map(drop) } else { Ok(()) }
    }

    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        asked.iter().map(|one| self.reward(one)).collect()
    }
}

/// Returns the wanted value.
fn wanted(text: Option<&str>, line: Option<u64>) -> Result<Value, JudgeError> {
    let text = needed(text, line)?;
    serde_json::from_str(unfenced(text)).map_err(|source| JudgeError::WantedNoJson { line, source })
}

/// Returns whether two values are equal, whatever the order of keys and the form of numbers.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Returns whether two numbers have the same value, as `5`, `5.0` and `5e0` have.
fn same_number(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

/// Returns the contents of a reply's Markdown fence, or the reply itself if it is not one.
fn unfenced(reply: &str) -> &str {
    let reply = reply.trim();
    let inside = reply.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inside.map_or(reply, |inside| inside.strip_prefix("json").unwrap_or(inside))
}
