//! `--tokens auto`: whether a run tunes a few tokens' rows, and which.

use anyhow::Result;
use serde_json::{Value, json};

use super::args::{RunArgs, Tokens};
use super::{header, memory, setup, text};
use crate::model::Model;
use crate::seed_log::Header;
use crate::select;
use crate::surprise::{Standout, Surprise, surprise};
use crate::task::{Definition, Problems, RewardKind};
use crate::tune::Examiners;

/// The header of a run that tunes the rows of the tokens that stand out, and these; `None` where whole tensors are to be tuned.
/// The model is loaded for it, and let go of.
///
/// # Errors
/// When inference fails.
pub fn settle(
    args: &RunArgs,
    model: &Model,
    examiners: &mut Examiners,
    header: &Header,
    threads: usize,
) -> Result<Option<(Header, Surprise)>> {
    let Some(neutral) = examiners.neutral.clone().filter(|_| is_wanted(args, model, &header.task.definition))
    else {
        return Ok(None);
    };
    let plan = memory::plan(args, header, memory::weights(args, model), threads)?;
    let mut engine = setup::engine(model.reopen()?, &[], &args.inference, threads, plan.contexts)?;
    setup::rehearse(examiners, &engine)?;
    let found = surprise(&mut engine, &examiners.task, &neutral)?;
    if !found.is_clear() {
        return Ok(None);
    }
    let tokens: Vec<u64> = found.tokens.iter().map(|standout| standout.token).collect();
    Ok(Some((header::of_tokens(header.clone(), args, model, &tokens)?, found)))
}

/// Whether tokens are to be looked for: where the likelihood of the user's own replies counts, and nothing else was said of what is
/// tuned.
fn is_wanted(args: &RunArgs, model: &Model, definition: &Definition) -> bool {
    let search = &args.search;
    let is_auto = match &search.tokens {
        Some(tokens) => *tokens == Tokens::Auto,
        None => search.tensors.is_none() && search.fields.is_none(),
    };
    let is_tunable = select::output_matrix(&model.gguf).is_some_and(|matrix| matrix.tensor_type.is_tunable());
    let of_user = matches!(definition.problems, Problems::Data(_) | Problems::Gsm8k(_));
    let scored = definition.rewards.iter().any(|reward| reward.kind == RewardKind::Loglik);
    is_auto && is_tunable && of_user && scored
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

/// The same for programs.
pub fn object(found: &Surprise) -> Value {
    let token =
        |Standout { token, text, more }: &Standout| json!({"token": token, "text": text, "more": more});
    json!({"nats": found.nats, "share": found.share, "tokens": found.tokens.iter().map(token).collect::<Vec<_>>()})
}
