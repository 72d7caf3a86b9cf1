//! Checks that the log reproduces the run's codes: after every generation (`--paranoid`), and at the end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::setup;
use crate::model::{Model, ModelError, Replica, check_digest};
use crate::seed_log::SeedLog;
use crate::store::read_log_file;
use crate::tune::Auditor;

/// Auditor that follows a run by its log file.
#[derive(Debug)]
pub struct FileAuditor {
    path: PathBuf,
    replica: Replica,
}

impl FileAuditor {
    /// Creates an auditor of a run that has come as far as `log`, which is in the file at `path`.
    pub fn new(model: &Path, log: &SeedLog, path: &Path) -> Result<Box<Self>> {
        let mut replica = Replica::new(Model::open(model)?, log)?;
        replica.follow(log)?;
        Ok(Box::new(Self { path: path.to_owned(), replica }))
    }
}

impl Auditor for FileAuditor {
    fn audit(&mut self, generations: u64, live: &str) -> Result<(), ModelError> {
        let log = SeedLog::parse(&read_log_file(&self.path)?)?;
        let digest = self.replica.follow(&log)?;
        if digest == live && log.generations.len() as u64 == generations {
            return Ok(());
        }
        Err(ModelError::Diverged { generations, digest, logged: live.to_owned() })
    }
}

/// Replays the log from its file and compares the codes with the digest that the run logged at the end.
pub fn at_end(model: &Path, path: &Path) -> Result<()> {
    let log = setup::read_log(path)?;
    let generations = log.generations.len() as u64;
    let digest = Model::open(model)?.replay(&log, generations)?;
    let context = || format!("the run is done, but {} does not lead to its codes", path.display());
    check_digest(&log, generations, &digest).with_context(context)
}
