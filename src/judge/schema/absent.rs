//! Replacement of JSON Schemas in a build without the feature `json-schema`.

use std::convert::Infallible;

use serde_json::Value;

use super::JudgeError;

/// A JSON Schema, which this build cannot read.
#[derive(Debug)]
pub(super) struct Schema(Infallible);

impl Schema {
    /// Fails in this build.
    ///
    /// # Errors
    /// Always: [`JudgeError::NoSchemas`].
    pub(super) fn new(_: &Value) -> Result<Self, JudgeError> {
        Err(JudgeError::NoSchemas)
    }

    /// Never called, as there is no schema.
    pub(super) fn is_met_by(&self, _: &Value) -> bool {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Json;

    #[test]
    fn a_schema_is_refused_with_what_to_do() {
        let refused = Json::of_schema(&Value::Bool(true)).unwrap_err().to_string();
        assert!(refused.contains("feature json-schema") && refused.contains("without a schema"), "{refused}");
    }
}
