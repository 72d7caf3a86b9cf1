//! Workers that lie, are broken, or are not in the list.

use super::*;

/// The generations that went by from a worker's coming to when it was shut out, if it was; the first to come is meant.
fn shut_out_after(threads: &Threads) -> Option<usize> {
    let notices = threads.notices();
    let at = notices.iter().position(|notice| matches!(notice, Notice::ShutOut { .. }))?;
    let from = notices.iter().position(|notice| matches!(notice, Notice::Joined { .. }))?;
    Some(notices[from..at].iter().filter(|notice| matches!(notice, Notice::Generation { .. })).count())
}

/// Waits until some worker takes part.
fn until_joined(threads: &Threads, over: &AtomicBool) {
    let is_joined = |notice: &Notice| matches!(notice, Notice::Joined { .. });
    while !threads.notices().iter().any(is_joined) && !over.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(1));
    }
}

/// Runs two honest workers and one that lies, which must be shut out within two generations.
fn check_liar(lie: Lie) -> String {
    let threads = Threads::new(Broker::default());
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| {
                until_joined(threads, over);
                honest(2)(threads, over);
            });
            scope.spawn(|| {
                let end = threads.liar(lie, over);
                assert!(matches!(end, Ok(()) | Err(WorkerError::ShutOut(_))), "{end:?}");
            });
        });
    };
    let (outcome, text) = threads.run(first(&header()), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    let after = shut_out_after(&threads);
    assert!(after.is_some_and(|after| after < 2), "{lie:?}: shut out after {after:?} generations");
    text
}

#[test]
fn a_worker_that_always_lies_is_shut_out_at_once_and_changes_nothing() {
    for by in [1e-12, -0.01, 5.0] {
        assert!(check_liar(Lie { share: 1.0, by, class: None }) == single());
    }
}

#[test]
fn a_worker_with_rubbish_in_a_tenth_of_its_answers_is_shut_out_when_it_gives_some() {
    // In units of one member, the rubbish of a generation is far from the others' fitness.
    let threads = Threads::new(Broker::default());
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| honest(2)(threads, over));
            scope.spawn(|| threads.liar(Lie { share: 0.1, by: -3.0, class: None }, over));
        });
    };
    let (outcome, text) = threads.run(first(&header()), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == single(), "no rubbish counted");
}

#[test]
fn only_listed_workers_count() {
    let (listed, other) = (NodeKey::random(), NodeKey::random());
    let roster = Roster::parse(&format!("# key name\n{} phone\n", listed.public())).unwrap();
    let threads = Threads { roster, ..Threads::new(Broker::default()) };
    let keys = Mutex::new(vec![listed, other]);
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            for _ in 0..2 {
                let key = keys.lock().unwrap().pop().unwrap();
                scope.spawn(|| threads.worker(FakeShop::new(), key, over).unwrap());
            }
        });
    };
    let (outcome, text) = threads.run(first(&header()), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == single());
    let joined = |notice: &Notice| match notice {
        Notice::Joined { worker, .. } => Some(worker.clone()),
        _ => None,
    };
    assert_eq!(threads.notices().iter().filter_map(joined).collect::<Vec<_>>(), ["phone"]);
    assert!(threads.notices().iter().any(|notice| matches!(notice, Notice::Dropped { .. })));
}

/// Runs an honest worker and another one, which must be refused.
fn check_refused(threads: &Threads, shop: fn() -> FakeShop, why: &str) {
    let others = |threads: &Threads, over: &AtomicBool| {
        let refused = threads.worker(shop(), NodeKey::random(), over);
        assert!(matches!(&refused, Err(WorkerError::Refused(reason)) if reason.contains(why)), "{refused:?}");
        honest(1)(threads, over);
    };
    let (outcome, text) = threads.run(first(&header()), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == single());
}

#[test]
fn a_worker_with_another_model_is_refused() {
    let threads = Threads::new(Broker::default());
    check_refused(&threads, || FakeShop { is_damaged: true, ..FakeShop::new() }, "codes differ");
}

