//! Independent check of the codes.

use crate::model::ModelError;

/// An independent source of what the codes should be.
pub trait Auditor: Send {
    /// Checks that the tuned tensors should have this digest after this many generations.
    ///
    /// # Errors
    /// When they should have another, or that cannot be determined.
    fn audit(&mut self, generations: u64, live: &str) -> Result<(), ModelError>;
}
