//! The llama.cpp [`Engine`], the only foreign code the tool calls.
//!
//! Inference reads the tunable tensors from the private mapping of a [`WorkingCopy`], so an edit is seen by the next
//! forward pass. `model` and `context` wrap what llama.cpp allocates, `weights` finds and redirects tensors, `layout`
//! arranges sequences so that common prefixes are computed once, `schedule` decides which prompt is completed when, `row`
//! reads logits.

use std::ops::Range;

use crate::engine::{Engine, EngineError, Request, Score, TensorBytes};
use crate::store::{WorkingCopy, suitable_threads};

mod budget;
mod complete;
mod context;
mod estimate;
mod lanes;
mod layout;
mod log;
mod model;
mod prepare;
mod quantize;
mod row;
mod schedule;
mod score;
mod weights;

pub use estimate::estimated_context_bytes;
pub use prepare::Prepared;
pub use quantize::quantize;

use budget::Cost;
use context::{Context, Size};
use layout::Node;
use model::{Layout, Model};

/// Why something in here failed; it becomes the source of an [`EngineError`].
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Where a tunable tensor lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSlot {
    /// Its name in the file.
    pub name: String,
    /// Its bytes, counted from the start of the file.
    pub range: Range<usize>,
}

/// How to run inference.
#[derive(Clone, Debug)]
pub struct LlamaOptions {
    /// Threads that compute; by default one for each big core.
    pub threads: usize,
    /// Sequences side by side, at most 256; by default 128. A large vocabulary allows fewer.
    pub parallel: Option<usize>,
    /// Tokens in memory, all sequences together; by default 1024. Rounded up to a multiple of 256.
    pub ctx_size: Option<u32>,
    /// Most bytes that the contexts may take: keys, values, and the buffers of a forward pass. They are made smaller, and
    /// fewer, until they fit; that may also lower `parallel`.
    pub context_bytes: Option<u64>,
    /// Whether llama.cpp's log goes to the standard error stream.
    pub verbose: bool,
    /// Whether llama.cpp may keep weights in its interleaved layouts, which are faster for some types. Codes cannot be
    /// edited there, so this is for engines without tunable tensors: for comparisons.
    pub repack: bool,
}

impl Default for LlamaOptions {
    fn default() -> Self {
        Self {
            threads: suitable_threads(),
            parallel: None,
            ctx_size: None,
            context_bytes: None,
            verbose: false,
            repack: false,
        }
    }
}

/// A model loaded with llama.cpp, whose tunable tensors can be edited.
#[derive(Debug)]
pub struct LlamaEngine {
    // Dropped in this order: the contexts refer to the model, and the model to the working copy.
    lanes: Vec<Context>,
    model: Model,
    working: WorkingCopy,
    slots: Vec<TensorSlot>,
    size: Size,
    context_bytes: u64,
}

impl LlamaEngine {
    /// Loads the model that `working` maps and lets inference read the tunable tensors from there.
    ///
    /// # Errors
    /// When llama.cpp cannot load the model (its reason is given), or does not keep a tunable tensor as the very bytes
    /// of the file, or `options` ask for another layout than the file's.
    pub fn load(
        mut working: WorkingCopy,
        tunable: Vec<TensorSlot>,
        options: &LlamaOptions,
    ) -> Result<Self, EngineError> {
        log::start(options.verbose);
        let path = working.path().to_owned();
        let failed = |source| EngineError::new(format!("loading {}", path.display()), source);
        if options.repack && !tunable.is_empty() {
            return Err(failed(
                "tensors in llama.cpp's interleaved layouts cannot be tuned; leave repacking off".into(),
            ));
        }
        let layout = if options.repack { Layout::Repacked } else { Layout::Plain };
        let model = Model::load(&path, layout).map_err(failed)?;
        let probe = weights::redirect(&model, &mut working, &tunable).map_err(failed)?;
        let cost = Cost::new(probe, model.vocabulary_len());
        let (lanes, size) = cost.choose(model.bytes(), options).map_err(failed)?;
        let context_bytes = cost.of_lanes(lanes, size);
        // SAFETY: the engine owns contexts and model, and drops them in this order.
        let lane = |_| unsafe { Context::new(&model, size, |_| ()) };
        let lanes = (0..lanes).map(lane).collect::<Result<_, _>>().map_err(failed)?;
        Ok(Self { lanes, model, working, slots: tunable, size, context_bytes })
    }

