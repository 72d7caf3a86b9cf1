//! A broker in memory that loses, repeats, delays, reorders and damages messages as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::fleet::key::Signed;
use crate::fleet::{
    BusError, CoordinatorBus, Delivery, NodeKey, Receipt, Taken, Unit, Word, WorkerBus, WorkerReport, encode,
};

/// Time after which an unacknowledged unit of a dead worker is delivered again.
const REDELIVERED: Duration = Duration::from_millis(60);

/// Shares of the messages that meet some trouble.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Calls that fail, half of them after they took effect.
    pub lost: f64,
    /// Units and reports that arrive twice.
    pub twice: f64,
    /// Units and reports that arrive later.
    pub late: f64,
    /// Units and reports with a wrong bit.
    pub damaged: f64,
}

/// Messages, with the time from which they are delivered.
type Queue = Vec<(Instant, Vec<u8>)>;

#[derive(Default)]
struct State {
    run: Option<Vec<u8>>,
    lines: BTreeMap<(String, u64), Vec<u8>>,
    units: Queue,
    /// Units that were taken, by their receipts.
    taken: BTreeMap<Receipt, (Vec<u8>, Arc<AtomicBool>, Instant)>,
    receipts: Receipt,
    reports: Queue,
    answers: BTreeSet<(String, String, u64, u32, u32, u32)>,
    /// Answers that were accepted.
    given: usize,
    words: BTreeMap<String, Vec<u8>>,
    faults: Faults,
    word: u64,
    is_down: bool,
    /// Members whose units are never delivered.
    swallowed: Vec<u32>,
}

impl State {
    /// Draws a number from 0 to 1.
    fn draw(&mut self) -> f64 {
        self.word = self.word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.word >> 33) as f64 / (1_u64 << 31) as f64
    }

    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.draw() < share
    }

    /// Puts a message into a queue, once or twice, sooner or later, whole or damaged.
    fn put(&mut self, bytes: &[u8], queue: fn(&mut Self) -> &mut Queue) {
        let Faults { twice, late, damaged, .. } = self.faults;
        let times = if self.happens(twice) { 2 } else { 1 };
        for _ in 0..times {
            let delay = if self.happens(late) { (30.0 * self.draw()) as u64 } else { 0 };
            let mut bytes = bytes.to_vec();
            if self.happens(damaged) {
                let at = (self.draw() * bytes.len() as f64) as usize;
                bytes[at] ^= 1 << (8.0 * self.draw()) as u32;
            }
            queue(self).push((Instant::now() + Duration::from_millis(delay), bytes));
        }
    }

    /// Delivers units of dead workers again.
    fn redeliver(&mut self) {
        let is_over = |(_, dead, since): &(_, Arc<AtomicBool>, Instant)| {
            dead.load(Ordering::Relaxed) && since.elapsed() > REDELIVERED
        };
        let over: Vec<Receipt> =
            self.taken.iter().filter(|(_, taken)| is_over(taken)).map(|(receipt, _)| *receipt).collect();
        for receipt in over {
            let (bytes, ..) = self.taken.remove(&receipt).unwrap();
            self.units.push((Instant::now(), bytes));
        }
    }
}

/// The broker; copies are the same one.
#[derive(Clone, Default)]
pub struct Broker(Arc<Mutex<State>>);

