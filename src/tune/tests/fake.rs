//! An engine, a journal and observers without a model, a file and a screen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use crate::block::{Arrangement, Q4K};
use crate::engine::{Decoding, Engine, EngineError, Request, Score, TensorBytes, TensorEdit, Vocabulary};
use crate::perturb::read_codes;
use crate::seed_log::Header;
use crate::store::{Journal, StoreError};
use crate::sweep::each_tensor;
use crate::tensor_type::TensorType;
use crate::tune::{Event, Observer};

/// Likes large codes in the first half of its first tensor, and small ones in the second; the more alike, the likelier
/// every reply.
pub(crate) struct FakeEngine {
    pub(crate) base: Vec<Vec<u8>>,
    pub(crate) tensors: Vec<Vec<u8>>,
    pub(crate) types: Vec<TensorType>,
    /// Scores given; the run is asked to stop after this many.
    pub(crate) scored: usize,
    pub(crate) fail_at: Option<usize>,
}

impl FakeEngine {
    pub(crate) fn new(header: &Header) -> Self {
        let bytes = |spec: &crate::seed_log::TensorSpec| {
            vec![0x88; spec.tensor_type.bytes_of(spec.codes).unwrap() as usize]
        };
        let types = header.tensors.iter().map(|spec| spec.tensor_type).collect();
        let base: Vec<Vec<u8>> = header.tensors.iter().map(bytes).collect();
        Self { tensors: base.clone(), base, types, scored: 0, fail_at: None }
    }

    pub(crate) fn likeness(&self) -> f64 {
        let codes = read_codes::<Q4K>(&self.tensors[0]);
        let half = codes.len() / 2;
        let sum = |codes: &[i16]| codes.iter().map(|&code| f64::from(code)).sum::<f64>();
        (sum(&codes[..half]) - sum(&codes[half..])) / codes.len() as f64
    }
}

impl FakeEngine {
    /// All of its tensors.
    pub(crate) fn lend(&mut self) -> Vec<TensorBytes<'_>> {
        let mut tensors = Vec::new();
        for (index, (bytes, base)) in self.tensors.iter_mut().zip(&self.base).enumerate() {
            let arrangement = Arrangement::plain(self.types[index]);
            tensors.push(TensorBytes { index, bytes, arrangement, base });
        }
        tensors
    }
}

impl Engine for FakeEngine {
    type Batch = Vec<Request>;

    fn vocabulary(&self) -> &Vocabulary {
        static NOTHING: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::default);
        &NOTHING
    }

    fn prepare(&self, requests: &[Request]) -> Result<Self::Batch, EngineError> {
        Ok(requests.to_vec())
    }

    fn check_room(&self, _: &Self::Batch, _: usize) -> Result<(), EngineError> {
        Ok(())
    }

    fn score(&mut self, batch: &Self::Batch) -> Result<Vec<Score>, EngineError> {
        if self.fail_at == Some(self.scored) {
            return Err(EngineError::new("scoring", "the fake is tired"));
        }
        self.scored += 1;
        let log_likelihood = self.likeness() - 20.0;
        let score = |request: &Request| Score {
            log_likelihood,
            is_greedy: log_likelihood > -19.9,
            tokens: request.completion.len() + 1,
        };
        Ok(batch.iter().map(score).collect())
    }

    fn complete(&mut self, batch: &Self::Batch, _: &Decoding) -> Result<Vec<String>, EngineError> {
        Ok(vec![String::new(); batch.len()])
    }

    fn follow(&self, _: &str, texts: &[String]) -> Result<Vec<bool>, EngineError> {
        Ok(vec![false; texts.len()])
    }

    fn edit_codes(&mut self, edit: &TensorEdit<'_>) -> Result<(), EngineError> {
        each_tensor(&mut self.lend(), edit);
        Ok(())
    }

    fn read_tensors(&mut self, read: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        self.tensors.iter().for_each(|bytes| read(bytes));
        Ok(())
    }
}

/// A journal in memory, whose copies have the same lines.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<String>>);

impl Lines {
    /// One that has these lines already.
    pub(crate) fn of(text: String) -> Self {
        Self(Arc::new(Mutex::new(text)))
    }

    /// All lines.
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Journal for Lines {
    fn append(&mut self, line: &str) -> Result<(), StoreError> {
        *self.0.lock().unwrap() += line;
        Ok(())
    }
}

/// Sets the flag when a member of some number is about to be evaluated.
pub(crate) struct StopAt<'a>(pub(crate) u32, pub(crate) &'a AtomicBool);

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
pub(crate) struct Nobody;

impl Observer for Nobody {
    fn event(&mut self, _: &Event<'_>) {}
}
