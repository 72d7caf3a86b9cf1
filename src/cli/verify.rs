//! `qes-gguf verify`: checks the claims of a model, a log and a diff.

use std::fmt::Display;

use anyhow::Result;

use super::args::VerifyArgs;
use super::json::{self, VerifyOutput};
use super::{CommandEnd, out, setup, text};
use crate::export::{Form, Rebuilt};
use crate::gguf::TensorEntry;
use crate::model::Model;
use crate::seed_log::SeedLog;
use crate::store::WorkingCopy;

pub fn run(args: &VerifyArgs) -> Result<CommandEnd> {
    setup::replay_threads(&args.threads)?;
    let log = setup::read_log(&args.log)?;
    let mut verdict = CheckedModel { is_told: !args.json, ..CheckedModel::default() };
    if log.torn_bytes > 0 {
        verdict.findings.push(format!("{}: {}", args.log.display(), setup::torn(&log)));
    }
    let mut model = Model::open(&args.model)?;
    let all = log.generations.len() as u64;
    // A tuned file holds by default the run's final model.
    let left = if args.tuned.is_some() { log.chosen() } else { all };
    let generations = setup::generations(&log, args.generation)?.unwrap_or(left);
    let mut points: Vec<u64> = log.evaluations.iter().map(|evaluation| evaluation.generations).collect();
    points.push(all);
    points.dedup();
    let digests = model.digests(&log, &points)?;
    verdict.tell(format!("log        {} whole generations, every line's hash is right", text::count(all)))?;
    verdict.tell(format!("base       {} is the model that the log names", args.model.display()))?;
    verdict.compare_digests(&log, &points, &digests)?;
    let mut codes_sha256 = digests.last().cloned().unwrap_or_default();
    let mut after = String::new();
    if generations != all {
        after = format!(" after {}", text::generations(generations));
        model = model.reopen()?;
        codes_sha256 = model.replay(&log, generations)?;
        verdict.tell(format!("codes      SHA-256 {codes_sha256}{after}"))?;
    }
    let told = codes_sha256.clone();
    if let Some(tuned) = &args.tuned {
        let tuned = WorkingCopy::open(tuned)?;
        let path = tuned.path().display();
        let rebuilt = Rebuilt::new(model, &log, generations, codes_sha256, Form::Bare);
        match difference(rebuilt, tuned.base()) {
            None => verdict.tell(format!("tuned      {path} is exactly what base and log make{after}"))?,
            Some(what) => {
                verdict.findings.push(format!("{path} is not what base and log make{after}: {what}"));
            }
        }
    }
    for finding in &verdict.findings {
        verdict.tell(format!("DIFFERENT  {finding}"))?;
    }
    let verified = verdict.findings.is_empty();
    verdict.tell(if verified { "verified" } else { "not verified" })?;
    if args.json {
        out::json(&VerifyOutput {
            verified,
            model: json::path(&args.model),
            log: json::path(&args.log),
            tuned: args.tuned.as_ref().map(json::path),
            generations,
            generations_logged: all,
            codes_sha256: &told,
            digests_compared: verdict.compared,
            findings: &verdict.findings,
        })?;
    }
    Ok(if verified { CommandEnd::Success } else { CommandEnd::Negative })
}

/// Results of the checks so far.
#[derive(Debug, Default)]
struct CheckedModel {
    /// `true` if results are printed at once.
    is_told: bool,
    /// Differences found.
    findings: Vec<String>,
    /// The run's digests that were equal to those of the replay.
    compared: u64,
}

impl CheckedModel {
    /// Prints a line of text.
    fn tell(&self, line: impl Display) -> Result<()> {
        if self.is_told { out::line(line) } else { Ok(()) }
    }

    /// Compares the rebuilt codes with the digests that the run logged of its live codes at the same points; the last
    /// point is the end of the log. Only the first point with a difference is reported, since later ones follow from
    /// it.
    fn compare_digests(&mut self, log: &SeedLog, points: &[u64], digests: &[String]) -> Result<()> {
        let mut last_same = None;
        for logged in &log.evaluations {
            let point = logged.generations;
            let Some(digest) = points.binary_search(&point).ok().map(|number| &digests[number]) else {
                continue;
            };
            if logged.codes_sha256 != *digest {
                let until =
                    last_same.map_or(String::new(), |last| format!("; they agree up to generation {last}"));
                self.findings.push(format!(
                    "after {point} generations the replayed codes have SHA-256 {digest}, but the run logged {}{until}",
                    logged.codes_sha256
                ));
                return Ok(());
            }
            self.compared += 1;
            last_same = Some(point);
        }
        let digest = digests.last().map_or("", String::as_str);
        self.tell(if last_same == points.last().copied() {
            format!("codes      SHA-256 {digest}, as the run logged of its live model")
        } else {
            format!("codes      SHA-256 {digest} (the run logged none at its last generation)")
        })?;
        self.tell(match self.compared {
            0 => "digests    the run logged none that could be compared".to_owned(),
            1 => "digests    the one that the run logged on its way is that of the replay".to_owned(),
            many => format!(
                "digests    all {} that the run logged on its way are those of the replay",
                text::count(many)
            ),
        })
    }
}

/// Returns the first difference between the rebuilt model and a file, in words. The file may contain its provenance or
/// not: it is compared with the form whose length is closer to its own.
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
