//! Keeps llama.cpp's log off the terminal, and its last errors at hand for our own messages.
//!
//! llama.cpp reports a failure as a null pointer or a bare number and writes the reason to its log. The log is one per
//! process, but its lines arrive on the thread that made the call, so the errors are kept by thread.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2::{GGML_LOG_LEVEL_ERROR, ggml_log_level, llama_log_set};

/// Errors kept: a failed load reports two or three.
const KEPT: usize = 4;

static VERBOSE: AtomicBool = AtomicBool::new(false);
static STARTED: Once = Once::new();

thread_local! {
    static ERRORS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Starts llama.cpp, once per process, and shows its log on the standard error stream from now on, or does not.
pub(super) fn start(verbose: bool) {
    VERBOSE.store(verbose, Ordering::Relaxed);
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

unsafe extern "C" fn receive(level: ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp hands over a null-terminated string that lives until this function returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    if VERBOSE.load(Ordering::Relaxed) {
        // Not worth more than an attempt: a panic must not cross into C.
        let _ = write!(std::io::stderr().lock(), "{text}");
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
