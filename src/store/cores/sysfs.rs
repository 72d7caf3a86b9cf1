//! Linux's description of the processors in `/sys/devices`.

use std::collections::BTreeSet;
use std::path::Path;

/// Smallest capacity of a big core, as a share of the largest core's. Arm's small cores have 0.16 to 0.46 of their big
/// neighbours' (a Cortex-A53 beside A73s 0.45, an A55 beside A76s 0.39), middle ones beside a prime core 0.8 and more,
/// seldom less.
const BIG_CAPACITY: f64 = 0.5;

/// Smallest clock of a big core, as a share of the highest one, if only clocks are known. Small cores are clocked at
/// 0.60 to 0.70 of it, and also do less in a cycle; middle ones at 0.80 and more.
const BIG_FREQUENCY: f64 = 0.75;

/// A processor of the system's scheduler; several may share a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Processor {
    /// The lowest number among the processors of its core.
    core: usize,
    /// `true` if the system lists it as one of the fast kind.
    is_listed: Option<bool>,
    /// Relative capacity; the machine's largest has 1024.
    capacity: Option<u64>,
    /// Highest clock in kHz.
    frequency: Option<u64>,
}

/// Counts the cores of the fastest kinds. Of the signs that distinguish kinds, the first that does so on this machine
/// decides.
pub(super) fn big_cores(processors: &[Processor]) -> usize {
    let signs: [Option<Vec<bool>>; 3] = [
        processors.iter().map(|processor| processor.is_listed).collect(),
        at_least(BIG_CAPACITY, processors, |processor| processor.capacity),
        at_least(BIG_FREQUENCY, processors, |processor| processor.frequency),
    ];
    let parting = signs.into_iter().flatten().find(|big| big.contains(&true) && big.contains(&false));
    let big = parting.unwrap_or_else(|| vec![true; processors.len()]);
    let cores = processors.iter().zip(big).filter(|(_, big)| *big).map(|(processor, _)| processor.core);
    cores.collect::<BTreeSet<_>>().len()
}

/// Returns which processors have at least this share of the highest speed; `None` if a speed is missing.
fn at_least(
    share: f64,
    processors: &[Processor],
    speed: impl Fn(&Processor) -> Option<u64>,
) -> Option<Vec<bool>> {
    let speeds: Vec<u64> = processors.iter().map(speed).collect::<Option<_>>()?;
    let highest = speeds.iter().copied().max()?;
    Some(speeds.into_iter().map(|speed| speed as f64 >= share * highest as f64).collect())
}

/// Reads Linux's description of the processors in `devices` (`/sys/devices`). Missing facts stay unknown.
pub(super) fn processors(devices: &Path, is_allowed: impl Fn(usize) -> bool) -> Vec<Processor> {
    let text = |path: &Path| std::fs::read_to_string(path).ok();
    let number = |path: &Path| text(path)?.trim().parse().ok();
    // Intel's processors with two kinds of cores name the fast ones.
    let fast = text(&devices.join("cpu_core/cpus"));
    let folders = std::fs::read_dir(devices.join("system/cpu")).into_iter().flatten().flatten();
    let of_folder = |folder: std::fs::DirEntry| {
        let processor: usize = folder.file_name().to_str()?.strip_prefix("cpu")?.parse().ok()?;
        let folder = folder.path();
        let siblings = ["topology/core_cpus_list", "topology/thread_siblings_list"];
        let siblings = siblings.into_iter().find_map(|name| text(&folder.join(name)));
        is_allowed(processor).then(|| Processor {
            core: siblings.and_then(|list| ranges(&list).map(|(first, _)| first).min()).unwrap_or(processor),
            is_listed: fast.as_ref().map(|list| ranges(list).any(|(a, b)| (a..=b).contains(&processor))),
            capacity: number(&folder.join("cpu_capacity")),
            frequency: number(&folder.join("cpufreq/cpuinfo_max_freq")),
        })
    };
    folders.filter_map(of_folder).collect()
}

