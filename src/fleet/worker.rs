//! A worker: follows the log of the run that goes on, proves its codes, and evaluates units.

mod following;
mod joining;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::bus::{BusError, Delivery, WorkerBus};
use super::crew::Pace;
use super::key::{KeyError, NodeKey};
use super::message::{Announcement, Answer, FleetMessage, MessageError, Unit, WorkerReport};
use super::notice::Notice;
use crate::engine::Engine;
use crate::seed_log::SeedLog;
use crate::tune::{Local, TuneError};
use following::Following;

/// Most time for which a unit for another worker is given back.
const FOR_ANOTHER: Duration = Duration::from_millis(200);

/// Reasons for which a worker ended.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum WorkerError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Tune(#[from] TuneError),
    #[error("the coordinator refuses this worker: {0}")]
    Refused(String),
    #[error("the coordinator shut this worker out: {0}")]
    ShutOut(String),
    #[error("{0}")]
    Shop(String),
    #[error("the base model with the SHA-256 {sha256} is not here")]
    LacksModel { sha256: String, place: PathBuf },
}

/// What a worker works with: models, engines, judges.
pub trait Shop {
    /// The engine.
    type Engine: Engine;

    /// Returns the kernel class of this machine with an announced run's options.
    fn class(&self, announcement: &Announcement) -> String;

    /// Returns the members of a run at the end of its log.
    ///
    /// # Errors
    /// [`WorkerError::LacksModel`] if the base model is to be fetched to a place, and other errors if this machine cannot
    /// take part.
    fn open(
        &mut self,
        log: &SeedLog,
        announcement: &Announcement,
    ) -> Result<Local<Self::Engine>, WorkerError>;

    /// Returns whether the machine may work now.
    fn may_work(&mut self) -> bool {
        true
    }
}

/// Reasons to end the work on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quit {
    /// It was asked to stop.
    Stopped,
    /// The run is over, or another goes on.
    Over,
    /// The log has to be followed anew.
    Anew,
}

/// A worker.
pub struct Worker<S, B> {
    shop: S,
    bus: B,
    key: NodeKey,
    pace: Pace,
    notes: Box<dyn FnMut(&Notice) + Send>,
    nonce: u64,
    /// The end of a log that this worker lacked, for which it has followed the log anew once.
    lacked: Option<String>,
}

impl<S: Shop, B: WorkerBus> Worker<S, B> {
    /// Creates a worker.
    pub fn new(shop: S, bus: B, key: NodeKey, pace: Pace, notes: Box<dyn FnMut(&Notice) + Send>) -> Self {
        Self { shop, bus, key, pace, notes, nonce: 0, lacked: None }
    }

    fn say(&mut self, text: String) {
        (self.notes)(&Notice::Said(text));
    }

