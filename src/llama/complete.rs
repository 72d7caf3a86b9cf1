//! Decoding of many prompts in continuous batching.

use super::Failure;
use super::context::Context;
use super::lanes;
use super::layout::{Room, Token};
use super::model::NativeModel;
use super::prepare::{Prepared, PromptStream};
use super::row;
use super::schedule::Schedule;
use crate::engine::{Decoding, Reply};
use crate::rng::{Domain, Source};

/// Completes every prompt, and ends a reply early if `is_over` accepts the prompt's tokens and the number of those
/// that follow.
pub(super) fn complete(
    lanes: &mut [Context],
    model: &NativeModel,
    batch: &Prepared,
    how: &Decoding,
    is_over: impl Fn(&[Token], usize) -> bool + Sync,
) -> Result<Vec<Reply>, Failure> {
    let mut completions = vec![Reply { text: String::new(), ended: false }; batch.requests.len()];
    let room = batch.room_for(model, how.max_new_tokens)?;
    if how.max_new_tokens == 0 {
        return Ok(completions);
    }
    let prompts = batch.prompts();
    let streams = batch.streams(&prompts);
    let ends = how.stop.iter().filter_map(|stop| model.tokens(stop, true).first().copied());
    let ends = ends.filter(|&token| model.is_control(token)).collect();
    let writer = Writer { model, how, ends, source: Source::new(how.seed, Domain::Replies), is_over };
    let generated = lanes::deal(lanes, &streams, |context, stream| writer.generate(context, stream, room))?;
    for (requests, tokens) in prompts.requests.iter().zip(generated.into_iter().flatten()) {
        let reply = writer.reply(&tokens);
        for &request in requests {
            completions[request].clone_from(&reply);
        }
    }
    Ok(completions)
}

/// Chooses the next token of replies, and their ends.
struct Writer<'a, F> {
    model: &'a NativeModel,
    how: &'a Decoding,
    /// Control tokens with which stop texts begin; they are missing from the text of a reply.
    ends: Vec<Token>,
    source: Source,
    is_over: F,
}

impl<F: Fn(&[Token], usize) -> bool + Sync> Writer<'_, F> {
    /// Returns the tokens that follow each prompt, without the one that ends them.
    fn generate(
        &self,
        context: &mut Context,
        stream: &PromptStream<'_>,
        room: Room,
    ) -> Result<Vec<Vec<Token>>, Failure> {
        let mut schedule = Schedule::new(stream.prompts, room);
        context.clear();
        while let Some(step) = schedule.step() {
            context.rearrange(&step.moves)?;
            context.evaluate_as(&step.sequences, &step.nodes, |node, logits| {
                for &prompt in &node.readers {
                    let replied = schedule.reply(prompt).len();
                    let token = Token::try_from(self.choose(logits, stream.first + prompt, replied))?;
                    let ends = self.model.is_end(token)
                        || self.ends.contains(&token)
                        || (self.is_over)(stream.prompts[prompt], replied);
                    schedule.tell(prompt, (!ends).then_some(token));
                    if !ends && replied + 1 < room.reserve && self.stop(schedule.reply(prompt)).is_some() {
                        schedule.tell(prompt, None);
                    }
                }
                Ok(())
            })?;
        }
        Ok(schedule.replies())
    }

    /// Returns the token after `replied` tokens of the reply to a prompt. Sampling depends on the seed, the prompt's
    /// number in the batch, and the position: every member of a population gets the same random numbers.
    fn choose(&self, logits: &[f32], prompt: usize, replied: usize) -> usize {
        if self.how.temp == 0.0 {
            return row::greedy(logits);
        }
        let mut stream = self.source.stream((prompt as u64) << 32 | replied as u64);
        row::drawn(logits, self.how.temp, stream.unit())
    }

    /// Returns the first byte of a stop text in the reply, if there is one.
    fn stop(&self, reply: &[Token]) -> Option<usize> {
        if self.how.stop.is_empty() {
            return None;
        }
        let text = self.model.text(reply);
        self.how.stop.iter().filter_map(|stop| text.find(stop.as_str())).min()
    }

    /// Returns a reply as text, without the stop text that ended it.
    fn reply(&self, reply: &[Token]) -> Reply {
        let mut text = self.model.text(reply);
        let stop = self.stop(reply);
        if let Some(end) = stop {
            text.truncate(end);
        }
        Reply { text, ended: stop.is_some() || reply.len() < self.how.max_new_tokens }
    }
}
