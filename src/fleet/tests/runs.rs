//! Runs in which nothing goes wrong.

use super::*;
use crate::settings::{Settings, Window};
use crate::tune::tests::header_of;

#[test]
fn a_fleet_leaves_the_log_of_one_machine() {
    let whole = single();
    for workers in [1, 2, 4] {
        let threads = Threads::new(Broker::default());
        let (outcome, text) = threads.run(first(&header()), &honest(workers));
        assert_eq!(outcome.unwrap(), Outcome::Done);
        assert!(text == whole, "{workers} workers");
        let joined =
            threads.notices().iter().filter(|notice| matches!(notice, Notice::Joined { .. })).count();
        assert_eq!(joined, workers);
    }
}

#[test]
fn mirrored_members_and_every_window_give_the_log_of_one_machine_too() {
    for (mirror, window) in [(true, Window::Last(2)), (false, Window::All)] {
        let settings = Settings { mirror, window, decay: 0.9, ..crate::seed_log::test_log::settings() };
        let header = header_of(settings);
        assert_two_workers_give_the_log_of_one_machine(&header);
    }
}

fn assert_two_workers_give_the_log_of_one_machine(header: &Header) {
    let whole = whole_run_of(header, ResidualMode::Stored).0;
    let threads = Threads::new(Broker::default());
    let (outcome, text) = threads.run(first(header), &honest(2));
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == whole);
}

#[test]
fn candidates_are_chosen_once_for_all() {
    let header = header();
    let task = crate::seed_log::TaskSpec { candidates: Some(20), ..header.task.clone() };
    let header = Header { task, ..header };
    assert_two_workers_give_the_log_of_one_machine(&header);
}

#[test]
fn a_worker_that_comes_late_replays_the_log_and_takes_part() {
    let threads = Threads::new(Broker::default());
    let late = |threads: &Threads, over: &AtomicBool| {
        scope(|scope| {
            scope.spawn(|| threads.worker(FakeShop::new(), NodeKey::random(), over).unwrap());
            let shop = FakeShop { delay: Duration::from_millis(30), ..FakeShop::new() };
            while !is_past(threads, 3) && !over.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(1));
            }
            threads.worker(shop, NodeKey::random(), over).unwrap();
        });
    };
    let header = Header { settings: Settings { generations: 150, ..header().settings }, ..header() };
    let (outcome, text) = threads.run(first(&header), &late);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(text == whole_run_of(&header, ResidualMode::Stored).0);
    let both = |notice: &Notice| matches!(notice, Notice::Generation { workers: 2, .. });
    assert!(threads.notices().iter().any(both), "{:?}", threads.notices());
}

/// Whether this many generations are over.
pub(super) fn is_past(threads: &Threads, generations: usize) -> bool {
    let of = |notice: &Notice| matches!(notice, Notice::Generation { .. });
    threads.notices().iter().filter(|notice| of(notice)).count() >= generations
}

#[test]
fn every_member_is_reported_once() {
    let threads = Threads::new(Broker::default());
    let (outcome, text) = threads.run(first(&header()), &honest(3));
    assert_eq!(outcome.unwrap(), Outcome::Done);
    let log = SeedLog::parse(text.as_bytes()).unwrap();
    for record in &log.generations {
        assert_eq!(record.evaluations, log.header.task.evaluations(16));
    }
    let missing = |notice: &Notice| matches!(notice, Notice::Generation { missing, .. } if *missing > 0);
    assert!(!threads.notices().iter().any(missing));
}
