//! Capture of llama.cpp's log: it stays off the terminal, and its last errors are kept for our own messages.
//! Subscribers of `tracing` get it under the target [`TARGET`].
//!
//! llama.cpp reports a failure as a null pointer or a bare number and writes the reason to its log. There is one log
//! per process, but its lines arrive on the thread that made the call, so the errors are kept by thread.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::sync::Once;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2::{GGML_LOG_LEVEL_ERROR, GGML_LOG_LEVEL_WARN, ggml_log_level, llama_log_set};
use tracing::{debug, enabled};

use super::size::ContextBuffers;

/// The target of its lines; even its errors are only details, since our own messages repeat those that matter.
const TARGET: &str = "llama.cpp";

/// Most errors that are kept: a failed load reports two or three.
const KEPT: usize = 4;

/// Words of warnings that concern the model's quality. Others are irrelevant here, such as that of a context smaller
/// than the model's longest.
const ON_QUALITY: [&str; 7] =
    ["quality", "degrade", "pre-tokenizer", "incorrect", "reconvert", "regenerat", "missing"];

/// Most warnings that are kept of a model.
const KEPT_WARNINGS: usize = 8;

/// The sizes of the buffers of a context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BufferSizes {
    /// Buffers in main memory.
    pub(super) here: ContextBuffers,
    /// Buffers on devices.
    pub(super) on_devices: ContextBuffers,
}

static STARTED: Once = Once::new();

thread_local! {
    static ERRORS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
    static BUFFERS: Cell<BufferSizes> = const { Cell::new(BufferSizes { here: ContextBuffers::NONE, on_devices: ContextBuffers::NONE }) };
}

/// Starts llama.cpp, once per process.
pub(super) fn start() {
    STARTED.call_once(|| {
        // SAFETY: `receive` lives as long as the program and ignores its user data.
        unsafe { llama_log_set(Some(receive), std::ptr::null_mut()) };
        if let Ok(backend) = LlamaBackend::init() {
            // Started for the rest of the process, which is when dropping would shut it down.
            std::mem::forget(backend);
        }
    });
}

/// Takes the errors that llama.cpp has logged on this thread, or `otherwise` when there are none.
pub(super) fn take_errors(otherwise: &str) -> String {
    let errors = ERRORS.with_borrow_mut(std::mem::take);
    if errors.is_empty() { otherwise.to_owned() } else { errors.join("; ") }
}

/// Takes the warnings about quality that llama.cpp has logged on this thread.
pub(super) fn take_warnings() -> Vec<String> {
    WARNINGS.with_borrow_mut(std::mem::take)
}

/// Keeps a warning if it is about quality, once.
fn keep_warning(warnings: &mut Vec<String>, line: &str) {
    // Lines begin with the name of a function of llama.cpp's.
    let text = line.split_once(": ").map_or(line, |(_, text)| text).trim();
    let small = text.to_lowercase();
    let is_new = !warnings.iter().any(|known| known == text);
    if is_new && warnings.len() < KEPT_WARNINGS && ON_QUALITY.iter().any(|word| small.contains(word)) {
        warnings.push(text.replace(char::is_control, "\u{fffd}"));
    }
}

/// Takes the sizes of the buffers whose allocation llama.cpp has logged on this thread. Its C interface has no other
/// way to learn the size of a context.
pub(super) fn take_buffers() -> BufferSizes {
    BUFFERS.take()
}

/// Returns whether a backend's buffers are in main memory; names of buffers that it shares with a GPU end in `_Host`.
fn is_here(backend: &str) -> bool {
    matches!(backend, "CPU" | "BLAS") || backend.ends_with("_Host")
}

/// Adds the size in a line such as "sched_reserve:        CPU compute buffer size =     8.02 MiB".
fn add_buffer(sizes: &mut BufferSizes, line: &str) -> Option<()> {
    let (what, size) = line.split_once(" buffer size =")?;
    let mib: f64 = size.trim().strip_suffix("MiB")?.trim().parse().ok()?;
    let bytes = (mib * f64::from(1 << 20)) as u64;
    let mut words = what.rsplit(' ');
    let (kind, backend) = (words.next()?, words.next().unwrap_or_default());
    let buffers = if is_here(backend) { &mut sizes.here } else { &mut sizes.on_devices };
    let part = match kind {
        // The model's are planned from its file, logits from the vocabulary.
        "model" | "output" => return None,
        "RS" => &mut buffers.states,
        "compute" => &mut buffers.compute,
        _ => &mut buffers.cells,
    };
    *part = part.saturating_add(bytes);
    Some(())
}

