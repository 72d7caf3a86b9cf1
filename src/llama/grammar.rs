//! Matching of texts with a GBNF grammar, by llama.cpp's own parser.
//!
//! A grammar sampler decides which tokens may come next, by the characters that they spell. A text is matched in any
//! tokens that spell it. The tokenizer's own are unsuitable: some vocabularies write a space as another character.

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::Failure;
use super::layout::Token;
use super::log;
use super::model::NativeModel;

/// The rule that a whole text must match, as everywhere in llama.cpp.
const ROOT: &str = "root";

/// Returns whether each text matches the grammar from beginning to end.
pub(super) fn follow(model: &NativeModel, grammar: &str, texts: &[String]) -> Result<Vec<bool>, Failure> {
    log::take_errors("");
    let mut sampler = model
        .grammar(grammar, ROOT)
        .map_err(|error| format!("the grammar cannot be read: {}", log::take_errors(&error.to_string())))?;
    let end = model.end_token()?;
    let mut follows = |text: &String| {
        sampler.reset();
        let tokens = model.spelling().spell(text);
        tokens.is_some_and(|tokens| tokens.into_iter().all(|token| accept(&mut sampler, token)))
            && is_allowed(&mut sampler, end)
    };
    Ok(texts.iter().map(&mut follows).collect())
}

/// Advances by a token, if it may come next; returns whether it may.
fn accept(sampler: &mut LlamaSampler, token: Token) -> bool {
    let allowed = is_allowed(sampler, token);
    if allowed {
        sampler.accept(LlamaToken(token));
    }
    allowed
}

/// Returns whether a token may come next.
fn is_allowed(sampler: &mut LlamaSampler, token: Token) -> bool {
    let candidate = LlamaTokenData::new(LlamaToken(token), 0.0, 0.0);
    let mut candidates = LlamaTokenDataArray::new(vec![candidate], false);
    sampler.apply(&mut candidates);
    candidates.data.first().is_some_and(|candidate| candidate.logit().is_finite())
}
