//! Finds the weights that inference reads, and makes an edited code take effect at once.
//!
//! llama.cpp offers no list of a model's tensors, but its evaluation callback gets every operation of the graph before
//! it is computed; one token evaluated in a throw-away context thus reveals all weights. Each tunable tensor that
//! llama.cpp interleaves is edited where it is ([`super::repack`]); each other one is redirected into the private
//! mapping of the file, after checking that llama.cpp holds exactly the file's bytes, or, on a device, is a mirror of
//! that mapping ([`super::mirror`]). An embedding that is also the output matrix exists twice if the latter is on a
//! device.
//!
//! The alternative is to let llama.cpp read the file into ordinary buffers and to edit those. On a model of 0.3
//! billion parameters in Q4_K (166 MiB) with 1% of the codes of every page changed, neither is ahead: peak resident
//! memory 382 MiB mapped and 381 MiB in buffers (209 MiB of each are the context's), scoring 0.96 and 1.00 CPU
//! seconds. The mapping copies each page on its first edit, 50 ms in all, but its unedited pages remain in the page
//! cache, which matters on a small device. Without releasing llama.cpp's own mapping of the file, the peak is 547 MiB.

use std::ffi::{CStr, c_void};
use std::ops::Range;
use std::ptr::NonNull;

use llama_cpp_sys_2::{
    GGML_BACKEND_BUFFER_USAGE_WEIGHTS, GGML_OP_NONE, ggml_backend_buffer_get_usage, ggml_get_name,
    ggml_nbytes, ggml_tensor,
};

use super::Failure;
use super::TensorSlot;
use super::budget::PROBE;
use super::context::Context;
use super::layout::Node;
use super::mirror::{Destination, DeviceCopy, is_in_main_memory, is_on_device};
use super::model::NativeModel;
use super::repack::Held;
use super::size::ContextBuffers;
use super::uneditable::Uneditable;
use crate::store::{WorkingCopy, page_size};

/// The memory from which inference reads a tunable tensor.
#[derive(Debug)]
pub(super) enum Home {
    /// In the working copy, in the file's layout.
    Mapped,
    /// On devices, to which changes in the working copy are uploaded.
    Mirrored {
        /// Its tensors on devices; at least one.
        copies: Vec<DeviceCopy>,
        /// `true` if inference reads it in the working copy too.
        is_read_here: bool,
    },
    /// In llama.cpp's own memory, interleaved.
    Held(Held),
}

impl Home {
    /// Returns whether llama.cpp interleaves the tensor.
    pub(super) fn is_held(&self) -> bool {
        matches!(self, Self::Held(_))
    }

    /// Returns its tensors on devices.
    pub(super) fn copies(&self) -> &[DeviceCopy] {
        match self {
            Self::Mirrored { copies, .. } => copies,
            Self::Mapped | Self::Held(_) => &[],
        }
    }
}

/// Returns the other places of the bytes of each lent part of the slots; nothing if no tensor is on a device.
pub(super) fn destinations(slots: &[TensorSlot], homes: &[Home]) -> Vec<Destination> {
    if homes.iter().all(|home| home.copies().is_empty()) {
        return Vec::new();
    }
    let of_slot = |(slot, home): (&TensorSlot, &Home)| {
        let (copies, start) = (home.copies().to_vec(), slot.range.start);
        let of_part =
            move |part: &Range<usize>| Destination { copies: copies.clone(), offset: part.start - start };
        slot.tuned.iter().map(of_part).collect::<Vec<_>>()
    };
    slots.iter().zip(homes).flat_map(of_slot).collect()
}

/// The learned positions of some architectures; a text has at most as many positions as the tensor has rows.
const POSITIONS: &str = "position_embd.weight";

/// Bytes that are compared at a time.
const PIECE: usize = 1 << 22;

/// Facts of a model that evaluating one token reveals.
pub(super) struct Placed {
    /// The memory from which inference reads each slot's tensor.
    pub(super) homes: Vec<Home>,
    /// The buffers of a context of size [`PROBE`], in main memory and on devices.
    pub(super) probe: ContextBuffers,
    pub(super) on_devices: ContextBuffers,
    /// Most positions of a text, if the model has learned each.
    pub(super) positions: Option<usize>,
}

/// Finds, or makes, a home for every slot's tensor: memory in which its codes can be edited and which inference reads.
/// The working copy must outlive the model's use.
pub(super) fn place(
    model: &NativeModel,
    working: &mut WorkingCopy,
    slots: &[TensorSlot],
) -> Result<Placed, Failure> {
    let (weights, probe, on_devices) = graph_weights(model)?;
    let of_slots = tensors_of_slots(&weights, slots)?;
    let (mut homes, mut unused) = (Vec::with_capacity(slots.len()), Vec::new());
    for (number, (slot, tensors)) in slots.iter().zip(of_slots).enumerate() {
        let (home, left) = place_one(&tensors, working, slot)?;
        unused.extend(left.into_iter().map(|bytes| (number, bytes)));
        homes.push(home);
    }
    // What llama.cpp has read into memory of its own can stay there; a mapped file would be in memory twice.
    let others =
        if model.is_mapped() { adopt_others(&weights, working, slots, &unused)? } else { Vec::new() };
    // Once more, since reading a page lets the system map its neighbours too.
    unused.into_iter().map(|(_, held)| held).chain(others).for_each(release);
    working.release_base(0..working.base().len());
    Ok(Placed { homes, probe, on_devices, positions: positions(&weights) })
}

