//! The tokens whose keys and values outlast an edit of the tuned tensors.
//!
//! If only rows of the token matrices are tuned, an edit changes the embeddings of some tokens, and their logits. The
//! keys and values of a token stay the same as long as neither it nor a token before it is one of those, so these
//! parts of a batch's prompts are evaluated once for all members of a generation.

use std::ops::Range;

use super::layout::Token;
use super::options::TensorSlot;

/// The matrix whose rows are the tokens' embeddings.
const EMBEDDINGS: &str = "token_embd.weight";
/// The matrix whose rows give the logits, in a model whose embeddings do not.
const OUTPUT: &str = "output.weight";

/// The tokens whose keys and values an edit may change by themselves, regardless of the tokens before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edited {
    /// The keys and values of any token.
    Anything,
    /// The keys and values of these tokens.
    Tokens(Vec<Range<usize>>),
}

impl Edited {
    /// Returns the tokens affected by edits of these tensors.
    pub(super) fn by(slots: &[TensorSlot]) -> Self {
        let mut tokens = Vec::new();
        for slot in slots {
            match (slot.is_whole(), slot.name.as_str()) {
                (false, OUTPUT) => {}
                (false, EMBEDDINGS) => tokens.extend(rows(slot)),
                _ => return Self::Anything,
            }
        }
        if slots.is_empty() { Self::Anything } else { Self::Tokens(tokens) }
    }

    /// Returns whether the keys and values of a token outlast every edit, if those of all tokens before it do.
    pub(super) fn spares(&self, token: Token) -> bool {
        match (self, usize::try_from(token)) {
            (Self::Tokens(edited), Ok(token)) => !edited.iter().any(|rows| rows.contains(&token)),
            _ => false,
        }
    }
}

/// Returns the tuned parts of a matrix as ranges of rows.
fn rows(slot: &TensorSlot) -> impl Iterator<Item = Range<usize>> {
    let row = slot.tensor_type.block_bytes() as usize * slot.row_blocks;
    let start = slot.range.start;
    slot.tuned.iter().map(move |part| (part.start - start) / row..(part.end - start).div_ceil(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor_type::TensorType;

    /// Returns a matrix of 10 rows of 2 blocks, after 100 other bytes, with tuned parts, each from one row to before another.
    fn slot(name: &str, tuned: &[(usize, usize)]) -> TensorSlot {
        let row = 2 * TensorType::Q8_0.block_bytes() as usize;
        let bytes = |&(start, end): &(usize, usize)| 100 + start * row..100 + end * row;
        TensorSlot {
            name: name.to_owned(),
            range: bytes(&(0, 10)),
            tuned: tuned.iter().map(bytes).collect(),
            tensor_type: TensorType::Q8_0,
            row_blocks: 2,
            matrix_rows: 10,
        }
    }

    #[test]
    fn rows_of_embeddings_change_their_tokens_and_rows_of_the_output_none() {
        let spared = |slots: &[TensorSlot]| -> Vec<Token> {
            let edited = Edited::by(slots);
            (0..10).filter(|token| edited.spares(*token)).collect()
        };
        let embeddings = slot(EMBEDDINGS, &[(2, 3), (5, 8)]);
        assert_eq!(spared(std::slice::from_ref(&embeddings)), [0, 1, 3, 4, 8, 9]);
        assert_eq!(spared(&[slot(OUTPUT, &[(2, 3)])]), (0..10).collect::<Vec<_>>());
        assert_eq!(spared(&[embeddings, slot(OUTPUT, &[(0, 1)])]), [0, 1, 3, 4, 8, 9]);
        let anything: [&[TensorSlot]; 3] =
            [&[], &[slot(EMBEDDINGS, &[(0, 10)])], &[slot("blk.0.attn_q.weight", &[(2, 3)])]];
        for slots in anything {
            assert!(spared(slots).is_empty(), "{slots:?}");
        }
    }
}
