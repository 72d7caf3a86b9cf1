//! `--tokens auto`: whether a run tunes a few tokens' rows, and which.

use anyhow::Result;
use serde_json::{Value, json};

use super::args::{RunArgs, SearchArgs, Tokens};
use super::{header, memory, out, setup, text};
use crate::model::Model;
use crate::seed_log::Header;
use crate::select;
use crate::surprise::{Standout, Surprise, surprise};
use crate::task::{Definition, Problems, Reward, RewardKind};
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
    let asked = args.search.tokens.as_ref();
    if asked.is_some_and(|tokens| *tokens != Tokens::Auto) || asked.is_none() && says_otherwise(&args.search)
    {
        return Ok(None);
    }
    let found = match hindrance(model, examiners, &header.task.definition) {
        Some(why) => Err(why),
        None => look(args, model, examiners, threads)?
            .filter(Surprise::is_clear)
            .ok_or("replies do not begin with tokens that stand out"),
    };
    match found {
        Ok(found) => {
            let tokens: Vec<u64> = found.tokens.iter().map(|standout| standout.token).collect();
            Ok(Some((header::of_tokens(header.clone(), args, model, &tokens)?, found)))
        }
        Err(why) => {
            if asked.is_some() {
                out::warn(format!("note: --tokens auto tunes whole tensors here, as {why}"));
            }
            Ok(None)
        }
    }
}

/// Whether flags say what is tuned, or say sizes in a way that fits whole tensors alone.
fn says_otherwise(search: &SearchArgs) -> bool {
    let sizes = [&search.sigma, &search.alpha, &search.alpha_final];
    let fits_all = |size: &str| size.trim().ends_with('%') && !size.contains(['=', ',']);
    search.tensors.is_some()
        || search.fields.is_some()
        || sizes.into_iter().flatten().any(|size| !fits_all(size))
}

/// Why tokens cannot be looked for.
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

/// The tokens that stand out; `None` without a neutral set.
fn look(
    args: &RunArgs,
    model: &Model,
    examiners: &mut Examiners,
    threads: usize,
) -> Result<Option<Surprise>> {
    let contexts = memory::contexts_alone(args, memory::weights(args, model));
    let mut engine = setup::engine(model.reopen()?, &[], &args.inference, threads, contexts)?;
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

/// The same for programs.
pub fn object(found: &Surprise) -> Value {
    let token =
        |Standout { token, text, more }: &Standout| json!({"token": token, "text": text, "more": more});
    json!({"nats": found.nats, "share": found.share, "tokens": found.tokens.iter().map(token).collect::<Vec<_>>()})
}
