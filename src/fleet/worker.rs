//! A worker: follows the log of the run that goes on, proves its codes, and evaluates units.

mod following;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::bus::{BusError, Delivery, WorkerBus};
use super::crew::Pace;
use super::key::{KeyError, NodeKey};
use super::message::{Announcement, Answer, FleetMessage, Hello, MessageError, Unit, Word, WorkerReport};
use super::notice::Notice;
use crate::engine::Engine;
use crate::seed_log::SeedLog;
use crate::tune::{Local, TuneError};
use following::{Following, LineOutcome};

/// Waits for a word of the coordinator after which a worker asks again.
const ASK_AGAIN: u32 = 20;

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
}

impl<S: Shop, B: WorkerBus> Worker<S, B> {
    /// Creates a worker.
    pub fn new(shop: S, bus: B, key: NodeKey, pace: Pace, notes: Box<dyn FnMut(&Notice) + Send>) -> Self {
        Self { shop, bus, key, pace, notes, nonce: 0 }
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
            is_told = false;
            let announcement = Announcement::decode(&bytes)?;
            if self.serve(&announcement, stop)? == Quit::Over {
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
        let mut run = Following { announcement: announcement.clone(), log, local, class };
        if let Some(quit) = self.join(&mut run, stop)? {
            return Ok(quit);
        }
        self.say(format!(
            "admitted after {} generations of the run; waiting for units",
            run.log.generations.len()
        ));
        let quit = self.units(&mut run, stop)?;
        if quit == Quit::Stopped {
            let bye = self.key.sign(&WorkerReport::Bye { run: announcement.run.clone() })?;
            // Whoever is not told will notice.
            let _ = self.bus.report(&bye);
        }
        Ok(quit)
    }

    /// Fetches the lines of the run's log, of which there is at least one.
    fn read_log(
        &mut self,
        announcement: &Announcement,
        stop: &AtomicBool,
    ) -> Result<Option<SeedLog>, WorkerError> {
        let (mut text, mut number) = (Vec::new(), 0);
        while let Some(Some(line)) = self.reach(stop, |bus| bus.line(&announcement.run, number))? {
            text.extend_from_slice(&line);
            number += 1;
        }
        if number == 0 {
            return Ok(None);
        }
        let log = match SeedLog::parse(&text) {
            Ok(log) => log,
            Err(error) => {
                self.say(format!(
                    "waiting until the log is published anew, since this copy is damaged: {error}"
                ));
                return Ok(None);
            }
        };
        let is_run = log.hash_after(0).is_some_and(|hash| hash.hex() == announcement.run);
        Ok(is_run.then_some(log))
    }

    /// Opens the run, with a base model that the broker passes on if there is none here.
    fn open(
        &mut self,
        log: &SeedLog,
        announcement: &Announcement,
        stop: &AtomicBool,
    ) -> Result<Option<Local<S::Engine>>, WorkerError> {
        loop {
            let (sha256, place) = match self.shop.open(log, announcement) {
                Err(WorkerError::LacksModel { sha256, place }) => (sha256, place),
                opened => return opened.map(Some),
            };
            if !self.fetch(&announcement.run, &sha256, &place, stop)? {
                return Ok(None);
            }
        }
    }

    /// Fetches the base model. Returns `false` if it was asked to stop.
    fn fetch(
        &mut self,
        run: &str,
        sha256: &str,
        place: &Path,
        stop: &AtomicBool,
    ) -> Result<bool, WorkerError> {
        self.say(format!("fetching the base model to {}", place.display()));
        let mut waits = 0;
        while !stop.load(Ordering::Relaxed) {
            match self.reach(stop, |bus| bus.fetch_model(sha256, place))? {
                Some(true) => return Ok(true),
                Some(false) if waits % ASK_AGAIN == 0 => {
                    self.report(&WorkerReport::LacksModel { run: run.to_owned() }, stop)?;
                }
                _ => {}
            }
            waits += 1;
            sleep(self.pace.poll);
        }
        Ok(false)
    }

    /// Proves the codes to the coordinator. Returns the reason to quit, if there is one.
    fn join(
        &mut self,
        run: &mut Following<S::Engine>,
        stop: &AtomicBool,
    ) -> Result<Option<Quit>, WorkerError> {
        loop {
            let Some(()) = self.catch_up(run, u64::MAX, stop)? else { return Ok(Some(Quit::Anew)) };
            let nonce = self.new_nonce();
            let hello = Hello {
                run: run.announcement.run.clone(),
                generations: run.log.generations.len() as u64,
                digest: run.digest()?,
                class: run.class.clone(),
                nonce,
            };
            self.report(&WorkerReport::Hello(hello), stop)?;
            for _ in 0..ASK_AGAIN {
                if stop.load(Ordering::Relaxed) {
                    return Ok(Some(Quit::Stopped));
                }
                match self.word(run, stop)? {
                    Some(Word::Admitted { nonce: to, .. }) if to == nonce => return Ok(None),
                    Some(Word::Behind { nonce: to, .. }) if to == nonce => break,
                    Some(Word::Refused { nonce: to, reason, .. }) if to == nonce => {
                        return Err(WorkerError::Refused(reason));
                    }
                    _ => {}
                }
                if self.is_over(run, stop)? {
                    return Ok(Some(Quit::Over));
                }
                sleep(self.pace.poll);
            }
            sleep(self.pace.poll);
        }
    }

    /// Returns a number for a hello that no earlier one of this machine had.
    fn new_nonce(&mut self) -> u64 {
        use std::time::UNIX_EPOCH;
        let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_micros() as u64);
        self.nonce = now.max(self.nonce + 1);
        self.nonce
    }

