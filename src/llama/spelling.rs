//! Tokens that spell a text, whatever the tokenizer's own would be.

use std::collections::HashMap;

use super::layout::Token;

/// Longest piece, in bytes, with which texts are spelled; any text that a model wrote can be spelled with short ones.
const LONGEST: usize = 8;

/// Tokens by the bytes that they spell.
#[derive(Debug)]
pub(super) struct Spelling(HashMap<Vec<u8>, Token>);

impl Spelling {
    pub(super) fn new(pieces: impl Iterator<Item = (Vec<u8>, Token)>) -> Self {
        Self(pieces.filter(|(piece, _)| (1..=LONGEST).contains(&piece.len())).collect())
    }

    /// Returns tokens that spell a text; `None` if the vocabulary lacks them.
    pub(super) fn spell(&self, text: &str) -> Option<Vec<Token>> {
        let (mut rest, mut tokens) = (text.as_bytes(), Vec::new());
        while !rest.is_empty() {
            let longest = (1..=LONGEST.min(rest.len())).rev();
            let (len, token) =
                longest.filter_map(|len| self.0.get(&rest[..len]).map(|&token| (len, token))).next()?;
            tokens.push(token);
            rest = &rest[len..];
        }
        Some(tokens)
    }
}
