//! All of a coordinator but its engine: the broker, the lines, the workers, and the time.

mod publishing;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{FleetOptions, FleetSeat, announcement};
use crate::fleet::bus::{BusError, CoordinatorBus};
use crate::fleet::crew::{Crew, Limit};
use crate::fleet::key::Signed;
use crate::fleet::ledger::Ledger;
use crate::fleet::message::{MessageError, Unit, Word, WorkerReport, encode};
use crate::fleet::notice::Notice;
use crate::fleet::round::{Need, Round, Share};
use crate::tune::TuneError;

/// A coordinator's desk.
pub(super) struct Desk<B> {
    bus: B,
    ledger: Ledger,
    notes: Box<dyn FnMut(&Notice) + Send>,
    /// Identity of the run.
    pub run: String,
    /// Hash of its announcement.
    pub announced: String,
    pub options: FleetOptions,
    pub crew: Crew,
    clock: Instant,
    /// Lines that the broker has.
    sent: u64,
    /// `true` after the broker was lost, until all is published again.
    is_lost: bool,
    /// Workers whose first answer is being checked.
    on_trial: BTreeSet<String>,
    /// Units of the generation that were compared.
    pub checked: usize,
    is_told_to_wait: bool,
    /// The time until which a lack of answers is not the workers' doing: the broker was away, or a model was uploaded.
    excused: Duration,
    /// The time at which the run was announced last.
    announced_at: Duration,
    /// Places of the generation's problems among its candidates, if they are chosen.
    pub chosen: Option<Vec<u32>>,
}

/// Returns the error of a broker that refuses.
fn refused(error: &BusError) -> TuneError {
    TuneError::Elsewhere { why: error.to_string() }
}

impl<B: CoordinatorBus> Desk<B> {
    pub fn new(seat: FleetSeat<B>, options: FleetOptions) -> Self {
        let FleetSeat { bus, ledger, notes } = seat;
        let run = ledger.hash(0).unwrap_or_default();
        // It has no content that JSON lacks.
        let announced = announcement(&run, &options).hash().unwrap_or_default();
        Self {
            bus,
            ledger,
            notes,
            run,
            announced,
            options,
            crew: Crew::default(),
            clock: Instant::now(),
            sent: 0,
            is_lost: true,
            on_trial: BTreeSet::new(),
            checked: 0,
            is_told_to_wait: false,
            excused: Duration::ZERO,
            announced_at: Duration::ZERO,
            chosen: None,
        }
    }

    /// Returns the time since the fleet began.
    pub fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    pub fn note(&mut self, notice: &Notice) {
        (self.notes)(notice);
    }

    /// Reads a report of a listed worker.
    pub fn signed(&self, bytes: &[u8]) -> Result<Signed<WorkerReport>, String> {
        let signed = Signed::<WorkerReport>::open(bytes).map_err(|error| error.to_string())?;
        let is_listed = self.options.roster.has(&signed.by);
        let unlisted = || format!("a report of {}, which is not in the list of workers", signed.by);
        if is_listed { Ok(signed) } else { Err(unlisted()) }
    }

    /// Calls the broker until it answers; returns nothing if it was asked to stop meanwhile.
    pub fn reach<T>(
        &mut self,
        stop: &AtomicBool,
        mut call: impl FnMut(&mut B) -> Result<T, BusError>,
    ) -> Result<Option<T>, TuneError> {
        let mut is_noted = false;
        loop {
            let error = match call(&mut self.bus) {
                Ok(value) => {
                    if is_noted {
                        self.excused = self.now();
                        self.note(&Notice::Connected);
                    }
                    return Ok(Some(value));
                }
                Err(error) if error.is_final => return Err(refused(&error)),
                Err(error) => error,
            };
            self.is_lost = true;
            if !std::mem::replace(&mut is_noted, true) {
                self.note(&Notice::Disconnected { why: error.to_string() });
            }
            loop {
                if stop.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                sleep(self.options.pace.poll);
                match self.bus.prepare() {
                    Ok(()) => break,
                    Err(error) if error.is_final => return Err(refused(&error)),
                    Err(_) => {}
                }
            }
        }
    }

    /// Returns whether the broker was lost since the last [`Desk::sync`].
    pub fn was_lost(&self) -> bool {
        self.is_lost
    }

    /// Returns the hash of the log's last line.
    pub fn chain(&self) -> Option<String> {
        self.ledger.hash(self.ledger.count().checked_sub(1)?)
    }

    /// Offers a piece, to all but the worker that has evaluated it already.
    pub fn offer(
        &mut self,
        round: &mut Round,
        number: usize,
        not_by: Option<String>,
        stop: &AtomicBool,
    ) -> Result<(), TuneError> {
        let issue = round.offered(number);
        let members = &round.pieces()[number].members;
        let unit = Unit {
            run: self.run.clone(),
            announced: self.announced.clone(),
            generation: round.generation,
            lines: self.ledger.count(),
            chain: self.chain().unwrap_or_default(),
            first: members.start,
            end: members.end,
            issue,
            not_by,
            chosen: self.chosen.clone(),
        };
        let unit = encode(&unit).map_err(unwritable)?;
        self.reach(stop, |bus| bus.offer(&unit)).map(drop)
    }

