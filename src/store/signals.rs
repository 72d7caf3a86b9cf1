//! Signals that say that a file fails, made into words.
//!
//! A read from a mapped file ends in SIGBUS when the file does not have the page any more, or the disk fails. The system
//! offers no other sign, and by then there is nothing to go on with. The process ends as it would have, which a log survives
//! as it survives any other end; but it says why. Nothing is caught, mapped anew or jumped over.

/// Has this process say why when it ends by a bus error, and go on to report a file that reaches the limit of its size
/// (`ulimit -f`) instead of ending by the signal for that.
#[cfg(unix)]
pub fn explain_file_signals() {
    const WHY: &str = "error: a part of the model's file cannot be read any more: it was cut short by another program, or \
                       its disk fails. Bring the file back as it was and try again; what a run has logged is safe, and \
                       --resume continues it\n";
    let explain = || {
        // SAFETY: both calls are among those that a signal handler may make, and the bytes are static.
        unsafe {
            libc::write(libc::STDERR_FILENO, WHY.as_ptr().cast(), WHY.len());
            libc::_exit(1)
        }
    };
    // SAFETY: the action makes only calls that a signal handler may make, and does not return. Where it cannot be
    // registered, the process ends without a word.
    let _ = unsafe { signal_hook::low_level::register(libc::SIGBUS, explain) };
    // SAFETY: the action does nothing. The write then fails with an error, which is told.
    let _ = unsafe { signal_hook::low_level::register(libc::SIGXFSZ, || ()) };
}

/// Has this process say what to do when it ends because llama.cpp gave up: its GPU backends do so, by the signal of `abort`, when
/// a device is lost or out of memory in the middle of a run.
#[cfg(unix)]
pub fn explain_device_signals() {
    const WHY: &str = "error: llama.cpp gave up in the middle of its work, most likely as a GPU was lost or ran out of memory. What \
                       a run has logged is safe: --resume continues it, with -ngl 0 on the processor alone\n";
    let explain = || {
        // SAFETY: both calls are among those that a signal handler may make, and the bytes are static.
        unsafe {
            libc::write(libc::STDERR_FILENO, WHY.as_ptr().cast(), WHY.len());
            libc::_exit(1)
        }
    };
    // SAFETY: the action makes only calls that a signal handler may make, and does not return. Where it cannot be
    // registered, the process ends without a word.
    let _ = unsafe { signal_hook::low_level::register(libc::SIGABRT, explain) };
}

/// Such signals are unknown to this system.
#[cfg(not(unix))]
pub fn explain_file_signals() {}

/// Such signals are unknown to this system.
#[cfg(not(unix))]
pub fn explain_device_signals() {}
