//! The loop with an engine that computes rewards from the codes themselves.

mod device;
mod drift;
pub(crate) mod fake;
mod fleet;

use std::sync::atomic::AtomicBool;

use super::*;
use crate::block::Q4K;
use crate::evaluation::Evaluator;
use crate::model::live_digest;
use crate::perturb::read_codes;
use crate::seed_log::{Header, TaskSpec, test_log};
use crate::settings::{Settings, Window};
use crate::sweep::{ResidualStore, rebuild_all, rebuild_past};
use crate::task::arith::Arith;

use fake::{FakeEngine, Lines, Nobody, StopAt};

pub(crate) fn evaluators() -> Evaluators {
    let Header { settings, task, .. } = header();
    let task =
        Evaluator::new(Box::new(Arith::default()), &task.definition, settings.seed, |_| Ok(None)).unwrap();
    Evaluators { task, retain: None, neutral: None }
}

pub(crate) fn header() -> Header {
    header_of(Settings { window: Window::Last(2), ..test_log::settings() })
}

pub(crate) fn header_of(settings: Settings) -> Header {
    test_log::header(Settings { population: 16, generations: 9, ..settings })
}

/// A header for each method, with an anchor and without.
fn headers_by_method() -> impl Iterator<Item = Header> {
    test_log::by_each_method(&[0.0, 0.01]).into_iter().map(header_of)
}

/// Text of a run's log, and the codes after it.
pub(crate) type Traces = (String, Vec<Vec<u8>>);

/// Runs from the start to the end.
fn whole_run(mode: ResidualMode) -> Traces {
    whole_run_of(&header(), mode)
}

pub(crate) fn whole_run_of(header: &Header, mode: ResidualMode) -> Traces {
    let (log, first) = SeedLog::start(header.clone()).unwrap();
    let journal = Lines::of(first);
    let mut tuner = Tuner::new(FakeEngine::new(header), evaluators(), log, journal.clone(), mode).unwrap();
    assert_eq!(tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap(), Outcome::Done);
    let codes = std::mem::take(&mut tuner.engine().tensors);
    drop(tuner);
    (journal.text(), codes)
}

#[test]
fn codes_are_those_of_the_log_wherever_a_run_stops() {
    // Before a pair's first member, between its two, and in a later generation.
    for member in [0, 1, 4, 7, 16, 35] {
        let (log, _) = SeedLog::start(header()).unwrap();
        let journal = Lines::default();
        let stop = AtomicBool::new(false);
        let engine = FakeEngine::new(&header());
        let mut tuner = Tuner::new(engine, evaluators(), log, journal.clone(), ResidualMode::Replay).unwrap();
        assert_eq!(tuner.run(&stop, &mut StopAt(member, &stop)).unwrap(), Outcome::Stopped);
        let log = tuner.log().clone();
        let codes = std::mem::take(&mut tuner.engine().tensors);
        drop(tuner);
        let mut again =
            Tuner::new(FakeEngine::new(&header()), evaluators(), log, journal.clone(), ResidualMode::Replay)
                .unwrap();
        assert!(again.engine().tensors == codes, "stopped at member {member}");
    }
}

/// Runs until a member is reached, then resumes from the text of the log, to the end.
fn interrupted_run(header: &Header, member: u32, mode: ResidualMode) -> Traces {
    let (log, first) = SeedLog::start(header.clone()).unwrap();
    let journal = Lines::of(first);
    let stop = AtomicBool::new(false);
    let mut tuner = Tuner::new(FakeEngine::new(header), evaluators(), log, journal.clone(), mode).unwrap();
    assert_eq!(tuner.run(&stop, &mut StopAt(member, &stop)).unwrap(), Outcome::Stopped);
    drop(tuner);
    let log = SeedLog::parse(journal.text().as_bytes()).unwrap();
    let mut tuner = Tuner::new(FakeEngine::new(header), evaluators(), log, journal.clone(), mode).unwrap();
    assert_eq!(tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap(), Outcome::Done);
    let codes = std::mem::take(&mut tuner.engine().tensors);
    drop(tuner);
    (journal.text(), codes)
}

#[test]
fn the_loop_climbs_the_reward() {
    let base = FakeEngine::new(&header()).likeness();
    let (_, codes) = whole_run(ResidualMode::Replay);
    let tuned = FakeEngine { tensors: codes, ..FakeEngine::new(&header()) }.likeness();
    assert!(tuned > base + 0.02, "{base} to {tuned}");
}

#[test]
fn replayed_and_stored_residuals_leave_the_same_log_and_codes() {
    assert!(whole_run(ResidualMode::Replay) == whole_run(ResidualMode::Stored));
}

