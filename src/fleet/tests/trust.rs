//! Workers that lie, are broken, or are not in the list.

use super::*;

/// The generations that were over when a worker was shut out, if one was.
fn shut_out_after(threads: &Threads) -> Option<usize> {
    let notices = threads.notices();
    let at = notices.iter().position(|notice| matches!(notice, Notice::ShutOut { .. }))?;
    Some(notices[..at].iter().filter(|notice| matches!(notice, Notice::Generation { .. })).count())
}

/// Runs two honest workers and one that lies, which must be shut out within two generations.
fn check_liar(lie: Lie) -> String {
    let threads = Threads::new(Broker::default());
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| honest(2)(threads, over));
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
        assert!(check_liar(Lie { share: 1.0, by }) == single());
    }
}

#[test]
fn a_worker_with_rubbish_in_a_tenth_of_its_answers_is_shut_out_when_it_gives_some() {
    // In units of one member, the rubbish of a generation is far from the others' fitness.
    let threads = Threads::new(Broker::default());
    let others = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| honest(2)(threads, over));
            scope.spawn(|| threads.liar(Lie { share: 0.1, by: -3.0 }, over));
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
