//! JSON Schemas, by the crate `jsonschema`.

use jsonschema::Validator;
use serde_json::Value;

use super::JudgeError;

/// A JSON Schema, ready to be used.
#[derive(Debug)]
pub(super) struct Schema(Validator);

impl Schema {
    /// Reads a schema, of the draft that its `$schema` names, else of 2020-12.
    ///
    /// # Errors
    /// When it is not valid, or refers to something outside itself.
    pub(super) fn new(schema: &Value) -> Result<Self, JudgeError> {
        let built = jsonschema::options().offline().build(schema);
        built.map(Self).map_err(|error| {
            let place = error.instance_path().to_string();
            let at = if place.is_empty() { String::new() } else { format!(" at {place}") };
            JudgeError::Schema { at, problem: error.to_string() }
        })
    }

    /// Returns whether a value matches the schema.
    pub(super) fn is_met_by(&self, value: &Value) -> bool {
        self.0.is_valid(value)
    }
}
