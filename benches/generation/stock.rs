//! llama.cpp by itself, as its own batched benchmark runs it: each sequence with tokens and memory of its own, default
//! layouts and sizes, all prompts in one batch, the logits of each one's last token.

use std::mem::ManuallyDrop;
use std::num::NonZeroU32;
use std::path::Path;

use anyhow::Result;
use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use qes_gguf::engine::Request;

/// Tokens in one call, llama.cpp's default.
const BATCH: usize = 2048;

/// A sequence's memory is a multiple of this many cells.
const CELLS: usize = 256;

/// llama.cpp's model.
pub struct Stock {
    model: LlamaModel,
    /// The engine has started llama.cpp; dropping this proof of it would stop it.
    backend: ManuallyDrop<LlamaBackend>,
}

impl Stock {
    /// Loads a model with default settings, on the processor.
    pub fn load(path: &Path) -> Result<Self> {
        let backend = ManuallyDrop::new(LlamaBackend {});
        let params = LlamaModelParams::default().with_n_gpu_layers(0);
        Ok(Self { model: LlamaModel::load_from_file(&backend, path, &params)?, backend })
    }

    /// The tokens of what the engine evaluates for each request.
    pub fn sequences(&self, requests: &[Request]) -> Vec<Vec<LlamaToken>> {
        let vocab = self.model.vocab();
        let tokens = |request: &Request| {
            let mut tokens = vocab.tokenize(request.prompt.as_bytes(), true, true);
            tokens.extend(vocab.tokenize(request.completion.as_bytes(), false, false));
            tokens
        };
        requests.iter().map(tokens).collect()
    }

    /// A context for these sequences.
    pub fn context(&self, sequences: &[Vec<LlamaToken>], threads: usize) -> Result<LlamaContext<'_>> {
        let longest = sequences.iter().map(Vec::len).max().unwrap_or(1);
        let cells = sequences.len() * longest.next_multiple_of(CELLS);
        let params = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(u32::try_from(cells)?))
            .with_n_batch(u32::try_from(BATCH)?)
            .with_n_seq_max(u32::try_from(sequences.len())?)
            .with_n_threads(i32::try_from(threads)?)
            .with_n_threads_batch(i32::try_from(threads)?);
        Ok(self.model.new_context(&self.backend, params)?)
    }
}

/// The batches that all sequences make.
pub fn batches(sequences: &[Vec<LlamaToken>]) -> Result<Vec<LlamaBatch<'static>>> {
    let mut batches = vec![LlamaBatch::new(BATCH, 1)];
    for (number, sequence) in (0..).zip(sequences) {
        for (position, &token) in (0..).zip(sequence) {
            if batches.last().is_some_and(|batch| batch.n_tokens() as usize == BATCH) {
                batches.push(LlamaBatch::new(BATCH, 1));
            }
            let is_last = position as usize + 1 == sequence.len();
            if let Some(batch) = batches.last_mut() {
                batch.add(token, position, &[number], is_last)?;
            }
        }
    }
    Ok(batches)
}

/// Evaluates all sequences from an empty memory, which is only forgotten and not overwritten, as the engine does.
pub fn evaluate(context: &mut LlamaContext<'_>, batches: &mut [LlamaBatch<'_>]) -> Result<()> {
    context.clear_kv_cache_seq(None, None, None)?;
    for batch in batches {
        context.decode(batch)?;
    }
    // Waits for the last pass.
    let _ = context.get_logits();
    Ok(())
}
