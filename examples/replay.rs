//! Replays a seed log on its base model: `replay BASE RUN.qes [TUNED.gguf]`.
//!
//! Shows what the codes of the tuned tensors come to after each evaluation that the run logged, checks them against the log,
//! and writes the tuned model where a third file is named. Needs no llama.cpp.

use std::path::Path;

use anyhow::{Context, Result, bail};
use qes_gguf::export::{Form, export};
use qes_gguf::model::Model;
use qes_gguf::seed_log::SeedLog;

/// The generations that the log tells the codes' digest of, and whether the replay has the same.
pub fn digests(base: &Path, log: &SeedLog) -> Result<Vec<(u64, bool)>> {
    let points: Vec<u64> = log.evaluations.iter().map(|evaluation| evaluation.generations).collect();
    let replayed = Model::open(base)?.digests(log, &points)?;
    let same = log.evaluations.iter().zip(replayed).map(|(logged, found)| logged.codes_sha256 == found);
    Ok(points.into_iter().zip(same).collect())
}

/// The log in a file.
pub fn read(path: &Path) -> Result<SeedLog> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    SeedLog::parse(&bytes).with_context(|| path.display().to_string())
}

#[allow(dead_code)] // A test calls the functions above alone.
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (base, log, tuned) = match arguments.as_slice() {
        [base, log] => (Path::new(base), Path::new(log), None),
        [base, log, tuned] => (Path::new(base), Path::new(log), Some(Path::new(tuned))),
        _ => bail!("usage: replay BASE RUN.qes [TUNED.gguf]"),
    };
    let log = read(log)?;
    for (generations, same) in digests(base, &log)? {
        println!("after {generations:4} generations: {}", if same { "as logged" } else { "NOT as logged" });
    }
    if let Some(tuned) = tuned {
        let digest = export(base, &log, log.generations.len() as u64, Form::WithProvenance, tuned)?;
        println!("wrote {}, tuned codes SHA-256 {digest}", tuned.display());
    }
    Ok(())
}
