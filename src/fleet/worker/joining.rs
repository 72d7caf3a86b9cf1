//! From an announced run to one that this worker is admitted to: the log, the base model, the proof of its codes.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;

use super::following::{Following, LineOutcome};
use super::{Quit, Shop, Worker, WorkerError};
use crate::fleet::bus::WorkerBus;
use crate::fleet::message::{Announcement, FleetMessage, Hello, Word, WorkerReport};
use crate::seed_log::SeedLog;
use crate::tune::Local;

/// Waits for a word of the coordinator after which a worker asks again.
const ASK_AGAIN: u32 = 20;

impl<S: Shop, B: WorkerBus> Worker<S, B> {
    /// Fetches the lines of the run's log, of which there is at least one.
    pub(super) fn read_log(
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
    pub(super) fn open(
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
                    let nonce = self.new_nonce();
                    self.report(&WorkerReport::LacksModel { run: run.to_owned(), nonce }, stop)?;
                }
                _ => {}
            }
            waits += 1;
            sleep(self.pace.poll);
        }
        Ok(false)
    }

    /// Proves the codes to the coordinator. Returns the reason to quit, if there is one.
    pub(super) fn join(
        &mut self,
        run: &mut Following<S::Engine>,
        stop: &AtomicBool,
    ) -> Result<Option<Quit>, WorkerError> {
        let mut was_behind = false;
        loop {
            let before = run.log.line_count();
            let Some(()) = self.catch_up(run, u64::MAX, stop)? else { return Ok(Some(Quit::Anew)) };
            if was_behind && run.log.line_count() == before {
                self.say("following the log anew, since the coordinator's is another".to_owned());
                return Ok(Some(Quit::Anew));
            }
            was_behind = false;
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
                    Some(Word::Behind { nonce: to, .. }) if to == nonce => {
                        was_behind = true;
                        break;
                    }
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

    /// Returns a number for a report that hardly any earlier one had, by the system's random numbers.
    pub(super) fn new_nonce(&mut self) -> u64 {
        self.nonce += 1;
        RandomState::new().hash_one(self.nonce)
    }

    /// Looks at the coordinator's word, and asks to be admitted again if it does not know this worker.
    pub(super) fn heed(
        &mut self,
        run: &mut Following<S::Engine>,
        stop: &AtomicBool,
    ) -> Result<Option<Quit>, WorkerError> {
        match self.word(run, stop)? {
            Some(Word::Unknown { run: of }) if of == run.announcement.run => self.join(run, stop),
            _ => Ok(None),
        }
    }

    /// Returns the coordinator's word on this run.
    pub(super) fn word(
        &mut self,
        run: &Following<S::Engine>,
        stop: &AtomicBool,
    ) -> Result<Option<Word>, WorkerError> {
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
    pub(super) fn is_over(
        &mut self,
        run: &Following<S::Engine>,
        stop: &AtomicBool,
    ) -> Result<bool, WorkerError> {
        let Some(found) = self.reach(stop, WorkerBus::run)? else { return Ok(false) };
        let announced = found.and_then(|bytes| Announcement::decode(&bytes).ok());
        Ok(announced.as_ref() != Some(&run.announcement))
    }

    /// Returns whether the broker has the last line that was followed in its place.
    pub(super) fn is_of_run(
        &mut self,
        run: &Following<S::Engine>,
        stop: &AtomicBool,
    ) -> Result<bool, WorkerError> {
        let number = (run.log.line_count() as u64).saturating_sub(1);
        let name = &run.announcement.run;
        let Some(found) = self.reach(stop, |bus| bus.line(name, number))? else { return Ok(true) };
        let end = format!("{}\"}}\n", run.log.chain.hex());
        Ok(found.is_some_and(|line| line.ends_with(end.as_bytes())))
    }

    /// Follows the log up to this many lines, or as far as the broker has it. Returns nothing if it has to be followed anew.
    pub(super) fn catch_up(
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
}
