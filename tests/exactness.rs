//! A log makes the same bytes everywhere: on every machine, with any number of threads, in every build.
//!
//! `tests/exactness/` holds logs that the program wrote on x86-64 when it tuned the bundled models, and in `SHA256SUMS` the
//! models that it made of them. They need no llama.cpp to be replayed, so these tests run in a build without it too, and on
//! any machine. Where `QES_EXACTNESS` names another folder, the logs are those in there. With `QES_WRITE_GOLDEN` they are made
//! anew first, which is for a new version of the format, or to compare machines by other logs.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use qes_gguf::cli;
use qes_gguf::export::{Form, export};
use qes_gguf::model::Model;
use qes_gguf::seed_log::{SeedLog, hex};
use sha2::{Digest, Sha256};

const THREADS: [usize; 4] = [1, 2, 3, 8];

/// What comes with the repository.
fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exactness")
}

/// The folder with the logs.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = std::env::var_os("QES_EXACTNESS").map_or_else(committed, PathBuf::from);
        if std::env::var_os("QES_WRITE_GOLDEN").is_some() {
            make::logs(&folder);
        }
        folder
    })
}

/// The base model of a log.
fn base(log: &str) -> PathBuf {
    base_in(folder(), log)
}

/// The same with the logs' folder given. A log's name begins with its model's type.
fn base_in(folder: &Path, log: &str) -> PathBuf {
    let of_type = log.split('-').next().unwrap();
    let bundled =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(format!("arith-tiny-{of_type}.gguf"));
    if bundled.exists() { bundled } else { folder.join(format!("{of_type}.gguf")) }
}

