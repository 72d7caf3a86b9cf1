//! What a coordinator publishes for all: the announcement of the run, and the lines of its log.

use std::sync::atomic::AtomicBool;

use super::{Desk, unwritable};
use crate::fleet::bus::{CoordinatorBus, Taken};
use crate::fleet::coordinator::announcement;
use crate::fleet::message::encode;
use crate::fleet::round::Round;
use crate::tune::TuneError;

impl<B: CoordinatorBus> Desk<B> {
    /// Announces the run and publishes the lines that the broker lacks. Returns `false` if it was asked to stop.
    pub fn sync(&mut self, stop: &AtomicBool) -> Result<bool, TuneError> {
        while self.is_lost {
            self.is_lost = false;
            let prepared = self.reach(stop, CoordinatorBus::prepare)?;
            self.sent = 0;
            if prepared.is_none() || !self.announce(stop)? || !self.lines(stop)? {
                return Ok(false);
            }
        }
        self.lines(stop)
    }

    /// Announces the run. Returns `false` if it was asked to stop.
    pub fn announce(&mut self, stop: &AtomicBool) -> Result<bool, TuneError> {
        self.announced_at = self.now();
        let announcement = encode(&announcement(&self.run, &self.options)).map_err(unwritable)?;
        Ok(self.reach(stop, |bus| bus.announce(Some(&announcement)))?.is_some())
    }

    /// Publishes further lines; those that the broker has already must be the same.
    fn lines(&mut self, stop: &AtomicBool) -> Result<bool, TuneError> {
        let (run, mut last_refused, is_full) = (self.run.clone(), None, self.sent == 0);
        while let Some(line) = self.ledger.line(self.sent) {
            let number = self.sent;
            let taken = self.reach(stop, |bus| bus.put_line(&run, number, line.as_bytes()))?;
            let Some(taken) = taken else { return Ok(false) };
            if taken == Taken::Refused {
                last_refused = Some((number, line));
            }
            self.sent += 1;
        }
        let mut is_other = false;
        if let Some((number, line)) = last_refused {
            let Some(found) = self.reach(stop, |bus| bus.line(&run, number))? else { return Ok(false) };
            is_other = found.as_deref() != Some(line.as_bytes());
        }
        if is_full && !is_other {
            let after = self.ledger.count();
            let Some(found) = self.reach(stop, |bus| bus.line(&run, after))? else { return Ok(false) };
            is_other = found.is_some();
        }
        if !is_other {
            return Ok(true);
        }
        // The broker has lines of a log that went on longer or otherwise, as after an older copy of it was brought back.
        self.sent = 0;
        let removed = self.reach(stop, |bus| bus.remove_lines(&run))?;
        if removed.is_none() { Ok(false) } else { self.lines(stop) }
    }

    /// Publishes further lines if the broker can be reached.
    pub fn try_lines(&mut self) {
        while let Some(line) = self.ledger.line(self.sent) {
            match self.bus.put_line(&self.run, self.sent, line.as_bytes()) {
                Ok(Taken::Accepted) => self.sent += 1,
                Ok(Taken::Refused) | Err(_) => {
                    self.is_lost = true;
                    break;
                }
            }
        }
    }

    /// Announces the run again if nothing comes in for long: a worker may have lost sight of it.
    pub fn announce_if_slow(&mut self, round: &Round, stop: &AtomicBool) -> Result<(), TuneError> {
        let is_long = self.now().saturating_sub(self.announced_at) > self.options.pace.quiet;
        if is_long && self.is_slow(round) { self.announce(stop).map(drop) } else { Ok(()) }
    }
}
