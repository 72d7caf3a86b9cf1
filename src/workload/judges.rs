//! Judges of replies, by the definition of a reward.

use std::time::Duration;

use crate::judge::{Json, Judge, JudgeError, Numeric, Pattern};
use crate::reward_command::{ANSWER_TIMEOUT, RewardCommand};
use crate::task::{Reward, RewardKind};

/// Creates the judge of a reward that neither the task nor the engine judges; `None` for other rewards.
///
/// # Errors
/// When the reward's pattern or schema is invalid.
pub fn judge(reward: &Reward) -> Result<Option<Box<dyn Judge>>, JudgeError> {
    Ok(match &reward.kind {
        RewardKind::Loglik
        | RewardKind::SoftLoglik
        | RewardKind::Margin
        | RewardKind::Exact
        | RewardKind::Grammar { .. }
        | RewardKind::Code => None,
        RewardKind::Numeric => Some(Box::new(Numeric)),
        RewardKind::Regex { pattern: Some(pattern) } => Some(Box::new(Pattern::for_all(pattern)?)),
        RewardKind::Regex { pattern: None } => Some(Box::new(Pattern::of_each())),
        RewardKind::Json { schema, equal } => {
            let json = schema.as_ref().map_or_else(|| Ok(Json::any()), Json::of_schema)?;
            Some(Box::new(if *equal { json.equal_to_wanted() } else { json }))
        }
        RewardKind::Command { command, timeout, on_timeout } => {
            let timeout = timeout.map_or(ANSWER_TIMEOUT, Duration::from_secs_f64);
            Some(Box::new(RewardCommand::new(command.clone(), timeout).on_timeout(*on_timeout)))
        }
    })
}
