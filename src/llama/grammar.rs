//! Whether texts follow a GBNF grammar, by llama.cpp's own reading of it.
//!
//! A grammar sampler says which tokens may come next, by the characters that they spell. A text is followed in any tokens
//! that spell it. The tokenizer's are no use for that: some vocabularies write a space as another character.

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;

use super::Failure;
use super::layout::Token;
use super::log;
use super::model::Model;

/// The rule that a text has to follow from its beginning to its end, as everywhere in llama.cpp.
const ROOT: &str = "root";

/// Whether each text follows the grammar from beginning to end.
pub(super) fn follow(model: &Model, grammar: &str, texts: &[String]) -> Result<Vec<bool>, Failure> {
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

/// Goes on by a token, where it may come next.
fn accept(sampler: &mut LlamaSampler, token: Token) -> bool {
    let allowed = is_allowed(sampler, token);
    if allowed {
        sampler.accept(LlamaToken(token));
    }
    allowed
}

/// Whether a token may come next.
fn is_allowed(sampler: &mut LlamaSampler, token: Token) -> bool {
    let candidate = LlamaTokenData::new(LlamaToken(token), 0.0, 0.0);
    let mut candidates = LlamaTokenDataArray::new(vec![candidate], false);
    sampler.apply(&mut candidates);
    candidates.data.first().is_some_and(|candidate| candidate.logit().is_finite())
}
