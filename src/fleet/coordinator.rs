//! The coordinator's population: members in units for whoever is there, until all answers are in and checked.

mod checks;
mod desk;
mod reports;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::audit::{Audits, spread};
use super::bus::CoordinatorBus;
use super::crew::Pace;
use super::ledger::Ledger;
use super::message::{Announcement, Answer, Inference};
use super::notice::Notice;
use super::roster::Roster;
use super::round::{Need, Round};
use crate::engine::Engine;
use crate::es::Generation;
use crate::seed_log::GenerationRecord;
use crate::tune::{DriftSample, Event, HeldOut, Local, Observer, Population, Seconds, TuneError};
use crate::update::Moves;
use desk::Desk;

/// Reports that are heard before the next decision.
const AT_ONCE: usize = 256;

/// Settings of a coordinator.
#[derive(Clone, Debug)]
pub struct FleetOptions {
    /// Kernel class of this machine.
    pub class: String,
    /// `true` if only workers of this kernel class can take part.
    pub one_class: bool,
    /// Options of inference, for all machines.
    pub inference: Inference,
    /// Workers that may take part.
    pub roster: Roster,
    /// The draw of the units that are evaluated twice.
    pub audits: Audits,
    /// Longest and shortest times.
    pub pace: Pace,
    /// The base model, for workers that lack it, with its SHA-256.
    pub model: Option<(PathBuf, String)>,
}

/// Where a coordinator's news and lines go.
pub struct FleetSeat<B> {
    /// The broker.
    pub bus: B,
    /// The durable lines of the log.
    pub ledger: Ledger,
    /// Receives the news.
    pub notes: Box<dyn FnMut(&Notice) + Send>,
}

/// A population on several machines. The one of this process follows the log too: it makes the held-out evaluations, and
/// decides where answers differ.
pub struct Fleet<E: Engine, B> {
    local: Local<E>,
    desk: Desk<B>,
    /// Generations, and the digest of the codes after them.
    digest: Option<(u64, String)>,
    /// Answers of workers that are not admitted yet, as after a restart.
    held: Vec<(String, Answer)>,
}

impl<E: Engine, B: CoordinatorBus> Fleet<E, B> {
    /// Creates a population from one of this process that is at the end of the ledger's log.
    pub fn new(local: Local<E>, seat: FleetSeat<B>, options: FleetOptions) -> Self {
        Self { local, desk: Desk::new(seat, options), digest: None, held: Vec::new() }
    }

    /// Tells the workers that the run is over.
    ///
    /// # Errors
    /// When the broker refuses that.
    pub fn close(&mut self, stop: &AtomicBool) -> Result<(), TuneError> {
        self.desk.reach(stop, |bus| bus.withdraw().and_then(|()| bus.announce(None))).map(drop)
    }

    /// Returns the engine, holding the model as tuned so far.
    pub fn engine(&mut self) -> &mut E {
        self.local.engine()
    }

    /// Hears reports and acts on them until the generation is complete. Returns `false` if it was asked to stop.
    fn complete(
        &mut self,
        round: &mut Round,
        generation: &Generation,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<bool, TuneError> {
        while !round.is_complete(spread(round)) {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            self.hear(round, stop)?;
            self.decide(round, generation, stop)?;
            let (member, of) = (round.answered() as u32, generation.size() as u32);
            if member < of {
                observer.event(&Event::Member { generation: generation.number, member, of });
            }
        }
        Ok(true)
    }

    /// Waits for a report, and acts on it and on those that have come with it.
    fn hear(&mut self, round: &mut Round, stop: &AtomicBool) -> Result<(), TuneError> {
        let mut wait = self.desk.options.pace.poll;
        for _ in 0..AT_ONCE {
            let Some(next) = self.desk.reach(stop, |bus| bus.next_report(wait))? else { return Ok(()) };
            if self.desk.was_lost() {
                self.again(round, stop)?;
            }
            let Some(bytes) = next else { break };
            self.receive(&bytes, round, stop)?;
            wait = std::time::Duration::ZERO;
        }
        Ok(())
    }

    /// Publishes all again after the broker was lost, which may have lost what it had.
    fn again(&mut self, round: &mut Round, stop: &AtomicBool) -> Result<(), TuneError> {
        self.desk.sync(stop)?;
        self.desk.reach(stop, CoordinatorBus::withdraw)?;
        for number in round.lacking(Need::Answer, None) {
            self.desk.offer(round, number, None, stop)?;
        }
        Ok(())
    }
}

impl<E: Engine, B: CoordinatorBus> Population for Fleet<E, B> {
    fn evaluate(
        &mut self,
        generation: &Generation,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<Option<f64>>>, TuneError> {
        self.desk.begin();
        self.held.clear();
        // Whatever another has put into its place, the announcement is there again with each generation.
        if !self.desk.sync(stop)? || !self.desk.announce(stop)? {
            return Ok(None);
        }
        // Units of a coordinator that was killed would be evaluated for nothing.
        self.desk.reach(stop, CoordinatorBus::withdraw)?;
        let chosen = self.local.choose(generation.number)?;
        self.desk.chosen = chosen.map(|places| places.into_iter().map(|place| place as u32).collect());
        let members = generation.size() as u32;
        let size = self.desk.crew.unit_size(members, &self.desk.options.pace);
        let mut round = Round::new(generation.number, members, size, self.desk.now());
        for number in 0..round.pieces().len() {
            self.desk.offer(&mut round, number, None, stop)?;
        }
        let complete = self.complete(&mut round, generation, stop, observer);
        self.desk.end(&round, generation.size(), stop)?;
        Ok(complete?.then(|| round.fitness(&self.desk.options.class)))
    }

    fn apply(&mut self, record: &GenerationRecord) -> Result<Moves, TuneError> {
        // The line is durable, so that the workers can follow it meanwhile.
        self.desk.try_lines();
        self.local.apply(record)
    }

    fn digest(&mut self) -> Result<String, TuneError> {
        self.local.digest()
    }

    fn held_out(&mut self) -> Result<HeldOut, TuneError> {
        self.local.held_out()
    }

    fn spent(&self) -> Seconds {
        self.local.spent()
    }

    fn drift_seconds(&self) -> f64 {
        self.local.drift_seconds()
    }

    fn note(&self) -> Option<&str> {
        self.local.note()
    }

    fn hints(&self) -> Vec<String> {
        self.local.hints()
    }

    fn samples(&self, generations: u64) -> Vec<DriftSample> {
        self.local.samples(generations)
    }
}

/// Returns the announcement of a run.
fn announcement(run: &str, options: &FleetOptions) -> Announcement {
    let FleetOptions { class, one_class, inference, .. } = options;
    Announcement {
        run: run.to_owned(),
        class: class.clone(),
        one_class: *one_class,
        inference: inference.clone(),
    }
}
