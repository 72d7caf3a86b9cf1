//! From base model and seed log to the tuned model, byte for byte what the live run held in memory.
//!
//! The base is copied and its code bytes are patched; its metadata gains what says where the model comes from, unless that is
//! not wanted, and everything else stays as it is. Nothing else than the log decides the codes.

mod error;
mod provenance;
mod split;
mod stack;
mod tuned;

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tracing::info;

pub use error::ExportError;
pub use provenance::{PastTune, past_tunes};
pub use split::{merge_parts, parts_of};
pub use stack::{DiffFile, Item, WrongBase, apply, revert};
pub use tuned::{Form, Rebuilt, Tuned, export};

use crate::block::Arrangement;
use crate::engine::{Engine, EngineError, TensorBytes};
use crate::gguf::{Gguf, GgufError};
use crate::replay::History;
use crate::seed_log::{BaseModel, Header, SeedLog, TensorSpec, hex};
use crate::select::find;
use crate::store::{StoreError, WorkingCopy};
use crate::sweep::{ResidualStore, per_tile, rebuild_all, rebuild_counting, rebuild_past, update_all};
use crate::update::Moves;

/// A base model that is mapped and understood.
#[derive(Debug)]
pub struct Model {
    /// The mapped bytes.
    pub working: WorkingCopy,
    /// What they hold.
    pub gguf: Gguf,
}

impl Model {
    /// Maps and checks a model file.
    ///
    /// # Errors
    /// When it cannot be read or is not a valid GGUF.
    pub fn open(path: &Path) -> Result<Self, ExportError> {
        Self::of(WorkingCopy::open(path)?)
    }

    /// Checks a model file that is mapped.
    ///
    /// # Errors
    /// When it is not a valid GGUF.
    pub fn of(working: WorkingCopy) -> Result<Self, ExportError> {
        match Gguf::parse(working.base()) {
            Ok(gguf) => {
                let (model, bytes) = (working.path(), working.base().len());
                info!(?model, bytes, architecture = ?gguf.architecture(), tensors = gguf.tensors().len(), "opened a model");
                Ok(Self { working, gguf })
            }
            Err(source) => {
                let path = working.path().to_owned();
                let split = match source {
                    GgufError::Split { count } => split::refused(&path, count),
                    _ => None,
                };
                Err(split.unwrap_or(ExportError::Gguf { path, source }))
            }
        }
    }

    /// The identity of the file, for a log's header. Reads the whole file.
    pub fn identity(&self) -> BaseModel {
        let file = self.working.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut hash = Sha256::new();
        self.working.read_base(|piece| hash.update(piece));
        BaseModel { file, bytes: self.working.base().len() as u64, sha256: hex(&hash.finalize()) }
    }

    /// The byte ranges of the tensors that a log tunes, after checking that the log is for this very file.
    ///
    /// # Errors
    /// When the log was made for another model.
    pub fn ranges(&self, log: &SeedLog) -> Result<Vec<Range<usize>>, ExportError> {
        let path = self.working.path().to_owned();
        let (found, wanted) = (self.identity(), &log.header.base);
        if (found.bytes, &found.sha256) != (wanted.bytes, &wanted.sha256) {
            let (wanted, found) = (Box::new(wanted.clone()), Box::new(found));
            return Err(ExportError::OtherModel { path, wanted, found });
        }
        self.ranges_of(&log.header.tensors)
    }

    /// The byte ranges of these tensors.
    fn ranges_of(&self, specs: &[TensorSpec]) -> Result<Vec<Range<usize>>, ExportError> {
        let path = || self.working.path().to_owned();
        let tensors =
            find(&self.gguf, specs).map_err(|source| ExportError::Select { path: path(), source })?;
        Ok(tensors.iter().map(|tensor| tensor.byte_range()).collect())
    }

    /// Brings the working copy to where the log's first `generations` generations lead, and returns the digest of the
    /// tuned tensors.
    ///
    /// # Errors
    /// When the log was made for another model or has fewer generations.
    pub fn replay(&mut self, log: &SeedLog, generations: u64) -> Result<String, ExportError> {
        let rebuild = |tensors: &mut [TensorBytes<'_>], history: &History| {
            rebuild_all(tensors, &log.header.tensors, history, &mut ResidualStore::Replay)
        };
        Ok(self.rebuild(log, generations, rebuild)?.1)
    }

    /// Replays the whole log, and tells for each tensor what moved in each `span` generations.
    ///
    /// # Errors
    /// When the log was made for another model, or does not lead to the codes that the run had.
    pub fn count_moves(&mut self, log: &SeedLog, span: u64) -> Result<Vec<Vec<Moves>>, ExportError> {
        let generations = log.generations.len() as u64;
        let rebuild = |tensors: &mut [TensorBytes<'_>], history: &History| {
            rebuild_counting(tensors, &log.header.tensors, history, span)
        };
        let (moves, digest) = self.rebuild(log, generations, rebuild)?;
        check_digest(log, generations, &digest)?;
        Ok(moves)
    }

