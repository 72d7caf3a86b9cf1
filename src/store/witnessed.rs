//! A log file with a witness of its model.

use super::{Journal, LogFile, StoreError, Witness};

/// A log file that refuses lines once the model has changed, so that no reward of another model is ever logged.
#[derive(Debug)]
pub struct Witnessed {
    /// The log's file.
    pub log: LogFile,
    /// The witness of the model's file.
    pub model: Witness,
}

impl Journal for Witnessed {
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        self.model.check()?;
        self.log.append(line)
    }
}
