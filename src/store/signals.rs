//! Messages for signals that mean a failing file or device.
//!
//! A read from a mapped file ends in SIGBUS when the file no longer has the page, or the disk fails. The system offers
//! no other sign, and the process cannot go on after it. The process ends as it would have, which a log survives like
//! any other end; but it prints the reason. Nothing is caught, mapped anew or jumped over.

/// Makes this process print the reason when it ends by a bus error, and return an error for a file that reaches the
/// limit of its size (`ulimit -f`) instead of ending by the signal for that.
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

/// Makes this process print a remedy when it ends because llama.cpp gave up: its GPU backends do so, by the signal of
/// `abort`, when a device is lost or out of memory in the middle of a run.
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

/// Does nothing: this system has no such signals.
#[cfg(not(unix))]
pub fn explain_file_signals() {}

/// Does nothing: this system has no such signals.
#[cfg(not(unix))]
pub fn explain_device_signals() {}
