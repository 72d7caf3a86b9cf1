//! Memory that this process has used, and the size of pages.

/// Returns the bytes of a page of memory.
pub(crate) fn page_size() -> usize {
    #[cfg(unix)]
    // SAFETY: only asks for a number.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok();
    #[cfg(not(unix))]
    let page = None;
    // No system has larger ones.
    page.filter(|page| page.is_power_of_two()).unwrap_or(1 << 16)
}

/// Makes the C library return large pieces of memory to the system when they are freed, if it would keep them.
///
/// glibc raises the size from which it does so whenever a larger piece is freed, up to 32 MB. The memory of a freed
/// context of inference would then stay with the process, as a part of its heap with holes in it: 27 MB for the search
/// for tokens on a model of 98 MB.
pub fn return_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: only sets a number.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20)
    };
}

/// Returns the peak memory (resident set) of this process so far, in bytes; `None` if unknown.
///
/// Linux's getrusage is unsuitable: it still counts the process's memory before it became this program.
#[cfg(target_os = "linux")]
pub fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Returns the peak memory (resident set) of this process so far, in bytes; `None` if unknown.
#[cfg(target_os = "macos")]
pub fn peak_rss_bytes() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is a writable rusage, and all zeros is a valid one.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    u64::try_from(usage.ru_maxrss).ok()
}

/// Returns the peak memory of this process so far, which is unknown on this system.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn peak_rss_bytes() -> Option<u64> {
    None
}
