//! Weights that llama.cpp keeps interleaved, in memory of its own: detection, and their codes in that layout.
//!
//! llama.cpp does not tell the layout of a tensor. So each known one of its type is tried, and a layout is accepted if
//! all codes, converted from it into the file's layout, are those of the file.

use std::ffi::{CStr, c_char};
use std::ptr::NonNull;

use llama_cpp_sys_2::{
    GGML_BACKEND_DEVICE_TYPE_CPU, GGML_TYPE_F32, ggml_backend_buffer_free, ggml_backend_buffer_get_type,
    ggml_backend_buffer_type_t, ggml_backend_buft_alloc_buffer, ggml_backend_buft_name,
    ggml_backend_dev_backend_reg, ggml_backend_dev_by_type, ggml_backend_dev_supports_op, ggml_backend_dev_t,
    ggml_backend_reg_get_proc_address, ggml_free, ggml_init, ggml_init_params, ggml_mul_mat, ggml_nbytes,
    ggml_new_tensor_2d, ggml_tensor, ggml_tensor_overhead, ggml_type,
};
use rayon::prelude::*;

use super::TensorSlot;
use crate::block::{Arrangement, CodeBlock, CodeLayout};
use crate::with_layout;

/// Name of the buffers in which llama.cpp keeps interleaved weights.
const BUFFER_NAME: &CStr = c"CPU_REPACK";

/// Bytes that are converted into the file's layout at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Returns whether llama.cpp would interleave this tensor on this machine, in a layout in which its codes can be
/// addressed. It takes the first of its special buffers that supports a tensor, which on some machines are of another
/// kind.
pub(super) fn interleaves(slot: &TensorSlot) -> bool {
    let is_known = Arrangement::interleaved(slot.tensor_type, slot.row_blocks).next().is_some();
    let supporting =
        |(device, buffers): (_, Vec<_>)| buffers.into_iter().find(|&buffers| supports(device, buffers, slot));
    is_known && special_buffers().and_then(supporting).is_some_and(is_repacked)
}

/// Returns the processor, and llama.cpp's buffers for weights in layouts of its own.
fn special_buffers() -> Option<(ggml_backend_dev_t, Vec<ggml_backend_buffer_type_t>)> {
    type GetBuffers = unsafe extern "C" fn(ggml_backend_dev_t) -> *mut ggml_backend_buffer_type_t;
    let name: *const c_char = c"ggml_backend_dev_get_extra_bufts".as_ptr();
    // SAFETY: llama.cpp has been started, so that it knows its devices; the name is null-terminated. What it returns under
    // this name has this signature (`ggml_backend_dev_get_extra_bufts_t`), and its list ends in null.
    unsafe {
        let device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
        if device.is_null() {
            return None;
        }
        let found = ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name);
        let get = std::mem::transmute::<*mut std::ffi::c_void, Option<GetBuffers>>(found)?;
        let (mut next, mut buffers) = (get(device), Vec::new());
        while !next.is_null() && !(*next).is_null() {
            buffers.push(*next);
            next = next.add(1);
        }
        Some((device, buffers))
    }
}

/// Returns whether buffers of this (valid) type hold interleaved weights.
fn is_repacked(buffers: ggml_backend_buffer_type_t) -> bool {
    // SAFETY: a buffer type's name is null-terminated and lives as long as the program.
    unsafe { CStr::from_ptr(ggml_backend_buft_name(buffers)) == BUFFER_NAME }
}

/// Returns whether the device can multiply by such a tensor in such a buffer; llama.cpp asks the same when it loads a
/// model.
fn supports(device: ggml_backend_dev_t, buffers: ggml_backend_buffer_type_t, slot: &TensorSlot) -> bool {
    let row = slot.row_blocks as u64 * slot.tensor_type.block_len();
    // ggml aborts the process where a product of dimensions overflows.
    let (Ok(row), Ok(rows)) = (i32::try_from(row), i32::try_from(slot.matrix_rows)) else { return false };
    let (row, rows) = (row.into(), rows.into());
    // SAFETY: the context holds the descriptions of three tensors and no data; all of it is freed after its last use.
    unsafe {
        let mem_size = 4 * ggml_tensor_overhead();
        let context =
            ggml_init(ggml_init_params { mem_size, mem_buffer: std::ptr::null_mut(), no_alloc: true });
        if context.is_null() {
            return false;
        }
        let weights = ggml_new_tensor_2d(context, slot.tensor_type.ggml_id() as ggml_type, row, rows);
        let product = ggml_mul_mat(context, weights, ggml_new_tensor_2d(context, GGML_TYPE_F32, row, 1));
        (*weights).buffer = ggml_backend_buft_alloc_buffer(buffers, 0);
        let supports = !(*weights).buffer.is_null() && ggml_backend_dev_supports_op(device, product);
        ggml_backend_buffer_free((*weights).buffer);
        ggml_free(context);
        supports
    }
}

/// A tunable tensor in llama.cpp's own memory, interleaved.
#[derive(Debug)]
pub(super) struct Held {
    data: NonNull<u8>,
    len: usize,
    arrangement: Arrangement,
}

