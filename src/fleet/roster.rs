//! The list of the machines that may work: a file with a public key and a name in each line.

use std::collections::BTreeMap;

use thiserror::Error;

use super::key::{KeyError, check_public};

/// Most machines in a list.
const MOST: usize = 100_000;

/// Longest name.
const NAME: usize = 64;

/// Reasons for which a list is refused.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum RosterError {
    #[error("line {line} of the list of workers: {source}")]
    Key { line: usize, source: KeyError },
    #[error("line {line} of the list of workers has a key that stands in it already; remove one of the two")]
    Twice { line: usize },
    #[error("the list of workers is longer than {MOST} lines")]
    TooLong,
}

/// Public keys of machines, with their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    names: BTreeMap<String, String>,
    /// `true` if everyone is let in that the broker lets in.
    is_open: bool,
}

impl Roster {
    /// Returns the list that has everyone.
    pub fn open() -> Self {
        Self { names: BTreeMap::new(), is_open: true }
    }

    /// Reads a list: a key and a name in each line; lines that begin with `#` are for people.
    ///
    /// # Errors
    /// When a line has no key, or one that stands in another line too.
    pub fn parse(text: &str) -> Result<Self, RosterError> {
        let mut names = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            check_public(key).map_err(|source| RosterError::Key { line: number, source })?;
            if names.insert(key.to_owned(), plain(name)).is_some() {
                return Err(RosterError::Twice { line: number });
            }
            if names.len() > MOST {
                return Err(RosterError::TooLong);
            }
        }
        Ok(Self { names, is_open: false })
    }

    /// Returns whether a machine may work.
    pub fn has(&self, key: &str) -> bool {
        self.is_open || self.names.contains_key(key)
    }

    /// Returns a machine's name, or the start of its key.
    pub fn name(&self, key: &str) -> String {
        let short = || key.chars().take(9).collect();
        self.names.get(key).filter(|name| !name.is_empty()).cloned().unwrap_or_else(short)
    }

    /// Returns all keys and names.
    pub fn machines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|(key, name)| (&**key, &**name))
    }
}

/// Returns a name without what could steer a terminal or a configuration file.
fn plain(name: &str) -> String {
    let is_plain = |c: &char| c.is_alphanumeric() || " -_.".contains(*c);
    name.trim().chars().filter(is_plain).take(NAME).collect()
}