impl Broker {
    pub fn with(faults: Faults) -> Self {
        let broker = Self::default();
        broker.lock().faults = faults;
        broker
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Is down from now on, or up again.
    pub fn down(&self, is_down: bool) {
        self.lock().is_down = is_down;
    }

    /// Loses everything it has.
    pub fn wipe(&self) {
        let mut state = self.lock();
        *state = State { faults: state.faults, word: state.word, is_down: state.is_down, ..State::default() };
    }

    /// Never delivers units that begin with these members.
    pub fn swallow(&self, members: &[u32]) {
        self.lock().swallowed = members.to_vec();
    }

    /// Returns the number of answers that were given.
    pub fn answers(&self) -> usize {
        self.lock().given
    }

    /// Puts an announcement into the place of the run's.
    pub fn announce(&self, bytes: &[u8]) {
        self.lock().run = Some(bytes.to_vec());
    }

    /// Puts a word to a worker.
    pub fn tell(&self, worker: &str, word: &Word) {
        self.lock().words.insert(worker.to_owned(), encode(word).unwrap());
    }

    /// Returns the identities of the runs that it has lines of.
    pub fn runs(&self) -> BTreeSet<String> {
        self.lock().lines.keys().map(|(run, _)| run.clone()).collect()
    }

    /// Changes a line that it has.
    pub fn change_line(&self, number: u64) {
        self.lock().lines.iter_mut().filter(|((_, at), _)| *at == number).for_each(|(_, line)| line[20] ^= 1);
    }

    /// Does something, unless the call is lost.
    fn call<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, BusError> {
        let mut state = self.lock();
        let lost = || BusError::passing("talking to the broker", "the test lost it");
        let share = state.faults.lost;
        if state.is_down || state.happens(share / 2.0) {
            return Err(lost());
        }
        let result = act(&mut state);
        if state.happens(share / 2.0) { Err(lost()) } else { Ok(result) }
    }

    /// Waits for something.
    fn wait<T>(
        &self,
        wait: Duration,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<Option<T>, BusError> {
        let start = Instant::now();
        loop {
            if let Some(found) = self.call(&mut look)? {
                return Ok(Some(found));
            }
            if start.elapsed() >= wait {
                return Ok(None);
            }
            sleep(Duration::from_micros(300));
        }
    }
}

/// The coordinator's side.
pub struct CoordinatorSide(Broker);

impl CoordinatorSide {
    /// Creates a coordinator's side; old words are removed, as they are in a NATS server.
    pub fn new(broker: &Broker) -> Self {
        broker.lock().words.clear();
        Self(broker.clone())
    }
}

impl CoordinatorBus for CoordinatorSide {
    fn prepare(&mut self) -> Result<(), BusError> {
        self.0.call(|_| ())
    }

    fn announce(&mut self, run: Option<&[u8]>) -> Result<(), BusError> {
        self.0.call(|state| state.run = run.map(<[u8]>::to_vec))
    }

    fn line(&mut self, run: &str, number: u64) -> Result<Option<Vec<u8>>, BusError> {
        self.0.call(|state| state.lines.get(&(run.to_owned(), number)).cloned())
    }

    fn put_line(&mut self, run: &str, number: u64, line: &[u8]) -> Result<Taken, BusError> {
        self.0.call(|state| {
            let place = (run.to_owned(), number);
            if state.lines.contains_key(&place) {
                return Taken::Refused;
            }
            state.lines.insert(place, line.to_vec());
            Taken::Accepted
        })
    }

    fn remove_lines(&mut self, run: &str) -> Result<(), BusError> {
        self.0.call(|state| state.lines.retain(|(of, _), _| of != run))
    }

    fn offer(&mut self, unit: &[u8]) -> Result<(), BusError> {
        self.0.call(|state| state.put(unit, |state| &mut state.units))
    }

    fn withdraw(&mut self) -> Result<(), BusError> {
        self.0.call(|state| state.units.clear())
    }

    fn next_report(&mut self, wait: Duration) -> Result<Option<Vec<u8>>, BusError> {
        self.0.wait(wait, |state| {
            let at = state.reports.iter().position(|(ready, _)| *ready <= Instant::now())?;
            Some(state.reports.remove(at).1)
        })
    }

    fn forget(&mut self, run: &str, generation: u64) -> Result<(), BusError> {
        self.0.call(|state| state.answers.retain(|(_, of, at, ..)| of != run || *at != generation))
    }

    fn tell(&mut self, worker: &str, word: &[u8]) -> Result<(), BusError> {
        self.0.call(|state| state.words.insert(worker.to_owned(), word.to_vec())).map(drop)
    }

    fn store_model(&mut self, _: &str, _: &Path) -> Result<(), BusError> {
        Ok(())
    }
}

/// The way in which a worker lies.
#[derive(Clone, Copy, Debug)]
pub struct Lie {
    /// Share of its answers.
    pub share: f64,
    /// Added to the fitness.
    pub by: f64,
    /// Kernel class that it claims for its answers.
    pub class: Option<&'static str>,
}

/// A worker's side.
pub struct WorkerSide {
    broker: Broker,
    key: String,
    /// `true` if the worker is dead: it can call no more.
    pub dead: Arc<AtomicBool>,
    /// The worker's key, if it lies.
    pub lie: Option<(NodeKey, Lie)>,
}

impl WorkerSide {
    pub fn new(broker: &Broker, key: &str) -> Self {
        Self { broker: broker.clone(), key: key.to_owned(), dead: Arc::default(), lie: None }
    }

    fn call<T>(&self, act: impl FnOnce(&mut State) -> T) -> Result<T, BusError> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(BusError::lasting("talking to the broker", "the test killed the worker"));
        }
        self.broker.call(act)
    }

