//! `qes-gguf verify`: is everything what it claims to be?

use anyhow::Result;

use super::args::VerifyArgs;
use super::{Ending, out, setup, text};
use crate::export::Model;
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
    let mut points: Vec<u64> = log.evaluations.iter().map(|evaluation| evaluation.generations).collect();
    points.push(all);
    points.dedup();
    let digests = model.digests(&log, &points)?;
    out::line(format!("log        {} whole generations, every line's hash is right", text::count(all)))?;
    out::line(format!("base       {} is the model that the log names", args.model.display()))?;
    findings.extend(compare_digests(&log, &points, &digests)?);
    let mut after = String::new();
    if generations != all {
        after = format!(" after {}", text::generations(generations));
        model = Model::open(&args.model)?;
        out::line(format!("codes      SHA-256 {}{after}", model.replay(&log, generations)?))?;
    }
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

/// Compares the rebuilt codes with the digests that the run logged of its live codes at the same points; the last point is the
/// end of the log. A difference is told of the first point that has one, since the later ones follow from it.
fn compare_digests(log: &SeedLog, points: &[u64], digests: &[String]) -> Result<Option<String>> {
    let mut compared = 0;
    let mut last_same = None;
    for logged in &log.evaluations {
        let point = logged.generations;
        let Some(digest) = points.binary_search(&point).ok().map(|number| &digests[number]) else { continue };
        if logged.codes_sha256 != *digest {
            let until =
                last_same.map_or(String::new(), |last| format!("; they agree up to generation {last}"));
            return Ok(Some(format!(
                "after {point} generations the replayed codes have SHA-256 {digest}, but the run logged {}{until}",
                logged.codes_sha256
            )));
        }
        compared += 1;
        last_same = Some(point);
    }
    let digest = digests.last().map_or("", String::as_str);
    out::line(if last_same == points.last().copied() {
        format!("codes      SHA-256 {digest}, as the run logged of its live model")
    } else {
        format!("codes      SHA-256 {digest} (the run logged none at its last generation)")
    })?;
    out::line(format!(
        "digests    all {} that the run logged on its way are those of the replay",
        text::count(compared)
    ))?;
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