    /// Lends the tensors that the log tunes to `rebuild`, and returns its answer and their digest afterwards.
    fn rebuild<T>(
        &mut self,
        log: &SeedLog,
        generations: u64,
        rebuild: impl FnOnce(&mut [TensorBytes<'_>], &History) -> T,
    ) -> Result<(T, String), ExportError> {
        let has = log.generations.len() as u64;
        if generations > has {
            return Err(ExportError::NoSuchGeneration { asked: generations, has });
        }
        let ranges = self.ranges(log)?;
        let history = History::of_log(log, generations)?;
        info!(generations, tensors = ranges.len(), codes = log.header.codes(), "replaying the log");
        let mut tensors = self.tensors(&ranges, &log.header)?;
        let answer = rebuild(&mut tensors, &history);
        Ok((answer, digest(&tensors)))
    }

    /// Brings the working copy to where the whole log leads, and returns the digests that the tuned tensors have on the way,
    /// after each of `points`: numbers of generations in rising order, none of which the log lacks.
    ///
    /// # Errors
    /// When the log was made for another model.
    pub fn digests(&mut self, log: &SeedLog, points: &[u64]) -> Result<Vec<String>, ExportError> {
        let ranges = self.ranges(log)?;
        let history = History::of_log(log, log.generations.len() as u64)?;
        info!(
            generations = log.generations.len(),
            digests = points.len(),
            "replaying the log, with digests on the way"
        );
        let mut tensors = self.tensors(&ranges, &log.header)?;
        let mut hashes = vec![Sha256::new(); points.len()];
        rebuild_past(points, &mut tensors, &log.header.tensors, &history, |first, tiles| {
            let add =
                |(point, hash): (usize, &mut Sha256)| tiles.iter().for_each(|tile| hash.update(&tile[point]));
            let shown = tiles.first().map_or(0, Vec::len);
            hashes[first..first + shown].par_iter_mut().enumerate().for_each(add);
        });
        Ok(hashes.into_iter().map(|hash| hex(&hash.finalize())).collect())
    }

    /// The tuned tensors, to be changed in the working copy.
    fn tensors(
        &mut self,
        ranges: &[Range<usize>],
        header: &Header,
    ) -> Result<Vec<TensorBytes<'_>>, StoreError> {
        let (base, parts) = self.working.disjoint_mut(ranges)?;
        let lend = |(index, (bytes, spec)): (usize, (_, &TensorSpec))| TensorBytes {
            index,
            bytes,
            arrangement: Arrangement::plain(spec.tensor_type),
            base: &base[ranges[index].clone()],
        };
        Ok(parts.into_iter().zip(&header.tensors).enumerate().map(lend).collect())
    }
}

/// A second copy of the codes that follows a run by its log alone.
#[derive(Debug)]
pub struct Replica {
    model: Model,
    ranges: Vec<Range<usize>>,
    history: History,
    residual: ResidualStore,
}

impl Replica {
    /// The base model's codes, before the log's first generation.
    ///
    /// # Errors
    /// When the log was made for another model.
    pub fn new(model: Model, log: &SeedLog) -> Result<Self, ExportError> {
        let ranges = model.ranges(log)?;
        let history = History::new(&log.header)?;
        let residual = ResidualStore::Stored(per_tile(&log.header.tensors, &history));
        Ok(Self { model, ranges, history, residual })
    }

    /// Applies the generations that the log has had since the last time, and returns the digest of the tuned tensors.
    ///
    /// # Errors
    /// When the model's file is too short.
    pub fn follow(&mut self, log: &SeedLog) -> Result<String, ExportError> {
        let Self { model, ranges, history, residual } = self;
        let mut tensors = model.tensors(ranges, &log.header)?;
        for record in log.generations.iter().skip(history.len() as usize) {
            history.push(record);
            update_all(&mut tensors, &log.header.tensors, history, residual);
        }
        Ok(digest(&tensors))
    }
}

/// The digest that a run logged of its live codes after this many generations, where it evaluated them.
pub fn logged_digest(log: &SeedLog, generations: u64) -> Option<&str> {
    let evaluation = log.evaluations.iter().find(|evaluation| evaluation.generations == generations);
    evaluation.map(|evaluation| evaluation.codes_sha256.as_str())
}

/// Refuses codes that are not those that the run had at this point.
///
/// # Errors
/// When the digests differ.
pub fn check_digest(log: &SeedLog, generations: u64, digest: &str) -> Result<(), ExportError> {
    match logged_digest(log, generations) {
        Some(logged) if logged != digest => {
            Err(ExportError::Diverged { generations, digest: digest.to_owned(), logged: logged.to_owned() })
        }
        _ => Ok(()),
    }
}

/// SHA-256 over the bytes of all tuned tensors as a file holds them, in the log's order.
fn digest(tensors: &[TensorBytes<'_>]) -> String {
    let mut hash = Sha256::new();
    tensors.iter().for_each(|tensor| hash.update(&*tensor.bytes));
    hex(&hash.finalize())
}

/// The same digest of the tensors that inference reads.
///
/// # Errors
/// When the engine cannot show them.
pub fn live_digest(engine: &mut impl Engine) -> Result<String, EngineError> {
    let mut hash = Sha256::new();
    engine.read_tensors(&mut |bytes| hash.update(bytes))?;
    Ok(hex(&hash.finalize()))
}

/// Whether both paths lead to one existing file.
pub fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
