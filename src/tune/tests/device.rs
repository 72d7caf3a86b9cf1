//! A run on an engine whose inference reads a copy of the codes, as on a device.

use super::*;
use crate::block::Arrangement;
use crate::engine::{Decoding, Engine, Request, Score, TensorBytes, TensorEdit, Vocabulary};

/// Edits are made in main memory, one tensor at a time, and the bytes that they changed are brought to where inference reads.
struct DeviceEngine {
    host: Vec<Vec<u8>>,
    /// Computes by the bytes on the device.
    device: FakeEngine,
    /// A tensor of which nothing is brought over.
    forgotten: Option<usize>,
}

impl DeviceEngine {
    fn new(header: &Header) -> Self {
        let device = FakeEngine::new(header);
        Self { host: device.tensors.clone(), device, forgotten: None }
    }
}

impl Engine for DeviceEngine {
    type Batch = Vec<Request>;

    fn vocabulary(&self) -> &Vocabulary {
        self.device.vocabulary()
    }

    fn prepare(&self, requests: &[Request]) -> Result<Self::Batch, EngineError> {
        self.device.prepare(requests)
    }

    fn check_room(&self, batch: &Self::Batch, new_tokens: usize) -> Result<(), EngineError> {
        self.device.check_room(batch, new_tokens)
    }

    fn score(&mut self, batch: &Self::Batch) -> Result<Vec<Score>, EngineError> {
        assert!(
            self.forgotten.is_some() || self.host == self.device.tensors,
            "something was not brought over"
        );
        self.device.score(batch)
    }

    fn complete(&mut self, batch: &Self::Batch, how: &Decoding) -> Result<Vec<String>, EngineError> {
        self.device.complete(batch, how)
    }

    fn follow(&self, grammar: &str, texts: &[String]) -> Result<Vec<bool>, EngineError> {
        self.device.follow(grammar, texts)
    }

    fn edit_codes(&mut self, edit: &TensorEdit<'_>) -> Result<(), EngineError> {
        let FakeEngine { base, tensors, types, .. } = &mut self.device;
        for (index, (host, on_device)) in self.host.iter_mut().zip(tensors).enumerate() {
            let (arrangement, base) = (Arrangement::plain(types[index]), &base[index]);
            let changed = edit(&mut TensorBytes { index, bytes: host, arrangement, base });
            for range in changed.ranges().iter().filter(|_| self.forgotten != Some(index)) {
                on_device[range.clone()].copy_from_slice(&host[range.clone()]);
            }
        }
        Ok(())
    }

    fn read_tensors(&mut self, read: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        self.device.read_tensors(read)
    }
}

/// Goes on with a log until a member is reached or to the end, and returns the log's text and the bytes on the device.
fn run(engine: DeviceEngine, text: String, member: u32, mode: ResidualMode) -> Traces {
    let (log, journal) = (SeedLog::parse(text.as_bytes()).unwrap(), Lines::of(text));
    let stop = AtomicBool::new(false);
    let mut tuner = Tuner::new(engine, evaluators(), log, journal.clone(), mode).unwrap();
    tuner.run(&stop, &mut StopAt(member, &stop)).unwrap();
    let codes = std::mem::take(&mut tuner.engine().device.tensors);
    (journal.text(), codes)
}

#[test]
fn a_device_that_is_brought_what_changed_has_the_codes_of_the_log() {
    for header in headers_by_method() {
        let what = format!("{:?}, anchor {}", header.settings.method, header.settings.anchor);
        let first = SeedLog::start(header.clone()).unwrap().1;
        let whole = run(DeviceEngine::new(&header), first.clone(), u32::MAX, ResidualMode::Stored);
        assert!(whole == whole_run_of(&header, ResidualMode::Stored), "{what}");
        assert_log_rebuilds(&whole);
        let (text, _) = run(DeviceEngine::new(&header), first, 70, ResidualMode::Replay);
        let resumed = run(DeviceEngine::new(&header), text, u32::MAX, ResidualMode::Replay);
        assert!(resumed == whole, "{what}, resumed");
    }
}

#[test]
fn bytes_that_never_reached_the_device_are_seen_in_the_digest() {
    let first = SeedLog::start(header()).unwrap().1;
    let engine = DeviceEngine { forgotten: Some(1), ..DeviceEngine::new(&header()) };
    let (text, _) = run(engine, first, u32::MAX, ResidualMode::Replay);
    let log = SeedLog::parse(text.as_bytes()).unwrap();
    let resumed =
        Tuner::new(DeviceEngine::new(&header()), evaluators(), log, Lines::default(), ResidualMode::Replay);
    let error = resumed.err().unwrap();
    assert!(matches!(error, TuneError::Model(ModelError::Diverged { generations: 9, .. })), "{error}");
}
