//! Lets inference read its weights from the working copy, so that an edited code takes effect at once.
//!
//! llama.cpp offers no list of a model's tensors, but its evaluation callback shows every operation of the graph before
//! it is computed; one token evaluated in a throw-away context thus reveals all weights. Each tunable one is then
//! pointed into the private mapping, after checking that llama.cpp holds the very bytes of the file.

use std::error::Error;
use std::ffi::{CStr, c_void};
use std::ptr::NonNull;

use llama_cpp_sys_2::{GGML_OP_NONE, ggml_backend_buffer_is_host, ggml_get_name, ggml_nbytes, ggml_tensor};

use super::TensorSlot;
use super::context::{Context, Size};
use super::layout::Node;
use super::model::Model;
use crate::store::WorkingCopy;

type Failure = Box<dyn Error + Send + Sync>;

/// Points the tensors of `model` that have a slot into the working copy, which must outlive the model's use.
pub(super) fn redirect(
    model: &Model,
    working: &mut WorkingCopy,
    slots: &[TensorSlot],
) -> Result<(), Failure> {
    let inputs = graph_inputs(model)?;
    for slot in slots {
        let tensors: Vec<_> = inputs.iter().copied().filter(|&tensor| has_name(tensor, &slot.name)).collect();
        if tensors.is_empty() {
            return Err(
                format!("inference does not use the tensor {}; leave it out of tuning", slot.name).into()
            );
        }
        let Some(bytes) = working.bytes_mut().get_mut(slot.range.clone()) else {
            return Err(format!("the file ends before the tensor {}; fetch it again", slot.name).into());
        };
        // A tensor may be known to llama.cpp twice, as embedding and as output matrix.
        for tensor in tensors {
            redirect_one(tensor, bytes).map_err(|reason| format!("the tensor {} {reason}", slot.name))?;
        }
    }
    Ok(())
}

/// Points a tensor to `bytes`, which must equal what it points to.
fn redirect_one(tensor: NonNull<ggml_tensor>, bytes: &mut [u8]) -> Result<(), &'static str> {
    // SAFETY: the tensor belongs to a loaded model that no other thread uses.
    let tensor = unsafe { &mut *tensor.as_ptr() };
    // SAFETY: a valid tensor; the buffer is checked for null first.
    if tensor.buffer.is_null() || !unsafe { ggml_backend_buffer_is_host(tensor.buffer) } {
        return Err("is not in main memory; load the model on the CPU");
    }
    // SAFETY: a valid tensor.
    if unsafe { ggml_nbytes(tensor) } != bytes.len() {
        return Err("has another size in llama.cpp than in the file");
    }
    let data: *const u8 = tensor.data.cast();
    // SAFETY: a tensor in main memory has as many bytes as was just checked, and nobody writes them.
    let held = unsafe { std::slice::from_raw_parts(data, bytes.len()) };
    if held != bytes {
        return Err("is kept by llama.cpp in another layout than in the file, so its codes cannot be edited");
    }
    tensor.data = bytes.as_mut_ptr().cast();
    release(held);
    Ok(())
}

/// Unmaps the whole pages of llama.cpp's own mapping that nobody reads any more, so that they do not count twice.
#[cfg(target_os = "linux")]
fn release(bytes: &[u8]) {
    // SAFETY: only asks for a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(1 << 16);
    let skipped = bytes.as_ptr().align_offset(page).min(bytes.len());
    let len = (bytes.len() - skipped) / page * page;
    let start = bytes[skipped..].as_ptr().cast_mut().cast();
    // SAFETY: whole pages of a read-only mapping of the file; whoever reads them again finds the file's bytes.
    unsafe { libc::madvise(start, len, libc::MADV_DONTNEED) };
}

#[cfg(not(target_os = "linux"))]
fn release(_: &[u8]) {}

/// Every tensor that the model's graph reads but does not compute, each once.
fn graph_inputs(model: &Model) -> Result<Vec<NonNull<ggml_tensor>>, Failure> {
    let mut inputs: Vec<NonNull<ggml_tensor>> = Vec::new();
    let receiver: *mut c_void = (&raw mut inputs).cast();
    let size = Size { cells: 256, sequences: 1, tokens: 1, outputs: 1, threads: 1 };
    // SAFETY: `inputs` and the model outlive the context, which ends with this function.
    let mut context = unsafe {
        Context::new(model, size, |params| {
            params.cb_eval = Some(collect);
            params.cb_eval_user_data = receiver;
        })
    }?;
    let node = Node { token: 0, position: 0, sequences: 0..1, readers: vec![0] };
    context.evaluate(&[node], |_, _| Ok(()))?;
    drop(context);
    inputs.sort();
    inputs.dedup();
    Ok(inputs)
}

/// llama.cpp's evaluation callback: collects inputs when asked before an operation, and declines its result.
unsafe extern "C" fn collect(operation: *mut ggml_tensor, _ask: bool, receiver: *mut c_void) -> bool {
    // SAFETY: `graph_inputs` hands llama.cpp a pointer to this type, and waits.
    let inputs = unsafe { &mut *receiver.cast::<Vec<NonNull<ggml_tensor>>>() };
    // SAFETY: llama.cpp calls with a valid operation, whose sources are valid or null.
    let sources = unsafe { (*operation).src };
    for source in sources.into_iter().filter_map(NonNull::new) {
        // SAFETY: a valid tensor, as said above.
        if unsafe { (*source.as_ptr()).op } == GGML_OP_NONE {
            inputs.push(source);
        }
    }
    false
}

fn has_name(tensor: NonNull<ggml_tensor>, name: &str) -> bool {
    // SAFETY: the tensor belongs to a loaded model, and its name is a null-terminated array within it.
    unsafe { CStr::from_ptr(ggml_get_name(tensor.as_ptr())) }.to_bytes() == name.as_bytes()
}
