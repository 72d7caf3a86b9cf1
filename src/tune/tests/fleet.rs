//! A population of several, of which some may get lost.

use super::*;
use crate::es::Generation;
use crate::seed_log::GenerationRecord;
use crate::update::Moves;

/// Two engines that evaluate half of the members each, and lose the numbers that `lost` names.
struct Pair {
    halves: [Local<FakeEngine>; 2],
    lost: fn(u64, usize) -> bool,
}

impl Pair {
    fn new(log: &SeedLog, lost: fn(u64, usize) -> bool) -> Self {
        let half = || Local::new(FakeEngine::new(&log.header), evaluators(), log, ResidualMode::Replay);
        Self { halves: [half().unwrap(), half().unwrap()], lost }
    }
}

impl Population for Pair {
    fn evaluate(
        &mut self,
        generation: &Generation,
        stop: &AtomicBool,
        observer: &mut dyn Observer,
    ) -> Result<Option<Vec<Option<f64>>>, TuneError> {
        let (all, half) = (generation.size(), generation.size() / 2);
        let mut fitness = Vec::new();
        for (population, numbers) in self.halves.iter_mut().zip([0..half, half..all]) {
            let Some(some) = population.evaluate_some(generation, numbers, stop, observer)? else {
                return Ok(None);
            };
            fitness.extend(some);
        }
        let lost = |number| (self.lost)(generation.number, number);
        Ok(Some(fitness.into_iter().enumerate().map(|(at, it)| (!lost(at)).then_some(it)).collect()))
    }

    fn apply(&mut self, record: &GenerationRecord) -> Result<Moves, TuneError> {
        let moves = self.halves.each_mut().map(|half| half.apply(record).unwrap());
        assert_eq!(moves[0], moves[1]);
        Ok(moves[0])
    }

    fn digest(&mut self) -> Result<String, TuneError> {
        let digests = self.halves.each_mut().map(|half| half.digest().unwrap());
        assert_eq!(digests[0], digests[1], "both follow the same log");
        Ok(digests[0].clone())
    }

    fn held_out(&mut self) -> Result<HeldOut, TuneError> {
        self.halves[0].held_out()
    }

    fn spent(&self) -> Seconds {
        self.halves[0].spent()
    }
}

/// Runs a pair from the text of a log to the end or an error, and returns the log and the codes of the second.
fn run(first: String, lost: fn(u64, usize) -> bool) -> (Result<Outcome, TuneError>, Traces) {
    let (log, journal) = (SeedLog::parse(first.as_bytes()).unwrap(), Lines::of(first));
    let mut tuner = Tuner::of(Pair::new(&log, lost), log, journal.clone());
    let outcome = tuner.run(&AtomicBool::new(false), &mut Nobody);
    let codes = std::mem::take(&mut tuner.population().halves[1].engine().tensors);
    (outcome, (journal.text(), codes))
}

#[test]
fn members_may_be_evaluated_in_several_places() {
    for header in headers_by_method() {
        let first = SeedLog::start(header.clone()).unwrap().1;
        let (outcome, traces) = run(first, |_, _| false);
        assert_eq!(outcome.unwrap(), Outcome::Done);
        assert!(traces == whole_run_of(&header, ResidualMode::Stored), "{:?}", header.settings.method);
    }
}

#[test]
fn a_lost_member_weighs_nothing_and_the_log_still_rebuilds_the_codes() {
    for mirror in [false, true] {
        let header = header_of(Settings { mirror, window: Window::Last(2), ..test_log::settings() });
        let first = SeedLog::start(header.clone()).unwrap().1;
        let lost = |generation, number| number == generation as usize || (generation == 5 && number > 7);
        let (outcome, traces) = run(first, lost);
        assert_eq!(outcome.unwrap(), Outcome::Done);
        let log = SeedLog::parse(traces.0.as_bytes()).unwrap();
        for record in &log.generations {
            let number = record.generation as usize;
            assert_eq!(record.weights[if mirror { number / 2 } else { number }], 0.0);
            let evaluated = if number == 5 { 7 } else { 15 };
            assert_eq!(record.evaluations, header.task.evaluations(evaluated));
        }
        assert!(log.generations[5].weights[if mirror { 4 } else { 8 }..].iter().all(|weight| *weight == 0.0));
        assert!(log.generations.iter().all(|record| record.weights.iter().any(|weight| *weight != 0.0)));
        assert_log_rebuilds(&traces);
    }
}

#[test]
fn a_generation_of_which_no_member_is_left_ends_the_run_and_can_be_resumed() {
    let first = SeedLog::start(header()).unwrap().1;
    let (outcome, (text, _)) = run(first, |generation, _| generation == 4);
    assert!(matches!(outcome, Err(TuneError::NotEvaluated { generation: 4 })), "{outcome:?}");
    let (outcome, traces) = run(text, |_, _| false);
    assert_eq!(outcome.unwrap(), Outcome::Done);
    assert!(traces == whole_run(ResidualMode::Replay));
}

#[test]
fn a_run_goes_on_step_by_step() {
    let (log, first) = SeedLog::start(header()).unwrap();
    let journal = Lines::of(first);
    let engine = FakeEngine::new(&header());
    let mut tuner = Tuner::new(engine, evaluators(), log, journal.clone(), ResidualMode::Replay).unwrap();
    for generations in 1..=9 {
        assert_eq!(tuner.step(&AtomicBool::new(false), &mut Nobody).unwrap(), None);
        assert_eq!(tuner.summary().generations, generations);
    }
    assert_eq!(tuner.step(&AtomicBool::new(false), &mut Nobody).unwrap(), Some(Outcome::Done));
    assert_eq!(journal.text(), whole_run(ResidualMode::Replay).0);
}

#[test]
fn what_a_run_is_made_of_can_go_to_another_thread() {
    fn is_send<T: Send + ?Sized>() {}
    is_send::<Tuner<Local<FakeEngine>>>();
    is_send::<Tuner<Local<crate::llama::LlamaEngine>>>();
    is_send::<dyn Population>();
    is_send::<Box<dyn Population>>();
}