#[test]
fn an_interrupted_run_resumes_to_the_same_log_and_codes() {
    let whole = whole_run(ResidualMode::Replay);
    for member in [0, 1, 15, 16, 70, 142] {
        for mode in [ResidualMode::Replay, ResidualMode::Stored] {
            let interrupted = interrupted_run(&header(), member, mode);
            assert!(interrupted == whole, "stopped at member {member}, {mode:?}");
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| whole_run(ResidualMode::Replay))
    };
    let one = with_threads(1);
    for threads in [2, 3, 8] {
        assert!(with_threads(threads) == one, "{threads} threads");
    }
}

#[test]
fn the_log_alone_rebuilds_the_codes() {
    assert_log_rebuilds(&whole_run(ResidualMode::Replay));
}

fn assert_log_rebuilds((text, codes): &Traces) {
    let log = SeedLog::parse(text.as_bytes()).unwrap();
    let history = History::of_log(&log, 9).unwrap();
    let mut engine = FakeEngine::new(&log.header);
    rebuild_all(&history, &mut ResidualStore::Replay).on(&mut engine).unwrap();
    assert!(engine.tensors == *codes);
    assert_eq!(log.evaluations.last().unwrap().codes_sha256, live_digest(&mut engine).unwrap());
    assert_past(&log, codes);
}

/// One pass shows what separate ones of several lengths leave, also where it shows more than it copies at a time.
fn assert_past(log: &SeedLog, codes: &[Vec<u8>]) {
    let points: Vec<u64> =
        [0, 1, 4, 9].into_iter().flat_map(|point| std::iter::repeat_n(point, 50)).collect();
    let mut past = vec![Vec::new(); points.len()];
    let mut engine = FakeEngine::new(&log.header);
    let history = History::of_log(log, 9).unwrap();
    let mut show = |first: usize, tiles: &[Vec<Vec<u8>>]| {
        for (number, bytes) in past[first..].iter_mut().enumerate() {
            tiles.iter().filter_map(|tile| tile.get(number)).for_each(|copy| bytes.extend_from_slice(copy));
        }
    };
    rebuild_past(&points, &mut engine.lend(), &history, &mut show);
    assert!(engine.tensors == *codes);
    for (past, points) in past.chunks(50).zip(points.chunks(50)) {
        let mut engine = FakeEngine::new(&log.header);
        let history = History::of_log(log, points[0]).unwrap();
        rebuild_all(&history, &mut ResidualStore::Replay).on(&mut engine).unwrap();
        let rebuilt = engine.tensors.concat();
        assert!(past.iter().all(|past| *past == rebuilt), "after {} generations", points[0]);
    }
}

#[test]
fn every_method_leaves_the_same_log_and_codes_however_it_runs() {
    let mut seen = Vec::new();
    for header in headers_by_method() {
        let what = format!("{:?}, anchor {}", header.settings.method, header.settings.anchor);
        let whole = whole_run_of(&header, ResidualMode::Replay);
        assert!(whole_run_of(&header, ResidualMode::Stored) == whole, "{what}");
        for (member, mode) in
            [(1, ResidualMode::Replay), (70, ResidualMode::Stored), (77, ResidualMode::Replay)]
        {
            assert!(interrupted_run(&header, member, mode) == whole, "{what}, stopped at member {member}");
        }
        for threads in 1..=3 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let again = pool.install(|| whole_run_of(&header, ResidualMode::Stored));
            assert!(again == whole, "{what}, {threads} threads");
        }
        assert_log_rebuilds(&whole);
        seen.push(whole.1);
    }
    for (number, codes) in seen.iter().enumerate() {
        assert!(!seen[..number].contains(codes), "two methods, or an anchor and none, did the same");
    }
}

#[test]
fn an_anchor_keeps_codes_near_those_of_the_base() {
    let away = |anchor| {
        let header = header_of(Settings { anchor, ..test_log::settings() });
        let (_, tensors) = whole_run_of(&header, ResidualMode::Stored);
        let (codes, base) =
            (read_codes::<Q4K>(&tensors[0]), read_codes::<Q4K>(&FakeEngine::new(&header).base[0]));
        codes.iter().zip(&base).map(|(code, base)| u64::from(code.abs_diff(*base))).sum::<u64>()
    };
    let (free, loose, tight) = (away(0.0), away(0.2), away(1.0));
    assert!(free > loose && loose > tight, "{free}, {loose}, {tight}");
}

#[test]
fn a_record_is_in_the_journal_before_its_update_and_a_failure_leaves_the_logs_codes() {
    let (log, first) = SeedLog::start(header()).unwrap();
    let journal = Lines::of(first);
    // One score before the run, sixteen for each generation: this fails in the fourth.
    let engine = FakeEngine { fail_at: Some(1 + 16 * 3 + 5), ..FakeEngine::new(&header()) };
    let mut tuner = Tuner::new(engine, evaluators(), log, journal.clone(), ResidualMode::Replay).unwrap();
    let error = tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap_err();
    assert!(matches!(error, TuneError::Evaluation(EvaluationError::Engine(_))), "{error}");
    let codes = tuner.engine().tensors.clone();
    drop(tuner);
    let log = SeedLog::parse(journal.text().as_bytes()).unwrap();
    assert_eq!(log.generations.len(), 3);
    let history = History::of_log(&log, 3).unwrap();
    let mut rebuilt = FakeEngine::new(&log.header);
    rebuild_all(&history, &mut ResidualStore::Replay).on(&mut rebuilt).unwrap();
    assert!(rebuilt.tensors == codes, "the failed member's perturbation was not taken back");
}

