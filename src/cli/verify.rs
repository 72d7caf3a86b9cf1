//! `qes-gguf verify`: is everything what it claims to be?

use anyhow::Result;

use super::args::VerifyArgs;
use super::{Ending, out, setup, text};
use crate::export::{Model, logged_digest};
use crate::seed_log::SeedLog;
use crate::store::WorkingCopy;

pub fn run(args: &VerifyArgs) -> Result<Ending> {
    let log = setup::read_log(&args.log)?;
    let mut findings = Vec::new();
    if log.torn_bytes > 0 {
        findings.push(format!("{}: {}", args.log.display(), setup::torn(&log)));
    }
    let mut model = Model::open(&args.model)?;
    let all = log.generations.len() as u64;
    // A tuned file holds by default what the run left.
    let left = if args.tuned.is_some() { log.chosen() } else { all };
    let generations = setup::generations(&log, args.generation)?.unwrap_or(left);
    let digest = model.replay(&log, generations)?;
    out::line(format!("log        {} whole generations, every line's hash is right", text::count(all)))?;
    out::line(format!("base       {} is the model that the log names", args.model.display()))?;
    findings.extend(compare_digest(&log, generations, &digest)?);
    let after =
        if generations == all { String::new() } else { format!(" after {}", text::generations(generations)) };
    if let Some(tuned) = &args.tuned {
        let tuned = WorkingCopy::open(tuned)?;
        let path = tuned.path().display();
        match difference(&model, tuned.base()) {
            None => out::line(format!("tuned      {path} is exactly what base and log make{after}"))?,
            Some(what) => findings.push(format!("{path} is not what base and log make{after}: {what}")),
        }
    }
    for finding in &findings {
        out::line(format!("DIFFERENT  {finding}"))?;
    }
    out::line(if findings.is_empty() { "verified" } else { "not verified" })?;
    Ok(if findings.is_empty() { Ending::Success } else { Ending::Negative })
}

/// Compares the rebuilt codes with the digest that the run logged of its live codes at the same point.
fn compare_digest(log: &SeedLog, generations: u64, digest: &str) -> Result<Option<String>> {
    match logged_digest(log, generations) {
        None => out::line(format!("codes      SHA-256 {digest} (the run logged none at that generation)"))?,
        Some(logged) if logged == digest => {
            out::line(format!("codes      SHA-256 {digest}, as the run logged of its live model"))?;
        }
        Some(logged) => {
            return Ok(Some(format!(
                "the replayed codes have SHA-256 {digest}, but the run logged {logged}"
            )));
        }
    }
    Ok(None)
}

/// The first difference between the rebuilt model and a file, in words.
fn difference(model: &Model, tuned: &[u8]) -> Option<String> {
    let rebuilt = model.working.bytes();
    if rebuilt.len() != tuned.len() {
        return Some(format!("it has {} bytes, not {}", tuned.len(), rebuilt.len()));
    }
    let at = rebuilt.iter().zip(tuned).position(|(a, b)| a != b)?;
    let inside = |tensor: &&crate::gguf::TensorEntry| tensor.byte_range().contains(&at);
    let place = model.gguf.tensors().iter().find(inside);
    let place = place.map_or("outside all tensors".to_owned(), |tensor| format!("in tensor {}", tensor.name));
    Some(format!("the first different byte is {at}, {place}"))
}