// SAFETY: it points to main memory of a model, which may be used on any thread; an engine owns both and so sends them together,
// and nobody reads or writes there but by way of a borrow of the engine.
unsafe impl Send for Held {}

impl Held {
    /// Returns the tensor of a loaded model if llama.cpp holds it in an interleaved layout.
    ///
    /// # Errors
    /// When it is interleaved, but its codes are those of `base`, the file's bytes, in none or several of the known
    /// layouts.
    pub(super) fn find(
        tensor: NonNull<ggml_tensor>,
        slot: &TensorSlot,
        base: &[u8],
    ) -> Result<Option<Self>, &'static str> {
        // SAFETY: the tensor belongs to a loaded model that no other thread uses, so its buffer is valid or null.
        let (buffer, data, len) =
            unsafe { ((*tensor.as_ptr()).buffer, (*tensor.as_ptr()).data, ggml_nbytes(tensor.as_ptr())) };
        // SAFETY: as above.
        if buffer.is_null() || !is_repacked(unsafe { ggml_backend_buffer_get_type(buffer) }) {
            return Ok(None);
        }
        if len != base.len() {
            return Err("has another size in llama.cpp than in the file");
        }
        let data = NonNull::new(data.cast::<u8>()).ok_or("has no data in llama.cpp")?;
        let candidates = Arrangement::interleaved(slot.tensor_type, slot.row_blocks);
        let mut found = candidates
            .map(|arrangement| Self { data, len, arrangement })
            .filter(|held| slot.matrix_rows.is_multiple_of(held.arrangement.rows) && held.holds(base));
        match (found.next(), found.next()) {
            (Some(held), None) => Ok(Some(held)),
            (None, _) => Err("is kept by llama.cpp in a layout that is not known"),
            // Codes that repeat themselves may be the same in several; edits would not be.
            _ => Err("is kept by llama.cpp in a layout that its codes do not tell from another"),
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: llama.cpp's buffers for interleaved weights are main memory, of as many bytes as the tensor has; the
        // model outlives this, and its weights change only through `lend` and `fill`.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }

    /// Returns the bytes to be changed, and the layout of their blocks.
    pub(super) fn lend(&mut self) -> (&mut [u8], Arrangement) {
        // SAFETY: as for `bytes`. Inference reads them only in calls that borrow the engine, and so this, mutably.
        (unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }, self.arrangement)
    }

    /// Returns the bytes of rows that are interleaved with each other.
    fn rows_bytes(&self) -> usize {
        let blocks = self.arrangement.rows * self.arrangement.row_blocks;
        blocks * self.arrangement.tensor_type.block_bytes() as usize
    }

    /// Returns whether all codes are those of `base`, a file's bytes.
    fn holds(&self, base: &[u8]) -> bool {
        let (rows, arrangement) = (self.rows_bytes(), self.arrangement);
        self.bytes().par_chunks_exact(rows).zip(base.par_chunks_exact(rows)).all(|(held, base)| {
            let mut file = base.to_vec();
            unpack(arrangement, held, &mut file);
            file == base
        })
    }

    /// Copies all codes from `file`, a file's bytes.
    pub(super) fn fill(&mut self, file: &[u8]) {
        let rows = self.rows_bytes();
        let (bytes, arrangement) = self.lend();
        let parts = bytes.par_chunks_exact_mut(rows).zip(file.par_chunks_exact(rows));
        parts.for_each(|(held, file)| pack(arrangement, held, file));
    }

    /// Passes the tensor in the file's layout to `read`, a piece at a time; scales are those of `base`, the file's bytes.
    pub(super) fn show(&self, base: &[u8], read: &mut dyn FnMut(&[u8])) {
        let rows = self.rows_bytes();
        let piece = PIECE_BYTES.next_multiple_of(rows);
        let mut file = Vec::with_capacity(piece.min(base.len()));
        for (held, base) in self.bytes().chunks(piece).zip(base.chunks(piece)) {
            file.clear();
            file.extend_from_slice(base);
            for (held, file) in held.chunks_exact(rows).zip(file.chunks_exact_mut(rows)) {
                unpack(self.arrangement, held, file);
            }
            read(&file);
        }
    }
}

/// Copies the codes of interleaved rows into `file`, the same rows in the file's layout.
fn unpack(arrangement: Arrangement, held: &[u8], file: &mut [u8]) {
    with_layout!(arrangement, L => {
        let bytes = <L as CodeLayout>::Block::BYTES;
        for (number, block) in file.chunks_exact_mut(bytes).enumerate() {
            let (row, column) = (number / arrangement.row_blocks, number % arrangement.row_blocks);
            L::unpack(&held[column * L::ROWS * bytes..][..L::ROWS * bytes], row, block);
        }
    });
}

/// Copies the codes of interleaved rows from `file`, the same rows in the file's layout.
fn pack(arrangement: Arrangement, held: &mut [u8], file: &[u8]) {
    with_layout!(arrangement, L => {
        let bytes = <L as CodeLayout>::Block::BYTES;
        for (number, block) in file.chunks_exact(bytes).enumerate() {
            let (row, column) = (number / arrangement.row_blocks, number % arrangement.row_blocks);
            L::pack(&mut held[column * L::ROWS * bytes..][..L::ROWS * bytes], row, block);
        }
    });
}