    /// Returns the report as this worker gives it.
    fn told(&self, report: &[u8]) -> Vec<u8> {
        let Some((key, Lie { share, by, class })) = &self.lie else { return report.to_vec() };
        let signed = Signed::<WorkerReport>::open(report).unwrap();
        let WorkerReport::Answer(mut answer) = signed.message else { return report.to_vec() };
        if self.broker.lock().happens(*share) {
            answer.fitness.iter_mut().for_each(|fitness| *fitness += by);
        }
        if let Some(class) = class {
            (*class).clone_into(&mut answer.class);
        }
        key.sign(&WorkerReport::Answer(answer)).unwrap()
    }
}

impl WorkerBus for WorkerSide {
    fn run(&mut self) -> Result<Option<Vec<u8>>, BusError> {
        self.call(|state| state.run.clone())
    }

    fn line(&mut self, run: &str, number: u64) -> Result<Option<Vec<u8>>, BusError> {
        self.call(|state| state.lines.get(&(run.to_owned(), number)).cloned())
    }

    fn take(&mut self, wait: Duration) -> Result<Option<Delivery>, BusError> {
        self.call(|_| ())?;
        let dead = &self.dead;
        self.broker.wait(wait, |state| {
            state.redeliver();
            let is_swallowed = |bytes: &[u8]| {
                serde_json::from_slice::<serde_json::Value>(bytes)
                    .is_ok_and(|unit| state.swallowed.iter().any(|first| unit["message"]["first"] == *first))
            };
            let is_ready =
                |(ready, bytes): &(Instant, Vec<u8>)| *ready <= Instant::now() && !is_swallowed(bytes);
            let at = state.units.iter().position(is_ready)?;
            let (_, bytes) = state.units.remove(at);
            state.receipts += 1;
            state.taken.insert(state.receipts, (bytes.clone(), Arc::clone(dead), Instant::now()));
            Some(Delivery { bytes, receipt: state.receipts })
        })
    }

    fn done(&mut self, receipt: Receipt) -> Result<(), BusError> {
        self.call(|state| state.taken.remove(&receipt)).map(drop)
    }

    fn give_back(&mut self, receipt: Receipt, after: Duration) -> Result<(), BusError> {
        self.call(|state| {
            if let Some((bytes, ..)) = state.taken.remove(&receipt) {
                state.units.push((Instant::now() + after, bytes));
            }
        })
    }

    fn answer(&mut self, unit: &Unit, report: &[u8]) -> Result<Taken, BusError> {
        let report = self.told(report);
        let Unit { run, generation, first, end, issue, .. } = unit;
        let place = (self.key.clone(), run.clone(), *generation, *first, *end, *issue);
        self.call(|state| {
            if !state.answers.insert(place) {
                return Taken::Refused;
            }
            state.given += 1;
            state.put(&report, |state| &mut state.reports);
            Taken::Accepted
        })
    }

    fn report(&mut self, report: &[u8]) -> Result<(), BusError> {
        self.call(|state| state.put(report, |state| &mut state.reports))
    }

    fn word(&mut self) -> Result<Option<Vec<u8>>, BusError> {
        self.call(|state| state.words.get(&self.key).cloned())
    }

    fn fetch_model(&mut self, _: &str, _: &Path) -> Result<bool, BusError> {
        Ok(false)
    }
}
