//! `--tokens auto`: whether a run tunes a few tokens' rows, and which.

use anyhow::Result;

use super::resolve::RunOptions;
use super::{out, setup, text};
use crate::llama::LlamaOptions;
use crate::model::Model;
use crate::select;
use crate::surprise::{Surprise, surprise};
use crate::task::{Definition, Problems, Reward, RewardKind};
use crate::tune::Examiners;
use crate::tuning::engine;

/// Returns the tokens that stand out, whose rows are to be tuned; `None` where whole tensors are, or the rows of tokens that are
/// given. The model is loaded for it, and let go of.
///
/// # Errors
/// When inference fails.
pub fn find(
    options: &RunOptions,
    model: &Model,
    examiners: &mut Examiners,
    definition: &Definition,
) -> Result<Option<Surprise>> {
    if !options.search.looks_for_tokens() {
        return Ok(None);
    }
    let found = match hindrance(model, examiners, definition) {
        Some(why) => Err(why),
        None => look(options, model, examiners)?
            .filter(Surprise::is_clear)
            .ok_or("replies do not begin with tokens that stand out"),
    };
    if let (Err(why), Some(_)) = (&found, &options.search.tokens) {
        out::warn(format!("note: --tokens auto tunes whole tensors here, as {why}"));
    }
    Ok(found.ok())
}

/// Returns why tokens cannot be looked for.
fn hindrance(model: &Model, examiners: &Examiners, definition: &Definition) -> Option<&'static str> {
    let is_tunable = select::output_matrix(&model.gguf).is_some_and(|matrix| matrix.tensor_type.is_tunable());
    let is_scored = |reward: &Reward| reward.kind == RewardKind::Loglik && reward.weight > 0.0;
    if !is_tunable {
        Some("the model has no output matrix of a type that can be tuned")
    } else if !matches!(definition.problems, Problems::Data(_)) || !definition.rewards.iter().all(is_scored) {
        Some("the reward is not the log-likelihood of replies in --data")
    } else if examiners.neutral.is_none() {
        Some("there is no neutral set to compare the replies with")
    } else {
        None
    }
}

/// Looks for the tokens that stand out; `None` without a neutral set.
fn look(options: &RunOptions, model: &Model, examiners: &mut Examiners) -> Result<Option<Surprise>> {
    let context_bytes = options.memory(model).contexts_alone();
    let inference = LlamaOptions { context_bytes, ..options.inference.clone() };
    let mut engine = engine(model.reopen()?, &[], &inference)?;
    setup::rehearse(examiners, &engine)?;
    let found = examiners.neutral.as_ref().map(|neutral| surprise(&mut engine, &examiners.task, neutral));
    Ok(found.transpose()?)
}

/// Says which tokens are tuned and why.
pub fn line(found: &Surprise) -> String {
    let tokens: Vec<String> = found.tokens.iter().map(|standout| format!("{:?}", standout.text)).collect();
    format!(
        "replies begin with {} that the model would not say there: {}; only their rows of the output matrix are tuned, which \
         teaches how replies begin (--tokens all tunes whole tensors)",
        text::tokens(found.tokens.len() as u64),
        tokens.join(", ")
    )
}
