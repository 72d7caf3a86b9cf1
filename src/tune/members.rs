//! Whose codes an engine holds: now those of one member, now those of another.

use crate::engine::{Engine, EngineError};
use crate::noise::Pair;
use crate::perturb::{Applied, Edit, Member, Sign};
use crate::replay::History;
use crate::seed_log::TensorSpec;
use crate::sweep::{PerTile, edit_all};

/// What it takes to turn an engine's codes into those of a member and back.
#[derive(Debug)]
pub struct Members {
    applied: PerTile<Applied>,
    /// The member whose codes inference sees, if these are not everybody's.
    perturbed: Option<(Pair, Sign)>,
}

impl Members {
    /// For an engine that nobody's perturbation is applied to; `applied` has a place for each tile.
    pub fn new(applied: PerTile<Applied>) -> Self {
        Self { applied, perturbed: None }
    }

    /// Turns the codes into those of a member, or into everybody's. A member is left in place until then, so that it is
    /// taken back in the pass over all codes that perturbs the next.
    ///
    /// # Errors
    /// When changed bytes cannot be brought to where inference reads them.
    pub fn turn_into<E: Engine>(
        &mut self,
        next: Option<Member<'_>>,
        engine: &mut E,
        specs: &[TensorSpec],
        history: &History,
    ) -> Result<(), EngineError> {
        let before = self.perturbed.as_ref().map(|(pair, sign)| Member { pair, sign: *sign });
        let edits = match (before, next) {
            (Some(before), Some(next)) if before.pair == next.pair => vec![(Edit::Mirror, before)],
            _ => {
                let restored = before.map(|member| (Edit::Restore, member));
                let perturbed = next.map(|member| (Edit::Perturb, member));
                restored.into_iter().chain(perturbed).collect()
            }
        };
        let applied = &mut self.applied;
        engine.edit_codes(&mut |codes| edit_all(&edits, codes, specs, history, applied))?;
        self.perturbed = next.map(|Member { pair, sign }| (pair.clone(), sign));
        Ok(())
    }
}
