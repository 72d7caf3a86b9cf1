//! What a coordinator and a worker need of a broker. All calls block, and none longer than it says.

use std::path::Path;
use std::time::Duration;

use thiserror::Error;

use super::message::Unit;

/// Error of a broker, or of the way to it.
#[derive(Debug, Error)]
#[error("{doing} failed: {why}")]
pub struct BusError {
    /// The action that failed, as the start of a sentence.
    pub doing: String,
    /// The cause.
    pub why: String,
    /// `true` if it would fail again: the broker refuses it.
    pub is_final: bool,
}

impl BusError {
    /// Returns an error that may pass, as of a network that was cut.
    pub fn passing(doing: impl Into<String>, why: impl ToString) -> Self {
        Self { doing: doing.into(), why: why.to_string(), is_final: false }
    }

    /// Returns an error that will not pass.
    pub fn lasting(doing: impl Into<String>, why: impl ToString) -> Self {
        Self { doing: doing.into(), why: why.to_string(), is_final: true }
    }
}

/// Outcome of publishing something in a place that takes one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The broker has it.
    Accepted,
    /// The broker had a message in this place already, and keeps that.
    Refused,
}

/// Name of a delivered unit for its acknowledgement.
pub type Receipt = u64;

/// A delivered unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub bytes: Vec<u8>,
    /// Its name for the acknowledgement. Until then the broker is told that the work goes on.
    pub receipt: Receipt,
}

/// A coordinator's side of a broker.
pub trait CoordinatorBus: Send {
    /// Makes sure that the broker has its streams, as after it was started anew.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses.
    fn prepare(&mut self) -> Result<(), BusError>;

    /// Announces the run that goes on, or that there is none.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn announce(&mut self, run: Option<&[u8]>) -> Result<(), BusError>;

    /// Returns a line of the run's log, if the broker has it.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn line(&mut self, run: &str, number: u64) -> Result<Option<Vec<u8>>, BusError>;

    /// Publishes a line of the run's log, in its own place.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn put_line(&mut self, run: &str, number: u64, line: &[u8]) -> Result<Taken, BusError>;

    /// Removes all lines of a run.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn remove_lines(&mut self, run: &str) -> Result<(), BusError>;

    /// Offers a unit to all workers; one of them gets it.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn offer(&mut self, unit: &[u8]) -> Result<(), BusError>;

    /// Takes back all units that nobody has taken.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn withdraw(&mut self) -> Result<(), BusError>;

    /// Returns the next report of a worker, if one comes within `wait`.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn next_report(&mut self, wait: Duration) -> Result<Option<Vec<u8>>, BusError>;

    /// Removes the answers to a generation's units.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn forget(&mut self, run: &str, generation: u64) -> Result<(), BusError>;

    /// Tells one worker something, in place of what it was told before.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn tell(&mut self, worker: &str, word: &[u8]) -> Result<(), BusError>;

    /// Stores a model for workers that lack it, unless it is there.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses, or the file cannot be read.
    fn store_model(&mut self, sha256: &str, path: &Path) -> Result<(), BusError>;
}

/// A worker's side of a broker, with no more than a worker is permitted.
pub trait WorkerBus: Send {
    /// Returns the announcement of the run that goes on, if there is one.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn run(&mut self) -> Result<Option<Vec<u8>>, BusError>;

    /// Returns a line of the run's log, if the broker has it.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn line(&mut self, run: &str, number: u64) -> Result<Option<Vec<u8>>, BusError>;

    /// Takes a unit, if one comes within `wait`.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn take(&mut self, wait: Duration) -> Result<Option<Delivery>, BusError>;

    /// Acknowledges a unit: nobody else gets it.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    fn done(&mut self, receipt: Receipt) -> Result<(), BusError>;

    /// Gives a unit back, for another worker or for later.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    fn give_back(&mut self, receipt: Receipt, after: Duration) -> Result<(), BusError>;

    /// Publishes the answer to an issue of a unit, in the worker's own place for it.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn answer(&mut self, unit: &Unit, report: &[u8]) -> Result<Taken, BusError>;

    /// Publishes another report.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn report(&mut self, report: &[u8]) -> Result<(), BusError>;

    /// Returns the coordinator's last word to this worker, if there is one.
    ///
    /// # Errors
    /// When the broker cannot be reached, or refuses.
    fn word(&mut self) -> Result<Option<Vec<u8>>, BusError>;

    /// Writes a stored model into a file. Returns whether the broker had it.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses, or the file cannot be written.
    fn fetch_model(&mut self, sha256: &str, place: &Path) -> Result<bool, BusError>;
}