    /// Works on one run after the other until it is asked to stop.
    ///
    /// # Errors
    /// When the broker or the coordinator refuses it, or this machine cannot take part in a run.
    pub fn work(&mut self, stop: &AtomicBool) -> Result<(), WorkerError> {
        let mut is_told = false;
        while !stop.load(Ordering::Relaxed) {
            let Some(found) = self.reach(stop, WorkerBus::run)? else { break };
            let Some(bytes) = found else {
                if !std::mem::replace(&mut is_told, true) {
                    self.say("no run goes on; waiting for one".to_owned());
                }
                sleep(self.pace.poll);
                continue;
            };
            let announcement = match Announcement::decode(&bytes) {
                Ok(announcement) => announcement,
                Err(error @ MessageError::Version(_)) => return Err(error.into()),
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        self.say(format!("waiting for a run, since what is announced is none: {error}"));
                    }
                    sleep(self.pace.poll);
                    continue;
                }
            };
            is_told = false;
            if self.serve(&announcement, stop)? != Quit::Stopped {
                sleep(self.pace.poll);
            }
        }
        Ok(())
    }

    /// Calls the broker until it answers; returns nothing if it was asked to stop meanwhile.
    fn reach<T>(
        &mut self,
        stop: &AtomicBool,
        mut call: impl FnMut(&mut B) -> Result<T, BusError>,
    ) -> Result<Option<T>, WorkerError> {
        let mut is_noted = false;
        loop {
            match call(&mut self.bus) {
                Ok(value) => {
                    if is_noted {
                        (self.notes)(&Notice::Connected);
                    }
                    return Ok(Some(value));
                }
                Err(error) if error.is_final => return Err(error.into()),
                Err(_) if stop.load(Ordering::Relaxed) => return Ok(None),
                Err(error) if !std::mem::replace(&mut is_noted, true) => {
                    (self.notes)(&Notice::Disconnected { why: error.to_string() });
                }
                Err(_) => {}
            }
            sleep(self.pace.poll);
        }
    }

    /// Publishes a report.
    fn report(&mut self, report: &WorkerReport, stop: &AtomicBool) -> Result<(), WorkerError> {
        let report = self.key.sign(report)?;
        self.reach(stop, |bus| bus.report(&report)).map(drop)
    }

    /// Works on a run.
    fn serve(&mut self, announcement: &Announcement, stop: &AtomicBool) -> Result<Quit, WorkerError> {
        let Some(log) = self.read_log(announcement, stop)? else { return Ok(Quit::Over) };
        let Some(local) = self.open(&log, announcement, stop)? else { return Ok(Quit::Stopped) };
        let class = self.shop.class(announcement);
        let announced = announcement.hash()?;
        let mut run = Following { announcement: announcement.clone(), announced, log, local, class };
        if let Some(quit) = self.join(&mut run, stop)? {
            return Ok(quit);
        }
        self.say(format!(
            "admitted after {} generations of the run; waiting for units",
            run.log.generations.len()
        ));
        let quit = self.units(&mut run, stop);
        if !matches!(quit, Ok(Quit::Over | Quit::Anew)) {
            let nonce = self.new_nonce();
            let bye = self.key.sign(&WorkerReport::Bye { run: announcement.run.clone(), nonce })?;
            // Whoever is not told will notice.
            let _ = self.bus.report(&bye);
        }
        quit
    }

    /// Evaluates units until there is a reason to quit.
    fn units(&mut self, run: &mut Following<S::Engine>, stop: &AtomicBool) -> Result<Quit, WorkerError> {
        let mut idle = 0_u32;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Ok(Quit::Stopped);
            }
            if !self.shop.may_work() {
                sleep(self.pace.poll);
                continue;
            }
            let wait = self.pace.poll;
            let Some(taken) = self.reach(stop, |bus| bus.take(wait))? else { continue };
            idle = if taken.is_some() { 0 } else { idle + 1 };
            if let Some(delivery) = taken {
                if let Some(quit) = self.unit(run, delivery, stop)? {
                    return Ok(quit);
                }
            } else if idle % 5 == 1 {
                if self.is_over(run, stop)? {
                    self.say("the run is over".to_owned());
                    return Ok(Quit::Over);
                }
                if let Some(quit) = self.heed(run, stop)? {
                    return Ok(quit);
                }
                if self.catch_up(run, u64::MAX, stop)?.is_none() {
                    return Ok(Quit::Anew);
                }
            }
        }
    }

    /// Evaluates a unit, and publishes the answer before it is acknowledged.
    fn unit(
        &mut self,
        run: &mut Following<S::Engine>,
        delivery: Delivery,
        stop: &AtomicBool,
    ) -> Result<Option<Quit>, WorkerError> {
        let Delivery { bytes, receipt } = delivery;
        let unit = match Unit::decode(&bytes) {
            Ok(unit) => unit,
            Err(error) => {
                (self.notes)(&Notice::Dropped { why: error.to_string() });
                return self.reach(stop, |bus| bus.done(receipt)).map(|_| None);
            }
        };
        if unit.run != run.announcement.run || unit.announced != run.announced {
            self.reach(stop, |bus| bus.give_back(receipt, Duration::from_secs(1)))?;
            return Ok(self.is_over(run, stop)?.then_some(Quit::Over));
        }
        if unit.not_by.as_deref() == Some(self.key.public()) {
            let later = self.pace.poll.min(FOR_ANOTHER);
            return self.reach(stop, |bus| bus.give_back(receipt, later)).map(|_| None);
        }
        if self.catch_up(run, unit.lines, stop)?.is_none() {
            self.reach(stop, |bus| bus.give_back(receipt, Duration::ZERO))?;
            return Ok(Some(Quit::Anew));
        }
        if !run.fits(&unit) {
            // Of a generation that is over, unless the run's log is another; to follow that anew is tried once for each end.
            let is_old = unit.lines < run.log.line_count() as u64 && self.is_of_run(run, stop)?;
            if is_old || self.lacked.replace(unit.chain.clone()) == Some(unit.chain) {
                return self.reach(stop, |bus| bus.done(receipt)).map(|_| None);
            }
            self.reach(stop, |bus| bus.give_back(receipt, Duration::ZERO))?;
            return Ok(Some(Quit::Anew));
        }
        let start = Instant::now();
        let Some(fitness) = run.evaluate(&unit, stop)? else {
            let _ = self.bus.give_back(receipt, Duration::ZERO);
            return Ok(Some(Quit::Stopped));
        };
        self.answer(run, &unit, fitness, start.elapsed(), stop)?;
        self.reach(stop, |bus| bus.done(receipt))?;
        self.heed(run, stop)
    }

    /// Publishes an answer.
    fn answer(
        &mut self,
        run: &Following<S::Engine>,
        unit: &Unit,
        fitness: Vec<f64>,
        time: Duration,
        stop: &AtomicBool,
    ) -> Result<(), WorkerError> {
        let (members, seconds) = (fitness.len(), time.as_secs_f64());
        let Unit { generation, first, end, .. } = *unit;
        let (announced, class) = (run.announced.clone(), run.class.clone());
        let (run, chain) = (unit.run.clone(), unit.chain.clone());
        let answer = Answer { run, announced, generation, chain, first, fitness, class, seconds };
        let report = self.key.sign(&WorkerReport::Answer(answer))?;
        self.reach(stop, |bus| bus.answer(unit, &report))?;
        self.say(format!(
            "generation {}: members {} to {end}, {:.1} s each",
            generation + 1,
            first + 1,
            seconds / members.max(1) as f64
        ));
        Ok(())
    }
}