    /// The model's bytes, as they are in the file and as they have been edited.
    pub fn working_copy(&self) -> &WorkingCopy {
        &self.working
    }

    /// Bytes that the contexts take at most, as planned.
    pub fn context_bytes(&self) -> u64 {
        self.context_bytes
    }

    /// Completes prompts as [`Engine::complete`] does, but ends each reply at a length that the prompt's own tokens decide,
    /// anything from 0 to `max_new_tokens` and half of them below a quarter of it: for benchmarks on random weights, which
    /// hardly ever end a reply.
    ///
    /// # Errors
    /// When inference fails.
    pub fn complete_variously(
        &mut self,
        batch: &Prepared,
        max_new_tokens: usize,
    ) -> Result<Vec<String>, EngineError> {
        let is_over = |prompt: &[i32], replied: usize| {
            let hash =
                prompt.iter().fold(0_u32, |hash, &token| (hash ^ token as u32).wrapping_mul(0x9E37_79B1));
            let share = f64::from(hash >> 16) / f64::from(1 << 16);
            replied as f64 >= share * share * max_new_tokens as f64
        };
        complete::complete(&mut self.lanes, &self.model, batch, max_new_tokens, is_over)
            .map_err(|source| EngineError::new("completing the requests", source))
    }

    /// The logits of what follows a text, to compare engines exactly.
    ///
    /// # Errors
    /// When the text has no tokens, is longer than the context, or inference fails.
    pub fn logits(&mut self, text: &str) -> Result<Vec<f32>, EngineError> {
        let tokens = self.model.prompt_tokens(text);
        let last = tokens.len().wrapping_sub(1);
        let readers = |position| if position == last { vec![0] } else { Vec::new() };
        let nodes: Vec<Node> = (0..)
            .zip(tokens)
            .map(|(position, token)| Node { token, position, sequences: 0..1, readers: readers(position) })
            .collect();
        let mut logits = Vec::new();
        let context = &mut self.lanes[0];
        context.clear();
        let evaluated = context.evaluate(&nodes, |_, row| {
            logits.extend_from_slice(row);
            Ok(())
        });
        match evaluated {
            Ok(()) if logits.is_empty() => {
                Err(EngineError::new("evaluating a text", "the text has no tokens"))
            }
            Ok(()) => Ok(logits),
            Err(source) => Err(EngineError::new("evaluating a text", source)),
        }
    }
}

impl Engine for LlamaEngine {
    type Batch = Prepared;

    fn chat_prompt(&self, user: &str) -> Result<Option<String>, EngineError> {
        self.model.chat_prompt(user).map_err(|source| EngineError::new("applying the chat template", source))
    }

    fn prepare(&self, requests: &[Request]) -> Result<Prepared, EngineError> {
        Prepared::new(&self.model, requests, self.size)
            .map_err(|source| EngineError::new("preparing the requests", source))
    }

    fn score(&mut self, batch: &Prepared) -> Result<Vec<Score>, EngineError> {
        score::score(&mut self.lanes, batch)
            .map_err(|source| EngineError::new("scoring the requests", source))
    }

    fn complete(&mut self, batch: &Prepared, max_new_tokens: usize) -> Result<Vec<String>, EngineError> {
        complete::complete(&mut self.lanes, &self.model, batch, max_new_tokens, |_, _| false)
            .map_err(|source| EngineError::new("completing the requests", source))
    }

    fn edit_codes(&mut self, edit: &mut dyn FnMut(&mut [TensorBytes<'_>])) -> Result<(), EngineError> {
        let ranges: Vec<Range<usize>> = self.slots.iter().map(|slot| slot.range.clone()).collect();
        let tensors = self.working.lend(&ranges);
        let mut tensors = tensors.map_err(|source| EngineError::new("lending the codes", source))?;
        edit(&mut tensors);
        Ok(())
    }
}