/// A journal that takes so many lines and no more.
#[derive(Clone)]
struct Full(usize, Lines);

impl Journal for Full {
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        if self.0 == 0 {
            return Err(StoreError::Write {
                path: "log".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        self.0 -= 1;
        self.1.append(line)
    }
}

#[test]
fn a_journal_that_fails_stops_the_run_before_the_update_and_the_log_has_what_the_journal_took() {
    // What fails: the first evaluation, generations, the evaluation after the second, the last evaluation.
    for (lines, generations) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (14, 9)] {
        let header = Header { task: TaskSpec { eval_every: 2, ..header().task }, ..header() };
        let (log, first) = SeedLog::start(header.clone()).unwrap();
        let journal = Full(lines, Lines::of(first));
        let mut tuner =
            Tuner::new(FakeEngine::new(&header), evaluators(), log, journal.clone(), ResidualMode::Replay)
                .unwrap();
        let error = tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap_err();
        assert!(matches!(error, TuneError::Store(_)), "{error}");
        let (log, done) = (tuner.log().clone(), tuner.summary());
        let codes = std::mem::take(&mut tuner.engine().tensors);
        drop(tuner);
        assert_eq!(log, SeedLog::parse(journal.1.text().as_bytes()).unwrap(), "{lines} lines");
        assert_eq!((log.generations.len(), done.generations), (generations, generations as u64));
        assert_eq!(
            (done.log_bytes, done.after),
            (journal.1.text().len() as u64, log.evaluations.last().cloned())
        );
        let resumed =
            Tuner::new(FakeEngine::new(&header), evaluators(), log, journal.clone(), ResidualMode::Replay);
        assert!(resumed.unwrap().engine().tensors == codes, "{lines} lines");
    }
}

#[test]
fn an_evaluation_is_told_after_its_generation() {
    let header = Header { task: TaskSpec { eval_every: 3, ..header().task }, ..header() };
    let (log, first) = SeedLog::start(header.clone()).unwrap();
    let journal = Lines::of(first);
    let mut told = Vec::new();
    let mut observer = |event: &Event<'_>| match event {
        Event::Generation { record, .. } => told.push(("generation", record.generation + 1)),
        Event::Evaluation(record) => told.push(("evaluation", record.generations)),
        _ => {}
    };
    Tuner::new(FakeEngine::new(&header), evaluators(), log, journal.clone(), ResidualMode::Replay)
        .unwrap()
        .run(&AtomicBool::new(false), &mut observer)
        .unwrap();
    let mut expected = vec![("evaluation", 0)];
    for generation in 1..=9 {
        expected.push(("generation", generation));
        if generation % 3 == 0 {
            expected.push(("evaluation", generation));
        }
    }
    assert_eq!(told, expected);
}

#[test]
fn an_auditor_sees_every_generation_and_stops_a_run_whose_codes_are_others() {
    struct Strict(Vec<String>, u64);
    impl Auditor for Strict {
        fn audit(&mut self, generations: u64, live: &str) -> Result<(), ModelError> {
            assert_eq!(self.0.len() as u64 + 1, generations);
            assert!(!self.0.contains(&live.to_owned()), "nothing changed");
            self.0.push(live.to_owned());
            let other = || ModelError::NoSuchGeneration { asked: generations, has: 0 };
            if generations == self.1 { Err(other()) } else { Ok(()) }
        }
    }
    let (log, first) = SeedLog::start(header()).unwrap();
    let journal = Lines::of(first);
    let engine = FakeEngine::new(&header());
    let tuner = Tuner::new(engine, evaluators(), log, journal.clone(), ResidualMode::Replay).unwrap();
    let mut tuner = tuner.audited_by(Box::new(Strict(Vec::new(), 4)));
    let error = tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap_err();
    assert!(matches!(error, TuneError::Model(_)), "{error}");
    assert_eq!(tuner.log().generations.len(), 4);
}

#[test]
fn nothing_planned_is_nothing_done() {
    let header = test_log::header(Settings { generations: 0, ..test_log::settings() });
    let (log, first) = SeedLog::start(header.clone()).unwrap();
    let journal = Lines::of(first);
    let mut tuner =
        Tuner::new(FakeEngine::new(&header), evaluators(), log, journal.clone(), ResidualMode::Replay)
            .unwrap();
    assert_eq!(tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap(), Outcome::Done);
    assert_eq!(tuner.summary().generations, 0);
}
