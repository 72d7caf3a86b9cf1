//! Estimates of the memory of contexts from the header of a model's file, without loading the model.
//!
//! Loading means reading the whole file and its vocabulary, and llama.cpp ends the process if the latter is damaged:
//! too much for an inspection. The buffers that llama.cpp would report of a context of size [`PROBE`] follow from the
//! shapes of a few tensors, so the plan made of them is still that of [`ContextCost`].

use super::LlamaOptions;
use super::budget::{ContextCost, PROBE};
use super::size::ContextBuffers;
use crate::gguf::{Gguf, TensorEntry};

/// Bytes of a number in keys and values: 16-bit floats.
const CELL_NUMBER_BYTES: u64 = 2;

/// Numbers (f32) that a pass holds for each token at its peak, within a block: `EMBEDDING_VECTORS` vectors as wide as
/// the embedding, and `FEED_FORWARD_VECTORS` as wide as the feed-forward layer. Found by fitting: exact to 0.1% for
/// llama.cpp's llama graph at widths from 256 to 1024 and feed-forward layers from 768 to 4864.
const EMBEDDING_VECTORS: u64 = 5;
const FEED_FORWARD_VECTORS: u64 = 3;

/// Bytes of the attention mask for each token and cell, a 16-bit float.
const MASK_BYTES: u64 = 2;

/// Returns the estimated bytes of the contexts of an engine on this model; `None` if a model keeps other state than
/// keys and values (a recurrent one), or lacks the shapes for it.
pub fn estimated_context_bytes(gguf: &Gguf, options: &LlamaOptions) -> Option<u64> {
    let (embedding, vocabulary) = matrix(gguf.tensor("token_embd.weight")?)?;
    let buffers = buffers(gguf, embedding)?;
    let cost = ContextCost::new(buffers, usize::try_from(vocabulary).ok()?);
    let model_bytes = gguf.tensors().iter().map(|tensor| tensor.range.end - tensor.range.start).sum();
    let (lanes, size) = cost.choose(model_bytes, options, false).ok()?;
    Some(cost.of_lanes(lanes, size))
}

/// Returns the buffers of a context of size [`PROBE`].
pub(super) fn buffers(gguf: &Gguf, embedding: u64) -> Option<ContextBuffers> {
    let is_recurrent = |tensor: &TensorEntry| {
        [".ssm_", ".time_mix_", ".shortconv"].iter().any(|part| tensor.name.contains(part))
    };
    if gguf.tensors().iter().any(is_recurrent) {
        return None;
    }
    let widths = gguf.tensors().iter().filter_map(|tensor| cell_numbers(gguf, tensor));
    let numbers = widths.reduce(u64::saturating_add)?;
    let vectors = (EMBEDDING_VECTORS * embedding)
        .saturating_add(FEED_FORWARD_VECTORS.saturating_mul(feed_forward(gguf)));
    let of_token = vectors.saturating_mul(4).saturating_add(MASK_BYTES * PROBE.cells as u64);
    Some(ContextBuffers {
        cells: numbers.saturating_mul(CELL_NUMBER_BYTES * PROBE.cells as u64),
        states: 0,
        compute: of_token.saturating_mul(PROBE.tokens as u64),
    })
}

/// Returns the numbers that a tensor adds to the KV cache for each token; `None` unless it makes keys or values.
fn cell_numbers(gguf: &Gguf, tensor: &TensorEntry) -> Option<u64> {
    let (block, name) = tensor.name.strip_suffix(".weight")?.rsplit_once('.')?;
    let (_, outputs) = matrix(tensor)?;
    match name {
        // The last one is of latent attention, which keeps the vector from which keys and values are computed.
        "attn_k" | "attn_v" | "attn_kv_a_mqa" => Some(outputs),
        // Queries, keys and values in one; queries are as wide as what attention gives on.
        "attn_qkv" => {
            let (queries, _) = matrix(gguf.tensor(&format!("{block}.attn_output.weight"))?)?;
            outputs.checked_sub(queries)
        }
        _ => None,
    }
}

