//! Tokenization of requests.
//!
//! Prompt and completion are tokenized as one text, as a model sees them, and not each by itself: a tokenizer may put
//! a space before a text, and it may merge letters on both sides of the boundary.

use super::Failure;
use super::layout::Token;
use super::model::NativeModel;
use crate::engine::Request;

/// One request as tokens.
#[derive(Clone, Debug)]
pub(super) struct TokenizedRequest {
    /// Tokens of prompt and completion, followed by the end-of-generation token unless the completion goes on.
    pub(super) all: Vec<Token>,
    /// Number of tokens before those that are scored: the common prefix of the prompt by itself and the whole. A token
    /// with letters of both prompt and completion is scored.
    pub(super) prompt_len: usize,
    /// The tokens of the prompt by itself, which replies continue.
    pub(super) prompt: Vec<Token>,
}

impl TokenizedRequest {
    pub(super) fn new(model: &NativeModel, request: &Request) -> Result<Self, Failure> {
        let Request { prompt, completion, goes_on, literal, first } = request;
        let of_prompt: Vec<usize> = literal.iter().copied().filter(|&place| place < prompt.len()).collect();
        let mut before = text(model, prompt, &of_prompt);
        let mut all = text(model, &format!("{prompt}{completion}"), literal);
        if all.is_empty() {
            return Err("a prompt is empty, and the model has no token that begins a text".into());
        }
        let ends = all.last().is_some_and(|&token| model.is_end(token)) && !completion.is_empty();
        if (!goes_on && !ends) || all.len() < 2 {
            all.push(model.end_token()?);
        }
        let in_common = all.iter().zip(&before).take_while(|(a, b)| a == b).count();
        // A text that begins without a token of its own is scored from the second one on: nothing stands before the first.
        let prompt_len = in_common.clamp(1, all.len() - 1);
        if before.is_empty() {
            before.extend_from_slice(&all[..1]);
        }
        if let Some(first) = first {
            all.truncate(prompt_len.saturating_add((*first).max(1)));
        }
        Ok(Self { all, prompt_len, prompt: before })
    }
}

/// Returns the tokens of a text from its beginning, with one that begins it if the model has one and the text does not
/// name it. The names of control tokens that begin at `literal` mean their letters.
pub(super) fn text(model: &NativeModel, text: &str, literal: &[usize]) -> Vec<Token> {
    let mut tokens: Vec<Token> = model.beginning().into_iter().collect();
    let begun = tokens.len();
    if literal.is_empty() {
        tokens.extend(model.tokens(text, true));
    } else {
        for (part, parsed) in parts(model, text, literal) {
            tokens.extend(model.tokens(part, parsed));
        }
    }
    if begun == 1 && tokens.get(1) == tokens.first() {
        tokens.remove(0);
    }
    tokens
}

/// Returns the parts of a text between names of control tokens that mean these, each with whether names in it are to
/// be parsed. Parts without literal names stay together.
fn parts<'a>(model: &NativeModel, text: &'a str, literal: &[usize]) -> Vec<(&'a str, bool)> {
    let (mut parts, mut done, mut from, mut has_literal) = (Vec::new(), 0, 0, false);
    let mut close = |done: &mut usize, from: usize, to: usize, has_literal: bool| {
        if has_literal {
            parts.extend([(&text[*done..from], true), (&text[from..to], false)]);
            *done = to;
        }
    };
    for name in model.vocabulary().control.find(text) {
        if literal.contains(&name.start) {
            has_literal = true;
        } else {
            close(&mut done, from, name.start, std::mem::take(&mut has_literal));
            from = name.end;
        }
    }
    close(&mut done, from, text.len(), has_literal);
    parts.push((&text[done..], true));
    parts.retain(|(part, _)| !part.is_empty());
    parts
}
