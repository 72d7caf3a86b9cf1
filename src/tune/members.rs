//! Applies and reverts members' perturbations on an engine's integers.

use crate::engine::{Engine, EngineError};
use crate::noise::NoiseSeed;
use crate::perturb::{Applied, Edit, Member, Sign};
use crate::replay::History;
use crate::sweep::{PerTile, edit_all, per_tile};

/// Turns an engine's integers into those of a member and back.
#[derive(Debug)]
pub struct Members {
    applied: PerTile<Applied>,
    /// The member that inference sees, if it does not see the unperturbed model.
    perturbed: Option<(NoiseSeed, Sign)>,
}

impl Members {
    /// Creates the state of an unperturbed engine that is tuned by this history.
    pub fn new(history: &History) -> Self {
        Self { applied: per_tile(history), perturbed: None }
    }

    /// Turns the engine's integers into those of a member, or into the unperturbed ones. A member stays in place until
    /// then, so that it is reverted in the pass that perturbs the next.
    ///
    /// # Errors
    /// When changed bytes cannot be copied to the memory that inference reads.
    pub fn turn_into<E: Engine>(
        &mut self,
        next: Option<Member<'_>>,
        engine: &mut E,
        history: &History,
    ) -> Result<(), EngineError> {
        let before = self.perturbed.as_ref().map(|(seed, sign)| Member { seed, sign: *sign });
        let edits = match (before, next) {
            (Some(before), Some(next)) if before.seed == next.seed && before.sign != next.sign => {
                vec![(Edit::Mirror, before)]
            }
            _ => {
                let restored = before.map(|member| (Edit::Restore, member));
                let perturbed = next.map(|member| (Edit::Perturb, member));
                restored.into_iter().chain(perturbed).collect()
            }
        };
        edit_all(&edits, history, &mut self.applied).on(engine)?;
        self.perturbed = next.map(|Member { seed, sign }| (seed.clone(), sign));
        Ok(())
    }
}
