//! The interface between tuning and inference: prompts in, completions or log-likelihoods out, and access to the codes
//! that inference reads.
//!
//! The tuning loop knows only this trait. [`crate::llama`] implements it with llama.cpp; tests drive the loop with a
//! fake that computes rewards from the codes directly.

mod tensor;

use std::error::Error;

use thiserror::Error;

pub use tensor::{Changed, TensorBytes, TensorEdit};

use crate::chat::{ControlNames, Speaker};

/// One prompt, with the wanted completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The text before the completion, already in the model's chat template if it has one.
    pub prompt: String,
    /// The wanted completion.
    pub completion: String,
    /// `true` if the text continues after the completion. Otherwise the model's end-of-generation token is scored
    /// after it, unless the completion ends with one.
    pub goes_on: bool,
    /// Starts of the names of control tokens that mean their letters, in bytes over prompt and completion; all other
    /// names mean the tokens.
    pub literal: Vec<usize>,
    /// Most tokens of the completion that are scored, its first ones; the rest is left out. `None` for all.
    pub first: Option<usize>,
}

impl Request {
    /// Creates a request of a prompt and a completion after which the model is to end.
    pub fn new(prompt: impl Into<String>, completion: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            completion: completion.into(),
            goes_on: false,
            literal: Vec::new(),
            first: None,
        }
    }
}

/// Length of a request in tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// Tokens of the prompt by itself, as replies continue it.
    pub prompt: usize,
    /// Tokens of the wanted completion, with the one that ends it.
    pub reply: usize,
    /// Tokens of both as one text; the tokenizer may merge tokens where they meet.
    pub both: usize,
}

/// A model's special tokens and chat template.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The model's own chat template.
    pub chat_template: Option<String>,
    /// Names of special tokens for templates.
    pub speaker: Speaker,
    /// Names of control tokens.
    pub control: ControlNames,
    /// Names of the tokens that end generation.
    pub ends: Vec<String>,
}

/// A request as the model sees it: the text of its tokens, with the names of control tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelled {
    /// The tokens before those that are scored.
    pub prompt: String,
    /// The tokens that are scored.
    pub scored: String,
}

/// Settings of the generation of replies.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoding {
    /// Most new tokens.
    pub max_new_tokens: usize,
    /// Temperature; 0 for greedy decoding.
    pub temp: f64,
    /// Seed of sampling. The same seed and prompts give every member the same random numbers.
    pub seed: u64,
    /// Texts that end a reply and are not part of it.
    pub stop: Vec<String>,
}

impl Decoding {
    /// Returns the settings of greedy decoding, with this limit on new tokens.
    pub fn greedy(max_new_tokens: usize) -> Self {
        Self { max_new_tokens, temp: 0.0, seed: 0, stop: Vec::new() }
    }
}

/// A model's score of one wanted completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Natural logarithm of the probability of the completion, and of the end-of-generation token after it unless the
    /// completion goes on; at most 0.
    pub log_likelihood: f64,
    /// `true` if greedy decoding would produce exactly this completion and then end.
    pub is_greedy: bool,
    /// Tokens that were scored.
    pub tokens: usize,
}

/// Sums over the scored places of requests, for one token of the vocabulary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenTally {
    /// Places where it is the wanted token.
    pub said: f64,
    /// Sum of -ln p over those places, in nats.
    pub nats: f64,
    /// Expected occurrences: the sum of its probability p over all places.
    pub expected: f64,
    /// Sensitivity of that to its logit: the sum of p (1 - p) over all places.
    pub leverage: f64,
}

impl std::ops::AddAssign for TokenTally {
    fn add_assign(&mut self, other: Self) {
        self.said += other.said;
        self.nats += other.nats;
        self.expected += other.expected;
        self.leverage += other.leverage;
    }
}

/// A model's reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The text, without the token or text that ended it.
    pub text: String,
    /// `true` if the model ended it, `false` if the limit on new tokens did.
    pub ended: bool,
}

/// A model that can be evaluated, and whose codes can be changed between evaluations, on any thread.
pub trait Engine: Send {
    /// Requests in the form that the engine evaluates (tokens, laid out in batches), made once and used for every
    /// member of a generation.
    type Batch: Send;

    /// Returns the model's special tokens and chat template.
    fn vocabulary(&self) -> &Vocabulary;

    /// Tokenizes requests and lays them out in batches.
    ///
    /// # Errors
    /// When a request is longer than the context.
    fn prepare(&self, requests: &[Request]) -> Result<Self::Batch, EngineError>;

    /// Prepares requests as [`Engine::prepare`] does, for many evaluations with an edit before each: an engine may
    /// keep in memory what does not depend on its tunable tensors. Scores may differ in their last bits from those of
    /// [`Engine::prepare`]'s batches.
    ///
    /// # Errors
    /// As for [`Engine::prepare`].
    fn prepare_for_members(&self, requests: &[Request]) -> Result<Self::Batch, EngineError> {
        self.prepare(requests)
    }