/// Returns the ranges of a list such as `0-3,8`, first and last number of each.
fn ranges(list: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.parse().ok()?, last.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A folder such as `/sys/devices`, with the files that are written into it.
    struct Devices(TempDir);

    impl Devices {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn write(&self, file: &str, text: impl ToString) {
            let path = self.0.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{}\n", text.to_string())).unwrap();
        }

        /// Writes a file for each processor, numbered from 0.
        fn each<T: ToString>(self, file: &str, texts: impl IntoIterator<Item = T>) -> Self {
            for (number, text) in texts.into_iter().enumerate() {
                self.write(&format!("system/cpu/cpu{number}/{file}"), text);
            }
            self
        }

        fn big_cores(&self) -> usize {
            self.big_cores_among(|_| true)
        }

        fn big_cores_among(&self, is_allowed: impl Fn(usize) -> bool) -> usize {
            big_cores(&processors(self.0.path(), is_allowed))
        }
    }

    /// Returns 16 processors on 8 cores in the usual numbering: 0 and 8 share a core.
    fn eight_cores_of_two_threads() -> Devices {
        let siblings = (0..16).map(|number| format!("{},{}", number % 8, number % 8 + 8));
        Devices::new().each("topology/core_cpus_list", siblings)
    }

    #[test]
    fn two_threads_of_a_core_count_once() {
        assert_eq!(eight_cores_of_two_threads().big_cores(), 8);
        let neighbours = (0..8).map(|number| format!("{}-{}", number / 2 * 2, number / 2 * 2 + 1));
        assert_eq!(Devices::new().each("topology/thread_siblings_list", neighbours).big_cores(), 4);
    }

    #[test]
    fn small_cores_do_not_count() {
        let capacities = [446, 446, 446, 446, 1024, 1024, 1024, 1024];
        assert_eq!(Devices::new().each("cpu_capacity", capacities).big_cores(), 4);
    }

    #[test]
    fn a_prime_core_and_big_ones_count_together() {
        let capacities = [261, 261, 261, 261, 871, 871, 871, 1024];
        assert_eq!(Devices::new().each("cpu_capacity", capacities).big_cores(), 4);
        let clocks = [1_785_600, 1_785_600, 1_785_600, 1_785_600, 2_419_200, 2_419_200, 2_419_200, 2_841_600];
        let only_clocks = Devices::new().each("cpufreq/cpuinfo_max_freq", clocks);
        assert_eq!(only_clocks.big_cores(), 4);
    }

    #[test]
    fn clocks_decide_where_capacities_are_all_alike() {
        let devices = Devices::new().each("cpu_capacity", [1024; 6]);
        let devices = devices.each("cpufreq/cpuinfo_max_freq", [1_400, 1_400, 1_400, 1_400, 2_000, 2_000]);
        assert_eq!(devices.big_cores(), 2);
    }

    #[test]
    fn cores_that_hardly_differ_all_count() {
        let clocks = [5_500_000, 5_500_000, 5_800_000, 5_800_000, 5_500_000, 5_500_000];
        assert_eq!(Devices::new().each("cpufreq/cpuinfo_max_freq", clocks).big_cores(), 6);
        assert_eq!(Devices::new().each("cpu_capacity", [836, 836, 836, 1024]).big_cores(), 4);
    }

    #[test]
    fn a_list_of_fast_processors_is_believed_first() {
        // Two fast cores of two threads each, and four slow ones.
        let siblings = ["0-1", "0-1", "2-3", "2-3", "4", "5", "6", "7"];
        let devices =
            Devices::new().each("topology/core_cpus_list", siblings).each("cpu_capacity", [1024; 8]);
        devices.write("cpu_core/cpus", "0-3");
        assert_eq!(devices.big_cores(), 2);
        assert_eq!(devices.big_cores_among(|number| number >= 4), 4, "the slow ones are all there is");
    }

    #[test]
    fn four_equal_cores_are_four() {
        let devices = Devices::new()
            .each("topology/core_cpus_list", 0..4)
            .each("cpu_capacity", [1024; 4])
            .each("cpufreq/cpuinfo_max_freq", [1_800_000; 4]);
        assert_eq!(devices.big_cores(), 4);
    }

    #[test]
    fn a_container_counts_what_it_may_use() {
        let devices = eight_cores_of_two_threads();
        assert_eq!(devices.big_cores_among(|number| [3, 4].contains(&number)), 2);
        assert_eq!(devices.big_cores_among(|number| [3, 11].contains(&number)), 1, "one core of two threads");
    }

    #[test]
    fn what_is_unknown_leaves_all_processors() {
        assert_eq!(Devices::new().big_cores(), 0);
        let devices = Devices::new().each("uevent", [""; 3]);
        devices.write("system/cpu/cpuidle/current_driver", "none");
        devices.write("system/cpu/cpu0/cpu_capacity", "512");
        devices.write("system/cpu/cpu1/cpu_capacity", "many");
        devices.write("system/cpu/cpu2/topology/core_cpus_list", "2-x,");
        assert_eq!(devices.big_cores(), 3);
    }
}
