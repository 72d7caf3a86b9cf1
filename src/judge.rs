//! What replies are worth.

use std::error::Error;

use serde_json::{Map, Value};

/// A reply to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What the model was asked.
    pub prompt: &'a str,
    /// What it replied.
    pub reply: &'a str,
    /// The wanted reply, where there is one.
    pub wanted: Option<&'a str>,
    /// What else is known of the problem: the user's own line.
    pub line: Option<&'a Map<String, Value>>,
}

/// Why replies could not be judged.
pub type JudgeError = Box<dyn Error + Send + Sync>;

/// Someone who says what replies are worth.
pub trait Judge {
    /// The reward of each reply, in their order: finite numbers.
    ///
    /// # Errors
    /// When a reply cannot be judged.
    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError>;
}