    /// Returns the lengths of requests, which may be too long to be prepared. An engine without tokens counts bytes.
    ///
    /// # Errors
    /// When one cannot be tokenized.
    fn measure(&self, requests: &[Request]) -> Result<Vec<Length>, EngineError> {
        let length = |request: &Request| {
            let (prompt, reply) = (request.prompt.len(), request.completion.len());
            Length { prompt, reply, both: prompt + reply }
        };
        Ok(requests.iter().map(length).collect())
    }

    /// Returns the most tokens of a prompt and its reply together.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// Returns the most positions of a text, however large the context is made.
    fn positions(&self) -> usize {
        usize::MAX
    }

    /// Returns the text of the token with this number; for a control token, its name. Empty for an engine that has no
    /// tokens.
    fn spelled_token(&self, _token: usize) -> String {
        String::new()
    }

    /// Returns the numbers of the tokens of a request that are scored; none for an engine that has no tokens.
    fn scored_tokens(&self, _batch: &Self::Batch, _request: usize) -> Vec<usize> {
        Vec::new()
    }

    /// Returns a request of a batch as the model sees it; `None` for an engine that has no tokens.
    fn spelled(&self, _batch: &Self::Batch, _request: usize) -> Option<Spelled> {
        None
    }

    /// Refuses requests whose prompts leave no room for replies of up to `new_tokens` tokens.
    ///
    /// # Errors
    /// When a prompt and its reply may be longer than the context.
    fn check_room(&self, batch: &Self::Batch, new_tokens: usize) -> Result<(), EngineError>;

    /// Scores the wanted completion of every request, in the order of the requests, in one forward pass.
    ///
    /// # Errors
    /// When inference fails.
    fn score(&mut self, batch: &Self::Batch) -> Result<Vec<Score>, EngineError>;

    /// Returns the tally of each token of the vocabulary over the places that [`Engine::score`] scores; nothing for an
    /// engine that has no tokens.
    ///
    /// # Errors
    /// When inference fails.
    fn tally(&mut self, _batch: &Self::Batch) -> Result<Vec<TokenTally>, EngineError> {
        Ok(Vec::new())
    }

    /// Completes every prompt, in the order of the requests. Requests with the same prompt get the same reply.
    ///
    /// # Errors
    /// When inference fails.
    fn complete(&mut self, batch: &Self::Batch, how: &Decoding) -> Result<Vec<String>, EngineError>;

    /// Completes every prompt as [`Engine::complete`] does, and tells for each reply whether the model ended it. An
    /// engine that does not know reports that it did.
    ///
    /// # Errors
    /// When inference fails.
    fn reply(&mut self, batch: &Self::Batch, how: &Decoding) -> Result<Vec<Reply>, EngineError> {
        let ended = |text| Reply { text, ended: true };
        Ok(self.complete(batch, how)?.into_iter().map(ended).collect())
    }

    /// Returns whether each text matches a GBNF grammar from beginning to end.
    ///
    /// # Errors
    /// When the grammar cannot be read.
    fn follow(&self, grammar: &str, texts: &[String]) -> Result<Vec<bool>, EngineError>;

    /// Calls `edit` with each tunable tensor, once and in any order, perhaps several at a time on as many threads, and
    /// returns once inference sees the changes. `edit` returns the changed ranges: an engine whose inference reads a
    /// copy, as on a device, may lend one tensor at a time and copy these bytes to the device before it lends the
    /// next.
    ///
    /// # Errors
    /// When changed bytes cannot be copied to the memory that inference reads.
    fn edit_codes(&mut self, edit: &TensorEdit<'_>) -> Result<(), EngineError>;

    /// Passes the bytes of all tunable tensors, in a file's layout, to `read`, in the order of the list the engine was
    /// made with, a piece at a time.
    ///
    /// They are read back from the memory that inference reads, not from a copy in which edits are made: so their
    /// digests reveal bytes in inference that differ from the log's.
    ///
    /// # Errors
    /// When the bytes cannot be copied from the memory that inference reads.
    fn read_tensors(&mut self, read: &mut dyn FnMut(&[u8])) -> Result<(), EngineError>;

    /// Returns the displacement of the tunable tensors: the RMS change of their weights from the base model's, over
    /// the RMS of the base's weights. `None` if the engine does not know the weights of codes.
    ///
    /// # Errors
    /// When the bytes cannot be copied from the memory that inference reads.
    fn displacement(&mut self) -> Result<Option<f64>, EngineError> {
        Ok(None)
    }
}

/// Error of inference; its source is the cause.
#[derive(Debug, Error)]
#[error("{doing} failed: {source}")]
pub struct EngineError {
    /// The action that failed, as the start of a sentence ("loading the model").
    pub doing: String,
    /// The cause.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl EngineError {
    /// Creates an error of `doing` something, caused by `source` (a message will do).
    pub fn new(doing: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), source: source.into() }
    }
}
