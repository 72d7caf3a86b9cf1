//! Runs in which messages get lost, and machines too.

use std::sync::atomic::AtomicUsize;

use super::memory::Faults;
use super::runs::is_past;
use super::*;

/// Workers that are killed.
const KILLS: usize = 200;

/// Runs a fleet of three to the end, and checks that its log is that of one machine.
fn check(threads: &Threads, others: Others<'_>) {
    let (outcome, text) = threads.run(first(&header()), others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == single());
}

#[test]
fn lost_repeated_late_and_damaged_messages_change_nothing() {
    let none = Faults::default();
    for faults in [
        Faults { lost: 0.1, ..none },
        Faults { twice: 0.3, ..none },
        Faults { late: 0.5, ..none },
        Faults { damaged: 0.1, ..none },
        Faults { lost: 0.05, twice: 0.1, late: 0.2, damaged: 0.05 },
    ] {
        check(&Threads::new(Broker::with(faults)), &honest(3));
    }
}

#[test]
fn workers_may_be_killed_at_any_time() {
    let kills = AtomicUsize::new(0);
    let mortal = |threads: &Threads, over: &AtomicBool| {
        while !over.load(Ordering::Relaxed) {
            let key = NodeKey::random();
            let bus = WorkerSide::new(&threads.broker, key.public());
            let dead = Arc::clone(&bus.dead);
            scope(|scope| {
                let working = scope.spawn(|| {
                    // Its end is the test's doing.
                    let _ = Worker::new(FakeShop::new(), bus, key, pace(), Box::new(|_| ())).work(over);
                });
                let number = kills.fetch_add(1, Ordering::Relaxed);
                if number < KILLS {
                    sleep(Duration::from_millis(20 + number as u64 * 7 % 61));
                    dead.store(true, Ordering::Relaxed);
                }
                working.join().unwrap();
            });
        }
    };
    let header =
        Header { settings: crate::settings::Settings { generations: 120, ..header().settings }, ..header() };
    let threads = Threads::new(Broker::default());
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| mortal(threads, over));
            }
        });
    };
    let (outcome, text) = threads.run(first(&header), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == whole_run_of(&header, ResidualMode::Stored).0);
    let kills = kills.load(Ordering::Relaxed);
    assert!(kills >= KILLS / 4, "only {kills} were killed");
}

#[test]
fn a_broker_may_be_restarted_and_lose_everything() {
    for loses in [false, true] {
        let restarts = |threads: &Threads, over: &AtomicBool| {
            scope(|scope| {
                scope.spawn(|| honest(2)(threads, over));
                for _ in 0..20 {
                    sleep(Duration::from_millis(9));
                    threads.broker.down(true);
                    sleep(Duration::from_millis(6));
                    if loses {
                        threads.broker.wipe();
                    }
                    threads.broker.down(false);
                }
            });
        };
        check(&Threads::new(Broker::default()), &restarts);
    }
}

#[test]
fn a_coordinator_may_be_stopped_and_resumed_with_the_broker_of_before_or_a_new_one() {
    for is_new in [false, true] {
        let broker = Broker::default();
        let mut text = first(&header());
        let mut stops = 0;
        loop {
            if is_new {
                broker.wipe();
            }
            let threads = Threads::new(broker.clone());
            let others = |threads: &Threads, over: &AtomicBool| {
                scope(|scope| {
                    scope.spawn(|| honest(2)(threads, over));
                    let start = Instant::now();
                    while !is_past(threads, 2) && !over.load(Ordering::Relaxed) && start.elapsed() < DEADLINE
                    {
                        sleep(Duration::from_micros(200));
                    }
                    threads.stop.store(true, Ordering::Relaxed);
                });
            };
            let (outcome, longer) = threads.run(text, &others);
            text = longer;
            if outcome.unwrap() == Outcome::Done {
                break;
            }
            stops += 1;
            assert!(stops < 50, "it gets nowhere");
        }
        assert!(stops > 1);
        assert!(text == single());
    }
}

#[test]
fn a_log_that_went_on_otherwise_is_published_anew() {
    let broker = Broker::default();
    let threads = Threads::new(broker.clone());
    let (_, text) = threads.run(first(&header()), &honest(1));
    let kept: String = text.split_inclusive('\n').take(5).collect();
    broker.change_line(4);
    let threads = Threads::new(broker);
    let (outcome, again) = threads.run(kept, &honest(2));
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(again == text);
}

