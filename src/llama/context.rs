//! An inference context: the KV cache and the forward pass.
//!
//! It is our own wrapper rather than `llama_cpp_2::LlamaContext`, which borrows its model for its lifetime (an engine
//! owns both) and has no setter for the evaluation callback through which [`super::weights`] finds the weights. The
//! model, vocabulary and chat template are llama-cpp-2's safe types.
//!
//! By default, llama.cpp decides on flash attention, which on a CPU means on: it skips the cells that a token may not
//! see, and with shared prefixes those are most of them (scoring 25% faster, completing 50% faster, and no less
//! exact).

use std::ptr::NonNull;

use llama_cpp_sys_2::{
    LLAMA_FLASH_ATTN_TYPE_DISABLED, LLAMA_FLASH_ATTN_TYPE_ENABLED, llama_batch, llama_context,
    llama_context_default_params, llama_context_params, llama_decode, llama_free, llama_get_logits_ith,
    llama_get_memory, llama_init_from_model, llama_memory_clear, llama_memory_seq_cp, llama_memory_seq_rm,
};

use super::Failure;
use super::layout::{self, Chunk, Node};
use super::log::{self, BufferSizes};
use super::model::NativeModel;
use super::prepare::ChunkId;
use super::schedule::Move;
use super::size::{ContextBuffers, ContextSize, MAX_SEQUENCES};

/// The numbers 0, 1, 2 and so on: every list of consecutive sequence numbers is a part of it.
const NUMBERS: [i32; MAX_SEQUENCES] = {
    let mut numbers = [0; MAX_SEQUENCES];
    let mut number = 0;
    while number < MAX_SEQUENCES {
        numbers[number] = number as i32;
        number += 1;
    }
    numbers
};

/// An inference context. It must be dropped before its model.
#[derive(Debug)]
pub(super) struct Context {
    raw: NonNull<llama_context>,
    vocabulary: usize,
    size: ContextSize,
    buffers: BufferSizes,
    /// The chunk whose lasting nodes are in memory.
    holds: Option<ChunkId>,
}

// SAFETY: llama.cpp ties a context to no thread; it is used by one at a time, since all use needs `&mut`. What contexts
// share is the model, which inference only reads.
unsafe impl Send for Context {}

impl Context {
    /// Creates a context, with all its memory, after `adjust` has changed the parameters.
    ///
    /// # Safety
    /// The context must not outlive the model, nor anything that `adjust` makes the parameters point to.
    pub(super) unsafe fn new(
        model: &NativeModel,
        size: ContextSize,
        adjust: impl FnOnce(&mut llama_context_params),
    ) -> Result<Self, Failure> {
        // SAFETY: takes nothing and returns plain data.
        let mut params = unsafe { llama_context_default_params() };
        params.n_ctx = u32::try_from(size.cells)?;
        params.n_batch = u32::try_from(size.tokens)?;
        params.n_ubatch = params.n_batch;
        params.n_seq_max = u32::try_from(size.sequences)?;
        params.n_outputs_max = u32::try_from(size.outputs)?;
        params.n_threads = i32::try_from(size.threads)?;
        params.n_threads_batch = params.n_threads;
        // One memory for all sequences is what lets them share the tokens of a common prefix.
        params.kv_unified = true;
        // Keys and values are where their layers are. No weights are copied to a device for a single pass.
        params.offload_kqv = model.is_on_devices();
        params.op_offload = false;
        if let Some(wanted) = model.flash_attention() {
            let types = (LLAMA_FLASH_ATTN_TYPE_ENABLED, LLAMA_FLASH_ATTN_TYPE_DISABLED);
            params.flash_attn_type = if wanted { types.0 } else { types.1 };
        }
        adjust(&mut params);
        log::take_buffers();
        // SAFETY: the model is loaded; the parameters are llama.cpp's defaults with plain numbers changed, and the
        // caller answers for the rest.
        let raw = unsafe { llama_init_from_model(model.as_ptr(), params) };
        let raw = NonNull::new(raw).ok_or_else(|| log::take_errors("llama.cpp gave no reason"))?;
        let vocabulary = model.vocabulary_len();
        Ok(Self { raw, vocabulary, size, buffers: log::take_buffers(), holds: None })
    }

    /// Returns the sizes of its buffers in main memory.
    pub(super) fn buffers(&self) -> ContextBuffers {
        self.buffers.here
    }

    /// Returns the sizes of its buffers on devices.
    pub(super) fn buffers_on_devices(&self) -> ContextBuffers {
        self.buffers.on_devices
    }

    /// Removes all tokens.
    pub(super) fn clear(&mut self) {
        self.holds = None;
        // SAFETY: the context is valid. Clearing the bookkeeping is enough: cells without an owner are masked.
        unsafe { llama_memory_clear(llama_get_memory(self.raw.as_ptr()), false) };
    }

    /// Ensures that exactly the lasting nodes of a chunk are in memory; evaluates them if they are not.
    pub(super) fn begin(&mut self, chunk: &Chunk, id: ChunkId) -> Result<(), Failure> {
        if chunk.lasting > 0 && self.holds == Some(id) {
            let keep = |(sequence, tokens)| Move::Keep { sequence, tokens };
            let moves: Vec<Move> = chunk.lasting_tokens().into_iter().enumerate().map(keep).collect();
            return self.rearrange(&moves);
        }
        self.clear();
        self.evaluate(chunk.parts().0, |_, _| Ok(()))?;
        self.holds = Some(id);
        Ok(())
    }