/// Emits whole lines; llama.cpp passes some in pieces.
fn tell(text: &str) {
    // Taken out meanwhile, since a listener might have llama.cpp say something.
    let mut rest = LINE.take() + text;
    while let Some(end) = rest.find('\n') {
        let line: String = rest.drain(..=end).collect();
        if !line.trim().is_empty() {
            debug!(target: TARGET, "llama.cpp: {}", line.trim_end().replace(char::is_control, "\u{fffd}"));
        }
    }
    LINE.set(rest);
}

unsafe extern "C" fn receive(level: ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp hands over a null-terminated string that lives until this function returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    if enabled!(target: TARGET, tracing::Level::DEBUG) {
        tell(&text);
    }
    let mut buffers = BUFFERS.get();
    if add_buffer(&mut buffers, &text).is_some() {
        BUFFERS.set(buffers);
    }
    if level == GGML_LOG_LEVEL_WARN {
        WARNINGS.with_borrow_mut(|warnings| keep_warning(warnings, &text));
    }
    if level == GGML_LOG_LEVEL_ERROR && !text.trim().is_empty() {
        ERRORS.with_borrow_mut(|errors| {
            if errors.len() == KEPT {
                errors.remove(0);
            }
            errors.push(text.trim().to_owned());
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// Writer that keeps everything written to it.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn pieces_are_told_as_lines_and_do_not_steer_the_terminal() {
        let kept = Kept::default();
        let listener = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .without_time()
            .with_ansi(false)
            .with_writer(kept.clone())
            .finish();
        tracing::subscriber::with_default(listener, || {
            for piece in ["loading", " .", ".", "\n\nname \u{1b}[31m red\ntorn"] {
                tell(piece);
            }
        });
        let said = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let told: Vec<&str> =
            said.lines().map(|line| line.split_once("llama.cpp: llama.cpp: ").unwrap().1).collect();
        assert_eq!(told, ["loading ..", "name \u{fffd}[31m red"]);
    }

    #[test]
    fn warnings_on_quality_are_kept_once() {
        let mut warnings = Vec::new();
        for line in [
            "load: missing pre-tokenizer type, using: 'default'\n",
            "load: ************************************        \n",
            "load: GENERATION QUALITY WILL BE DEGRADED!        \n",
            "load: GENERATION QUALITY WILL BE DEGRADED!        \n",
            "llama_context: n_ctx_seq (1024) < n_ctx_train (8192) -- the full capacity of the model will not be utilized\n",
        ] {
            keep_warning(&mut warnings, line);
        }
        assert_eq!(
            warnings,
            ["missing pre-tokenizer type, using: 'default'", "GENERATION QUALITY WILL BE DEGRADED!"]
        );
    }

    #[test]
    fn sizes_of_buffers_are_read() {
        let mut sizes = BufferSizes::default();
        for line in [
            "llama_context:        CPU  output buffer size =     0.13 MiB\n",
            "llama_kv_cache:        CPU KV buffer size =     4.00 MiB\n",
            "llama_memory_recurrent:        CPU RS buffer size =     1.00 MiB\n",
            "sched_reserve:        CPU compute buffer size =     8.50 MiB\n",
            "~llama_context:        CPU compute buffer size is   8.0195 MiB, matches expectation of   8.0195 MiB\n",
            "llama_kv_cache:    Vulkan0 KV buffer size =     2.00 MiB\n",
            "sched_reserve:      CUDA1 compute buffer size =     3.00 MiB\n",
            "sched_reserve: Vulkan_Host compute buffer size =     1.00 MiB\n",
        ] {
            add_buffer(&mut sizes, line);
        }
        assert_eq!(sizes.here, ContextBuffers { cells: 4 << 20, states: 1 << 20, compute: 19 << 19 });
        assert_eq!(sizes.on_devices, ContextBuffers { cells: 2 << 20, states: 0, compute: 3 << 20 });
    }
}
