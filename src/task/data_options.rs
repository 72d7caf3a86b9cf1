//! Options for the user's own examples, as in task files, on the command line and in log headers.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::form::PromptForm;
use crate::dataset::HELD_OUT_SHARE;

/// The user's own examples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct DataOptions {
    /// A file or folder.
    pub path: String,
    /// Share of a single file's examples that is held out, more than 0 and less than 1.
    #[serde(default = "usual_share")]
    #[cfg_attr(test, schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1)))]
    pub held_out: f64,
    /// Replies of a conversation that count. It is absent in logs of an earlier version, which used only the last and split data
    /// another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replies: Option<Replies>,
    /// Form of prompts for a model without a chat template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_form: Option<PromptForm>,
    /// Tokens beyond which examples, replies included, are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub longest: Option<u32>,
    /// Held-out examples whose prompts are among the training problems too, counted when the run began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
}

/// Replies of a conversation that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Replies {
    /// All of the assistant's, each after the messages before it.
    #[default]
    All,
    /// The last one.
    Last,
}

/// Errors of options.
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
    /// Returns the default options for examples at this path.
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
    /// For the first invalid one.
    pub fn validate(&self) -> Result<(), DataError> {
        if !(self.held_out > 0.0 && self.held_out < 1.0) {
            return Err(DataError::HeldOut(self.held_out));
        }
        if self.longest == Some(0) { Err(DataError::Longest) } else { Ok(()) }
    }
}
