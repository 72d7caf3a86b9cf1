//! What hostile inputs are put to: a function for each kind of input that others may have made, which must come to its end
//! whatever the bytes are, and for each some inputs made by hand to begin from.
//!
//! A function does more than read: what was accepted is checked against all that its type promises, and then used. cargo-fuzz
//! calls the functions by way of `fuzz_targets` (scripts/fuzz does all of it), and the ordinary tests by
//! `tests/fuzz_corpus.rs`, with every input made by hand and with many changed copies.

mod dataset;
#[cfg(feature = "fleet")]
mod fleet;
mod gguf;
mod judge;
pub mod log;
mod replay;
mod reply;
mod sealed;
mod task;
mod template;
mod used;

// The builder of GGUF files names it so, from the crate that holds it.
#[allow(unused_imports)]
use qes_gguf::tensor_type;

/// Inputs by the names of their files.
pub type Seeds = Vec<(&'static str, Vec<u8>)>;

/// Formats an error, which must neither panic nor come out empty.
fn told(error: &impl std::fmt::Display) {
    assert!(!error.to_string().is_empty());
}

/// One kind of input.
pub struct Target {
    /// The name for cargo-fuzz.
    pub name: &'static str,
    /// Puts an input to what it is for, and panics where a promise is broken.
    pub run: fn(&[u8]),
    /// Inputs made by hand.
    pub seeds: fn() -> Seeds,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "gguf", run: gguf::run, seeds: gguf::seeds },
    Target { name: "seed_log", run: log::run, seeds: log::seeds },
    Target { name: "sealed_log", run: sealed::run, seeds: sealed::seeds },
    Target { name: "replay", run: replay::run, seeds: replay::seeds },
    Target { name: "dataset", run: dataset::run, seeds: dataset::seeds },
    Target { name: "task", run: task::run, seeds: task::seeds },
    Target { name: "reply", run: reply::run, seeds: reply::seeds },
    Target { name: "judge", run: judge::run, seeds: judge::seeds },
    Target { name: "template", run: template::run, seeds: template::seeds },
    #[cfg(feature = "fleet")]
    Target { name: "fleet", run: fleet::run, seeds: fleet::seeds },
];

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("the name of a target")
}

/// Puts an input to the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    (target(name).run)(bytes);
}

/// Writes a target's inputs made by hand into the folder that `FUZZ_SEEDS` names, where it names one.
pub fn write_seeds(name: &str) {
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        for (file, bytes) in (target(name).seeds)() {
            std::fs::write(std::path::Path::new(&folder).join(file), bytes).expect("the folder of seeds");
        }
    }
}