/// Returns llama.cpp's tensors of each slot: more than one if it is both embedding and output matrix.
///
/// # Errors
/// When inference uses no tensor of a slot.
fn tensors_of_slots(
    weights: &[NonNull<ggml_tensor>],
    slots: &[TensorSlot],
) -> Result<Vec<Vec<NonNull<ggml_tensor>>>, Uneditable> {
    let of_slot = |slot: &TensorSlot| -> Vec<_> {
        weights.iter().copied().filter(|&tensor| has_name(tensor, &slot.name)).collect()
    };
    let of_slots: Vec<_> = slots.iter().map(of_slot).collect();
    let unused = slots.iter().zip(&of_slots).filter(|(_, tensors)| tensors.is_empty());
    let names: Vec<String> = unused.map(|(slot, _)| slot.name.clone()).collect();
    if names.is_empty() { Ok(of_slots) } else { Err(Uneditable::Unused { names }) }
}

/// Returns the rows of the matrix of learned positions, if there is one: llama.cpp aborts the process if a text has more.
fn positions(weights: &[NonNull<ggml_tensor>]) -> Option<usize> {
    let tensor = weights.iter().find(|&&tensor| has_name(tensor, POSITIONS))?;
    // SAFETY: the tensor belongs to a loaded model.
    usize::try_from(unsafe { (*tensor.as_ptr()).ne[1] }).ok()
}

/// Returns the home of a slot, whose tensor is `tensors` in llama.cpp, and the bytes to which those pointed and that
/// are unused now.
fn place_one(
    tensors: &[NonNull<ggml_tensor>],
    working: &mut WorkingCopy,
    slot: &TensorSlot,
) -> Result<(Home, Vec<*const [u8]>), Failure> {
    let failed = |reason| Uneditable::Layout { name: slot.name.clone(), reason };
    let is_edited = working.is_edited();
    let (base, bytes) = working.both(slot.range.clone())?;
    let found = match tensors {
        [tensor] => Held::find(*tensor, slot, base).map_err(failed)?,
        // One of them might be interleaved and the other not, so that both would have to be edited.
        _ => None,
    };
    if let Some(mut held) = found {
        if !slot.is_whole() {
            return Err(failed(
                "is kept interleaved by llama.cpp, and only some of its rows are to be edited",
            )
            .into());
        }
        if is_edited {
            held.fill(bytes);
        }
        working.release_base(slot.range.clone());
        return Ok((Home::Held(held), Vec::new()));
    }
    let (away, here): (Vec<_>, Vec<_>) = tensors.iter().partition(|&&tensor| is_on_device(tensor));
    let copies = away.into_iter().map(|tensor| DeviceCopy::find(tensor, base)).collect::<Result<Vec<_>, _>>();
    let copies = copies.map_err(failed)?;
    if is_edited {
        copies.iter().for_each(|copy| copy.upload(0, bytes));
    }
    let redirected = here.iter().map(|&tensor| redirect_one(tensor, base, bytes));
    let unused = redirected.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    unused.iter().copied().for_each(release);
    working.release_base(slot.range.clone());
    let is_read_here = !here.is_empty();
    let home = if copies.is_empty() { Home::Mapped } else { Home::Mirrored { copies, is_read_here } };
    Ok((home, unused))
}

/// Redirects the model's other tensors into the working copy too, and returns the bytes to which they pointed. They
/// are never edited; but reading a page of llama.cpp's mapping brings neighbours with it, up to megabytes of them on
/// some systems, which are in memory already as part of the working copy.
fn adopt_others(
    weights: &[NonNull<ggml_tensor>],
    working: &mut WorkingCopy,
    slots: &[TensorSlot],
    edited: &[(usize, *const [u8])],
) -> Result<Vec<*const [u8]>, Failure> {
    // llama.cpp maps the file as a whole, so one tensor's address tells where the others' bytes are in the file.
    let Some(&(slot, first)) = edited.first() else { return Ok(Vec::new()) };
    let origin = (first.cast::<u8>().addr()).wrapping_sub(slots[slot].range.start);
    let mut held = Vec::new();
    for &tensor in weights {
        // SAFETY: the tensor belongs to a loaded model that no other thread uses.
        let (start, len) = unsafe { ((*tensor.as_ptr()).data.addr(), ggml_nbytes(tensor.as_ptr())) };
        let start = start.wrapping_sub(origin);
        let Some(end) = start.checked_add(len) else { continue };
        if end > working.base().len() {
            continue;
        }
        let (base, bytes) = working.both(start..end)?;
        // One that is held elsewhere, or otherwise than in the file, stays where it is.
        held.extend(redirect_one(tensor, base, bytes));
        working.release_base(start..end);
    }
    Ok(held)
}

