//! Greedy decoding of many prompts side by side.

use super::Failure;
use super::context::Context;
use super::lanes;
use super::layout::{Chunk, Node, Token};
use super::model::Model;
use super::prepare::Prepared;
use super::row;

/// Completes every prompt with up to `max_new_tokens` tokens.
pub(super) fn complete(
    lanes: &mut [Context],
    model: &Model,
    batch: &Prepared,
    max_new_tokens: usize,
) -> Result<Vec<String>, Failure> {
    let mut completions = vec![String::new(); batch.requests.len()];
    let chunks = batch.prompts(max_new_tokens)?;
    let generate = |context: &mut Context, chunk: &Chunk| generate(context, model, chunk, max_new_tokens);
    for (chunk, generated) in chunks.iter().zip(lanes::deal(lanes, &chunks, generate)?) {
        for (requests, tokens) in chunk.sequences.iter().zip(generated) {
            let text = model.text(&tokens);
            for &request in requests {
                completions[request].clone_from(&text);
            }
        }
    }
    Ok(completions)
}

/// The tokens that each sequence of a chunk of prompts goes on with, without the one that ends it.
fn generate(
    context: &mut Context,
    model: &Model,
    chunk: &Chunk,
    max_new_tokens: usize,
) -> Result<Vec<Vec<Token>>, Failure> {
    let mut generated = vec![Vec::new(); chunk.sequences.len()];
    let mut step = chunk.nodes.clone();
    context.clear();
    for produced in 1..=max_new_tokens {
        let mut next = Vec::new();
        context.evaluate(&step, |node, logits| {
            let token = Token::try_from(row::greedy(logits))?;
            // Of the sequences that pass through a node, the one that ends there has the lowest number.
            let sequence = node.sequences.start;
            if !model.is_end(token) {
                generated[sequence].push(token);
                next.push(appended(node, token));
            }
            Ok(())
        })?;
        step = next;
        if step.is_empty() || produced == max_new_tokens {
            break;
        }
    }
    Ok(generated)
}

/// A token that follows the last one of a sequence.
fn appended(last: &Node, token: Token) -> Node {
    let sequence = last.sequences.start;
    let readers = last.readers.clone();
    Node { token, position: last.position + 1, sequences: sequence..sequence + 1, readers }
}