    /// Changes the tokens that sequences have in memory. Cells that no sequence owns any more are free.
    pub(super) fn rearrange(&mut self, moves: &[Move]) -> Result<(), Failure> {
        // SAFETY: the context is valid.
        let memory = unsafe { llama_get_memory(self.raw.as_ptr()) };
        for change in moves {
            match *change {
                Move::Keep { sequence, tokens } => {
                    let (number, tokens) = (self.number(sequence)?, i32::try_from(tokens)?);
                    // SAFETY: the memory is the context's, and the number that of a sequence; -1 means to the end.
                    if !unsafe { llama_memory_seq_rm(memory, number, tokens, -1) } {
                        return Err("the model's memory cannot let go of a sequence's end".into());
                    }
                }
                Move::Share { from, to, tokens } => {
                    let (from, to) = (self.number(from)?, self.number(to)?);
                    let tokens = i32::try_from(tokens)?;
                    // SAFETY: as before, with the numbers of two sequences.
                    unsafe { llama_memory_seq_cp(memory, from, to, 0, tokens) };
                }
            }
        }
        Ok(())
    }

    /// Returns the number of a sequence, checked, since llama.cpp ends the process at one that is too high.
    fn number(&self, sequence: usize) -> Result<i32, Failure> {
        if sequence >= self.size.sequences {
            return Err(format!("there is no sequence {sequence} of {}", self.size.sequences).into());
        }
        Ok(i32::try_from(sequence)?)
    }

    /// Appends nodes to the memory, and passes every node that has readers to `read`, with the logits of the token
    /// after it.
    pub(super) fn evaluate(
        &mut self,
        nodes: &[Node],
        read: impl FnMut(&Node, &[f32]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.evaluate_as(&NUMBERS, nodes, read)
    }

    /// As [`evaluate`](Self::evaluate), for nodes whose sequences are positions in a list of sequence numbers.
    pub(super) fn evaluate_as(
        &mut self,
        numbers: &[i32],
        nodes: &[Node],
        mut read: impl FnMut(&Node, &[f32]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for run in layout::runs(nodes, self.size.tokens, self.size.outputs) {
            self.decode(numbers, run)?;
            for (i, node) in run.iter().enumerate().filter(|(_, node)| !node.readers.is_empty()) {
                read(node, self.logits(i)?)?;
            }
        }
        Ok(())
    }

    /// Runs one forward pass.
    fn decode(&mut self, numbers: &[i32], nodes: &[Node]) -> Result<(), Failure> {
        let mut token: Vec<i32> = nodes.iter().map(|node| node.token).collect();
        let mut pos: Vec<i32> =
            nodes.iter().map(|node| i32::try_from(node.position)).collect::<Result<_, _>>()?;
        let mut n_seq_id: Vec<i32> =
            nodes.iter().map(|node| i32::try_from(node.sequences.len())).collect::<Result<_, _>>()?;
        let mut seq_id: Vec<*mut i32> =
            nodes.iter().map(|node| numbers[node.sequences.clone()].as_ptr().cast_mut()).collect();
        let mut output: Vec<i8> = nodes.iter().map(|node| i8::from(!node.readers.is_empty())).collect();
        let batch = llama_batch {
            n_tokens: i32::try_from(nodes.len())?,
            token: token.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: pos.as_mut_ptr(),
            n_seq_id: n_seq_id.as_mut_ptr(),
            seq_id: seq_id.as_mut_ptr(),
            logits: output.as_mut_ptr(),
        };
        // SAFETY: every array has one element for each token and outlives the call, which copies them and writes none; each
        // list of sequence numbers lies within `numbers`, since slicing has checked its bounds.
        match unsafe { llama_decode(self.raw.as_ptr(), batch) } {
            0 => Ok(()),
            1 => Err(format!("{} tokens do not fit in the context", nodes.len()).into()),
            code => Err(log::take_errors(&format!("llama.cpp returned {code}")).into()),
        }
    }

    /// Returns the logits after the token at this place of the last forward pass.
    fn logits(&self, place: usize) -> Result<&[f32], Failure> {
        let place = i32::try_from(place)?;
        // SAFETY: the context is valid; llama.cpp checks the place and returns null where it kept no logits.
        let logits = unsafe { llama_get_logits_ith(self.raw.as_ptr(), place) };
        if logits.is_null() {
            return Err(log::take_errors("the model computes no logits").into());
        }
        // SAFETY: a row has one f32 for each token of the vocabulary and stays in place until the next forward pass,
        // which needs the context mutably.
        Ok(unsafe { std::slice::from_raw_parts(logits, self.vocabulary) })
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: made by llama.cpp, freed once, and nothing borrows from it any more.
        unsafe { llama_free(self.raw.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::budget::PROBE;
    use super::super::device::Placement;
    use super::super::estimate;
    use super::super::model::Layout;
    use super::*;
    use crate::gguf::Gguf;

    #[test]
    fn a_context_takes_what_was_estimated() {
        log::start();
        for name in ["arith-tiny-q4_k.gguf", "arith-tiny-q8_0.gguf"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
            let gguf = Gguf::parse(&std::fs::read(&path).unwrap()).unwrap();
            let estimated = estimate::buffers(&gguf, 256).unwrap();
            let model = NativeModel::load(&path, Layout::Plain, &Placement::none()).unwrap();
            // SAFETY: the model outlives the context, and nothing else is pointed to.
            let taken = unsafe { Context::new(&model, PROBE, |_| ()) }.unwrap().buffers();
            assert_eq!((estimated.cells, estimated.states), (taken.cells, taken.states), "{name}");
            let ratio = estimated.compute as f64 / taken.compute as f64;
            assert!((0.99..1.01).contains(&ratio), "{name}: {estimated:?}, but {taken:?}");
        }
    }
}
