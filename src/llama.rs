//! The llama.cpp [`Engine`], the only foreign code the tool calls.
//!
//! An edit of a tunable tensor is seen by the next forward pass, since it is made in the memory that inference reads:
//! the private mapping of a [`WorkingCopy`], or, for types that llama.cpp computes faster with interleaved rows, its
//! own memory. On a device, the edited bytes are copied there from the mapping.
//!
//! `model` and `context` wrap what llama.cpp allocates, `load` creates them, `weights` finds tensors and redirects
//! them, `repack` handles interleaved ones, `device` the GPUs, `mirror` the tensors on these. `layout` arranges
//! sequences so that common prefixes are computed once, `schedule` assigns prompts to sequences for continuous
//! batching, `row` reads logits.

use std::ffi::CStr;
use std::ops::Range;

use llama_cpp_sys_2::ggml_version;
use tracing::{debug, info};

use crate::block::Arrangement;
use crate::engine::{
    Decoding, Engine, EngineError, Length, Reply, Request, Score, Spelled, TensorBytes, TensorEdit,
    TokenTally, Vocabulary,
};
use crate::store::{StoreError, WorkingCopy};
use crate::sweep::each_tensor;
use crate::tensor_type::TensorType;

mod budget;
mod complete;
mod context;
mod device;
mod displacement;
mod estimate;
mod grammar;
mod lanes;
mod lasting;
mod layout;
mod load;
mod log;
mod mirror;
mod model;
mod offload;
mod options;
mod prepare;
mod processor;
mod quantize;
mod repack;
mod row;
mod schedule;
mod score;
mod size;
mod spelling;
mod tokens;
mod uneditable;
mod weights;

pub use device::{check_devices, devices, told_layers};
pub use estimate::estimated_context_bytes;
pub use mirror::Uploads;
pub use offload::{Device, HAS_GPU_BACKEND, Layers, Offload, OffloadError, SplitMode};
pub use options::{LlamaOptions, NotBuiltIn, TensorSlot, check_built_in, context_tokens};
pub use prepare::Prepared;
pub use quantize::{Exception, quantize, recipes};
pub use uneditable::Uneditable;

use budget::ContextCost;
use context::Context;
use device::Placement;
use displacement::Displacement;
use lasting::Edited;
use layout::Node;
use load::LoadedModel;
use model::NativeModel;
use size::ContextSize;
use weights::{Home, Placed};

/// Error in this module; it becomes the source of an [`EngineError`].
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Returns the version of the built-in llama.cpp, which is that of its ggml.
pub fn version() -> String {
    // SAFETY: it is null-terminated and lives as long as the program.
    let version = unsafe { CStr::from_ptr(ggml_version()) };
    format!("llama.cpp with ggml {}", version.to_string_lossy())
}

/// Returns the instructions of processors that the built-in llama.cpp uses.
pub fn instructions() -> Vec<&'static str> {
    processor::built_for()
}

/// A model loaded with llama.cpp, whose tunable tensors can be edited.
#[derive(Debug)]
pub struct LlamaEngine {
    // Dropped in this order: the contexts refer to the model, and the model to the working copy.
    lanes: Vec<Context>,
    model: NativeModel,
    working: WorkingCopy,
    slots: Vec<TensorSlot>,
    /// The place from which inference reads each of the slots' tensors.
    homes: Vec<Home>,
    edited: Edited,
    size: ContextSize,
    context_bytes: u64,
    placement: Placement,
    device_bytes: u64,
    uploads: Uploads,
}

impl LlamaEngine {
    /// Loads the model that `working` maps, and makes inference read the tunable tensors from there.
    ///
    /// # Errors
    /// When llama.cpp was compiled for another processor, cannot load the model (its reason is given), or keeps a
    /// tunable tensor neither as the exact bytes of the file nor in a known layout.
    pub fn load(
        mut working: WorkingCopy,
        tunable: Vec<TensorSlot>,
        options: &LlamaOptions,
    ) -> Result<Self, EngineError> {
        let path = working.path().to_owned();
        let failed = |source| EngineError::new(format!("loading {}", path.display()), source);
        processor::check().map_err(|source| failed(source.into()))?;
        log::start();
        let placement = Placement::new(options, working.base()).map_err(failed)?;
        let explained = |failure| failed(placement.explain(failure));
        let LoadedModel { model, placed } =
            load::load(&mut working, &tunable, options, &placement).map_err(explained)?;
        let Placed { homes, probe, on_devices, .. } = placed;
        let cost = ContextCost::new(probe, model.vocabulary_len());
        let (lanes, size) = cost.choose(model.bytes(), options, placement.is_used()).map_err(failed)?;
        let context_bytes = cost.of_lanes(lanes, size);
        let device_bytes = placement.weights() + cost.on_devices(on_devices, size);
        // SAFETY: the engine owns contexts and model, and drops them in this order.
        let lane = |_| unsafe { Context::new(&model, size, |_| ()) };
        let lanes = (0..lanes).map(lane).collect::<Result<_, _>>().map_err(explained)?;
        let edited = Edited::by(&tunable);
        let uploads = Uploads::default();
        let engine = Self {
            lanes,
            model,
            working,
            slots: tunable,
            homes,
            edited,
            size,
            context_bytes,
            placement,
            device_bytes,
            uploads,
        };
        info!(
            model = ?path,
            contexts = engine.lanes.len(),
            tokens = size.cells,
            sequences = size.sequences,
            context_bytes,
            interleaved_tensors = engine.interleaved(),
            on_devices = engine.placement.told(),
            device_bytes,
            tunable_tensors = engine.slots.len(),
            "llama.cpp has loaded the model"
        );
        Ok(engine)
    }

