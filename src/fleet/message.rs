//! Messages between a coordinator and its workers, as JSON. Whatever arrives is checked before it is used.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::seed_log::hex;

/// Version of the messages. Machines of another version refuse each other's.
pub const PROTOCOL: u32 = 2;

/// Most bytes of a message but a line of a log.
pub const MAX_BYTES: usize = 1 << 20;

/// Most members of a unit.
pub const MAX_MEMBERS: usize = 1 << 14;

/// Most bytes of a name or a text in a message.
const MAX_TEXT: usize = 4096;

/// Most problems that are chosen for a generation.
const MAX_CHOSEN: usize = 1 << 16;

/// Reasons for which a message is refused.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum MessageError {
    #[error("a message of {0} bytes is longer than any that is expected")]
    TooLong(usize),
    #[error("a message cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error(
        "a message has version {0}, but this program speaks version {PROTOCOL}; use the same qes-gguf on all machines"
    )]
    Version(u32),
    #[error("a message makes no sense: {0}")]
    Nonsense(&'static str),
}

/// A message that can be checked after it was read.
pub trait FleetMessage: Serialize + DeserializeOwned {
    /// Returns the reason that its content makes no sense, if there is one.
    fn fault(&self) -> Option<&'static str>;

    /// Reads a message from foreign bytes.
    ///
    /// # Errors
    /// When it is too long, malformed, of another version, or makes no sense.
    fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MAX_BYTES {
            return Err(MessageError::TooLong(bytes.len()));
        }
        // The version is looked at first: a newer one may hold what this one cannot read.
        let Versioned { protocol } = serde_json::from_slice(bytes)?;
        if protocol != PROTOCOL {
            return Err(MessageError::Version(protocol));
        }
        let Envelope { message } = serde_json::from_slice(bytes)?;
        Self::fault(&message).map_or(Ok(message), |fault| Err(MessageError::Nonsense(fault)))
    }
}

#[derive(Deserialize)]
struct Versioned {
    protocol: u32,
}

#[derive(Deserialize)]
struct Envelope<M> {
    message: M,
}

#[derive(Serialize)]
struct OutgoingEnvelope<'a, M> {
    protocol: u32,
    message: &'a M,
}

/// Returns the bytes of a message.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn encode(message: &impl FleetMessage) -> Result<Vec<u8>, MessageError> {
    Ok(serde_json::to_vec(&OutgoingEnvelope { protocol: PROTOCOL, message })?)
}

/// The options of inference that decide the last bits of rewards, and so have to be the same on all machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inference {
    /// Tokens in the KV cache, if they are given.
    pub ctx_size: Option<u32>,
    /// Sequences in parallel, if they are given.
    pub parallel: Option<u32>,
    /// Most bytes of the contexts, if they are limited.
    pub context_bytes: Option<u64>,
    /// `true` if llama.cpp may keep weights in its interleaved layouts.
    pub repack: bool,
}

/// Announces the run that is going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announcement {
    /// Identity of the run: the hash of the first line of its log.
    pub run: String,
    /// Kernel class of the coordinator.
    pub class: String,
    /// `true` if only workers of the coordinator's kernel class can take part.
    pub one_class: bool,
    /// Options of inference.
    pub inference: Inference,
}

impl Announcement {
    /// Returns the SHA-256 of its bytes, which units and answers name.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn hash(&self) -> Result<String, MessageError> {
        Ok(hex(&Sha256::digest(encode(self)?)))
    }
}

impl FleetMessage for Announcement {
    fn fault(&self) -> Option<&'static str> {
        let Self { run, class, .. } = self;
        let texts = (!is_hash(run)).then_some("the run's identity is no hash");
        texts.or((class.len() > MAX_TEXT).then_some("the kernel class is too long"))
    }
}

/// Members of a generation that are to be evaluated by one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Identity of the run.
    pub run: String,
    /// Hash of the run's announcement.
    pub announced: String,
    /// Number of the generation, from 0.
    pub generation: u64,
    /// Lines of the log before it.
    pub lines: u64,
    /// Hash of the last of these lines.
    pub chain: String,
    /// Number of the first member.
    pub first: u32,
    /// Number after that of the last member.
    pub end: u32,
    /// Number of this issue of the unit, from 1.
    pub issue: u32,
    /// A worker that has evaluated the unit already, and is not to do it again.
    pub not_by: Option<String>,
    /// Places of the generation's problems among its candidates, if they are chosen.
    pub chosen: Option<Vec<u32>>,
}