fn log(name: &str) -> SeedLog {
    let path = folder().join(format!("{name}.qes"));
    let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    SeedLog::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The names of the logs, each with the SHA-256 of the model that it makes.
fn sums() -> Vec<(String, String)> {
    let text = fs::read_to_string(folder().join("SHA256SUMS")).unwrap();
    let sum = |line: &str| {
        let (sum, file) = line.split_once("  ").unwrap();
        (file.strip_suffix(".gguf").unwrap().to_owned(), sum.to_owned())
    };
    let sums: Vec<_> = text.lines().map(sum).collect();
    assert!(sums.len() >= 10, "only {} logs", sums.len());
    sums
}

/// The SHA-256 of the model that a log makes, exported by so many threads.
fn exported(name: &str, base: &Path, log: &SeedLog, threads: usize) -> String {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("tuned.gguf");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let generations = log.generations.len() as u64;
    pool.install(|| export(base, log, generations, Form::Bare, &place))
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    hex(&Sha256::digest(fs::read(place).unwrap()))
}

#[test]
fn a_log_makes_the_same_model_by_any_number_of_threads() {
    let (mut compared, mut different) = (0, Vec::new());
    for (name, sum) in sums() {
        let log = log(&name);
        for threads in THREADS {
            compared += 1;
            if exported(&name, &base(&name), &log, threads) != sum {
                different.push(format!("{name} by {threads} threads"));
            }
        }
    }
    println!("exported files compared: {compared}, different: {}", different.len());
    assert!(different.is_empty(), "{different:#?}");
}

/// The digests are those that the run took of its live codes, before, after, and twice on its way.
#[test]
fn a_log_leads_to_the_codes_that_the_run_had_at_every_evaluation() {
    let (mut compared, mut different) = (0, Vec::new());
    for (name, _) in sums() {
        let log = log(&name);
        let points: Vec<u64> = log.evaluations.iter().map(|record| record.generations).collect();
        assert_eq!(points, [0, 2, 4, 5], "{name}");
        let digests = Model::open(&base(&name)).unwrap().digests(&log, &points).unwrap();
        for (record, digest) in log.evaluations.iter().zip(digests) {
            compared += 1;
            if record.codes_sha256 != digest {
                different.push(format!("{name} after {} generations", record.generations));
            }
        }
    }
    println!("digests compared: {compared}, different: {}", different.len());
    assert!(different.is_empty(), "{different:#?}");
}

/// Runs the program within this process, since a test for another processor cannot start it by itself. Returns its exit code.
fn run(words: &[&dyn AsRef<Path>]) -> u8 {
    let words = words.iter().map(|word| word.as_ref().as_os_str().to_owned());
    cli::run([OsString::from("qes-gguf")].into_iter().chain(words))
}

#[test]
fn a_log_is_enough_for_every_command_but_tune_and_eval() {
    let (dir, name) = (tempfile::tempdir().unwrap(), "q4_k-qes");
    let (base, log) = (base(name), folder().join(format!("{name}.qes")));
    let (tuned, page) = (dir.path().join("tuned.gguf"), dir.path().join("report.html"));
    assert_eq!(run(&[&"export", &base, &log, &"-o", &tuned]), 0);
    assert_eq!(run(&[&"verify", &base, &log, &tuned]), 0);
    assert_eq!(run(&[&"verify", &base, &log, &base]), 1, "what is wrong is still found");
    assert_eq!(run(&[&"inspect", &base]), 0);
    assert_eq!(run(&[&"inspect", &log]), 0);
    assert_eq!(run(&[&"report", &log, &"--model", &base, &"-o", &page]), 0);
}

#[cfg(not(feature = "llama"))]
#[test]
fn without_llama_cpp_tune_and_eval_say_what_is_missing() {
    let (dir, base) = (tempfile::tempdir().unwrap(), base("q4_k-qes"));
    let log = dir.path().join("run.qes");
    assert_eq!(run(&[&"tune", &base, &"--task", &"arith", &"-o", &log]), 1);
    assert!(!log.exists());
    assert_eq!(run(&[&"eval", &base, &"--task", &"arith"]), 1);
    assert_eq!(run(&[&"probe", &base, &"--task", &"arith"]), 1);
    let said = qes_gguf::llama::check_built_in().unwrap_err().to_string();
    assert!(said.contains("no llama.cpp") && said.contains("--no-default-features"), "{said}");
}

/// Makes the logs.
#[cfg(feature = "llama")]
mod make {
    use qes_gguf::llama;

    use super::*;

    /// Codes of every type move, and the replay window is shorter than the run.
    const FLAGS: &str = "--task arith --generations 5 --population 8 --prompts 8 --eval-problems 16 --eval-every 2 \
                         --alpha 5% --threads 1 --overwrite";

    /// What a run is by, and what it is called after.
    const RULES: [(&str, &str); 9] = [
        ("qes", ""),
        ("codes", "--fields codes"),
        ("tokens", "--tokens 48,49,50,61,258 --fields codes,scales"),
        ("window", "--fields codes,scales --window 2 --decay 0.9"),
        ("anchor", "--fields codes,scales --window all --anchor 0.02"),
        ("mirror", "--fields codes,scales --mirror --window 3 --sigma 20% --shaping rank"),
        ("gated", "--fields codes --method qes-gated --mirror --anchor 0.02"),
        ("quzo", "--fields codes,scales --method quzo"),
        ("es-round", "--fields codes,scales --method es-round"),
    ];

    fn tune(folder: &Path, name: &str, flags: &str) {
        let (base, log) = (base_in(folder, name), folder.join(format!("{name}.qes")));
        let mut words = vec!["qes-gguf".into(), "tune".into(), base.into(), "--output".into(), log.into()];
        words.extend(FLAGS.split_whitespace().chain(flags.split_whitespace()).map(OsString::from));
        assert_eq!(cli::run(words.into_iter()), 0, "{name}");
    }

    /// Makes logs, and their sums. Outside of the repository there is also a run of a model of every other type.
    pub fn logs(folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let mut sums = String::new();
        let bundled = ["q4_k", "q8_0"];
        let mut runs: Vec<(String, &str)> = Vec::new();
        for of_type in bundled {
            runs.extend(RULES.map(|(rule, flags)| (format!("{of_type}-{rule}"), flags)));
        }
        if folder != committed() {
            for tensor_type in llama::recipes() {
                let of_type = tensor_type.name().to_lowercase();
                if !bundled.contains(&&*of_type) {
                    let output = folder.join(format!("{of_type}.gguf"));
                    // One of an earlier time would be refused to be written over.
                    let _ = fs::remove_file(&output);
                    llama::quantize(&base_in(folder, "q8_0"), &output, tensor_type, &[], 1).unwrap();
                    runs.push((format!("{of_type}-qes"), RULES[0].1));
                }
            }
        }
        for (name, flags) in runs {
            tune(folder, &name, flags);
            let bytes = fs::read(folder.join(format!("{name}.qes"))).unwrap();
            let log = SeedLog::parse(&bytes).unwrap();
            sums += &format!("{}  {name}.gguf\n", exported(&name, &base_in(folder, &name), &log, 1));
        }
        fs::write(folder.join("SHA256SUMS"), sums).unwrap();
    }
}

#[cfg(not(feature = "llama"))]
mod make {
    pub fn logs(_: &std::path::Path) {
        panic!("QES_WRITE_GOLDEN needs llama.cpp: run this without --no-default-features");
    }
}