    /// Returns the number of tunable tensors that llama.cpp keeps in its interleaved layouts.
    pub fn interleaved(&self) -> usize {
        self.homes.iter().filter(|home| home.is_held()).count()
    }

    /// Returns the planned bytes of the contexts, at most.
    pub fn context_bytes(&self) -> u64 {
        self.context_bytes
    }

    /// Describes which layers are on which devices; `None` if the processor computes everything.
    pub fn on_devices(&self) -> Option<String> {
        self.placement.told()
    }

    /// Returns the planned bytes of weights and contexts on devices.
    pub fn device_bytes(&self) -> u64 {
        self.device_bytes
    }

    /// Returns statistics of the uploads to devices since the model was loaded.
    pub fn uploads(&self) -> Uploads {
        self.uploads
    }

    /// Returns llama.cpp's warnings, from loading the model, about the quality of its output.
    pub fn warnings(&self) -> &[String] {
        self.model.warnings()
    }

    /// Returns the bytes of all tunable tensors, those that inference reads and those in the file.
    fn lend(&mut self) -> Result<Vec<TensorBytes<'_>>, StoreError> {
        let Self { working, slots, homes, .. } = self;
        let mapped = slots.iter().zip(&*homes).filter(|(_, home)| !home.is_held());
        let ranges: Vec<Range<usize>> = mapped.flat_map(|(slot, _)| slot.tuned.clone()).collect();
        let (base, parts) = working.disjoint_mut(&ranges)?;
        let mut parts = parts.into_iter();
        let mut tensors = Vec::with_capacity(slots.len());
        for (slot, home) in slots.iter().zip(homes) {
            let lent: Vec<_> = match home {
                Home::Mapped | Home::Mirrored { .. } => {
                    let arrangement = Arrangement::plain(slot.tensor_type);
                    parts.by_ref().take(slot.tuned.len()).map(|bytes| (bytes, arrangement)).collect()
                }
                Home::Held(held) => vec![held.lend()],
            };
            for ((bytes, arrangement), range) in lent.into_iter().zip(&slot.tuned) {
                tensors.push(TensorBytes {
                    index: tensors.len(),
                    bytes,
                    arrangement,
                    base: &base[range.clone()],
                });
            }
        }
        Ok(tensors)
    }

    /// Passes the tuned bytes, a piece at a time, to `see`: type, bytes in the base model's file, and present bytes in
    /// the file's layout.
    fn each_piece(&mut self, mut see: impl FnMut(TensorType, &[u8], &[u8])) -> Result<(), EngineError> {
        let Self { working, slots, homes, .. } = self;
        for (slot, home) in slots.iter().zip(homes) {
            let failed =
                |source: Failure| EngineError::new(format!("reading the tensor {}", slot.name), source);
            for range in &slot.tuned {
                let (base, changed) = working.both(range.clone()).map_err(|error| failed(error.into()))?;
                let mut rest = base;
                let mut see_next = |now: &[u8]| {
                    let (of_piece, after) = rest.split_at(now.len().min(rest.len()));
                    see(slot.tensor_type, of_piece, now);
                    rest = after;
                };
                match home {
                    Home::Mapped => see_next(changed),
                    Home::Held(held) => held.show(base, &mut see_next),
                    Home::Mirrored { copies, is_read_here } => {
                        let offset = range.start - slot.range.start;
                        mirror::show(copies, offset, changed, *is_read_here, &mut see_next)
                            .map_err(|reason| failed(reason.into()))?;
                    }
                }
                working.release_base(range.clone());
            }
        }
        Ok(())
    }

    /// Completes prompts as [`Engine::complete`] does, but also ends a reply if `is_over` accepts the prompt's tokens
    /// and the number of tokens replied.
    ///
    /// # Errors
    /// When inference fails.
    pub fn complete_until(
        &mut self,
        batch: &Prepared,
        how: &Decoding,
        is_over: impl Fn(&[i32], usize) -> bool + Sync,
    ) -> Result<Vec<String>, EngineError> {
        Ok(self.replies_until(batch, how, is_over)?.into_iter().map(|reply| reply.text).collect())
    }

    /// Prepares requests; what no edit of `edited` changes stays in memory between evaluations.
    fn prepare_with(&self, requests: &[Request], edited: &Edited) -> Result<Prepared, EngineError> {
        Prepared::new(&self.model, requests, self.size, edited)
            .map_err(|source| EngineError::new("preparing the requests", source))
    }

    fn replies_until(
        &mut self,
        batch: &Prepared,
        how: &Decoding,
        is_over: impl Fn(&[i32], usize) -> bool + Sync,
    ) -> Result<Vec<Reply>, EngineError> {
        complete::complete(&mut self.lanes, &self.model, batch, how, is_over)
            .map_err(|source| EngineError::new("completing the requests", source))
    }

    /// Returns the logits of the token after a text, to compare engines exactly.
    ///
    /// # Errors
    /// When the text has no tokens, is longer than the context, or inference fails.
    pub fn logits(&mut self, text: &str) -> Result<Vec<f32>, EngineError> {
        let tokens = tokens::text(&self.model, text, &[]);
        let failed = |source| EngineError::new("evaluating a text", source);
        self.model.check_positions(tokens.len(), "the text").map_err(failed)?;
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
            Err(source) => Err(failed(source)),
        }
    }
}

