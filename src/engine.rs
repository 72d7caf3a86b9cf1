//! What tuning needs of inference: prompts in, completions or log-likelihoods out, and access to the codes that
//! inference reads.
//!
//! The tuning loop knows only this trait. [`crate::llama`] implements it with llama.cpp; tests drive the loop with a
//! fake that computes rewards from the codes directly.

mod tensor;

use std::error::Error;

use thiserror::Error;

pub use tensor::{Changed, TensorBytes, TensorEdit};

use crate::chat::{ControlNames, Speaker};

/// One text to be completed, with the completion that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The text before the completion, already in the model's chat template where it has one.
    pub prompt: String,
    /// The wanted completion.
    pub completion: String,
    /// Whether the completion is not the end: else it is followed by the model's end-of-generation token when it is scored,
    /// unless it ends with one.
    pub goes_on: bool,
    /// Where names of control tokens begin that mean their letters, counted in bytes over prompt and completion; all other
    /// names mean the tokens.
    pub literal: Vec<usize>,
    /// Tokens of the completion that are scored at most, its first ones; what follows them is left out. `None` for all.
    pub first: Option<usize>,
}

impl Request {
    /// Creates a prompt and a completion after which the model is to end.
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

/// How many tokens a request takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// Tokens of the prompt by itself, which replies continue.
    pub prompt: usize,
    /// Tokens of the wanted completion, with the one that ends it.
    pub reply: usize,
    /// Tokens of both as one text, which may be joined where they meet.
    pub both: usize,
}

/// How a model's texts begin, end, and carry conversations.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// The model's own chat template.
    pub chat_template: Option<String>,
    /// The tokens that templates name.
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

/// How replies come about.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoding {
    /// Most new tokens.
    pub max_new_tokens: usize,
    /// Temperature; 0 takes the likeliest token.
    pub temp: f64,
    /// What the tokens are drawn by. The same seed and prompts give every member the same random numbers.
    pub seed: u64,
    /// Texts that end a reply and are not part of it.
    pub stop: Vec<String>,
}

impl Decoding {
    /// Returns the likeliest token each time, up to so many.
    pub fn greedy(max_new_tokens: usize) -> Self {
        Self { max_new_tokens, temp: 0.0, seed: 0, stop: Vec::new() }
    }
}

/// How a model rates one wanted completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Natural logarithm of the probability of the completion, and of the end-of-generation token after it unless the
    /// completion goes on; at most 0.
    pub log_likelihood: f64,
    /// Whether greedy decoding would produce exactly this completion and then end.
    pub is_greedy: bool,
    /// Tokens that were rated.
    pub tokens: usize,
}

/// How a token of the vocabulary fares at the scored places of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TokenTally {
    /// Places where it is the wanted one.
    pub said: f64,
    /// Nats that these are unlikely by: the sum of -ln p there.
    pub nats: f64,
    /// Places where the model would say it: the sum of its probability over all.
    pub expected: f64,
    /// How much that depends on its logit: the sum of p (1 - p) over all places.
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

/// What a model replied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The text, without what ended it.
    pub text: String,
    /// Whether the model ended it, and not the limit on new tokens.
    pub ended: bool,
}

/// A model that can be evaluated and whose codes can be changed between evaluations, on whatever thread.
pub trait Engine: Send {
    /// Requests brought into the form the engine evaluates (tokens, laid out in batches), made once and used for
    /// every member of a generation.
    type Batch: Send;

    /// How the model's texts begin, end, and carry conversations.
    fn vocabulary(&self) -> &Vocabulary;

    /// Tokenizes requests and lays them out in batches.
    ///
    /// # Errors
    /// When a request is longer than the context.
    fn prepare(&self, requests: &[Request]) -> Result<Self::Batch, EngineError>;

    /// Prepares requests as [`Engine::prepare`] does, for many evaluations with an edit before each: an engine may keep in memory
    /// what no edit of its tunable tensors changes. Scores may differ in their last bits from those of the other form.
    ///
    /// # Errors
    /// As for [`Engine::prepare`].
    fn prepare_for_members(&self, requests: &[Request]) -> Result<Self::Batch, EngineError> {
        self.prepare(requests)
    }

    /// Returns the tokens of requests, which may be too long to be prepared. An engine without tokens counts bytes.
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

    /// Returns the tokens that a prompt and its reply may have together.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// Returns the positions that a text may have, however large the context is made.
    fn positions(&self) -> usize {
        usize::MAX
    }

    /// Returns the text of a token, by its number; that of a control token is its name. Empty for an engine that has no tokens.
    fn spelled_token(&self, _token: usize) -> String {
        String::new()
    }

    /// Returns the tokens of a request that are scored, by their numbers; none for an engine that has no tokens.
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

    /// Rates the wanted completion of every request, in the order of the requests, in one forward pass.
    ///
    /// # Errors
    /// When inference fails.
    fn score(&mut self, batch: &Self::Batch) -> Result<Vec<Score>, EngineError>;

    /// Returns, of every token of the vocabulary, how it fares at the places that [`Engine::score`] rates; nothing for an
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

    /// Completes every prompt as [`Engine::complete`] does, and says of each reply whether the model ended it. An engine that
    /// cannot tell says that it did.
    ///
    /// # Errors
    /// When inference fails.
    fn reply(&mut self, batch: &Self::Batch, how: &Decoding) -> Result<Vec<Reply>, EngineError> {
        let ended = |text| Reply { text, ended: true };
        Ok(self.complete(batch, how)?.into_iter().map(ended).collect())
    }

    /// Whether each text follows a GBNF grammar from beginning to end.
    ///
    /// # Errors
    /// When the grammar cannot be read.
    fn follow(&self, grammar: &str, texts: &[String]) -> Result<Vec<bool>, EngineError>;

    /// Calls `edit` with each tunable tensor, once and in any order, perhaps several at a time on as many threads, and returns once
    /// inference sees whatever `edit` changed. What `edit` returns says where that is: an engine whose inference reads a copy,
    /// as on a device, may lend one tensor at a time and bring these bytes there before it lends the next.
    ///
    /// # Errors
    /// When changed bytes cannot be brought to where inference reads them.
    fn edit_codes(&mut self, edit: &TensorEdit<'_>) -> Result<(), EngineError>;

    /// Shows the bytes of all tunable tensors as a file would hold them, in the order of the list the engine was made with,
    /// a piece at a time.
    ///
    /// They are read back from where inference reads them, and not from a copy that edits are made in: digests are computed of
    /// them, which then tell of bytes that inference does not see as the log has them.
    ///
    /// # Errors
    /// When the bytes cannot be brought from where inference reads them.
    fn read_tensors(&mut self, read: &mut dyn FnMut(&[u8])) -> Result<(), EngineError>;

    /// Returns the displacement of the tunable tensors: the RMS change of their weights from the base model's, over the RMS of
    /// the base's weights. `None` if the engine does not know what a code is worth.
    ///
    /// # Errors
    /// When the bytes cannot be brought from where inference reads them.
    fn displacement(&mut self) -> Result<Option<f64>, EngineError> {
        Ok(None)
    }
}

/// Inference failed; the source says why.
#[derive(Debug, Error)]
#[error("{doing} failed: {source}")]
pub struct EngineError {
    /// What was being done, as the start of a sentence ("loading the model").
    pub doing: String,
    /// Why it failed.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

impl EngineError {
    /// Creates an error of `doing` something, caused by `source` (a message will do).
    pub fn new(doing: impl Into<String>, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), source: source.into() }
    }
}
