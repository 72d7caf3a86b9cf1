//! The processor cores that are worth a thread of their own.
//!
//! llama.cpp splits every operation evenly over its threads and waits for the last one. So two threads on one core
//! (hyperthreads) share what one could do alone, and a thread on a small core of a phone holds up those on the big
//! ones: both make inference slower, not faster. One thread for each big core is best. No well-maintained crate knows
//! the kinds of cores, but the system does: Linux in `/sys/devices`, macOS by `sysctl`.

#[cfg(any(target_os = "linux", target_os = "android"))]
use std::collections::BTreeSet;

#[cfg(any(target_os = "linux", target_os = "android", test))]
mod sysfs;

/// Returns the best number of threads for this machine: one for each big core that this process may run on, and no
/// more than the processor time that it is granted. If the system does not distinguish cores, one for each processor.
pub fn suitable_threads() -> usize {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    within(big_cores_here(), available)
}

/// Returns the number of big cores, or of available processors if the former is unknown or greater.
fn within(cores: Option<usize>, available: usize) -> usize {
    cores.filter(|&cores| cores > 0).map_or(available, |cores| cores.min(available))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn big_cores_here() -> Option<usize> {
    let allowed = allowed();
    let is_allowed = |number: usize| allowed.as_ref().is_none_or(|numbers| numbers.contains(&number));
    Some(sysfs::big_cores(&sysfs::processors("/sys/devices".as_ref(), is_allowed)))
}

#[cfg(target_os = "macos")]
fn big_cores_here() -> Option<usize> {
    // The first is of Apple's own processors, which have performance cores and others; the second of all.
    [c"hw.perflevel0.physicalcpu", c"hw.physicalcpu"].into_iter().find_map(number_of_system)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "macos")))]
fn big_cores_here() -> Option<usize> {
    None
}

/// Returns the processors that this process may run on; `None` if unknown.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn allowed() -> Option<BTreeSet<usize>> {
    let mut set = std::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    // SAFETY: `set` is writable, of the size given, and all zeros is a valid one; 0 means this thread.
    let set = unsafe {
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), set.as_mut_ptr()) != 0 {
            return None;
        }
        set.assume_init()
    };
    let most = 8 * size_of::<libc::cpu_set_t>();
    // SAFETY: the number is below that of the bits in the set.
    Some((0..most).filter(|&number| unsafe { libc::CPU_ISSET(number, &set) }).collect())
}

/// Returns a number that macOS stores by name.
#[cfg(target_os = "macos")]
fn number_of_system(name: &std::ffi::CStr) -> Option<usize> {
    let mut number: libc::c_int = 0;
    let mut bytes = size_of::<libc::c_int>();
    // SAFETY: the name is null-terminated, `number` is writable and has `bytes` bytes, and nothing is set.
    let status = unsafe {
        libc::sysctlbyname(name.as_ptr(), (&raw mut number).cast(), &raw mut bytes, std::ptr::null_mut(), 0)
    };
    if status == 0 { usize::try_from(number).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_count_as_far_as_they_are_granted() {
        assert_eq!(within(Some(8), 16), 8);
        assert_eq!(within(Some(8), 2), 2, "a container that is granted the time of two processors");
        assert_eq!(within(Some(0), 6), 6);
        assert_eq!(within(None, 6), 6);
    }

    #[test]
    fn this_machine_has_a_core_for_this_process() {
        let available = std::thread::available_parallelism().unwrap().get();
        assert!((1..=available).contains(&suitable_threads()));
    }
}
