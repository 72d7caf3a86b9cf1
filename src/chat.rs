//! Conversations in the model's own chat template.
//!
//! A template is a Jinja program that comes with the model (`tokenizer.chat_template`). [`Template`] runs it as
//! `transformers` and llama.cpp's server do, with the same variables, functions and rules for white space. Templates
//! come from files that anyone may have made, so time, recursion and memory are bounded. [`ChatSettings`] are the
//! user's settings, part of a task's definition. This module is pure: no llama.cpp is needed to write a prompt.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod bounds;
mod control;
mod date;
mod error;
mod named;
mod outline;
mod python;
mod template;
#[cfg(test)]
mod tests;
mod written;

pub use control::ControlNames;
pub use date::Date;
pub use error::TemplateError;
pub use named::{NAMES, NONE, named};
pub use outline::Outline;
pub use template::{Speaker, Template, knows_thoughts};
pub use written::{Written, literally, marked};

/// Form of conversations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "chat"))]
pub struct ChatSettings {
    /// A template in place of the model's own: its text, or the name of a built-in one; `none` for prompts as they stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Variables for the template, such as `enable_thinking`.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub kwargs: Map<String, Value>,
    /// The day that a template takes for today, where it asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Meaning of control tokens' names in the user's data.
    #[serde(skip_serializing_if = "Special::is_default")]
    pub special: Special,
}

impl ChatSettings {
    /// Returns whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the text of the template to use for a model whose own template is `of_model`; `None` if prompts are
    /// taken as they stand.
    ///
    /// # Errors
    /// When the settings name a template that does not exist.
    pub fn text<'a>(&'a self, of_model: Option<&'a str>) -> Result<Option<&'a str>, TemplateError> {
        match self.template.as_deref() {
            None => Ok(of_model),
            Some(NONE) => Ok(None),
            // A name has no braces, and a template without any would write the same whatever is said.
            Some(text) if text.contains('{') => Ok(Some(text)),
            Some(name) => {
                named(name).map(Some).ok_or_else(|| TemplateError::NoSuchName { name: name.to_owned() })
            }
        }
    }

    /// Fixes the date for a template that asks for it, so that a run that is continued tomorrow sees the same prompts.
    pub fn settle_date(&mut self, of_model: Option<&str>, today: Date) {
        let asks = |text: &str| {
            text.contains("strftime_now") || template::DATES.iter().any(|(name, _)| text.contains(name))
        };
        if self.date.is_none() && self.text(of_model).ok().flatten().is_some_and(asks) {
            self.date = Some(today);
        }
    }
}

/// Meaning of a control token's name (`<|im_end|>`) in the user's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum Special {
    /// The token, as in llama.cpp's server.
    #[default]
    Parse,
    /// Its letters.
    Text,
    /// An error.
    Refuse,
}

impl Special {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
