//! The neutral set: prompts and texts on which drift is measured.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::evaluation::{FreePrompt, opening};
use crate::seed_log::{DriftSpec, hex};

/// The set that comes with the program.
const BUILT_IN: &str = include_str!("neutral.jsonl");

/// Name of that set in headers.
pub const BUILT_IN_NAME: &str = "built-in";

/// Most prompts, and most texts, of a set, since every evaluation uses it.
const MOST: usize = 64;

/// Everyday prompts and plain texts, unrelated to the data that a model is tuned on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neutral {
    prompts: Vec<String>,
    pub(super) texts: Vec<String>,
    sha256: String,
    is_built_in: bool,
}

/// Errors of reading a neutral set.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum NeutralError {
    #[error(
        "line {line} is neither {{\"prompt\": \"...\"}} nor {{\"text\": \"...\"}}, one of which every line of a neutral set \
         has to be"
    )]
    Line { line: usize },
    #[error(
        "line {line} is empty of words; write a prompt or a text of at least two words, or leave the line out"
    )]
    Empty { line: usize },
    #[error(
        "it has neither a prompt nor a text; give it some lines like {{\"prompt\": \"...\"}} or {{\"text\": \"...\"}}"
    )]
    Nothing,
    #[error("it has {0} {1}, but may have at most {MOST}, as all are looked at in every evaluation")]
    TooMany(usize, &'static str),
}

/// A line of a set.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum NeutralItem {
    Prompt(String),
    Text(String),
}

impl Neutral {
    /// Returns the set that comes with the program.
    pub fn built_in() -> Self {
        // Its own test reads it.
        let set = Self::parse(BUILT_IN).unwrap_or_else(|_| Self {
            prompts: Vec::new(),
            texts: Vec::new(),
            sha256: String::new(),
            is_built_in: true,
        });
        Self { is_built_in: true, ..set }
    }

    /// Reads a set: JSON Lines, each a prompt or a text. Empty lines are skipped.
    ///
    /// # Errors
    /// For a line that is neither, and a set that is empty or too large.
    pub fn parse(text: &str) -> Result<Self, NeutralError> {
        let (mut prompts, mut texts) = (Vec::new(), Vec::new());
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let line_number = number + 1;
            let item = serde_json::from_str(line).map_err(|_| NeutralError::Line { line: line_number })?;
            let (list, text, least) = match item {
                NeutralItem::Prompt(prompt) => (&mut prompts, prompt, 1),
                NeutralItem::Text(text) => (&mut texts, text, 2),
            };
            if text.split_whitespace().count() < least {
                return Err(NeutralError::Empty { line: line_number });
            }
            list.push(text);
        }
        for (list, what) in [(&prompts, "prompts"), (&texts, "texts")] {
            if list.len() > MOST {
                return Err(NeutralError::TooMany(list.len(), what));
            }
        }
        if prompts.is_empty() && texts.is_empty() {
            return Err(NeutralError::Nothing);
        }
        Ok(Self { prompts, texts, sha256: hex(&Sha256::digest(text)), is_built_in: false })
    }

    /// Returns the header's entry for the set under this name, with a limit on drift.
    pub fn spec(&self, name: &str, max: Option<f64>) -> DriftSpec {
        DriftSpec { neutral: name.to_owned(), sha256: self.sha256.clone(), max }
    }

    /// Returns the SHA-256 over the set as it is written, lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Returns whether it is the built-in set, which means nothing to some models.
    pub fn is_built_in(&self) -> bool {
        self.is_built_in
    }

    /// Returns the prompts, as a user types them.
    pub fn prompts(&self) -> &[String] {
        &self.prompts
    }

    /// Returns the prompts for a model without a chat template: the openings of the texts, or the prompts if there are
    /// no texts.
    pub fn openings(&self) -> Vec<FreePrompt> {
        let texts = self.texts.iter().map(|text| FreePrompt::opening(opening(text)));
        let prompts = || self.prompts.iter().map(|prompt| FreePrompt::opening(prompt.as_str())).collect();
        if self.texts.is_empty() { prompts() } else { texts.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_set_is_read_and_is_always_the_same() {
        let set = Neutral::built_in();
        assert_eq!((set.prompts.len(), set.texts.len(), set.is_built_in()), (12, 8, true));
        // Logs hold it: a change of the set makes runs that have begun with it refuse to go on.
        assert_eq!(set.sha256(), hex(&Sha256::digest(BUILT_IN)));
        assert_eq!(set.openings()[0].shown, "The town lies on the east bank of the river, about forty");
    }

    #[test]
    fn what_is_no_set_is_refused_by_its_line() {
        let parse = |text: &str| Neutral::parse(text).map_err(|e| e.to_string());
        let set = parse("{\"prompt\":\"Hi\"}\n\n{\"text\":\"One two.\"}\n").unwrap();
        assert_eq!((set.prompts, set.texts), (vec!["Hi".to_owned()], vec!["One two.".to_owned()]));
        let many = "{\"prompt\":\"Hi\"}\n".repeat(65);
        for (text, part) in [
            ("", "neither a prompt nor a text"),
            ("{\"prompt\":\"Hi\"}\nHello there\n", "line 2 is neither"),
            ("{\"prompt\":\"Hi\",\"text\":\"Hi there\"}\n", "line 1 is neither"),
            ("{\"question\":\"Hi\"}\n", "line 1 is neither"),
            ("{\"prompt\":\" \"}\n", "line 1 is empty of words"),
            ("{\"text\":\"One\"}\n", "at least two words"),
            (many.as_str(), "65 prompts, but may have at most 64"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn models_without_a_template_continue_texts() {
        let only_prompts = Neutral::parse("{\"prompt\":\"Hi\"}").unwrap();
        assert_eq!(only_prompts.openings(), [FreePrompt::opening("Hi")]);
    }
}
