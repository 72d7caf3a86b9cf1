//! A log that knows the model that it is of.

use super::{Journal, LogFile, StoreError, Witness};

/// A log's file that takes no line once the model is not what it was, so that no reward of another model is ever logged.
#[derive(Debug)]
pub struct Witnessed {
    /// The log's file.
    pub log: LogFile,
    /// The model's.
    pub model: Witness,
}

impl Journal for Witnessed {
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        self.model.check()?;
        self.log.append(line)
    }
}
