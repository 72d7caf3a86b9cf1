//! Replies in JSON.

use serde_json::Value;

use super::schema::Schema;
use super::{Asked, Judge, JudgeError};

/// What a reply is worth that is JSON, but not as the schema has it: on the way, so that there is something to improve on.
const OF_OTHER_FORM: f64 = 0.5;

/// 1 for a reply that is JSON as a schema has it, 0.5 for other JSON, else 0; without a schema 1 for any JSON.
///
/// The reply as a whole must be the JSON, white space around it aside; it may stand in a Markdown fence, but with nothing
/// before or behind that.
#[derive(Debug)]
pub struct Json {
    schema: Option<Schema>,
}

impl Json {
    /// Any JSON is good.
    pub fn any() -> Self {
        Self { schema: None }
    }

    /// JSON as a JSON Schema has it, of the draft that its `$schema` names, else of 2020-12. References within the schema are
    /// followed. Nothing is ever fetched or read for others, so they are errors.
    ///
    /// # Errors
    /// When the schema is not valid, or refers to something outside of itself, and in a build without the feature
    /// `json-schema`.
    pub fn of_schema(schema: &Value) -> Result<Self, JudgeError> {
        Ok(Self { schema: Some(Schema::new(schema)?) })
    }

    fn reward(&self, reply: &str) -> f64 {
        match (serde_json::from_str::<Value>(unfenced(reply)), &self.schema) {
            (Err(_), _) => 0.0,
            (Ok(_), None) => 1.0,
            (Ok(value), Some(schema)) if schema.is_met_by(&value) => 1.0,
            (Ok(_), Some(_)) => OF_OTHER_FORM,
        }
    }
}

impl Judge for Json {
    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        Ok(asked.iter().map(|one| self.reward(one.reply)).collect())
    }
}

/// What stands in a reply's Markdown fence, or the reply itself where it is not one.
fn unfenced(reply: &str) -> &str {
    let reply = reply.trim();
    let inside = reply.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inside.map_or(reply, |inside| inside.strip_prefix("json").unwrap_or(inside))
}
