//! Tensors that a device holds too: edited in the working copy, with the changes uploaded to the device.
//!
//! The working copy holds the bytes that the device should hold, so it is the only staging buffer of uploads. They run
//! on the engine's own thread while other tensors are still being edited. The device's bytes are read back for
//! digests.

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::mpsc;

use llama_cpp_sys_2::{
    GGML_BACKEND_DEVICE_TYPE_ACCEL, GGML_BACKEND_DEVICE_TYPE_CPU, ggml_backend_buffer_get_type,
    ggml_backend_buffer_is_host, ggml_backend_buft_get_device, ggml_backend_dev_type,
    ggml_backend_tensor_get, ggml_backend_tensor_set, ggml_nbytes, ggml_tensor,
};
use rayon::prelude::*;

use crate::engine::{Changed, TensorBytes, TensorEdit};

/// Bytes that are read back at once.
const PIECE_BYTES: usize = 4 << 20;

/// Largest gap of unchanged bytes between two changed ranges that is uploaded with them: a separate upload takes about
/// as long as this many bytes (some 20 microseconds, at 12 GB a second).
const GAP_BYTES: usize = 256 << 10;

/// Returns whether this process can directly read and change a tensor's bytes.
pub(super) fn is_in_main_memory(tensor: NonNull<ggml_tensor>) -> bool {
    // SAFETY: the tensor belongs to a loaded model that no other thread uses; its buffer is valid or null.
    unsafe {
        let buffer = (*tensor.as_ptr()).buffer;
        !buffer.is_null() && ggml_backend_buffer_is_host(buffer)
    }
}

/// Returns whether a tensor is on a separate device, such as a GPU. A tensor that is not in main memory need not be:
/// layouts for the processor's own kernels are in memory too, but cannot be read as bytes.
pub(super) fn is_on_device(tensor: NonNull<ggml_tensor>) -> bool {
    // SAFETY: the tensor belongs to a loaded model that no other thread uses; its buffer, and that one's device, are valid or null.
    unsafe {
        let buffer = (*tensor.as_ptr()).buffer;
        if buffer.is_null() || ggml_backend_buffer_is_host(buffer) {
            return false;
        }
        let device = ggml_backend_buft_get_device(ggml_backend_buffer_get_type(buffer));
        let of_processor = [GGML_BACKEND_DEVICE_TYPE_CPU, GGML_BACKEND_DEVICE_TYPE_ACCEL];
        !device.is_null() && !of_processor.contains(&ggml_backend_dev_type(device))
    }
}

/// A tensor on a device, in the file's layout.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeviceCopy {
    tensor: NonNull<ggml_tensor>,
    len: usize,
}

// SAFETY: it points to a tensor of a model, which may be used on any thread; an engine owns both and so sends them together,
// and only it uploads or reads, one call at a time.
unsafe impl Send for DeviceCopy {}

impl DeviceCopy {
    /// Creates it for a tensor of a loaded model.
    ///
    /// # Errors
    /// When the device does not hold exactly `base`, the file's bytes.
    pub(super) fn find(tensor: NonNull<ggml_tensor>, base: &[u8]) -> Result<Self, &'static str> {
        // SAFETY: the tensor belongs to a loaded model.
        let (data, len) = unsafe { ((*tensor.as_ptr()).data, ggml_nbytes(tensor.as_ptr())) };
        if len != base.len() {
            return Err("has another size on its device than in the file");
        }
        if data.is_null() {
            return Err("has no bytes on its device");
        }
        let copy = Self { tensor, len };
        let mut held = vec![0; PIECE_BYTES.min(len)];
        let is_same = base.chunks(PIECE_BYTES).zip(0..).all(|(base, number)| {
            let held = &mut held[..base.len()];
            copy.read(number * PIECE_BYTES, held);
            held == base
        });
        is_same.then_some(copy).ok_or(
            "is kept by its device in another layout than in the file, so its codes cannot be edited there",
        )
    }

    /// Uploads bytes to a place in the tensor.
    pub(super) fn upload(&self, offset: usize, bytes: &[u8]) {
        assert!(offset.checked_add(bytes.len()).is_some_and(|end| end <= self.len), "within the tensor");
        // SAFETY: the tensor is allocated, and the range lies within it, as was just checked. The call returns once the bytes
        // have been taken.
        unsafe { ggml_backend_tensor_set(self.tensor.as_ptr(), bytes.as_ptr().cast(), offset, bytes.len()) };
    }

    /// Reads bytes from a place in the tensor.
    fn read(&self, offset: usize, bytes: &mut [u8]) {
        assert!(offset.checked_add(bytes.len()).is_some_and(|end| end <= self.len), "within the tensor");
        // SAFETY: as for uploads; the call returns once the bytes are there.
        unsafe {
            ggml_backend_tensor_get(self.tensor.as_ptr(), bytes.as_mut_ptr().cast(), offset, bytes.len());
        }
    }
}

