//! Stacks of logs and diffs: tunes on top of tunes, and back.
//!
//! Each names the file that it is applied to, by its digest. Those before it must lead to exactly that file, which is
//! checked on the way; files in between are never written.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::tuned::split;
use super::{ExportError, Form, Rebuilt, Tuned, WrongBase};
use crate::diff::{Diff, DiffError, Digest, Direction};
use crate::gguf::HeaderStart;
use crate::model::{Model, check_digest};
use crate::seed_log::{BaseModel, SeedLog};
use crate::store::{Artefact, WorkingCopy};

/// Step from one model to the next.
#[derive(Debug)]
pub enum Item {
    /// A seed log.
    Log {
        /// Its file.
        path: PathBuf,
        /// The log.
        log: Box<SeedLog>,
    },
    /// A diff.
    Diff(Box<DiffFile>),
}

/// A diff in a file.
#[derive(Debug)]
pub struct DiffFile {
    file: WorkingCopy,
    diff: Diff,
}

impl DiffFile {
    /// Maps a diff and reads its first line.
    ///
    /// # Errors
    /// When it cannot be read or is not a diff.
    pub fn open(path: &Path) -> Result<Self, ExportError> {
        let file = WorkingCopy::open(path)?;
        let failed = |source| ExportError::Diff { path: path.to_owned(), source };
        let diff = Diff::parse(file.base()).map_err(failed)?;
        Ok(Self { file, diff })
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the parsed diff.
    pub fn diff(&self) -> &Diff {
        &self.diff
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.file.base().len() as u64
    }

    /// Applies the diff to a model, in one direction or the other, and returns the result.
    ///
    /// # Errors
    /// When the model is not the one that the diff is applied to, or the diff is damaged.
    fn taken(&self, mut model: Model, way: Direction) -> Result<Tuned, ExportError> {
        let (bytes, header) = (self.file.base(), self.diff.header());
        let failed = |source: DiffError| ExportError::Diff { path: self.path().to_owned(), source };
        let start = self.diff.start(bytes, split(&model, model.working.base()).0, way).map_err(failed)?;
        let ranges = model.ranges(&header.tensors)?;
        let (_, parts) = model.working.disjoint_mut(&ranges)?;
        let mut parts: Vec<_> = parts.into_iter().enumerate().collect();
        parts
            .par_iter_mut()
            .try_for_each(|(tensor, part)| self.diff.patch(bytes, *tensor, part))
            .map_err(failed)?;
        let tuned = Tuned { model, start: Some(HeaderStart { bytes: start, splices: Vec::new() }) };
        let wanted = match way {
            Direction::Forward => header.result.clone(),
            Direction::Back => Digest::from(&header.base),
        };
        if tuned.digest() == wanted { Ok(tuned) } else { Err(failed(DiffError::Result)) }
    }
}

impl Item {
    /// Its file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Log { path, .. } => path,
            Self::Diff(file) => file.path(),
        }
    }

    /// Returns the model that it is applied to.
    fn base(&self) -> &BaseModel {
        match self {
            Self::Log { log, .. } => &log.header.base,
            Self::Diff(file) => &file.diff.header().base,
        }
    }
}

/// Applies logs and diffs to a base model, one after the other, and writes the result. If the last one is a log, its
/// first `generations` generations are applied (by default all), and the file has this form. Returns the file's
/// digest.
///
/// # Errors
/// When one is not for the result of those before it, or something cannot be read or written.
pub fn apply(
    base: &Path,
    items: &[Item],
    generations: Option<u64>,
    form: Form,
    place: &Path,
) -> Result<Digest, ExportError> {
    let mut model = Model::open(base)?;
    let mut there = base.display().to_string();
    for (number, item) in items.iter().enumerate() {
        let mut artefact = Artefact::begin(place)?;
        check_base(&model, item, &there)?;
        let next = items.get(number + 1);
        let tuned = match (item, next) {
            (Item::Diff(file), _) => file.taken(model, Direction::Forward)?,
            (Item::Log { log, .. }, None) => {
                let all = log.generations.len() as u64;
                Rebuilt::by_log(model, log, generations.unwrap_or(all), form)?.tuned
            }
            (Item::Log { path, log }, Some(next)) => {
                let there = format!("what {there} becomes by {}", path.display());
                toward(model, log, next, there)?
            }
        };
        tuned.write(&mut artefact)?;
        if next.is_none() {
            artefact.publish()?;
            return Ok(tuned.digest());
        }
        model = Model::of(artefact.mapped()?)?;
        there = format!("what {there} becomes by {}", item.path().display());
    }
    Err(ExportError::NothingToApply)
}

