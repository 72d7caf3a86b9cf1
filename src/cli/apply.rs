//! `qes-gguf apply`, `revert` and `merge`: models made from models, logs and diffs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;

use super::args::{ApplyArgs, MergeArgs, RevertArgs};
use super::json::{self, WrittenOutput};
use super::{CommandEnd, UsageError, out, setup, text};
use crate::diff::{Diff, Digest};
use crate::export::{self, DiffFile, Item};
use crate::model::parts_of;
use crate::store::first_bytes;

/// Bytes at the start of a file that identify its format.
const TELLING: usize = 32;

pub fn run(args: &ApplyArgs) -> Result<CommandEnd> {
    let start = Instant::now();
    setup::replay_threads(&args.threads)?;
    check_places(&args.output, "the base model", &args.model, &args.items)?;
    let items = args.items.iter().map(|path| item(path)).collect::<Result<Vec<_>>>()?;
    let generations = match (items.last(), args.generation) {
        (Some(Item::Log { log, .. }), until) => setup::generations(log, until)?,
        (_, None) => None,
        (_, Some(_)) => {
            let message = "--generation is of a log, but the last of what is applied is a diff".to_owned();
            return Err(UsageError(message).into());
        }
    };
    let made = export::apply(&args.model, &items, generations, args.form.form(), &args.output)?;
    tell(&args.output, &made, start, args.json)
}

pub fn revert(args: &RevertArgs) -> Result<CommandEnd> {
    let start = Instant::now();
    check_places(&args.output, "the tuned model", &args.model, &args.items)?;
    let items = args.items.iter().map(|path| item(path)).collect::<Result<Vec<_>>>()?;
    let made = export::revert(&args.model, items, &args.output)?;
    tell(&args.output, &made, start, args.json)
}

pub fn merge(args: &MergeArgs) -> Result<CommandEnd> {
    let start = Instant::now();
    for part in parts_of(&args.part).unwrap_or_default() {
        setup::check_place(&args.output, "one of the parts", &part)?;
    }
    let made = export::merge_parts(&args.part, &args.output)?;
    tell(&args.output, &made, start, args.json)
}

/// Refuses to overwrite an input file.
fn check_places(place: &Path, model_is: &str, model: &Path, items: &[PathBuf]) -> Result<()> {
    setup::check_place(place, model_is, model)?;
    items.iter().try_for_each(|item| setup::check_place(place, "one of what is applied", item))
}

/// Opens a log or a diff; the start of the file decides which.
fn item(path: &Path) -> Result<Item> {
    if Diff::is_begun_by(&first_bytes(path, TELLING)?) {
        return Ok(Item::Diff(Box::new(DiffFile::open(path)?)));
    }
    Ok(Item::Log { path: path.to_owned(), log: Box::new(setup::read_log(path)?) })
}

fn tell(place: &Path, made: &Digest, start: Instant, as_json: bool) -> Result<CommandEnd> {
    let seconds = start.elapsed().as_secs_f64();
    if as_json {
        let Digest { bytes, sha256 } = made;
        out::json(&WrittenOutput { output: json::path(place), bytes: *bytes, sha256, seconds })?;
    } else {
        let took = text::seconds(seconds);
        out::line(format!("wrote {} in {took}\nSHA-256 {}", place.display(), made.sha256))?;
    }
    Ok(CommandEnd::Success)
}
