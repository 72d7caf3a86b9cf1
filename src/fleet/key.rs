//! Keys of machines, and what they sign.
//!
//! A key is an nkey, an Ed25519 key in the broker's own form, so that one key is both what the broker lets in and what
//! signs results. Results are signed inside of their payload: who can write into the broker still cannot answer for
//! another machine.

use nkeys::{KeyPair, KeyPairType};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::message::{FleetMessage, MAX_BYTES, MessageError, encode};
use crate::seed_log::hex;

/// Stands before what is signed. No text begins with it, so that no nonce of a server, which the same key signs to be let in, can be
/// a report.
const DOMAIN: &[u8] = b"\xffqes-gguf report\0";

/// Bytes of a signature.
const SIGNATURE: usize = 64;

/// Length of a public key as text.
const PUBLIC: usize = 56;

/// Most bytes of a text around a message.
const ENVELOPE: usize = 1 << 12;

/// Reasons for which a key or a signature is refused.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum KeyError {
    #[error("this is no key of a fleet; `qes-gguf worker --enroll` makes one")]
    NoSeed,
    #[error("{0:?} is no public key of a fleet's machine, which has 56 characters and begins with U")]
    NoPublic(String),
    #[error("a report cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("a report of {0} bytes is longer than any that is expected")]
    TooLong(usize),
    #[error("a report is not signed by the key that it names")]
    NotSigned,
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// The private key of a machine.
pub struct NodeKey {
    pair: KeyPair,
    public: String,
}

impl NodeKey {
    /// Makes a new key.
    pub fn random() -> Self {
        Self::of(KeyPair::new_user())
    }

    /// Reads a key from its seed as text.
    ///
    /// # Errors
    /// When the text is none.
    pub fn parse(seed: &str) -> Result<Self, KeyError> {
        let pair = KeyPair::from_seed(seed.trim()).map_err(|_| KeyError::NoSeed)?;
        if pair.key_pair_type() == KeyPairType::User { Ok(Self::of(pair)) } else { Err(KeyError::NoSeed) }
    }

    fn of(pair: KeyPair) -> Self {
        let public = pair.public_key();
        Self { pair, public }
    }

    /// Returns the seed as text, which is secret.
    ///
    /// # Errors
    /// When the key has none.
    pub fn seed(&self) -> Result<String, KeyError> {
        self.pair.seed().map_err(|_| KeyError::NoSeed)
    }

    /// Returns the public key.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// Signs a message.
    ///
    /// # Errors
    /// When it cannot be written as JSON, or the key cannot sign.
    pub fn sign(&self, message: &impl FleetMessage) -> Result<Vec<u8>, KeyError> {
        let body = String::from_utf8_lossy(&encode(message)?).into_owned();
        let signature = self.pair.sign(&signed_bytes(&body)).map_err(|_| KeyError::NoSeed)?;
        Ok(serde_json::to_vec(&SignedText { by: self.public.clone(), body, signature: hex(&signature) })?)
    }
}

/// Checks that a text is a machine's public key.
///
/// # Errors
/// When it is none.
pub fn check_public(key: &str) -> Result<(), KeyError> {
    let is_user =
        || KeyPair::from_public_key(key).is_ok_and(|pair| pair.key_pair_type() == KeyPairType::User);
    let is_key = key.len() == PUBLIC && key.starts_with('U') && is_user();
    if is_key { Ok(()) } else { Err(KeyError::NoPublic(key.chars().take(80).collect())) }
}

/// A signed message as it is sent.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedText {
    by: String,
    /// The message, in the very bytes that are signed.
    body: String,
    /// The signature in hexadecimal.
    signature: String,
}

/// A message whose signature was checked.
#[derive(Debug)]
pub struct Signed<M> {
    /// The public key that signed it.
    pub by: String,
    /// The message.
    pub message: M,
}

impl<M: FleetMessage> Signed<M> {
    /// Reads a message from foreign bytes, and checks its signature.
    ///
    /// # Errors
    /// When it is malformed or not signed by the key that it names.
    pub fn open(bytes: &[u8]) -> Result<Self, KeyError> {
        // A quotation mark of the message takes two bytes in a text.
        if bytes.len() > 2 * MAX_BYTES + ENVELOPE {
            return Err(KeyError::TooLong(bytes.len()));
        }
        let SignedText { by, body, signature } = serde_json::from_slice(bytes)?;
        check_public(&by)?;
        let pair = KeyPair::from_public_key(&by).map_err(|_| KeyError::NotSigned)?;
        let signature = unhex(&signature).ok_or(KeyError::NotSigned)?;
        pair.verify(&signed_bytes(&body), &signature).map_err(|_| KeyError::NotSigned)?;
        Ok(Self { by, message: M::decode(body.as_bytes())? })
    }
}

/// Returns the bytes that are signed for a report.
fn signed_bytes(body: &str) -> Vec<u8> {
    [DOMAIN, body.as_bytes()].concat()
}

/// Reads the bytes of a signature from hexadecimal.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * SIGNATURE)?;
    Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}
