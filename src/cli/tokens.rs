//! `--tokens auto`: the search for a few tokens whose rows a run tunes.

use anyhow::Result;

use super::resolve::RunOptions;
use super::{out, setup, text};
use crate::ending::{Ending, ending};
use crate::gguf::TensorEntry;
use crate::llama::LlamaOptions;
use crate::model::Model;
use crate::recipe::RowsFor;
use crate::select;
use crate::surprise::{Surprise, surprise};
use crate::task::{Definition, Problems, Reward, RewardKind};
use crate::tune::Evaluators;
use crate::tuning::engine;

/// Evidence that a task is best learned in a few tokens' rows.
pub enum FoundTokens {
    /// Evidence from the beginnings of wanted replies.
    Opening(Surprise),
    /// Evidence from the model's own replies, which go on.
    Ending(Ending),
}

impl FoundTokens {
    /// Returns the purpose for which their rows are tuned.
    pub fn rows_for(&self) -> RowsFor {
        match self {
            Self::Opening(_) => RowsFor::Opening,
            Self::Ending(_) => RowsFor::Ending,
        }
    }

    /// Returns the tokens, by their numbers.
    pub fn tokens(&self) -> Vec<u64> {
        match self {
            Self::Opening(surprise) => surprise.tokens.iter().map(|standout| standout.token).collect(),
            Self::Ending(ending) => vec![ending.token],
        }
    }
}

/// Returns the tokens whose rows are to be tuned, and the evidence; `None` if whole tensors are tuned, or the rows of
/// given tokens. The model is loaded for it, and unloaded.
///
/// # Errors
/// When inference fails.
pub fn find(
    options: &RunOptions,
    model: &Model,
    evaluators: &mut Evaluators,
    definition: &Definition,
) -> Result<Option<FoundTokens>> {
    if !options.search.looks_for_tokens() {
        return Ok(None);
    }
    let found = match hindrance(options, model, evaluators, definition) {
        Some(why) => Err(why),
        None => look(options, model, evaluators, definition)?,
    };
    if let (Err(why), Some(_)) = (&found, &options.search.tokens) {
        out::warn(format!("note: --tokens auto tunes whole tensors here, as {why}"));
    }
    Ok(found.ok())
}

/// Returns the reason that tokens cannot be looked for, if there is one.
fn hindrance(
    options: &RunOptions,
    model: &Model,
    evaluators: &Evaluators,
    definition: &Definition,
) -> Option<&'static str> {
    let has_codes = |matrix: &TensorEntry| matrix.tensor_type.code_range().is_some();
    let has_codes = select::output_matrix(&model.gguf).is_some_and(has_codes);
    if !has_codes {
        Some("the model has no output matrix of a type whose codes can be tuned")
    } else if !matches!(definition.problems, Problems::Data(_)) {
        Some("the problems are no --data")
    } else if is_scored(definition) && evaluators.neutral.is_none() {
        Some("there is no neutral set to compare the replies with")
    } else if !is_scored(definition) && options.search.candidates.is_some() {
        Some("problems are chosen by how likely their wanted replies are (--candidates)")
    } else if !is_scored(definition) && !evaluators.task.judges_replies_alone() {
        Some(
            "the reward is neither the log-likelihood of given replies nor a rule that replies are judged by",
        )
    } else {
        None
    }
}

/// Returns whether only the likelihood of wanted replies is rewarded.
fn is_scored(definition: &Definition) -> bool {
    let is_scored = |reward: &Reward| reward.kind == RewardKind::Loglik && reward.weight > 0.0;
    definition.rewards.iter().all(is_scored)
}

/// Looks for tokens whose rows are the place to learn the task. If there are none, reports why.
fn look(
    options: &RunOptions,
    model: &Model,
    evaluators: &mut Evaluators,
    definition: &Definition,
) -> Result<Result<FoundTokens, &'static str>> {
    let context_bytes = options.memory(model).contexts_alone();
    let inference = LlamaOptions { context_bytes, ..options.inference.clone() };
    let mut engine = engine(model.reopen()?, &[], &inference)?;
    setup::rehearse(evaluators, &engine)?;
    if !is_scored(definition) {
        out::warn(
            "note: the model first replies to some of the problems, to see whether its replies are right but go on; --tokens all \
             leaves that out",
        );
        let Some(ending) = ending(&mut engine, &mut evaluators.task)? else {
            return Ok(Err("a text ends replies, and no token"));
        };
        let ending = Some(ending).filter(Ending::is_clear).map(FoundTokens::Ending);
        return Ok(ending.ok_or("to end sooner would not make most of the wrong replies right"));
    }
    let Some(neutral) = &evaluators.neutral else { return Ok(Err("there is no neutral set")) };
    let found = Some(surprise(&mut engine, &evaluators.task, neutral)?).filter(Surprise::is_clear);
    Ok(found.map(FoundTokens::Opening).ok_or("replies do not begin with tokens that stand out"))
}

/// Describes the tokens that are tuned, and the evidence.
pub fn line(found: &FoundTokens) -> String {
    match found {
        FoundTokens::Opening(surprise) => opening_line(surprise),
        FoundTokens::Ending(ending) => ending_line(ending),
    }
}

fn ending_line(Ending { text, worth, .. }: &Ending) -> String {
    format!(
        "the model's replies to {} problems are worth {:.2} on average, and would be worth {:.2} had they ended sooner; only the \
         row of {text:?} in the output matrix is tuned, on the likelihood of right replies and of such ends, which teaches where replies \
         end (--tokens all tunes whole tensors, on replies of the members' own)",
        worth.replies, worth.reward, worth.ended_sooner
    )
}

fn opening_line(found: &Surprise) -> String {
    let tokens: Vec<String> = found.tokens.iter().map(|standout| format!("{:?}", standout.text)).collect();
    format!(
        "replies begin with {} that the model would not say there: {}; only their rows of the output matrix are tuned, which \
         teaches how replies begin (--tokens all tunes whole tensors)",
        text::tokens(found.tokens.len() as u64),
        tokens.join(", ")
    )
}
