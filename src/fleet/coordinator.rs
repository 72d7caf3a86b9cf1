//! The coordinator's population: members in units for whoever is there, until all answers are in and checked.

mod desk;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::audit::{Audits, outliers, spread};
use super::bus::CoordinatorBus;
use super::crew::Pace;
use super::key::Signed;
use super::ledger::Ledger;
use super::message::{Announcement, Answer, Hello, Inference, Word, WorkerReport};
use super::notice::Notice;
use super::roster::Roster;
use super::round::{GivenAnswer, Need, Received, Round, Share};
use super::sameness::agree;
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
}

impl<E: Engine, B: CoordinatorBus> Fleet<E, B> {
    /// Creates a population from one of this process that is at the end of the ledger's log.
    pub fn new(local: Local<E>, seat: FleetSeat<B>, options: FleetOptions) -> Self {
        Self { local, desk: Desk::new(seat, options), digest: None }
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

    /// Acts on a report.
    fn receive(&mut self, bytes: &[u8], round: &mut Round, stop: &AtomicBool) -> Result<(), TuneError> {
        let Signed { by, message } = match self.desk.signed(bytes) {
            Ok(signed) => signed,
            Err(why) => {
                self.desk.note(&Notice::Dropped { why });
                return Ok(());
            }
        };
        let run = self.desk.run.clone();
        match message {
            WorkerReport::Hello(hello) if hello.run == run => self.greet(&by, &hello, round, stop)?,
            WorkerReport::Answer(answer) if answer.run == run => self.take(&by, answer, round, stop)?,
            WorkerReport::LacksModel { run: of } if of == run => self.desk.store_model(&by, stop)?,
            WorkerReport::Bye { run: of } if of == run => self.desk.leave(&by),
            _ => {}
        }
        Ok(())
    }

    /// Lets a worker in that has proven its codes.
    fn greet(&mut self, by: &str, hello: &Hello, round: &Round, stop: &AtomicBool) -> Result<(), TuneError> {
        let (run, nonce) = (hello.run.clone(), hello.nonce);
        let refused = |reason: String| Word::Refused { run: run.clone(), nonce, reason };
        let options = &self.desk.options;
        let word = if self.desk.crew.is_out(by) {
            Word::ShutOut { run: run.clone(), reason: "it gave wrong answers earlier in this run".to_owned() }
        } else if options.one_class && hello.class != options.class {
            refused(format!(
                "the run scores replies of the base model itself, of which another kind of processor may have others; only \
                 workers of the kernel class {} can take part, and this is {}",
                options.class, hello.class
            ))
        } else if hello.generations != round.generation {
            Word::Behind { run: run.clone(), nonce }
        } else if hello.digest != self.digest_after(round.generation)? {
            refused(
                "its codes differ from the run's, although it followed the same log; check its memory and its build of qes-gguf"
                    .to_owned(),
            )
        } else {
            self.desk.join(by);
            Word::Admitted { run: run.clone(), nonce }
        };
        if let Word::Refused { reason, .. } = &word {
            let worker = self.desk.options.roster.name(by);
            self.desk.note(&Notice::ShutOut { worker, reason: reason.clone() });
        }
        self.desk.tell(by, &word, stop)
    }

    /// Returns the digest of the codes after the log's generations.
    fn digest_after(&mut self, generations: u64) -> Result<String, TuneError> {
        if let Some((_, digest)) = self.digest.as_ref().filter(|(after, _)| *after == generations) {
            return Ok(digest.clone());
        }
        let digest = self.local.digest()?;
        self.digest = Some((generations, digest.clone()));
        Ok(digest)
    }

    /// Takes an answer, and decides whether it is checked.
    fn take(
        &mut self,
        by: &str,
        answer: Answer,
        round: &mut Round,
        stop: &AtomicBool,
    ) -> Result<(), TuneError> {
        let is_current =
            answer.generation == round.generation && Some(&answer.chain) == self.desk.chain().as_ref();
        if !is_current || self.desk.crew.is_out(by) {
            return Ok(());
        }
        let Answer { first, fitness, class, seconds, .. } = answer;
        let members = fitness.len();
        let received =
            round.answer(first, GivenAnswer { by: by.to_owned(), class, fitness }, self.desk.now());
        if received != Received::Useless {
            self.desk.join(by);
            self.desk.crew.answered(by, members, seconds);
        }
        match received {
            Received::First(number) if self.desk.wants_check(by, round.generation, first) => {
                round.check(number);
                self.check(round, number, stop)
            }
            Received::Further(number) => {
                self.desk.compared(&round.pieces()[number], spread(round));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Offers a piece to another worker than the one that answered.
    fn check(&mut self, round: &mut Round, number: usize, stop: &AtomicBool) -> Result<(), TuneError> {
        let by = round.pieces()[number].first_by().map(ToOwned::to_owned);
        match by.filter(|by| self.desk.crew.has_another(by)) {
            Some(by) => self.desk.offer(round, number, Some(by), stop),
            None => Ok(()),
        }
    }

    /// Does what is due: checks, rulings, and further offers of what takes too long.
    fn decide(
        &mut self,
        round: &mut Round,
        generation: &Generation,
        stop: &AtomicBool,
    ) -> Result<(), TuneError> {
        self.desk.look_around();
        let open = round.lacking(Need::Answer, None);
        if open.is_empty() {
            outliers(round).into_iter().for_each(|number| round.check(number));
        }
        let checks = round.lacking(Need::Check, None);
        let now = self.desk.now();
        if open.len() + checks.len() <= self.desk.crew.here() || self.desk.is_slow(round) {
            round.all_begun(now);
        }
        for number in open {
            if self.desk.is_overdue(&round.pieces()[number]) {
                self.desk.offer(round, number, None, stop)?;
            }
        }
        for number in checks {
            let piece = &round.pieces()[number];
            let alone = piece.first_by().is_none_or(|by| !self.desk.crew.has_another(by));
            if alone || self.desk.is_overdue(piece) {
                self.rule(round, number, generation, stop)?;
            } else if piece.issues < 2 {
                self.check(round, number, stop)?;
            }
        }
        for number in round.lacking(Need::Ruling, spread(round)) {
            self.rule(round, number, generation, stop)?;
        }
        if self.desk.is_stalled(round, generation.size()) {
            round.give_up();
        }
        Ok(())
    }

    /// Evaluates a piece here, and compares all answers to it with that.
    fn rule(
        &mut self,
        round: &mut Round,
        number: usize,
        generation: &Generation,
        stop: &AtomicBool,
    ) -> Result<(), TuneError> {
        let Share { members, .. } = &round.pieces()[number];
        let numbers = members.start as usize..members.end as usize;
        let fitness = self.local.evaluate_some(generation, numbers, stop, &mut |_: &Event<'_>| ())?;
        let Some(fitness) = fitness else { return Ok(()) };
        let spread = spread(round);
        let told = round.pieces()[number].told().to_vec();
        round.rule(number, fitness.clone(), self.desk.now());
        for GivenAnswer { by, class, fitness: told } in told {
            let same_class = class == self.desk.options.class;
            if agree(&told, &fitness, same_class, spread) {
                self.desk.crew.vet(&by);
                continue;
            }
            let how = if same_class {
                "exactly, on the same kernel class"
            } else {
                "within the spread of the fitness"
            };
            let reason = format!(
                "it answered {} for a member for which the coordinator found {}, and the two should be the same {how}",
                told.first().copied().unwrap_or_default(),
                fitness.first().copied().unwrap_or_default()
            );
            self.desk.shut_out(&by, &reason, stop)?;
            for open in round.drop_worker(&by) {
                self.desk.offer(round, open, None, stop)?;
            }
        }
        self.desk.checked += 1;
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
        if !self.desk.sync(stop)? {
            return Ok(None);
        }
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