    /// Tells a worker something.
    pub fn tell(&mut self, worker: &str, word: &Word, stop: &AtomicBool) -> Result<(), TuneError> {
        let word = encode(word).map_err(unwritable)?;
        self.reach(stop, |bus| bus.tell(worker, &word)).map(drop)
    }

    /// Stores the base model for a worker that lacks it.
    pub fn store_model(&mut self, by: &str, stop: &AtomicBool) -> Result<(), TuneError> {
        let name = self.options.roster.name(by);
        let Some((path, sha256)) = self.options.model.clone() else { return Ok(()) };
        self.note(&Notice::Said(format!("{name} lacks the base model, which the broker passes on")));
        self.reach(stop, |bus| bus.store_model(&sha256, &path))?;
        self.excused = self.now();
        Ok(())
    }

    /// Notes that a worker is there.
    pub fn join(&mut self, by: &str) {
        let name = self.options.roster.name(by);
        let now = self.now();
        let (_, is_new) = self.crew.heard(by, &name, now);
        if is_new {
            self.is_told_to_wait = false;
            let workers = self.crew.here();
            self.note(&Notice::Joined { worker: name, workers });
        }
    }

    /// Notes that a worker has left.
    pub fn leave(&mut self, by: &str) {
        if let Some(worker) = self.crew.left(by) {
            let workers = self.crew.here();
            self.note(&Notice::Left { worker, workers });
        }
    }

    /// Listens to a worker no more, and tells it.
    pub fn shut_out(&mut self, by: &str, reason: &str, stop: &AtomicBool) -> Result<(), TuneError> {
        self.crew.shut_out(by);
        let worker = self.options.roster.name(by);
        self.note(&Notice::ShutOut { worker, reason: reason.to_owned() });
        let word = Word::ShutOut { run: self.run.clone(), reason: reason.to_owned() };
        self.tell(by, &word, stop)
    }

    /// Returns whether a first answer is to be checked: the first one of a worker, and those that are drawn.
    pub fn wants_check(&mut self, by: &str, generation: u64, first: u32) -> bool {
        let is_first = !self.crew.is_vetted(by) && self.on_trial.insert(by.to_owned());
        is_first || self.options.audits.draws(generation, first)
    }

    /// Notes the result of a comparison of answers.
    pub fn compared(&mut self, piece: &Share, spread: Option<f64>) {
        if piece.need(spread) == Need::Nothing {
            self.checked += 1;
            piece.told().iter().for_each(|told| self.crew.vet(&told.by));
        }
    }

    /// Returns the time after which units are overdue, with this many of them open.
    pub fn limit(&self, open: usize) -> Limit {
        self.crew.limit(open <= self.crew.here(), &self.options.pace)
    }

    /// Returns the time for which nothing came in although it could.
    fn idle(&self, round: &Round) -> Duration {
        self.now().saturating_sub(round.progress.max(self.excused))
    }

    /// Returns whether nothing came in for so long that every unit may have got lost.
    pub fn is_slow(&self, round: &Round) -> bool {
        let members = round.pieces().first().map_or(1, |piece| piece.members.len());
        let limit = self.crew.limit(false, &self.options.pace);
        self.idle(round) > 2 * limit.of(members)
    }

    /// Returns whether a generation is to be closed with those that are in.
    pub fn is_stalled(&self, round: &Round, members: usize) -> bool {
        let is_half = 2 * round.answered() >= members;
        is_half && self.idle(round) > self.options.pace.stall
    }

    /// Notes who has left, and whether nobody is there.
    pub fn look_around(&mut self, round: &Round) {
        let now = self.now();
        for key in self.crew.silent(now, &self.options.pace) {
            self.leave(&key);
        }
        let is_long = now.saturating_sub(round.progress) > self.options.pace.patience;
        if self.crew.here() == 0 && is_long && !std::mem::replace(&mut self.is_told_to_wait, true) {
            self.note(&Notice::Waiting);
        }
    }

    /// Begins a generation.
    pub fn begin(&mut self) {
        let now = self.now();
        self.crew.begin(now);
        self.on_trial.clear();
        self.checked = 0;
    }

    /// Ends a generation: takes back what is offered, and tells how it went.
    pub fn end(&mut self, round: &Round, members: usize, stop: &AtomicBool) -> Result<(), TuneError> {
        let (run, generation) = (self.run.clone(), round.generation);
        if stop.load(Ordering::Relaxed) {
            // Answers that have come stay for the run that is resumed.
            if self.bus.withdraw().is_err() {
                self.is_lost = true;
            }
            return Ok(());
        }
        self.reach(stop, |bus| bus.withdraw().and_then(|()| bus.forget(&run, generation)))?;
        let workers: BTreeSet<&str> = round.pieces().iter().filter_map(Share::first_by).collect();
        let notice = Notice::Generation {
            generation,
            workers: workers.len(),
            units: round.pieces().len(),
            again: round.pieces().iter().filter(|piece| piece.issues > 1 && !piece.is_checked).count(),
            checked: self.checked,
            missing: members - round.answered(),
            seconds: self.now().saturating_sub(round.start).as_secs_f64(),
            slow: self.crew.slow(),
        };
        self.note(&notice);
        Ok(())
    }
}

/// Returns the error of a message that cannot be written.
fn unwritable(error: MessageError) -> TuneError {
    TuneError::Elsewhere { why: error.to_string() }
}