    /// Returns the coordinator's word on this run.
    fn word(&mut self, run: &Following<S::Engine>, stop: &AtomicBool) -> Result<Option<Word>, WorkerError> {
        let Some(Some(bytes)) = self.reach(stop, WorkerBus::word)? else { return Ok(None) };
        let Ok(word) = Word::decode(&bytes) else { return Ok(None) };
        match word {
            Word::ShutOut { run: of, reason } if of == run.announcement.run => {
                Err(WorkerError::ShutOut(reason))
            }
            word => Ok(Some(word)),
        }
    }

    /// Returns whether the run is over, or another goes on.
    fn is_over(&mut self, run: &Following<S::Engine>, stop: &AtomicBool) -> Result<bool, WorkerError> {
        let Some(found) = self.reach(stop, WorkerBus::run)? else { return Ok(false) };
        let announced = found.and_then(|bytes| Announcement::decode(&bytes).ok());
        Ok(announced.as_ref() != Some(&run.announcement))
    }

    /// Follows the log up to this many lines, or as far as the broker has it. Returns nothing if it has to be followed anew.
    fn catch_up(
        &mut self,
        run: &mut Following<S::Engine>,
        lines: u64,
        stop: &AtomicBool,
    ) -> Result<Option<()>, WorkerError> {
        while (run.log.line_count() as u64) < lines {
            let number = run.log.line_count() as u64;
            let name = run.announcement.run.clone();
            let Some(Some(line)) = self.reach(stop, |bus| bus.line(&name, number))? else { break };
            match run.follow(&line)? {
                LineOutcome::Followed => {}
                LineOutcome::Differs(why) => {
                    self.say(format!("following the log anew: {why}"));
                    return Ok(None);
                }
            }
        }
        Ok(Some(()))
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
                self.word(run, stop)?;
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
        if unit.run != run.announcement.run {
            self.reach(stop, |bus| bus.give_back(receipt, Duration::from_secs(1)))?;
            return Ok(self.is_over(run, stop)?.then_some(Quit::Over));
        }
        if unit.not_by.as_deref() == Some(self.key.public()) {
            let later = self.pace.poll;
            return self.reach(stop, |bus| bus.give_back(receipt, later)).map(|_| None);
        }
        if self.catch_up(run, unit.lines, stop)?.is_none() {
            self.reach(stop, |bus| bus.give_back(receipt, Duration::ZERO))?;
            return Ok(Some(Quit::Anew));
        }
        if !run.fits(&unit) {
            // Of a generation that is over, or of a log that went on otherwise.
            let is_old = unit.lines < run.log.line_count() as u64;
            self.reach(stop, |bus| bus.done(receipt))?;
            return Ok((!is_old).then_some(Quit::Anew));
        }
        let start = Instant::now();
        let Some(fitness) = run.evaluate(&unit, stop)? else {
            let _ = self.bus.give_back(receipt, Duration::ZERO);
            return Ok(Some(Quit::Stopped));
        };
        self.answer(run, &unit, fitness, start.elapsed(), stop)?;
        self.reach(stop, |bus| bus.done(receipt)).map(|_| None)
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
        let (run, chain, class) = (unit.run.clone(), unit.chain.clone(), run.class.clone());
        let answer = Answer { run, generation, chain, first, fitness, class, seconds };
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
