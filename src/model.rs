//! A base model: its mapped and parsed file, and the replay of logs on it.
//!
//! [`Model`] maps the file and knows its digest: computing that reads all of the file, so it is done on first use, and
//! once. [`Model::replay`] brings the working copy to the state after a log; [`Replica`] follows a run by its log;
//! [`check_digest`] compares the codes with the run's.

mod digest;
mod error;
mod parts;
mod replica;

use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use tracing::{debug, info};

pub use digest::{check_digest, live_digest, logged_digest};
pub use error::ModelError;
pub use parts::parts_of;
pub use replica::Replica;

use crate::block::Arrangement;
use crate::engine::TensorBytes;
use crate::gguf::{Gguf, TensorEntry};
use crate::replay::History;
use crate::seed_log::{BaseModel, Header, SeedLog, TensorSpec, hex};
use crate::select::find;
use crate::store::{StoreError, WorkingCopy};
use crate::sweep::{ResidualStore, rebuild_all, rebuild_counting, rebuild_past};
use crate::update::Moves;

/// A base model that is mapped and parsed.
#[derive(Debug)]
pub struct Model {
    /// The mapped bytes.
    pub working: WorkingCopy,
    /// Parsed view of the file.
    pub gguf: Gguf,
    /// The file's name and digest, once they are known.
    identity: OnceLock<BaseModel>,
}

