//! A log that is continued.

use std::path::{Path, PathBuf};

use super::PlanError;
use crate::model::Model;
use crate::seed_log::{PlanRecord, SeedLog};
use crate::settings::Settings;
use crate::store::LogFile;

/// A log that is to be continued, and its file, which has not been changed yet.
#[derive(Debug)]
pub struct Continued {
    /// Contents of the file; its end may be torn.
    pub log: SeedLog,
    file: LogFile,
    path: PathBuf,
}

impl Continued {
    /// Opens the log of a run that began with this model.
    ///
    /// # Errors
    /// When it does not exist, another run has it open, it is damaged, or it was made for another model.
    pub fn open(path: &Path, model: &Model) -> Result<Self, PlanError> {
        let (file, bytes) = LogFile::open(path)?;
        let path = path.to_owned();
        let log =
            SeedLog::parse(&bytes).map_err(|source| PlanError::LogFile { path: path.clone(), source })?;
        model.check_base(&log.header.base)?;
        Ok(Self { log, file, path })
    }

    /// Returns the new planned number of generations, if it differs from the log's.
    ///
    /// # Errors
    /// When the run has already got further.
    pub fn goal(&self, generations: Option<u64>) -> Result<Option<PlanRecord>, PlanError> {
        let Some(asked) = generations.filter(|asked| *asked != self.log.planned()) else { return Ok(None) };
        let has = self.log.generations.len() as u64;
        if asked < has {
            return Err(PlanError::Behind { asked, has, path: self.path.clone() });
        }
        Settings { generations: asked, ..self.log.header.settings.clone() }.validate()?;
        Ok(Some(PlanRecord { generations: asked }))
    }

    /// Returns the log and its file, with a torn end cut off.
    ///
    /// # Errors
    /// When the file cannot be written to.
    pub fn mended(self) -> Result<(SeedLog, LogFile), PlanError> {
        let Self { mut log, mut file, .. } = self;
        if std::mem::take(&mut log.torn_bytes) > 0 {
            file.truncate(log.whole_bytes)?;
        }
        Ok((log, file))
    }
}