#[test]
fn a_generation_closes_with_those_that_are_in() {
    let broker = Broker::default();
    broker.swallow(&[3]);
    let threads = Threads { stall: Duration::from_millis(150), ..Threads::new(broker) };
    let (outcome, text) = threads.run(first(&header()), &honest(2));
    assert_eq!(outcome.unwrap(), Outcome::Done);
    let log = SeedLog::parse(text.as_bytes()).unwrap();
    let record = &log.generations[0];
    assert_eq!(record.weights[3], 0.0);
    assert_eq!(record.evaluations, log.header.task.evaluations(15));
    let missing = |notice: &Notice| matches!(notice, Notice::Generation { generation: 0, missing: 1, .. });
    assert!(threads.notices().iter().any(missing), "{:?}", threads.notices());
}

#[test]
fn a_coordinator_without_workers_waits_until_it_is_stopped() {
    let threads = Threads::new(Broker::default());
    let nobody = |threads: &Threads, _: &AtomicBool| {
        sleep(Duration::from_millis(300));
        threads.stop.store(true, Ordering::Relaxed);
    };
    let (outcome, _) = threads.run(first(&header()), &nobody);
    assert_eq!(outcome.unwrap(), Outcome::Stopped);
    assert_eq!(threads.notices().iter().filter(|notice| **notice == Notice::Waiting).count(), 1);
}

#[test]
fn the_same_run_again_and_one_from_an_older_copy_go_on_with_a_longer_log_in_the_broker() {
    let broker = Broker::default();
    let (outcome, text) = Threads::new(broker.clone()).run(first(&header()), &honest(1));
    assert_eq!(outcome.unwrap(), Outcome::Done);
    for lines in [1, 2, 4] {
        let kept: String = text.split_inclusive('\n').take(lines).collect();
        let (outcome, again) = Threads::new(broker.clone()).run(kept, &honest(2));
        assert_eq!(outcome.unwrap(), Outcome::Done, "from {lines} lines");
        assert!(again == text);
    }
}

#[test]
fn a_worker_whose_log_is_longer_than_the_coordinators_follows_it_anew() {
    let broker = Broker::default();
    let over = AtomicBool::new(false);
    let threads = Threads::new(broker.clone());
    scope(|scope| {
        let _over = SetOnDrop(&over);
        // It stays through all runs.
        scope.spawn(|| threads.worker(FakeShop::new(), NodeKey::random(), &over).unwrap());
        let stopping = |threads: &Threads, over: &AtomicBool| {
            while !is_past(threads, 2) && !over.load(Ordering::Relaxed) {
                sleep(Duration::from_micros(200));
            }
            threads.stop.store(true, Ordering::Relaxed);
        };
        let (outcome, _) = Threads::new(broker.clone()).run(first(&header()), &stopping);
        assert_eq!(outcome.unwrap(), Outcome::Stopped);
        let (outcome, text) = Threads::new(broker.clone()).run(first(&header()), &|_, _| ());
        assert_eq!(outcome.unwrap(), Outcome::Done);
        assert!(text == single());
    });
}

#[test]
fn an_outage_does_not_close_a_generation() {
    let broker = Broker::default();
    broker.swallow(&[3]);
    let threads = Threads { stall: Duration::from_millis(700), ..Threads::new(broker) };
    let outage = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| honest(2)(threads, over));
            while threads.broker.answers() < 15 && !over.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(1));
            }
            sleep(Duration::from_millis(20));
            threads.broker.down(true);
            sleep(Duration::from_millis(1000));
            threads.broker.swallow(&[]);
            threads.broker.down(false);
        });
    };
    check(&threads, &outage);
}

#[test]
fn a_malformed_announcement_is_waited_out() {
    let threads = Threads::new(Broker::default());
    threads.broker.announce(b"nonsense");
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| honest(1)(threads, over));
            while !is_past(threads, 1) && !over.load(Ordering::Relaxed) {
                sleep(Duration::from_micros(200));
            }
            threads.broker.announce(b"{}");
        });
    };
    check(&threads, &others);
}
