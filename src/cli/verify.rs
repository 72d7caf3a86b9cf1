//! `qes-gguf verify`: is everything what it claims to be?

use anyhow::Result;

use super::args::VerifyArgs;
use super::{Ending, out, setup, text};
use crate::export::{Form, Model, Rebuilt};
use crate::gguf::TensorEntry;
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
    let mut codes_sha256 = digests.last().cloned().unwrap_or_default();
    let mut after = String::new();
    if generations != all {
        after = format!(" after {}", text::generations(generations));
        model = Model::open(&args.model)?;
        codes_sha256 = model.replay(&log, generations)?;
        out::line(format!("codes      SHA-256 {codes_sha256}{after}"))?;
    }
    if let Some(tuned) = &args.tuned {
        let tuned = WorkingCopy::open(tuned)?;
        let path = tuned.path().display();
        let rebuilt = Rebuilt::new(model, &log, generations, codes_sha256, Form::Bare);
        match difference(rebuilt, tuned.base()) {
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

/// The first difference between the rebuilt model and a file, in words. A file may say where it comes from, or not: it is
/// compared with what is as long as it.
fn difference(mut rebuilt: Rebuilt<'_>, tuned: &[u8]) -> Option<String> {
    let length =
        |rebuilt: &Rebuilt<'_>| rebuilt.tuned.pieces().iter().map(|piece| piece.len()).sum::<usize>();
    let bare = length(&rebuilt);
    rebuilt.take_form(Form::WithProvenance);
    let length = length(&rebuilt);
    let (length, form) = if tuned.len().abs_diff(bare) < tuned.len().abs_diff(length) {
        (bare, Form::Bare)
    } else {
        (length, Form::WithProvenance)
    };
    if tuned.len() != length {
        return Some(format!("it has {} bytes, not {length}", tuned.len()));
    }
    rebuilt.take_form(form);
    let [start, data] = rebuilt.tuned.pieces();
    let at = start.iter().chain(data).zip(tuned).position(|(a, b)| a != b)?;
    // Tensors lie as in the base, but for what the start is longer.
    let in_base = (at + rebuilt.tuned.base().data_start() as usize).checked_sub(start.len());
    let is_inside = |tensor: &&TensorEntry| in_base.is_some_and(|at| tensor.byte_range().contains(&at));
    let place = rebuilt.tuned.base().tensors().iter().find(is_inside);
    let place = place.map_or("outside all tensors".to_owned(), |tensor| format!("in tensor {}", tensor.name));
    Some(format!("the first different byte is {at}, {place}"))
}
