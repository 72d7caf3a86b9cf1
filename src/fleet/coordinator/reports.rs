//! What a coordinator does with a worker's report.

use std::sync::atomic::AtomicBool;

use super::Fleet;
use crate::engine::Engine;
use crate::fleet::audit::spread;
use crate::fleet::bus::CoordinatorBus;
use crate::fleet::key::Signed;
use crate::fleet::message::{Answer, Hello, Word, WorkerReport};
use crate::fleet::notice::Notice;
use crate::fleet::round::{GivenAnswer, Received, Round};
use crate::tune::{Population, TuneError};

/// Most answers of workers that are not admitted, for each piece of a generation.
const HELD_FOR_EACH: usize = 2;

impl<E: Engine, B: CoordinatorBus> Fleet<E, B> {
    /// Acts on a report.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        round: &mut Round,
        stop: &AtomicBool,
    ) -> Result<(), TuneError> {
        let Signed { by, message } = match self.desk.signed(bytes) {
            Ok(signed) => signed,
            Err(why) => {
                self.desk.note(&Notice::Dropped { why });
                return Ok(());
            }
        };
        let run = self.desk.run.clone();
        match message {
            WorkerReport::Hello(hello) if hello.run == run => {
                self.greet(&by, &hello, round, stop)?;
                self.take_held(&by, round, stop)?;
            }
            WorkerReport::Answer(answer) if answer.run == run => self.take(&by, answer, round, stop)?,
            WorkerReport::LacksModel { run: of, .. } if of == run => self.desk.store_model(&by, stop)?,
            WorkerReport::Bye { run: of, .. } if of == run => self.desk.leave(&by),
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
            self.desk.crew.admit(by, &hello.class);
            Word::Admitted { run: run.clone(), nonce }
        };
        if let Word::Refused { reason, .. } = &word {
            self.desk.crew.refuse(by);
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

    /// Keeps an answer until its worker is admitted, and tells the worker to ask.
    fn hold(&mut self, by: &str, answer: Answer, round: &Round, stop: &AtomicBool) -> Result<(), TuneError> {
        if self.held.len() < HELD_FOR_EACH * round.pieces().len() {
            self.held.push((by.to_owned(), answer));
        }
        let word = Word::Unknown { run: self.desk.run.clone() };
        self.desk.tell(by, &word, stop)
    }

    /// Takes the answers that were kept for a worker, if it is admitted now.
    fn take_held(&mut self, by: &str, round: &mut Round, stop: &AtomicBool) -> Result<(), TuneError> {
        if self.desk.crew.class(by).is_none() {
            return Ok(());
        }
        let (own, others) = std::mem::take(&mut self.held).into_iter().partition(|(from, _)| from == by);
        self.held = others;
        let own: Vec<(String, Answer)> = own;
        own.into_iter().try_for_each(|(_, answer)| self.take(by, answer, round, stop))
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
        if !is_current || answer.announced != self.desk.announced || self.desk.crew.is_out(by) {
            return Ok(());
        }
        let Some(class) = self.desk.crew.class(by) else { return self.hold(by, answer, round, stop) };
        if class != answer.class {
            let worker = self.desk.options.roster.name(by);
            let why = format!("an answer of {worker} names another kernel class than it was admitted with");
            self.desk.note(&Notice::Dropped { why });
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
}
