//! A model that follows a run by its log.

use std::ops::Range;

use super::{Model, ModelError, digest};
use crate::replay::History;
use crate::seed_log::SeedLog;
use crate::sweep::{ResidualStore, per_tile, update_all};

/// A second copy of the codes that follows a run by its log alone.
#[derive(Debug)]
pub struct Replica {
    model: Model,
    ranges: Vec<Range<usize>>,
    history: History,
    residual: ResidualStore,
}

impl Replica {
    /// Creates a replica with the base model's codes, before the log's first generation.
    ///
    /// # Errors
    /// When the log was made for another model.
    pub fn new(model: Model, log: &SeedLog) -> Result<Self, ModelError> {
        model.check_base(&log.header.base)?;
        let ranges = model.ranges(&log.header.tensors)?;
        let history = History::new(&log.header)?;
        let residual = ResidualStore::Stored(per_tile(&history));
        Ok(Self { model, ranges, history, residual })
    }

    /// Applies the generations added to the log since the last call, and returns the digest of the tuned tensors.
    ///
    /// # Errors
    /// When the model's file is too short.
    pub fn follow(&mut self, log: &SeedLog) -> Result<String, ModelError> {
        let Self { model, ranges, history, residual } = self;
        let mut tensors = model.tensors(ranges, &log.header)?;
        for record in log.generations.iter().skip(history.len() as usize) {
            history.push(record);
            update_all(history, residual).over(&mut tensors);
        }
        Ok(digest::of(&tensors))
    }
}