/// Statistics of uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uploads {
    /// Bytes that edits may have changed, of tensors that devices hold.
    pub changed: u64,
    /// Bytes that were uploaded: the changed ones, and those in gaps between them.
    pub bytes: u64,
    /// Number of uploads.
    pub calls: u64,
}

impl std::ops::AddAssign for Uploads {
    fn add_assign(&mut self, other: Self) {
        self.changed += other.changed;
        self.bytes += other.bytes;
        self.calls += other.calls;
    }
}

/// Other places of the bytes of a lent part of a tensor: copies, and the part's offset in them.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    pub(super) copies: Vec<DeviceCopy>,
    pub(super) offset: usize,
}

impl Destination {
    fn upload(&self, bytes: &[u8], changed: &Changed) -> Uploads {
        let mut uploads = Uploads::default();
        for copy in &self.copies {
            uploads.changed += changed.len() as u64;
            for range in joined(changed) {
                uploads.bytes += range.len() as u64;
                uploads.calls += 1;
                copy.upload(self.offset + range.start, &bytes[range]);
            }
        }
        uploads
    }
}

/// Returns the ranges to be uploaded, with those that have only small gaps between them joined.
fn joined(changed: &Changed) -> Vec<Range<usize>> {
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in changed.ranges() {
        match joined.last_mut() {
            Some(last) if range.start - last.end <= GAP_BYTES => last.end = range.end,
            _ => joined.push(range.clone()),
        }
    }
    joined
}

