//! Files of neutral sets.

use std::path::Path;

use super::WorkloadError;
use crate::drift::{BUILT_IN_NAME, Neutral};
use crate::seed_log::DriftSpec;
use crate::store::read_text;

/// Returns a header's entry for the neutral set in a file, or for the built-in one, with a limit on drift.
///
/// # Errors
/// When the file is not a neutral set.
pub fn drift_spec(file: Option<&Path>, max: Option<f64>) -> Result<DriftSpec, WorkloadError> {
    let Some(file) = file else { return Ok(Neutral::built_in().spec(BUILT_IN_NAME, max)) };
    let set = read(file, "--neutral")?;
    // So that a run can be continued from any folder.
    let path = file.canonicalize();
    let path = path.map_err(|source| WorkloadError::NeutralPath { path: file.to_owned(), source })?;
    let path = path.into_os_string().into_string();
    let path =
        path.map_err(|path| WorkloadError::NotUtf8 { of: "--neutral".to_owned(), path: path.into() })?;
    Ok(set.spec(&path, max))
}

/// Returns the neutral set named in a header.
///
/// # Errors
/// When it cannot be read, or has changed since the run began.
pub fn neutral(spec: &DriftSpec) -> Result<Neutral, WorkloadError> {
    let set = if spec.neutral == BUILT_IN_NAME {
        Neutral::built_in()
    } else {
        read(Path::new(&spec.neutral), "the log's neutral set")?
    };
    if set.sha256() != spec.sha256 {
        return Err(WorkloadError::ChangedNeutral { neutral: spec.neutral.clone() });
    }
    Ok(set)
}

/// Reads a neutral set. `of` names the source of its path in messages.
fn read(path: &Path, of: &'static str) -> Result<Neutral, WorkloadError> {
    let text = read_text(path).map_err(|source| WorkloadError::NeutralFile { of, source })?;
    Neutral::parse(&text).map_err(|source| WorkloadError::Neutral { of, path: path.to_owned(), source })
}
