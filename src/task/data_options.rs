//! What a task file, the command line and a log's header say of the user's own examples.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::form::PromptForm;
use crate::dataset::HELD_OUT_SHARE;

/// Where the user's examples are, and what is made of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataOptions {
    /// A file or folder.
    pub path: String,
    /// Share of a single file's examples that is held out, more than 0 and less than 1.
    #[serde(default = "usual_share")]
    pub held_out: f64,
    /// Which replies of a conversation count; in the log of an earlier version, which knew the last alone and split data
    /// otherwise, it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replies: Option<Replies>,
    /// How a model without a chat template is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_form: Option<PromptForm>,
    /// Examples with more tokens than this, replies included, are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<u32>,
    /// Held-out examples whose prompts are tuned on too, as they were counted when the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
}

/// Replies of a conversation that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Replies {
    /// All of the assistant's, each after the messages before it.
    #[default]
    All,
    /// The last one.
    Last,
}

/// Options that make no sense.
#[derive(Clone, Debug, Error, PartialEq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum DataError {
    #[error("held-out is {0}, but must be a share of more than 0 and less than 1")]
    HeldOut(f64),
    #[error("longest is 0 tokens, but must be at least 1")]
    Longest,
}

fn usual_share() -> f64 {
    HELD_OUT_SHARE
}

impl DataOptions {
    /// Returns the usual options for examples at this path.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            held_out: HELD_OUT_SHARE,
            replies: None,
            prompt_form: None,
            longest: None,
            shared: None,
        }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// For the first that makes no sense.
    pub fn validate(&self) -> Result<(), DataError> {
        if !(self.held_out > 0.0 && self.held_out < 1.0) {
            return Err(DataError::HeldOut(self.held_out));
        }
        if self.longest == Some(0) { Err(DataError::Longest) } else { Ok(()) }
    }
}
