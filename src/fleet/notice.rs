//! News for the people who watch a fleet.

/// News of a coordinator or a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A worker has come, and its codes are proven to be the run's.
    Joined {
        /// Its name.
        worker: String,
        /// Workers there are now.
        workers: usize,
    },
    /// A worker has left, or has not been heard of for long.
    Left {
        /// Its name.
        worker: String,
        /// Workers there are now.
        workers: usize,
    },
    /// A worker was refused or shut out.
    ShutOut {
        /// Its name.
        worker: String,
        /// The reason.
        reason: String,
    },
    /// Nobody is there to evaluate.
    Waiting,
    /// The broker cannot be reached at the moment.
    Disconnected {
        /// The reason.
        why: String,
    },
    /// The broker can be reached again.
    Connected,
    /// A report was dropped.
    Dropped {
        /// The reason.
        why: String,
    },
    /// A generation was evaluated.
    Generation {
        /// Its number, from 0.
        generation: u64,
        /// Workers that took part.
        workers: usize,
        /// Units of it.
        units: usize,
        /// Units that were issued more than once.
        again: usize,
        /// Units that were evaluated twice and compared.
        checked: usize,
        /// Members that were not evaluated.
        missing: usize,
        /// Seconds that it took.
        seconds: f64,
        /// The slowest worker, if it is much slower than the others, with its seconds a member.
        slow: Option<(String, f64)>,
    },
    /// Something else, as a sentence.
    Said(String),
}