/// Refuses a log or a diff that is not for this model.
fn check_base(model: &Model, item: &Item, there: &str) -> Result<(), ExportError> {
    let found = Digest::from(model.identity());
    let wanted = item.base().clone();
    if found == Digest::from(&wanted) {
        return Ok(());
    }
    let item = item.path().to_owned();
    Err(ExportError::WrongBase(Box::new(WrongBase {
        item,
        wanted,
        there: there.to_owned(),
        found: vec![found],
    })))
}

/// Returns the model after a log that the next item is for: after all generations or at the best one, with provenance
/// or without.
fn toward(mut model: Model, log: &SeedLog, next: &Item, there: String) -> Result<Tuned, ExportError> {
    let wanted = Digest::from(next.base());
    let mut points = vec![log.generations.len() as u64, log.chosen()];
    points.extend(log.best().map(|best| best.generations));
    let ranges = model.ranges(&log.header.tensors)?;
    let (mut tried, mut found) = (Vec::new(), Vec::new());
    for generations in points {
        if tried.contains(&generations) {
            continue;
        }
        tried.push(generations);
        let codes_sha256 = model.replay(log, generations)?;
        check_digest(log, generations, &codes_sha256)?;
        let mut rebuilt = Rebuilt::new(model, log, generations, codes_sha256, Form::Bare);
        for form in [Form::WithProvenance, Form::Bare] {
            rebuilt.take_form(form);
            let digest = rebuilt.tuned.digest();
            if digest == wanted {
                return Ok(rebuilt.tuned);
            }
            found.push(digest);
        }
        model = rebuilt.tuned.model;
        ranges.iter().try_for_each(|range| model.working.revert(range.clone()))?;
    }
    let (item, wanted) = (next.path().to_owned(), next.base().clone());
    Err(ExportError::WrongBase(Box::new(WrongBase { item, wanted, there, found })))
}

/// Reverts diffs from a tuned model, in any order given, and writes the model before them. Returns the file's digest.
///
/// # Errors
/// When there is a log among them, one does not lead to the model, or something cannot be read or written.
pub fn revert(tuned: &Path, items: Vec<Item>, place: &Path) -> Result<Digest, ExportError> {
    let diff = |item| match item {
        Item::Diff(file) => Ok(*file),
        Item::Log { path, .. } => Err(ExportError::LogBack(path)),
    };
    let mut left = items.into_iter().map(diff).collect::<Result<Vec<DiffFile>, _>>()?;
    let mut model = Model::open(tuned)?;
    loop {
        let mut artefact = Artefact::begin(place)?;
        let found = Digest::from(model.identity());
        let Some(number) = left.iter().position(|file| file.diff.header().result == found) else {
            return Err(not_led(tuned, &left, found));
        };
        let before = left.remove(number).taken(model, Direction::Back)?;
        before.write(&mut artefact)?;
        if left.is_empty() {
            artefact.publish()?;
            return Ok(before.digest());
        }
        model = Model::of(artefact.mapped()?)?;
    }
}

fn not_led(tuned: &Path, left: &[DiffFile], found: Digest) -> ExportError {
    match left.first() {
        Some(file) => ExportError::NotLed {
            diff: file.path().to_owned(),
            leads: Box::new(file.diff.header().result.clone()),
            tuned: tuned.to_owned(),
            found: Box::new(found),
        },
        None => ExportError::NothingToApply,
    }
}
