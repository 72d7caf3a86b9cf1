//! The loop with an engine that computes rewards from the codes themselves.

use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::block::{Arrangement, Q4K};
use crate::engine::{Request, Score, TensorBytes};
use crate::perturb::read_codes;
use crate::seed_log::{Header, test_log};
use crate::settings::{Settings, Window};
use crate::task::arith::Arith;
use crate::tensor_type::TensorType;

static ARITH: LazyLock<Arith> = LazyLock::new(Arith::default);

/// Likes large codes in the first half of its first tensor, and small ones in the second; the more alike, the likelier
/// every reply.
struct FakeEngine {
    tensors: Vec<Vec<u8>>,
    types: Vec<TensorType>,
    /// Scores given; the run is asked to stop after this many.
    scored: usize,
    fail_at: Option<usize>,
}

impl FakeEngine {
    fn new(header: &Header) -> Self {
        let bytes = |spec: &crate::seed_log::TensorSpec| {
            vec![0x88; spec.tensor_type.bytes_of(spec.codes).unwrap() as usize]
        };
        let types = header.tensors.iter().map(|spec| spec.tensor_type).collect();
        Self { tensors: header.tensors.iter().map(bytes).collect(), types, scored: 0, fail_at: None }
    }

    fn likeness(&self) -> f64 {
        let codes = read_codes::<Q4K>(&self.tensors[0]);
        let half = codes.len() / 2;
        let sum = |codes: &[i16]| codes.iter().map(|&code| f64::from(code)).sum::<f64>();
        (sum(&codes[..half]) - sum(&codes[half..])) / codes.len() as f64
    }
}

impl Engine for FakeEngine {
    type Batch = Vec<Request>;

    fn chat_prompt(&self, _: &str) -> Result<Option<String>, EngineError> {
        Ok(None)
    }

    fn prepare(&self, requests: &[Request]) -> Result<Self::Batch, EngineError> {
        Ok(requests.to_vec())
    }

    fn score(&mut self, batch: &Self::Batch) -> Result<Vec<Score>, EngineError> {
        if self.fail_at == Some(self.scored) {
            return Err(EngineError::new("scoring", "the fake is tired"));
        }
        self.scored += 1;
        let log_likelihood = self.likeness() - 20.0;
        Ok(batch.iter().map(|_| Score { log_likelihood, is_greedy: log_likelihood > -19.9 }).collect())
    }

    fn complete(&mut self, batch: &Self::Batch, _: usize) -> Result<Vec<String>, EngineError> {
        Ok(vec![String::new(); batch.len()])
    }

    fn edit_codes(&mut self, edit: &mut dyn FnMut(&mut [TensorBytes<'_>])) -> Result<(), EngineError> {
        let mut tensors = Vec::new();
        for (index, (bytes, &tensor_type)) in self.tensors.iter_mut().zip(&self.types).enumerate() {
            tensors.push(TensorBytes { index, bytes, arrangement: Arrangement::plain(tensor_type) });
        }
        edit(&mut tensors);
        Ok(())
    }

    fn read_tensors(&mut self, read: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        self.tensors.iter().for_each(|bytes| read(bytes));
        Ok(())
    }
}

/// A journal in memory.
#[derive(Default)]
struct Lines(String);

impl Journal for Lines {
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        self.0 += line;
        Ok(())
    }
}

/// Sets the flag when a member of some number is about to be evaluated.
struct StopAt<'a>(u32, &'a AtomicBool);