impl Engine for LlamaEngine {
    type Batch = Prepared;

    fn vocabulary(&self) -> &Vocabulary {
        self.model.vocabulary()
    }

    fn spelled(&self, batch: &Prepared, request: usize) -> Option<Spelled> {
        let tokens = batch.requests.get(request)?;
        let (prompt, scored) = tokens.all.split_at(tokens.prompt_len);
        Some(Spelled { prompt: self.model.spell(prompt), scored: self.model.spell(scored) })
    }

    fn scored_tokens(&self, batch: &Prepared, request: usize) -> Vec<usize> {
        let Some(tokens) = batch.requests.get(request) else { return Vec::new() };
        tokens.all[tokens.prompt_len..].iter().filter_map(|&token| usize::try_from(token).ok()).collect()
    }

    fn spelled_token(&self, token: usize) -> String {
        i32::try_from(token).map_or_else(|_| String::new(), |token| self.model.spell(&[token]))
    }

    fn prepare(&self, requests: &[Request]) -> Result<Prepared, EngineError> {
        self.prepare_with(requests, &Edited::Anything)
    }

    fn prepare_for_members(&self, requests: &[Request]) -> Result<Prepared, EngineError> {
        self.prepare_with(requests, &self.edited)
    }

    fn measure(&self, requests: &[Request]) -> Result<Vec<Length>, EngineError> {
        prepare::measure(&self.model, requests)
            .map_err(|source| EngineError::new("counting the tokens of the requests", source))
    }

    fn room(&self) -> usize {
        self.size.cells.min(self.model.positions())
    }

    fn positions(&self) -> usize {
        self.model.positions()
    }

    fn check_room(&self, batch: &Prepared, new_tokens: usize) -> Result<(), EngineError> {
        batch
            .room_for(&self.model, new_tokens)
            .map(drop)
            .map_err(|source| EngineError::new("making room for replies", source))
    }

    fn score(&mut self, batch: &Prepared) -> Result<Vec<Score>, EngineError> {
        score::score(&mut self.lanes, batch)
            .map_err(|source| EngineError::new("scoring the requests", source))
    }

    fn tally(&mut self, batch: &Prepared) -> Result<Vec<TokenTally>, EngineError> {
        score::tally(&mut self.lanes, batch)
            .map_err(|source| EngineError::new("rating the tokens of the requests", source))
    }

    fn complete(&mut self, batch: &Prepared, how: &Decoding) -> Result<Vec<String>, EngineError> {
        self.complete_until(batch, how, |_, _| false)
    }

    fn reply(&mut self, batch: &Prepared, how: &Decoding) -> Result<Vec<Reply>, EngineError> {
        self.replies_until(batch, how, |_, _| false)
    }

    fn follow(&self, grammar: &str, texts: &[String]) -> Result<Vec<bool>, EngineError> {
        grammar::follow(&self.model, grammar, texts)
            .map_err(|source| EngineError::new("judging replies by the grammar", source))
    }

    fn edit_codes(&mut self, edit: &TensorEdit<'_>) -> Result<(), EngineError> {
        let destinations = weights::destinations(&self.slots, &self.homes);
        let tensors = self.lend();
        let mut tensors = tensors.map_err(|source| EngineError::new("lending the codes", source))?;
        if destinations.is_empty() {
            each_tensor(&mut tensors, edit);
            return Ok(());
        }
        let uploads = mirror::edit_and_upload(&mut tensors, &destinations, edit);
        debug!(changed = uploads.changed, bytes = uploads.bytes, calls = uploads.calls, "uploaded");
        self.uploads += uploads;
        Ok(())
    }

    fn read_tensors(&mut self, read: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        self.each_piece(|_, _, now| read(now))
    }

    fn displacement(&mut self) -> Result<Option<f64>, EngineError> {
        let mut sums = Displacement::default();
        self.each_piece(|tensor_type, base, now| sums.add(tensor_type, base, now))?;
        Ok(sums.share())
    }
}