/// Returns the width of the widest feed-forward layer, that of all experts in use together.
fn feed_forward(gguf: &Gguf) -> u64 {
    let used = gguf.metadata_u64(&format!("{}.expert_used_count", gguf.architecture())).unwrap_or(1);
    let width = |tensor: &TensorEntry| {
        let (inputs, _) = matrix(tensor)?;
        match tensor.name.strip_suffix(".weight")?.rsplit_once('.')?.1 {
            "ffn_down" => Some(inputs),
            "ffn_down_exps" => Some(inputs.saturating_mul(used.min(*tensor.shape.get(2)?))),
            _ => None,
        }
    };
    gguf.tensors().iter().filter_map(width).max().unwrap_or(0)
}

/// Returns the inputs and outputs of a matrix.
fn matrix(tensor: &TensorEntry) -> Option<(u64, u64)> {
    match tensor.shape[..] {
        [inputs, outputs, ..] => Some((inputs, outputs)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::tests::builder::{Builder, F32};

    fn buffers_of(file: &Builder) -> Option<ContextBuffers> {
        let gguf = Gguf::parse(&file.build()).unwrap();
        buffers(&gguf, matrix(gguf.tensor("token_embd.weight").unwrap()).unwrap().0)
    }

    /// Returns a file with an embedding of 64 tokens and width 32.
    fn file() -> Builder {
        Builder::new().tensor("token_embd.weight", &[32, 64], F32)
    }

    #[test]
    fn keys_and_values_are_found_in_all_forms() {
        let cells = |file: Builder| buffers_of(&file).map(|buffers| buffers.cells / (2 * 256));
        let apart =
            file().tensor("blk.0.attn_k.weight", &[32, 8], F32).tensor("blk.0.attn_v.weight", &[32, 4], F32);
        assert_eq!(cells(apart), Some(12));
        let together = file().tensor("blk.0.attn_qkv.weight", &[32, 32 + 2 * 8], F32).tensor(
            "blk.0.attn_output.weight",
            &[32, 32],
            F32,
        );
        assert_eq!(cells(together), Some(16));
        assert_eq!(cells(file().tensor("blk.0.attn_kv_a_mqa.weight", &[32, 10], F32)), Some(10));
    }

    #[test]
    fn experts_at_work_count_and_no_others() {
        let file = file()
            .u32("llama.expert_used_count", 2)
            .tensor("blk.0.attn_k.weight", &[32, 8], F32)
            .tensor("blk.0.ffn_down.weight", &[20, 32], F32)
            .tensor("blk.1.ffn_down_exps.weight", &[16, 32, 4], F32);
        assert_eq!(buffers_of(&file).unwrap().compute, 64 * (4 * (5 * 32 + 3 * 32) + 2 * 256));
    }

    #[test]
    fn models_that_keep_other_things_are_not_estimated() {
        let file = file().tensor("blk.0.attn_k.weight", &[32, 8], F32);
        assert!(buffers_of(&file).is_some());
        assert!(buffers_of(&file.tensor("blk.1.ssm_in.weight", &[32, 8], F32)).is_none());
        assert!(buffers_of(&self::file()).is_none(), "nothing tells of keys and values");
    }

    /// `expert_used_count` may be any number in a hostile file, and so may the context.
    #[test]
    fn numbers_beyond_reason_do_no_harm() {
        let file = file()
            .u32("llama.expert_used_count", u32::MAX)
            .tensor("blk.0.attn_k.weight", &[1, 1 << 17], F32)
            .tensor("blk.0.ffn_down_exps.weight", &[1 << 10, 1, 32], F32);
        let gguf = Gguf::parse(&file.build()).unwrap();
        let options = LlamaOptions { ctx_size: Some(u32::MAX), threads: 1, ..LlamaOptions::default() };
        assert!(estimated_context_bytes(&gguf, &options).unwrap() > 1 << 40);
    }
}
