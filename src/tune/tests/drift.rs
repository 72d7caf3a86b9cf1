//! Drift in a run of the fake engine, whose likelihoods follow from the codes.

use super::*;
use crate::drift::Neutral;
use crate::seed_log::DriftRecord;

const SET: &str = "{\"text\":\"Some plain text.\"}\n{\"prompt\":\"Say something.\"}\n";

fn with_neutral() -> Evaluators {
    Evaluators { neutral: Some(Neutral::parse(SET).unwrap()), ..evaluators() }
}

/// Runs `log` until a member is reached or to the end, and returns what it then tells.
fn run(log: SeedLog, journal: &Lines, stop_at: u32) -> (Summary, Vec<Vec<u8>>) {
    let stop = AtomicBool::new(false);
    let engine = FakeEngine::new(&log.header);
    let mut tuner = Tuner::new(engine, with_neutral(), log, journal.clone(), ResidualMode::Replay).unwrap();
    tuner.run(&stop, &mut StopAt(stop_at, &stop)).unwrap();
    (tuner.summary(), std::mem::take(&mut tuner.engine().tensors))
}

fn begun() -> (SeedLog, Lines) {
    let (log, first) = SeedLog::start(header()).unwrap();
    (log, Lines::of(first))
}

#[test]
fn evaluations_hold_the_drift_from_the_base_however_often_a_run_is_interrupted() {
    let (log, whole) = begun();
    let (summary, codes) = run(log, &whole, u32::MAX);
    let record = |log: &SeedLog, at: usize| log.evaluations[at].drift.unwrap();
    let log = SeedLog::parse(whole.text().as_bytes()).unwrap();
    let (first, last) = (record(&log, 0), record(&log, log.evaluations.len() - 1));
    assert_eq!((first.texts, first.own_replies), (Some(0.0), Some(0.0)));
    // A text is rated from its second word on; the fake counts a token more.
    let tokens = " plain text.".len() as f64 + 1.0;
    let likeness = |tensors| FakeEngine { tensors, ..FakeEngine::new(&log.header) }.likeness();
    let gained = likeness(codes) - FakeEngine::new(&log.header).likeness();
    let expected = libm::exp(-gained / tokens) - 1.0;
    assert!(gained > 0.02 && (last.texts.unwrap() - expected).abs() < 1e-9, "{last:?}, {expected}");
    assert_eq!(summary.samples.len(), 3, "{:?}", summary.samples);
    assert_eq!((summary.samples[0].is_held_out, summary.samples[1].is_held_out), (false, true));

    for member in [1, 20, 70] {
        let (log, cut) = begun();
        let (stopped, _) = run(log, &cut, member);
        assert!(stopped.samples.is_empty(), "nothing was evaluated yet");
        run(SeedLog::parse(cut.text().as_bytes()).unwrap(), &cut, u32::MAX);
        assert!(cut.text() == whole.text(), "stopped at member {member}");
    }
}

#[test]
fn without_a_set_held_out_replies_are_all_that_is_measured() {
    let text = whole_run(ResidualMode::Replay).0;
    let log = SeedLog::parse(text.as_bytes()).unwrap();
    for record in &log.evaluations {
        let DriftRecord { texts, own_replies, neutral, held_out, evaluations } = record.drift.unwrap();
        assert_eq!((texts, own_replies, neutral, evaluations), (None, None, None, 8));
        assert_eq!(held_out.unwrap().replies, 8);
    }
}