impl FleetMessage for Unit {
    fn fault(&self) -> Option<&'static str> {
        let Self { run, announced, chain, first, end, not_by, chosen, .. } = self;
        let members = end.checked_sub(*first).unwrap_or(0) as usize;
        if ![run, announced, chain].into_iter().all(|hash| is_hash(hash)) {
            Some("a hash is none")
        } else if members == 0 || members > MAX_MEMBERS {
            Some("its members are none, or too many")
        } else if not_by.as_ref().is_some_and(|key| key.len() > MAX_TEXT) {
            Some("a key is too long")
        } else {
            chosen.as_ref().filter(|chosen| chosen.len() > MAX_CHOSEN).map(|_| "too many problems are chosen")
        }
    }
}

/// A worker's report, which is signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerReport {
    /// A worker that has followed the log asks for work.
    Hello(Hello),
    /// A unit was evaluated.
    Answer(Answer),
    /// A worker lacks the base model.
    LacksModel {
        /// Identity of the run.
        run: String,
        /// A number that tells it from earlier ones, of which the server takes the same bytes once.
        nonce: u64,
    },
    /// A worker leaves.
    Bye {
        /// Identity of the run.
        run: String,
        /// A number that tells it from earlier ones.
        nonce: u64,
    },
}

/// A worker that has followed the log, and the proof that it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Identity of the run.
    pub run: String,
    /// Generations that it has applied.
    pub generations: u64,
    /// SHA-256 of its codes.
    pub digest: String,
    /// Its kernel class.
    pub class: String,
    /// A number that tells this hello from earlier ones.
    pub nonce: u64,
}

/// Results of a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Identity of the run.
    pub run: String,
    /// Hash of the announcement by whose options it was evaluated.
    pub announced: String,
    /// Number of the generation.
    pub generation: u64,
    /// Hash of the log's last line before it.
    pub chain: String,
    /// Number of the first member.
    pub first: u32,
    /// The fitness of each member.
    pub fitness: Vec<f64>,
    /// The worker's kernel class.
    pub class: String,
    /// Seconds that it took.
    pub seconds: f64,
}

impl FleetMessage for WorkerReport {
    fn fault(&self) -> Option<&'static str> {
        match self {
            Self::LacksModel { run, .. } | Self::Bye { run, .. } => {
                (!is_hash(run)).then_some("the run's identity is no hash")
            }
            Self::Hello(Hello { run, digest, class, .. }) => {
                let is_wrong = !is_hash(run) || !is_hash(digest) || class.len() > MAX_TEXT;
                is_wrong.then_some("a hash is none, or a text too long")
            }
            Self::Answer(answer) => answer.fault(),
        }
    }
}

impl Answer {
    fn fault(&self) -> Option<&'static str> {
        let Self { run, announced, chain, fitness, class, seconds, .. } = self;
        let are_hashes = [run, announced, chain].into_iter().all(|hash| is_hash(hash));
        if !are_hashes || class.len() > MAX_TEXT {
            Some("a hash is none, or a text too long")
        } else if fitness.is_empty() || fitness.len() > MAX_MEMBERS {
            Some("its members are none, or too many")
        } else if !fitness.iter().all(|value| value.is_finite()) {
            Some("a fitness is not a finite number")
        } else {
            (!(0.0..1e9).contains(seconds)).then_some("its time is none")
        }
    }
}

/// The coordinator's word to one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It may work.
    Admitted {
        /// Identity of the run.
        run: String,
        /// The number of the hello that is answered.
        nonce: u64,
    },
    /// The coordinator has an answer of it but has not admitted it, as after a restart: it should ask.
    Unknown {
        /// Identity of the run.
        run: String,
    },
    /// Its log is not as long as the run's: it should follow and ask again.
    Behind {
        /// Identity of the run.
        run: String,
        /// The number of the hello that is answered.
        nonce: u64,
    },
    /// It cannot take part in this run.
    Refused {
        /// Identity of the run.
        run: String,
        /// The number of the hello that is answered.
        nonce: u64,
        /// The reason, as a sentence.
        reason: String,
    },
    /// It gave wrong answers and is not listened to any more.
    ShutOut {
        /// Identity of the run.
        run: String,
        /// The reason, as a sentence.
        reason: String,
    },
}

impl FleetMessage for Word {
    fn fault(&self) -> Option<&'static str> {
        let (run, reason) = match self {
            Self::Admitted { run, .. } | Self::Behind { run, .. } | Self::Unknown { run } => (run, ""),
            Self::Refused { run, reason, .. } | Self::ShutOut { run, reason } => (run, &**reason),
        };
        (!is_hash(run) || reason.len() > MAX_TEXT).then_some("a hash is none, or a text too long")
    }
}

/// Returns whether a text is a SHA-256 in lower-case hexadecimal.
pub fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
