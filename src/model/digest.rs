//! Digests of tuned tensors: of a rebuilt model, of inference's, and those in a log.

use sha2::{Digest, Sha256};

use super::ModelError;
use crate::engine::{Engine, EngineError, TensorBytes};
use crate::seed_log::{SeedLog, hex};

/// Returns the digest that a run logged of its live codes after this many generations, if it evaluated them.
pub fn logged_digest(log: &SeedLog, generations: u64) -> Option<&str> {
    let evaluation = log.evaluations.iter().find(|evaluation| evaluation.generations == generations);
    evaluation.map(|evaluation| evaluation.codes_sha256.as_str())
}

/// Refuses codes that differ from the run's at this point.
///
/// # Errors
/// When the digests differ.
pub fn check_digest(log: &SeedLog, generations: u64, digest: &str) -> Result<(), ModelError> {
    match logged_digest(log, generations) {
        Some(logged) if logged != digest => {
            Err(ModelError::Diverged { generations, digest: digest.to_owned(), logged: logged.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Computes the SHA-256 over the bytes of all tuned tensors in a file's layout, in the log's order.
pub(super) fn of(tensors: &[TensorBytes<'_>]) -> String {
    let mut hash = Sha256::new();
    tensors.iter().for_each(|tensor| hash.update(&*tensor.bytes));
    hex(&hash.finalize())
}

/// Computes the same digest from the tensors that inference reads.
///
/// # Errors
/// When the engine cannot read them back.
pub fn live_digest(engine: &mut impl Engine) -> Result<String, EngineError> {
    let mut hash = Sha256::new();
    engine.read_tensors(&mut |bytes| hash.update(bytes))?;
    Ok(hex(&hash.finalize()))
}
