//! `qes-gguf verify`: is everything what it claims to be?

use anyhow::Result;

use super::args::VerifyArgs;
use super::{Ending, setup, text};
use crate::export::{Model, byte_range};
use crate::seed_log::SeedLog;
use crate::store::WorkingCopy;

pub fn run(args: &VerifyArgs) -> Result<Ending> {
    let log = setup::read_log(&args.log)?;
    let mut findings = Vec::new();
    if log.torn_bytes > 0 {
        findings.push(format!("{}: {}", args.log.display(), setup::torn(&log)));
    }
    let mut model = Model::open(&args.model)?;
    let generations = log.generations.len() as u64;
    let digest = model.replay(&log, generations)?;
    println!("log        {} whole generations, every line's hash is right", text::count(generations));
    println!("base       {} is the model that the log names", args.model.display());
    findings.extend(compare_digest(&log, &digest));
    if let Some(tuned) = &args.tuned {
        let tuned = WorkingCopy::open(tuned)?;
        match difference(&model, tuned.base()) {
            None => println!("tuned      {} is exactly what base and log make", tuned.path().display()),
            Some(what) => {
                findings.push(format!("{} is not what base and log make: {what}", tuned.path().display()))
            }
        }
    }
    for finding in &findings {
        println!("DIFFERENT  {finding}");
    }
    println!("{}", if findings.is_empty() { "verified" } else { "not verified" });
    Ok(if findings.is_empty() { Ending::Success } else { Ending::Negative })
}

/// Compares the rebuilt codes with the digest that the run logged of its live codes at the same point.
fn compare_digest(log: &SeedLog, digest: &str) -> Option<String> {
    let generations = log.generations.len() as u64;
    let Some(last) = log.evaluations.last().filter(|last| last.generations == generations) else {
        println!("codes      SHA-256 {digest} (the run logged no digest at its last generation)");
        return None;
    };
    if last.codes_sha256 == digest {
        println!("codes      SHA-256 {digest}, as the run logged of its live model");
        return None;
    }
    Some(format!("the replayed codes have SHA-256 {digest}, but the run logged {}", last.codes_sha256))
}

/// The first difference between the rebuilt model and a file, in words.
fn difference(model: &Model, tuned: &[u8]) -> Option<String> {
    let rebuilt = model.working.bytes();
    if rebuilt.len() != tuned.len() {
        return Some(format!("it has {} bytes, not {}", tuned.len(), rebuilt.len()));
    }
    let at = rebuilt.iter().zip(tuned).position(|(a, b)| a != b)?;
    let inside = |tensor: &&crate::gguf::TensorEntry| byte_range(&tensor.range).contains(&at);
    let place = model.gguf.tensors().iter().find(inside);
    let place = place.map_or("outside all tensors".to_owned(), |tensor| format!("in tensor {}", tensor.name));
    Some(format!("the first different byte is {at}, {place}"))
}
