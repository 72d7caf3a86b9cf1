//! Memory that this process has used.

/// The most memory (resident set) that this process has had so far, in bytes; `None` where the system does not tell.
#[cfg(unix)]
pub fn peak_rss_bytes() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is a writable rusage, and all zeros is a valid one.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    // Linux counts in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.ru_maxrss).ok().map(|amount| amount * unit)
}

/// The most memory that this process has had so far; this system does not tell.
#[cfg(not(unix))]
pub fn peak_rss_bytes() -> Option<u64> {
    None
}