impl Model {
    /// Maps and checks a model file.
    ///
    /// # Errors
    /// When it cannot be read or is not a valid GGUF.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::of(WorkingCopy::open(path)?)
    }

    /// Returns the number of the model's weights, all tensors together.
    pub fn weights(&self) -> u64 {
        self.gguf.tensors().iter().map(TensorEntry::elements).sum()
    }

    /// Checks a mapped model file.
    ///
    /// # Errors
    /// When it is not a valid GGUF.
    pub fn of(working: WorkingCopy) -> Result<Self, ModelError> {
        match Gguf::parse(working.base()) {
            Ok(gguf) => {
                let (model, bytes) = (working.path(), working.base().len());
                info!(?model, bytes, architecture = ?gguf.architecture(), tensors = gguf.tensors().len(), "opened a model");
                Ok(Self { working, gguf, identity: OnceLock::new() })
            }
            Err(source) => {
                let path = working.path().to_owned();
                Err(parts::refused(&path, &source).unwrap_or(ModelError::Gguf { path, source }))
            }
        }
    }

    /// Maps the model's file once more, for work that needs a model of its own. Its identity is not computed again if
    /// it is known and the file has not changed since.
    ///
    /// # Errors
    /// When the file cannot be read any more or is not a valid GGUF any more.
    pub fn reopen(&self) -> Result<Self, ModelError> {
        let again = Self::open(self.working.path())?;
        if let Some(identity) = self.identity.get()
            && again.working.witness() == self.working.witness()
        {
            // Nobody has asked the new one yet, so there is none to be replaced.
            let _ = again.identity.set(identity.clone());
        }
        Ok(again)
    }

    /// Returns the file's name and digest, for a log's header. Reads the whole file on first use.
    pub fn identity(&self) -> &BaseModel {
        self.identity.get_or_init(|| {
            let file = self.working.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
            let bytes = self.working.base().len() as u64;
            debug!(model = ?self.working.path(), bytes, "computing the SHA-256 of a model's file");
            let mut hash = Sha256::new();
            self.working.read_base(|piece| hash.update(piece));
            BaseModel { file, bytes, sha256: hex(&hash.finalize()) }
        })
    }

    /// Checks that this is exactly the file that a log or a diff names as its base. Reads the whole file unless its
    /// [`identity`](Model::identity) is known.
    ///
    /// # Errors
    /// When it is another file.
    pub fn check_base(&self, wanted: &BaseModel) -> Result<(), ModelError> {
        let found = self.identity();
        if (found.bytes, &found.sha256) == (wanted.bytes, &wanted.sha256) {
            return Ok(());
        }
        let path = self.working.path().to_owned();
        let (wanted, found) = (Box::new(wanted.clone()), Box::new(found.clone()));
        Err(ModelError::OtherModel { path, wanted, found })
    }

    /// Returns the byte ranges of these tensors in the file.
    ///
    /// # Errors
    /// When the model lacks one, or it differs.
    pub fn ranges(&self, specs: &[TensorSpec]) -> Result<Vec<Range<usize>>, ModelError> {
        let path = || self.working.path().to_owned();
        let tensors =
            find(&self.gguf, specs).map_err(|source| ModelError::Select { path: path(), source })?;
        Ok(tensors.into_iter().map(|part| part.range).collect())
    }

    /// Brings the working copy to the state after the log's first `generations` generations, and returns the digest of
    /// the tuned tensors.
    ///
    /// # Errors
    /// When the log was made for another model or has fewer generations.
    pub fn replay(&mut self, log: &SeedLog, generations: u64) -> Result<String, ModelError> {
        let rebuild = |tensors: &mut [TensorBytes<'_>], history: &History| {
            rebuild_all(history, &mut ResidualStore::Replay).over(tensors)
        };
        Ok(self.rebuild(log, generations, rebuild)?.1)
    }

    /// Replays the whole log, and counts for each tensor the moves in each `span` generations.
    ///
    /// # Errors
    /// When the log was made for another model, or does not lead to the run's codes.
    pub fn count_moves(&mut self, log: &SeedLog, span: u64) -> Result<Vec<Vec<Moves>>, ModelError> {
        let generations = log.generations.len() as u64;
        let rebuild =
            |tensors: &mut [TensorBytes<'_>], history: &History| rebuild_counting(tensors, history, span);
        let (moves, digest) = self.rebuild(log, generations, rebuild)?;
        check_digest(log, generations, &digest)?;
        Ok(moves)
    }

    /// Lends the tensors that the log tunes to `rebuild`, and returns its result and their digest afterwards.
    fn rebuild<T>(
        &mut self,
        log: &SeedLog,
        generations: u64,
        rebuild: impl FnOnce(&mut [TensorBytes<'_>], &History) -> T,
    ) -> Result<(T, String), ModelError> {
        let has = log.generations.len() as u64;
        if generations > has {
            return Err(ModelError::NoSuchGeneration { asked: generations, has });
        }
        self.check_base(&log.header.base)?;
        let ranges = self.ranges(&log.header.tensors)?;
        let history = History::of_log(log, generations)?;
        info!(generations, tensors = ranges.len(), codes = log.header.codes(), "replaying the log");
        let mut tensors = self.tensors(&ranges, &log.header)?;
        let answer = rebuild(&mut tensors, &history);
        Ok((answer, digest::of(&tensors)))
    }

    /// Brings the working copy to the state after the whole log, and returns the digests of the tuned tensors after
    /// each of `points`: numbers of generations in rising order, all within the log.
    ///
    /// # Errors
    /// When the log was made for another model.
    pub fn digests(&mut self, log: &SeedLog, points: &[u64]) -> Result<Vec<String>, ModelError> {
        self.check_base(&log.header.base)?;
        let ranges = self.ranges(&log.header.tensors)?;
        let history = History::of_log(log, log.generations.len() as u64)?;
        info!(
            generations = log.generations.len(),
            digests = points.len(),
            "replaying the log, with digests on the way"
        );
        let mut tensors = self.tensors(&ranges, &log.header)?;
        let mut hashes = vec![Sha256::new(); points.len()];
        rebuild_past(points, &mut tensors, &history, |first, tiles| {
            let add =
                |(point, hash): (usize, &mut Sha256)| tiles.iter().for_each(|tile| hash.update(&tile[point]));
            let shown = tiles.first().map_or(0, Vec::len);
            hashes[first..first + shown].par_iter_mut().enumerate().for_each(add);
        });
        Ok(hashes.into_iter().map(|hash| hex(&hash.finalize())).collect())
    }

    /// Returns the tuned tensors, to be changed in the working copy.
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

#[cfg(test)]
mod tests;
