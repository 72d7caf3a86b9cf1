//! Whether texts follow a GBNF grammar, by llama.cpp's own reading of both.
//!
//! A grammar sampler says which tokens may come next. A text is followed token by token; it need not be the tokens that a
//! model would have chosen, since the sampler looks at their characters.

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
    let mut allows = |text: &String| {
        sampler.reset();
        let tokens = model.completion_tokens(text);
        tokens.into_iter().all(|token| {
            let allowed = is_allowed(&mut sampler, token);
            if allowed {
                sampler.accept(LlamaToken(token));
            }
            allowed
        }) && is_allowed(&mut sampler, end)
    };
    Ok(texts.iter().map(&mut allows).collect())
}

/// Whether a token may come next.
fn is_allowed(sampler: &mut LlamaSampler, token: Token) -> bool {
    let candidate = LlamaTokenData::new(LlamaToken(token), 0.0, 0.0);
    let mut candidates = LlamaTokenDataArray::new(vec![candidate], false);
    sampler.apply(&mut candidates);
    candidates.data.first().is_some_and(|candidate| candidate.logit().is_finite())
}
