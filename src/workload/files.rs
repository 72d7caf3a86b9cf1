//! Task files, and the paths of data.

use std::path::{Component, Path, PathBuf};

use super::WorkloadError;
use crate::store::{folder_of, read_text, same_file};
use crate::task::Definition;

/// Reads a task file; a task without a name gets the file's.
///
/// # Errors
/// When it cannot be read, or is not a task file.
pub fn read_task_file(path: &Path) -> Result<Definition, WorkloadError> {
    let text = read_text(path).map_err(WorkloadError::TaskFile)?;
    let mut definition: Definition = toml::from_str(&text).map_err(|error| WorkloadError::Toml {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    })?;
    if definition.name.is_empty() {
        definition.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    }
    Ok(definition)
}

/// Returns the path of a task file's data, which is relative to the file's folder.
///
/// # Errors
/// When there is nothing at that path.
pub fn data_of_task_file(file: &Path, data: &str) -> Result<String, WorkloadError> {
    as_given(&shortened(&folder_of(file).join(data)), &file.display().to_string())
}

/// Returns a path of data as it was given, for a log that others may read. `of` names its source in messages.
///
/// # Errors
/// When there is nothing at that path, or the path is not text.
pub fn as_given(path: &Path, of: &str) -> Result<String, WorkloadError> {
    let (of, path) = (of.to_owned(), path.to_owned());
    if !path.exists() {
        return Err(WorkloadError::NotFound { of, path });
    }
    path.into_os_string().into_string().map_err(|path| WorkloadError::NotUtf8 { of, path: path.into() })
}

/// Returns the definition of a log with the new path of its data, if there is one.
///
/// # Errors
/// When the log's task has no data, or there is nothing at that path.
pub fn moved(of_log: &Definition, data: Option<&Path>) -> Result<Definition, WorkloadError> {
    let mut moved = of_log.clone();
    if let Some(data) = data {
        let Some(options) = moved.problems.data_mut() else {
            return Err(WorkloadError::NoData { name: moved.name });
        };
        options.path = as_given(data, "--data")?;
    }
    Ok(moved)
}

/// Returns a path without `.` and without folders that a `..` cancels, if it leads to the same place.
fn shortened(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for part in path.components() {
        let goes_down = matches!(short.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::CurDir => (),
            Component::ParentDir if goes_down => drop(short.pop()),
            part => short.push(part),
        }
    }
    // A link to a folder elsewhere leads back to its own parent.
    if same_file(&short, path) { short } else { path.to_owned() }
}
