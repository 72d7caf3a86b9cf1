//! The lines of a run's log, as they are published: only those that are durable in its file.

use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{Journal, StoreError};

/// The durable lines of a log, for the journal that adds to them and the coordinator that publishes them.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Vec<String>>>);

impl Ledger {
    /// Creates a ledger of the whole lines of a log's text.
    pub fn of(text: &str) -> Self {
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        Self(Arc::new(Mutex::new(whole.map(ToOwned::to_owned).collect())))
    }

    /// Adds a line that is durable.
    pub fn push(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }

    /// Returns the number of lines.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// Returns a line, newline included.
    pub fn line(&self, number: u64) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(usize::try_from(number).ok()?).cloned()
    }

    /// Returns the hash at the end of a line.
    pub fn hash(&self, number: u64) -> Option<String> {
        let line = self.line(number)?;
        let end = line.trim_end().strip_suffix("\"}")?;
        end.get(end.len().checked_sub(64)?..).map(ToOwned::to_owned)
    }
}

/// A journal whose lines are put into a ledger too, once they are durable.
pub struct Published<J> {
    /// The journal.
    pub journal: J,
    /// The ledger.
    pub ledger: Ledger,
}

impl<J: Journal> Journal for Published<J> {
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        self.journal.append(line)?;
        self.ledger.push(line);
        Ok(())
    }
}
