//! Fleets of threads around a broker in memory, with the fake engine.

mod memory;
mod messages;
mod rounds;
mod runs;
mod troubles;
mod trust;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::*;
use crate::seed_log::{Header, SeedLog};
use crate::tune::tests::fake::{FakeEngine, Lines, Nobody};
use crate::tune::tests::{evaluators, header, whole_run_of};
use crate::tune::{Local, Outcome, ResidualMode, TuneError, Tuner};
use memory::{Broker, CoordinatorSide, Lie, WorkerSide};

/// Longest time of a test's fleet.
const DEADLINE: Duration = Duration::from_secs(120);

const CLASS: &str = "fake";

/// A pace at which a test takes a second.
fn pace() -> Pace {
    let ms = Duration::from_millis;
    Pace { unit: ms(4), longest: ms(10), stall: DEADLINE, quiet: ms(400), patience: ms(40), poll: ms(2) }
}

/// A shop of fake engines.
struct FakeShop {
    class: String,
    /// `true` if a bit of its model is wrong.
    is_damaged: bool,
    /// Time that opening takes.
    delay: Duration,
}

impl FakeShop {
    fn new() -> Self {
        Self { class: CLASS.to_owned(), is_damaged: false, delay: Duration::ZERO }
    }
}

impl Shop for FakeShop {
    type Engine = FakeEngine;

    fn class(&self, _: &Announcement) -> String {
        self.class.clone()
    }

    fn open(&mut self, log: &SeedLog, _: &Announcement) -> Result<Local<FakeEngine>, WorkerError> {
        sleep(self.delay);
        let engine = FakeEngine::new(&log.header);
        let mut local = Local::for_members(engine, evaluators(), log, ResidualMode::Stored)?;
        local.engine().tensors[0][100] ^= u8::from(self.is_damaged);
        Ok(local)
    }
}

/// A fleet in threads.
struct Threads {
    broker: Broker,
    roster: Roster,
    stall: Duration,
    one_class: bool,
    audits: f64,
    notices: Arc<Mutex<Vec<Notice>>>,
    /// Asks the coordinator to stop.
    stop: AtomicBool,
}

/// Sets a flag when it is dropped, even by a panic.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What goes on besides the coordinator, until the flag is set.
type Others<'a> = &'a (dyn Fn(&Threads, &AtomicBool) + Sync);

impl Threads {
    fn new(broker: Broker) -> Self {
        Self {
            broker,
            roster: Roster::open(),
            stall: DEADLINE,
            one_class: false,
            audits: 0.03,
            notices: Arc::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// Continues a log with these workers. Returns the outcome and the log's text.
    fn run(&self, first: String, others: Others<'_>) -> (Result<Outcome, TuneError>, String) {
        let over = AtomicBool::new(false);
        scope(|scope| {
            let _over = SetOnDrop(&over);
            scope.spawn(|| {
                let start = Instant::now();
                while !over.load(Ordering::Relaxed) {
                    if start.elapsed() > DEADLINE {
                        self.stop.store(true, Ordering::Relaxed);
                    }
                    sleep(Duration::from_millis(5));
                }
            });
            scope.spawn(|| others(self, &over));
            self.coordinate(first)
        })
    }

    fn coordinate(&self, first: String) -> (Result<Outcome, TuneError>, String) {
        let log = SeedLog::parse(first.as_bytes()).unwrap();
        let ledger = Ledger::of(&first);
        let journal = Lines::of(first);
        let local =
            Local::new(FakeEngine::new(&log.header), evaluators(), &log, ResidualMode::Replay).unwrap();
        let notices = Arc::clone(&self.notices);
        let notes = Box::new(move |notice: &Notice| notices.lock().unwrap().push(notice.clone()));
        let seat = FleetSeat { bus: CoordinatorSide::new(&self.broker), ledger: ledger.clone(), notes };
        let options = FleetOptions {
            class: CLASS.to_owned(),
            one_class: self.one_class,
            inference: Inference::default(),
            roster: self.roster.clone(),
            audits: Audits { secret: 5, share: self.audits },
            pace: Pace { stall: self.stall, ..pace() },
            model: None,
        };
        let population = Fleet::new(local, seat, options);
        let mut tuner = Tuner::of(population, log, Published { journal: journal.clone(), ledger });
        let outcome = tuner.run(&self.stop, &mut Nobody);
        (outcome, journal.text())
    }

    /// Runs a worker in this thread until the flag is set or it fails.
    fn worker(&self, shop: FakeShop, key: NodeKey, over: &AtomicBool) -> Result<(), WorkerError> {
        let bus = WorkerSide::new(&self.broker, key.public());
        Worker::new(shop, bus, key, pace(), Box::new(|_| ())).work(over)
    }

    /// Runs a worker that lies.
    fn liar(&self, lie: Lie, over: &AtomicBool) -> Result<(), WorkerError> {
        let key = NodeKey::random();
        let seed = key.seed().unwrap();
        let mut bus = WorkerSide::new(&self.broker, key.public());
        bus.lie = Some((NodeKey::parse(&seed).unwrap(), lie));
        Worker::new(FakeShop::new(), bus, key, pace(), Box::new(|_| ())).work(over)
    }

    fn notices(&self) -> Vec<Notice> {
        self.notices.lock().unwrap().clone()
    }
}

/// Runs this many honest workers.
fn honest(count: usize) -> impl Fn(&Threads, &AtomicBool) + Sync {
    move |threads, over| {
        scope(|scope| {
            for _ in 0..count {
                scope.spawn(|| threads.worker(FakeShop::new(), NodeKey::random(), over).unwrap());
            }
        });
    }
}

/// The text of a new log.
fn first(header: &Header) -> String {
    SeedLog::start(header.clone()).unwrap().1
}

/// The log of one machine.
fn single() -> String {
    whole_run_of(&header(), ResidualMode::Stored).0
}
