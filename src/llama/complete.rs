//! Greedy decoding of many prompts side by side.

use super::Failure;
use super::context::Context;
use super::lanes;
use super::layout::{Room, Token};
use super::model::Model;
use super::prepare::Prepared;
use super::row;
use super::schedule::Schedule;

/// Completes every prompt with up to `max_new_tokens` tokens, and ends replies before that where `is_over` says so: it is
/// given the prompt's tokens and the number of those that follow.
pub(super) fn complete(
    lanes: &mut [Context],
    model: &Model,
    batch: &Prepared,
    max_new_tokens: usize,
    is_over: impl Fn(&[Token], usize) -> bool + Sync,
) -> Result<Vec<String>, Failure> {
    let mut completions = vec![String::new(); batch.requests.len()];
    let room = batch.room_for(max_new_tokens)?;
    if max_new_tokens == 0 {
        return Ok(completions);
    }
    let prompts = batch.prompts();
    let streams = batch.streams(&prompts);
    let generate =
        |context: &mut Context, stream: &&[&[Token]]| generate(context, model, stream, room, &is_over);
    let generated = lanes::deal(lanes, &streams, generate)?.into_iter().flatten();
    for (requests, tokens) in prompts.requests.iter().zip(generated) {
        let text = model.text(&tokens);
        for &request in requests {
            completions[request].clone_from(&text);
        }
    }
    Ok(completions)
}

/// The tokens that each prompt goes on with, without the one that ends it.
fn generate(
    context: &mut Context,
    model: &Model,
    prompts: &[&[Token]],
    room: Room,
    is_over: &impl Fn(&[Token], usize) -> bool,
) -> Result<Vec<Vec<Token>>, Failure> {
    let mut schedule = Schedule::new(prompts, room);
    context.clear();
    while let Some(step) = schedule.step() {
        context.rearrange(&step.moves)?;
        context.evaluate_as(&step.sequences, &step.nodes, |node, logits| {
            let token = Token::try_from(row::greedy(logits))?;
            for &prompt in &node.readers {
                let ends = model.is_end(token) || is_over(prompts[prompt], schedule.replied(prompt));
                schedule.tell(prompt, (!ends).then_some(token));
            }
            Ok(())
        })?;
    }
    Ok(schedule.replies())
}
