//! The fuzz targets without a fuzzer: every input made by hand, and many changed copies of each, put to every target. Longer
//! runs, which learn from what the program does, are scripts/fuzz.

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use qes_gguf::rng::{Domain, Source, Stream};
// The builder of GGUF files names it so.
use qes_gguf::tensor_type;

#[allow(dead_code)] // What only cargo-fuzz calls.
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use fuzz::TARGETS;

/// Changed copies of each input; more take longer than other tests do.
const COPIES: u64 = 40;

/// Puts an input to a target, and tells what it was where that panics.
fn put(target: &fuzz::Target, what: &str, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
        panic!("target {}, {what}: {}", target.name, bytes.escape_ascii());
    }
}

#[test]
fn inputs_made_by_hand_come_to_their_end_everywhere() {
    for of in TARGETS {
        for (name, bytes) in (of.seeds)() {
            for target in TARGETS {
                put(target, name, &bytes);
            }
        }
    }
}

#[test]
fn changed_copies_come_to_their_end() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        for (number, (name, bytes)) in (0..).zip(&seeds) {
            let mut stream = Source::new(number, Domain::Problems).stream(0);
            for copy in 0..COPIES {
                let other = &seeds[stream.below(seeds.len() as u32) as usize].1;
                put(target, &format!("{name}, copy {copy}"), &changed(bytes, other, &mut stream));
            }
        }
    }
}

/// A copy with one to four changes of the kinds that fuzzers make.
fn changed(bytes: &[u8], other: &[u8], stream: &mut Stream) -> Vec<u8> {
    const AWKWARD: [u64; 6] = [0, 1, 0x7fff_ffff, 1 << 32, 1 << 63, u64::MAX];
    let mut bytes = bytes.to_vec();
    for _ in 0..=stream.below(4) {
        let place = |stream: &mut Stream, len: usize| stream.below(len as u32 + 1) as usize;
        let (from, to) = (place(stream, bytes.len()), place(stream, bytes.len()));
        let range = from.min(to)..from.max(to).min(from.min(to) + 64);
        match stream.below(6) {
            0 => bytes.truncate(from),
            1 => drop(bytes.drain(range)),
            2 => bytes.splice(from..from, bytes[range].to_vec()).for_each(drop),
            3 => {
                bytes.splice(from..from, other[..place(stream, other.len()).min(64)].to_vec()).for_each(drop)
            }
            4 => {
                let number = AWKWARD[stream.below(6) as usize].to_le_bytes();
                bytes[from..].iter_mut().zip(number).for_each(|(byte, new)| *byte = new);
            }
            _ => bytes[from..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << (to % 8)),
        }
    }
    bytes
}

#[test]
fn inputs_have_names_of_their_own() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        let names: HashSet<&str> = seeds.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), seeds.len(), "{}", target.name);
    }
}

/// Every target has a file for cargo-fuzz that calls it, and the package of the targets names them all.
#[test]
fn every_target_is_known_to_cargo_fuzz() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for target in TARGETS {
        let file = format!("fuzz_targets/{}.rs", target.name);
        let text = fs::read_to_string(folder.join(&file)).unwrap();
        assert_eq!(text.matches(&format!("\"{}\"", target.name)).count(), 2, "{file}");
        assert!(manifest.contains(&format!("name = \"{}\"\npath = \"{file}\"", target.name)), "{file}");
    }
    let without_fleet = usize::from(!cfg!(feature = "fleet"));
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len() + without_fleet);
}