/// Edits tensors, and uploads the changes of each while others are edited. `destinations` are indexed by the tensor's
/// number.
pub(super) fn edit_and_upload(
    tensors: &mut [TensorBytes<'_>],
    destinations: &[Destination],
    edit: &TensorEdit<'_>,
) -> Uploads {
    let mut uploads = Uploads::default();
    // A worker that waits for others might wait for work that only it would do.
    if rayon::current_thread_index().is_some() {
        for tensor in tensors {
            let changed = edit(tensor);
            uploads += destinations[tensor.index].upload(tensor.bytes, &changed);
        }
        return uploads;
    }
    let (sender, edited) = mpsc::channel();
    rayon::in_place_scope(|scope| {
        scope.spawn(|_| {
            tensors.par_iter_mut().for_each_with(sender, |sender, tensor| {
                let changed = edit(tensor);
                let tensor: &TensorBytes<'_> = tensor;
                // Somebody listens until all senders are gone.
                let _ = sender.send((tensor, changed));
            });
        });
        for (tensor, changed) in edited {
            uploads += destinations[tensor.index].upload(tensor.bytes, &changed);
        }
    });
    uploads
}

/// Passes a part of a tensor as its devices hold it to a closure, a piece at a time. `here` are its bytes in the
/// working copy, which inference reads too if `is_read_here`.
///
/// # Errors
/// When inference would read different bytes in different places.
pub(super) fn show(
    copies: &[DeviceCopy],
    offset: usize,
    here: &[u8],
    is_read_here: bool,
    see: &mut dyn FnMut(&[u8]),
) -> Result<(), &'static str> {
    let mut first = vec![0; PIECE_BYTES.min(here.len())];
    let mut other = vec![0; if copies.len() > 1 { first.len() } else { 0 }];
    for (here, number) in here.chunks(PIECE_BYTES).zip(0..) {
        let offset = offset + number * PIECE_BYTES;
        let first = &mut first[..here.len()];
        let Some((copy, others)) = copies.split_first() else { return Ok(()) };
        copy.read(offset, first);
        let mut is_same = !is_read_here || *first == *here;
        for copy in others {
            let other = &mut other[..here.len()];
            copy.read(offset, other);
            is_same &= first == other;
        }
        if !is_same {
            return Err("its copies in memory and on devices are not the same any more; start again");
        }
        see(first);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use llama_cpp_sys_2::{
        GGML_TYPE_I8, ggml_backend_alloc_ctx_tensors_from_buft, ggml_backend_buffer_free,
        ggml_backend_buffer_t, ggml_backend_cpu_buffer_type, ggml_context, ggml_free, ggml_init,
        ggml_init_params, ggml_new_tensor_1d, ggml_tensor_overhead,
    };

    use super::*;
    use crate::block::Arrangement;
    use crate::tensor_type::TensorType;

    /// A tensor in a buffer of ggml's own, in place of a device's: it is reached by the same calls.
    struct There {
        context: *mut ggml_context,
        buffer: ggml_backend_buffer_t,
        tensor: NonNull<ggml_tensor>,
    }

    impl There {
        fn new(bytes: &[u8]) -> Self {
            // SAFETY: the context holds the description of one tensor, which has as many bytes as are set.
            unsafe {
                let mem_size = 2 * ggml_tensor_overhead();
                let params = ggml_init_params { mem_size, mem_buffer: std::ptr::null_mut(), no_alloc: true };
                let context = ggml_init(params);
                let tensor = ggml_new_tensor_1d(context, GGML_TYPE_I8, bytes.len() as i64);
                let buffer =
                    ggml_backend_alloc_ctx_tensors_from_buft(context, ggml_backend_cpu_buffer_type());
                ggml_backend_tensor_set(tensor, bytes.as_ptr().cast(), 0, bytes.len());
                Self { context, buffer, tensor: NonNull::new(tensor).unwrap() }
            }
        }

        fn copy(&self, base: &[u8]) -> DeviceCopy {
            DeviceCopy::find(self.tensor, base).unwrap()
        }

        fn bytes(&self, len: usize) -> Vec<u8> {
            let mut bytes = vec![0; len];
            DeviceCopy { tensor: self.tensor, len }.read(0, &mut bytes);
            bytes
        }
    }

    impl Drop for There {
        fn drop(&mut self) {
            // SAFETY: both were made by ggml, and nobody uses them any more.
            unsafe {
                ggml_backend_buffer_free(self.buffer);
                ggml_free(self.context);
            }
        }
    }

    fn lent<'a>(index: usize, bytes: &'a mut [u8], base: &'a [u8]) -> TensorBytes<'a> {
        TensorBytes { index, bytes, arrangement: Arrangement::plain(TensorType::Q8_0), base }
    }

    #[test]
    fn ranges_close_to_each_other_are_uploaded_as_one() {
        let far = 10 + GAP_BYTES;
        let changed = Changed::of([0..4, 6..10, far..far + 1, 2 * far + 2..2 * far + 5]);
        assert_eq!(joined(&changed), [0..far + 1, 2 * far + 2..2 * far + 5]);
        assert_eq!(joined(&Changed::default()), Vec::<Range<usize>>::new());
    }

    /// Two tensors: one with two copies, of which a part is lent that does not begin where the tensor does, and one
    /// without copies.
    #[test]
    fn what_changed_is_where_it_should_be_and_nothing_else_is_touched() {
        let len = 3 * GAP_BYTES;
        let base: Vec<u8> = (0..len).map(|place| (place / 7) as u8).collect();
        let part = 1000..len;
        let run = || {
            let copies = [There::new(&base), There::new(&base)];
            let destinations = [
                Destination { copies: Vec::new(), offset: 0 },
                Destination {
                    copies: copies.iter().map(|copy| copy.copy(&base)).collect(),
                    offset: part.start,
                },
            ];
            let (mut alone, mut mirrored) = (base.clone(), base.clone());
            let mut tensors =
                [lent(0, &mut alone, &base), lent(1, &mut mirrored[part.clone()], &base[part.clone()])];
            let last = part.len() - 3..part.len();
            // Bytes in the middle are changed without a word, so they show whether they were uploaded too.
            let edit = |tensor: &mut TensorBytes<'_>| {
                tensor.bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                Changed::of([5..9, last.clone()])
            };
            let uploads = edit_and_upload(&mut tensors, &destinations, &edit);
            assert_eq!(uploads, Uploads { changed: 2 * 7, bytes: 2 * 7, calls: 4 });
            let mut expected = base.clone();
            for range in [5..9, last.clone()] {
                let range = part.start + range.start..part.start + range.end;
                expected[range].iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
            }
            assert!(alone[..].iter().zip(&base).all(|(now, before)| *now == before.wrapping_add(1)));
            assert!(copies.iter().all(|copy| copy.bytes(len) == expected));
        };
        run();
        // On a worker too, and on the only one that there is.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(run);
    }

    #[test]
    fn a_device_must_hold_the_bytes_of_the_file() {
        let base = vec![7; PIECE_BYTES + 10];
        let mut other = base.clone();
        other[PIECE_BYTES + 3] = 8;
        let there = There::new(&other);
        assert!(DeviceCopy::find(there.tensor, &base).unwrap_err().contains("another layout"));
        assert!(DeviceCopy::find(there.tensor, &base[1..]).unwrap_err().contains("another size"));
        assert!(DeviceCopy::find(there.tensor, &other).is_ok());
    }

    #[test]
    fn what_is_shown_is_what_devices_hold() {
        let base: Vec<u8> = (0..PIECE_BYTES + 100).map(|place| (place / 3) as u8).collect();
        let (one, other) = (There::new(&base), There::new(&base));
        let copies = [one.copy(&base), other.copy(&base)];
        let shown = |copies: &[DeviceCopy], here: &[u8], is_read_here| {
            let mut seen = Vec::new();
            show(copies, 50, here, is_read_here, &mut |bytes| seen.extend_from_slice(bytes)).map(|()| seen)
        };
        assert_eq!(shown(&copies, &base[50..], true).unwrap(), base[50..]);
        let mut here = base.clone();
        here[60] ^= 1;
        assert_eq!(shown(&copies, &here[50..], false).unwrap(), base[50..], "not what is here");
        assert!(shown(&copies, &here[50..], true).unwrap_err().contains("not the same"));
        copies[1].upload(70, &[base[70] ^ 1]);
        assert!(shown(&copies, &base[50..], false).unwrap_err().contains("not the same"));
        copies[0].upload(70, &[base[70] ^ 1]);
        assert_eq!(shown(&copies, &base[50..], false).unwrap()[20], base[70] ^ 1);
    }
}
