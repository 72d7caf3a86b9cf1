//! A second opinion on the codes.

use crate::model::ModelError;

/// Someone who knows by other means what the codes should be.
pub trait Auditor: Send {
    /// Fails unless the tuned tensors should have this digest after so many generations.
    ///
    /// # Errors
    /// When they should have another, or that cannot be found out.
    fn audit(&mut self, generations: u64, live: &str) -> Result<(), ModelError>;
}