#[test]
fn a_run_of_one_kernel_class_refuses_the_others() {
    let threads = Threads { one_class: true, ..Threads::new(Broker::default()) };
    check_refused(&threads, || FakeShop { class: "other".to_owned(), ..FakeShop::new() }, "kernel class");
}

#[test]
fn another_kernel_class_may_differ_by_a_little() {
    let threads = Threads { audits: 0.5, ..Threads::new(Broker::default()) };
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| honest(1)(threads, over));
            let shop = FakeShop { class: "other".to_owned(), ..FakeShop::new() };
            scope.spawn(|| threads.worker(shop, NodeKey::random(), over).unwrap());
        });
    };
    let (outcome, text) = threads.run(first(&header()), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == single());
    assert_eq!(shut_out_after(&threads), None);
}

#[test]
fn answers_of_another_kernel_class_than_the_workers_own_are_dropped() {
    // Within the spread, so that another class would be believed.
    let lie = Lie { share: 1.0, by: 1e-9, class: Some("other") };
    let threads = Threads::new(Broker::default());
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| {
                until_joined(threads, over);
                honest(1)(threads, over);
            });
            scope.spawn(|| threads.liar(lie, over));
        });
    };
    let (outcome, text) = threads.run(first(&header()), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == single());
    let dropped = |notice: &Notice| matches!(notice, Notice::Dropped { why } if why.contains("kernel class"));
    assert!(threads.notices().iter().any(dropped), "{:?}", threads.notices());
}

#[test]
fn answers_without_a_hello_do_not_count() {
    let threads = Threads::new(Broker::default());
    let others = |threads: &Threads, over: &AtomicBool| {
        let key = NodeKey::random();
        let mut bus = WorkerSide::new(&threads.broker, key.public());
        let mut given = 0;
        while given < 3 && !over.load(Ordering::Relaxed) {
            let Some(Delivery { bytes, receipt }) = bus.take(Duration::from_millis(5)).unwrap() else {
                continue;
            };
            let Unit { run, announced, generation, chain, first, .. } = Unit::decode(&bytes).unwrap();
            let (fitness, class) = (vec![0.25], CLASS.to_owned());
            let answer = Answer { run, announced, generation, chain, first, fitness, class, seconds: 0.001 };
            let report = key.sign(&WorkerReport::Answer(answer)).unwrap();
            bus.answer(&Unit::decode(&bytes).unwrap(), &report).unwrap();
            bus.done(receipt).unwrap();
            given += 1;
        }
        honest(1)(threads, over);
    };
    let (outcome, text) = threads.run(first(&header()), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == single());
    let joined = threads.notices().iter().filter(|notice| matches!(notice, Notice::Joined { .. })).count();
    assert_eq!(joined, 1);
    assert_eq!(shut_out_after(&threads), None);
}

#[test]
fn a_busy_worker_that_is_shut_out_takes_no_more_units() {
    let threads = Threads::new(Broker::default());
    let others = |threads: &Threads, over: &AtomicBool| {
        let key = NodeKey::random();
        let public = key.public().to_owned();
        scope(|scope| {
            let working = scope.spawn(|| threads.worker(FakeShop::new(), key, over));
            // An answer comes after the word that admits it.
            while threads.broker.answers() == 0 && !over.load(Ordering::Relaxed) {
                sleep(Duration::from_micros(100));
            }
            let run = threads.broker.runs().pop_first().unwrap();
            threads.broker.tell(&public, &Word::ShutOut { run, reason: "test".to_owned() });
            let before = threads.broker.answers();
            let end = working.join().unwrap();
            assert!(matches!(end, Err(WorkerError::ShutOut(_))), "{end:?}");
            let more = threads.broker.answers() - before;
            assert!(more <= 1, "it answered {more} more units");
        });
        honest(1)(threads, over);
    };
    let (outcome, text) = threads.run(first(&header()), &others);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == single());
}
