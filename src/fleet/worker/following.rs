//! A run as a worker follows it: the log so far, and the codes at its end.

use std::sync::atomic::AtomicBool;

use super::WorkerError;
use crate::engine::Engine;
use crate::es::{Es, Generation};
use crate::fleet::message::{Announcement, Unit};
use crate::model::logged_digest;
use crate::seed_log::SeedLog;
use crate::tune::{Event, Local, Population};

/// A run that is followed.
pub(super) struct Following<E: Engine> {
    pub announcement: Announcement,
    /// Its hash.
    pub announced: String,
    pub log: SeedLog,
    pub local: Local<E>,
    /// Kernel class of this machine.
    pub class: String,
}

/// What became of a line.
pub(super) enum LineOutcome {
    /// It was applied.
    Followed,
    /// It does not follow, or leads to other codes than the run's.
    Differs(String),
}

impl<E: Engine> Following<E> {
    /// Applies the next line of the log.
    pub fn follow(&mut self, line: &[u8]) -> Result<LineOutcome, WorkerError> {
        let before = (self.log.generations.len(), self.log.evaluations.len());
        if let Err(error) = self.log.follow(line) {
            return Ok(LineOutcome::Differs(error.to_string()));
        }
        if self.log.generations.len() > before.0
            && let Some(record) = self.log.generations.last()
        {
            self.local.apply(record)?;
        }
        let generations = self.log.generations.len() as u64;
        if self.log.evaluations.len() > before.1
            && let Some(logged) = logged_digest(&self.log, generations).map(ToOwned::to_owned)
            && logged != self.digest()?
        {
            return Ok(LineOutcome::Differs(format!(
                "the codes after {generations} generations are not the run's"
            )));
        }
        Ok(LineOutcome::Followed)
    }

    /// Returns the SHA-256 of the codes.
    pub fn digest(&mut self) -> Result<String, WorkerError> {
        Ok(self.local.digest()?)
    }

    /// Returns whether a unit is of the generation that follows the log.
    pub fn fits(&self, unit: &Unit) -> bool {
        let fits = |next: &Generation| next.number == unit.generation && unit.end as usize <= next.size();
        unit.chain == self.log.chain.hex() && self.next().as_ref().is_some_and(fits)
    }

    fn next(&self) -> Option<Generation> {
        Es::new(self.log.settings(), self.log.generations.len() as u64).ask()
    }

    /// Returns the fitness of a unit's members, or nothing if it was asked to stop meanwhile.
    pub fn evaluate(&mut self, unit: &Unit, stop: &AtomicBool) -> Result<Option<Vec<f64>>, WorkerError> {
        let Some(generation) = self.next() else { return Ok(None) };
        let members = unit.first as usize..unit.end as usize;
        let places = |chosen: &Vec<u32>| chosen.iter().map(|&place| place as usize).collect::<Vec<_>>();
        self.local.problems_at(generation.number, unit.chosen.as_ref().map(places).as_deref())?;
        Ok(self.local.evaluate_some(&generation, members, stop, &mut |_: &Event<'_>| ())?)
    }
}