impl Observer for StopAt<'_> {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Member { generation, member, of } = event
            && *generation as u32 * of + member == self.0
        {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

/// Watches nothing.
struct Nobody;

impl Observer for Nobody {
    fn event(&mut self, _: &Event<'_>) {}
}

fn header() -> Header {
    test_log::header(Settings {
        population: 16,
        generations: 9,
        window: Window::Last(2),
        ..test_log::settings()
    })
}

/// What a run leaves: its log's text and its codes.
type Traces = (String, Vec<Vec<u8>>);

/// Runs from the start to the end.
fn whole_run(mode: ResidualMode) -> Traces {
    let (log, first) = SeedLog::start(header()).unwrap();
    let mut journal = Lines(first);
    let mut tuner = Tuner::new(FakeEngine::new(&header()), &*ARITH, log, &mut journal, mode).unwrap();
    assert_eq!(tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap(), Outcome::Done);
    let codes = std::mem::take(&mut tuner.engine().tensors);
    drop(tuner);
    (journal.0, codes)
}

#[test]
fn codes_are_those_of_the_log_wherever_a_run_stops() {
    // Before a pair's first member, between its two, and in a later generation.
    for member in [0, 1, 4, 7, 16, 35] {
        let (log, _) = SeedLog::start(header()).unwrap();
        let mut journal = Lines::default();
        let stop = AtomicBool::new(false);
        let engine = FakeEngine::new(&header());
        let mut tuner = Tuner::new(engine, &*ARITH, log, &mut journal, ResidualMode::Replay).unwrap();
        assert_eq!(tuner.run(&stop, &mut StopAt(member, &stop)).unwrap(), Outcome::Stopped);
        let log = tuner.log().clone();
        let codes = std::mem::take(&mut tuner.engine().tensors);
        drop(tuner);
        let mut again =
            Tuner::new(FakeEngine::new(&header()), &*ARITH, log, &mut journal, ResidualMode::Replay).unwrap();
        assert!(again.engine().tensors == codes, "stopped at member {member}");
    }
}

/// Runs until a member is reached, then resumes from the text of the log, to the end.
fn interrupted_run(member: u32, mode: ResidualMode) -> Traces {
    let (log, first) = SeedLog::start(header()).unwrap();
    let mut journal = Lines(first);
    let stop = AtomicBool::new(false);
    let mut tuner = Tuner::new(FakeEngine::new(&header()), &*ARITH, log, &mut journal, mode).unwrap();
    assert_eq!(tuner.run(&stop, &mut StopAt(member, &stop)).unwrap(), Outcome::Stopped);
    drop(tuner);
    let log = SeedLog::parse(journal.0.as_bytes()).unwrap();
    let mut tuner = Tuner::new(FakeEngine::new(&header()), &*ARITH, log, &mut journal, mode).unwrap();
    assert_eq!(tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap(), Outcome::Done);
    let codes = std::mem::take(&mut tuner.engine().tensors);
    drop(tuner);
    (journal.0, codes)
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
            assert!(interrupted_run(member, mode) == whole, "stopped at member {member}, {mode:?}");
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
    let (text, codes) = whole_run(ResidualMode::Replay);
    let log = SeedLog::parse(text.as_bytes()).unwrap();
    let history = History::of_log(&log, 9).unwrap();
    let mut engine = FakeEngine::new(&log.header);
    let specs = &log.header.tensors;
    engine
        .edit_codes(&mut |tensors| {
            rebuild_all(tensors, specs, &history, &mut ResidualStore::Replay);
        })
        .unwrap();
    assert!(engine.tensors == codes);
    assert_eq!(log.evaluations.last().unwrap().codes_sha256, live_digest(&mut engine).unwrap());
}

#[test]
fn a_record_is_in_the_journal_before_its_update_and_a_failure_leaves_the_logs_codes() {
    let (log, first) = SeedLog::start(header()).unwrap();
    let mut journal = Lines(first);
    // One score before the run, sixteen for each generation: this fails in the fourth.
    let engine = FakeEngine { fail_at: Some(1 + 16 * 3 + 5), ..FakeEngine::new(&header()) };
    let mut tuner = Tuner::new(engine, &*ARITH, log, &mut journal, ResidualMode::Replay).unwrap();
    let error = tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap_err();
    assert!(matches!(error, TuneError::Engine(_)), "{error}");
    let codes = tuner.engine().tensors.clone();
    drop(tuner);
    let log = SeedLog::parse(journal.0.as_bytes()).unwrap();
    assert_eq!(log.generations.len(), 3);
    let history = History::of_log(&log, 3).unwrap();
    let mut rebuilt = FakeEngine::new(&log.header);
    let specs = &log.header.tensors;
    rebuilt
        .edit_codes(&mut |tensors| {
            rebuild_all(tensors, specs, &history, &mut ResidualStore::Replay);
        })
        .unwrap();
    assert!(rebuilt.tensors == codes, "the failed member's perturbation was not taken back");
}

#[test]
fn a_journal_that_fails_stops_the_run_before_the_update() {
    struct Full(usize);
    impl Journal for Full {
        fn append(&mut self, _: &str) -> Result<(), StoreError> {
            self.0 -= 1;
            let full =
                || StoreError::Write { path: "log".into(), source: std::io::ErrorKind::StorageFull.into() };
            if self.0 == 0 { Err(full()) } else { Ok(()) }
        }
    }
    let (log, _) = SeedLog::start(header()).unwrap();
    let mut journal = Full(2);
    let mut tuner =
        Tuner::new(FakeEngine::new(&header()), &*ARITH, log, &mut journal, ResidualMode::Replay).unwrap();
    assert!(matches!(tuner.run(&AtomicBool::new(false), &mut Nobody), Err(TuneError::Store(_))));
    assert!(tuner.engine().tensors == FakeEngine::new(&header()).tensors);
}

#[test]
fn nothing_planned_is_nothing_done() {
    let header = test_log::header(Settings { generations: 0, ..test_log::settings() });
    let (log, first) = SeedLog::start(header.clone()).unwrap();
    let mut journal = Lines(first);
    let mut tuner =
        Tuner::new(FakeEngine::new(&header), &*ARITH, log, &mut journal, ResidualMode::Replay).unwrap();
    assert_eq!(tuner.run(&AtomicBool::new(false), &mut Nobody).unwrap(), Outcome::Done);
    assert_eq!(tuner.summary().generations, 0);
}