/// Points a tensor to `bytes`, the edited form of `base`, which must equal the bytes to which it points. Returns the
/// latter, which are unused now.
fn redirect_one(
    tensor: NonNull<ggml_tensor>,
    base: &[u8],
    bytes: &mut [u8],
) -> Result<*const [u8], &'static str> {
    if !is_in_main_memory(tensor) {
        return Err("is not in main memory");
    }
    // SAFETY: the tensor belongs to a loaded model that no other thread uses.
    let tensor = unsafe { &mut *tensor.as_ptr() };
    // SAFETY: a valid tensor.
    if unsafe { ggml_nbytes(tensor) } != bytes.len() {
        return Err("has another size in llama.cpp than in the file");
    }
    let data: *const u8 = tensor.data.cast();
    // SAFETY: a tensor in main memory has as many bytes as was just checked, and nobody writes them.
    let held = unsafe { std::slice::from_raw_parts(data, bytes.len()) };
    if !are_equal(held, base) {
        return Err("is kept by llama.cpp in another layout than in the file, so its codes cannot be edited");
    }
    tensor.data = bytes.as_mut_ptr().cast();
    Ok(held)
}

/// Compares llama.cpp's bytes of a tensor with the file's, and releases the latter piece by piece: an embedding of a
/// large vocabulary is most of a small model, and would be in memory twice.
fn are_equal(held: &[u8], base: &[u8]) -> bool {
    let equal = |(held, base): (&[u8], &[u8])| {
        let equal = held == base;
        release(base);
        equal
    };
    held.len() == base.len() && held.chunks(PIECE).zip(base.chunks(PIECE)).all(equal)
}

/// Releases the whole pages of an unused part of a mapping, so that they do not count twice.
#[cfg(target_os = "linux")]
fn release(bytes: *const [u8]) {
    let page = page_size();
    let start = bytes.cast::<u8>();
    let skipped = start.align_offset(page).min(bytes.len());
    let len = (bytes.len() - skipped) / page * page;
    let start = start.wrapping_add(skipped).cast_mut().cast();
    // SAFETY: whole pages inside one tensor, which nobody reads any more. In a mapping of the file they would even hold
    // the file's bytes again; memory that llama.cpp read the file into would be zeros.
    unsafe { libc::madvise(start, len, libc::MADV_DONTNEED) };
}

#[cfg(not(target_os = "linux"))]
fn release(_: *const [u8]) {}

/// Returns every tensor of the model that its graph uses, each once, and the buffers of the context that evaluated it,
/// in main memory and on devices.
fn graph_weights(
    model: &NativeModel,
) -> Result<(Vec<NonNull<ggml_tensor>>, ContextBuffers, ContextBuffers), Failure> {
    let mut weights: Vec<NonNull<ggml_tensor>> = Vec::new();
    let receiver: *mut c_void = (&raw mut weights).cast();
    // SAFETY: `weights` and the model outlive the context, which ends with this function.
    let mut context = unsafe {
        Context::new(model, PROBE, |params| {
            params.cb_eval = Some(collect);
            params.cb_eval_user_data = receiver;
        })
    }?;
    let node = Node { token: 0, position: 0, sequences: 0..1, readers: vec![0] };
    context.evaluate(&[node], |_, _| Ok(()))?;
    let (buffers, on_devices) = (context.buffers(), context.buffers_on_devices());
    drop(context);
    weights.sort();
    weights.dedup();
    Ok((weights, buffers, on_devices))
}

/// llama.cpp's evaluation callback: collects weights when asked before an operation, and declines its result.
unsafe extern "C" fn collect(operation: *mut ggml_tensor, _ask: bool, receiver: *mut c_void) -> bool {
    // SAFETY: `graph_weights` hands llama.cpp a pointer to this type, and waits.
    let weights = unsafe { &mut *receiver.cast::<Vec<NonNull<ggml_tensor>>>() };
    // SAFETY: llama.cpp calls with a valid operation, whose sources are valid or null.
    let sources = unsafe { (*operation).src };
    weights.extend(sources.into_iter().filter_map(NonNull::new).filter(|&source| is_weight(source)));
    false
}

/// Returns whether a tensor of the graph belongs to the model; its other inputs belong to the context and are freed
/// with it.
fn is_weight(tensor: NonNull<ggml_tensor>) -> bool {
    // SAFETY: called with the sources of an operation that is about to be computed, which are valid.
    let (operation, buffer) = unsafe { ((*tensor.as_ptr()).op, (*tensor.as_ptr()).buffer) };
    // SAFETY: a tensor's buffer is valid or null.
    operation == GGML_OP_NONE
        && !buffer.is_null()
        && unsafe { ggml_backend_buffer_get_usage(buffer) } == GGML_BACKEND_BUFFER_USAGE_WEIGHTS
}

fn has_name(tensor: NonNull<ggml_tensor>, name: &str) -> bool {
    // SAFETY: the tensor belongs to a loaded model, and its name is a null-terminated array within it.
    unsafe { CStr::from_ptr(ggml_get_name(tensor.as_ptr())) }.to_bytes() == name.as_bytes()
}
