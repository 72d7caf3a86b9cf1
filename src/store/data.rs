//! The user's data: a file, or a folder with a training file and perhaps one for evaluation.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::StoreError;
use super::bounded::read_up_to;
use crate::dataset::EXTENSIONS;
use crate::seed_log::hex;

/// Most bytes of data; more would not fit the machines that this tool is for.
const MAX_DATA_BYTES: u64 = 1 << 30;

/// Names of a folder's training file, before the dot.
const TRAINING: [&str; 1] = ["train"];
/// Names of a folder's file for evaluation; the first that exists is used.
const HELD_OUT: [&str; 6] = ["valid", "validation", "val", "dev", "eval", "test"];

/// A file of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Its path.
    pub path: PathBuf,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// The files of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Training file. A share of it is held out if there is no file for evaluation.
    pub training: DataFile,
    /// File for evaluation.
    pub held_out: Option<DataFile>,
    /// Other files of the folder for evaluation, which are not used.
    pub unused: Vec<PathBuf>,
    /// SHA-256 over the files' names and contents, in hexadecimal. It does not depend on the folder's path.
    pub sha256: String,
}

/// Reads a file of data, or a folder's `train` and `valid` (else `validation`, `val`, `dev`, `eval` or `test`) with
/// one of the extensions that can be read.
///
/// # Errors
/// When there is no training file, a file cannot be read, the files are too large, or there are two for one purpose.
pub fn read_data(path: &Path) -> Result<Data, StoreError> {
    let (training, mut others) = if path.is_dir() { in_folder(path)? } else { (path.to_owned(), Vec::new()) };
    let held_out = (!others.is_empty()).then(|| others.remove(0));
    let mut budget = MAX_DATA_BYTES;
    let mut hash = Sha256::new();
    let mut read = |path: PathBuf| read_file(path, &mut budget, &mut hash);
    let (training, held_out) = (read(training)?, held_out.map(read).transpose()?);
    Ok(Data { training, held_out, unused: others, sha256: hex(&hash.finalize()) })
}

/// Returns a folder's training file, and all of its files for evaluation, the one that is used first.
fn in_folder(folder: &Path) -> Result<(PathBuf, Vec<PathBuf>), StoreError> {
    let training = first_of(folder, &TRAINING)?;
    let training = training.ok_or_else(|| StoreError::NoTrainingData { path: folder.to_owned() })?;
    let mut held_out = Vec::new();
    for name in HELD_OUT {
        held_out.extend(first_of(folder, &[name])?);
    }
    Ok((training, held_out))
}

/// Returns the folder's file with the first of these names that exists.
fn first_of(folder: &Path, names: &[&str]) -> Result<Option<PathBuf>, StoreError> {
    for name in names {
        let paths = EXTENSIONS.iter().map(|ending| folder.join(format!("{name}.{ending}")));
        let mut there = paths.filter(|path| path.exists());
        let found = there.next();
        if let (Some(first), Some(second)) = (&found, there.next()) {
            return Err(StoreError::TwoDataFiles { first: first.clone(), second });
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn read_file(path: PathBuf, budget: &mut u64, hash: &mut Sha256) -> Result<DataFile, StoreError> {
    let failed = |source| StoreError::Open { path: path.clone(), source };
    // A pipe cannot be read a second time, as resuming needs to.
    if !fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    let Some(bytes) = File::open(&path).and_then(|file| read_up_to(file, *budget)).map_err(failed)? else {
        return Err(StoreError::DataTooLarge { path, most: MAX_DATA_BYTES });
    };
    *budget -= bytes.len() as u64;
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    for part in [name, &bytes] {
        // With its length, so that no two files are taken for two others.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    Ok(DataFile { path, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn names(files: &[(&str, &str)]) -> (String, Option<String>) {
        let data = read_data(folder(files).path()).unwrap();
        let name = |file: DataFile| file.path.file_name().unwrap().to_str().unwrap().to_owned();
        (name(data.training), data.held_out.map(name))
    }

    #[test]
    fn a_file_is_read_whole() {
        let folder = folder(&[("mine.jsonl", "{}\n")]);
        let data = read_data(&folder.path().join("mine.jsonl")).unwrap();
        assert_eq!((data.training.bytes.as_slice(), data.held_out), (&b"{}\n"[..], None));
        assert_eq!(data.sha256.len(), 64);
    }

    #[test]
    fn a_folder_has_files_for_training_and_evaluation() {
        let train = ("train.jsonl", "a");
        let pair = |held_out: &str| ("train.jsonl".to_owned(), Some(held_out.to_owned()));
        assert_eq!(names(&[train]), ("train.jsonl".to_owned(), None));
        assert_eq!(names(&[train, ("test.jsonl", "b")]), pair("test.jsonl"));
        assert_eq!(names(&[train, ("test.jsonl", "b"), ("valid.csv", "c")]), pair("valid.csv"));
        assert_eq!(names(&[train, ("test.jsonl", "b"), ("validation.txt", "c")]), pair("validation.txt"));
        for name in ["val.jsonl", "dev.csv", "eval.tsv"] {
            assert_eq!(names(&[train, (name, "b"), ("test.jsonl", "c")]), pair(name));
        }
        let data = read_data(folder(&[train, ("test.jsonl", "b"), ("dev.csv", "c")]).path()).unwrap();
        let unused: Vec<_> = data.unused.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(unused, ["test.jsonl"]);
        assert_eq!(names(&[train, ("notes.md", "b"), ("valid.pdf", "b")]), ("train.jsonl".to_owned(), None));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = |files: &[(&str, &str)]| read_data(folder(files).path()).unwrap_err().to_string();
        assert!(refused(&[]).contains("train.jsonl"));
        assert!(refused(&[("valid.jsonl", "a")]).contains("train.jsonl"));
        assert!(refused(&[("train.jsonl", "a"), ("train.csv", "b")]).contains("train.csv"));
        let missing = read_data(Path::new("/no/such/data.jsonl")).unwrap_err().to_string();
        assert!(missing.contains("/no/such/data.jsonl"), "{missing}");
        let nested = tempfile::tempdir().unwrap();
        fs::create_dir(nested.path().join("train.jsonl")).unwrap();
        assert!(read_data(nested.path()).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn files_that_are_too_large_together_are_refused() {
        let folder = folder(&[("a.txt", "12345"), ("b.txt", "678")]);
        let (mut budget, mut hash) = (7, Sha256::new());
        let mut read = |name: &str| read_file(folder.path().join(name), &mut budget, &mut hash);
        assert_eq!(read("a.txt").unwrap().bytes, b"12345");
        assert!(matches!(read("b.txt"), Err(StoreError::DataTooLarge { .. })));
    }

    #[test]
    fn the_hash_is_of_names_and_contents_alone() {
        let hash = |files: &[(&str, &str)]| read_data(folder(files).path()).unwrap().sha256;
        let files = [("train.jsonl", "a"), ("valid.jsonl", "b")];
        assert_eq!(hash(&files), hash(&files), "in two folders");
        let others = [
            [("train.jsonl", "b"), ("valid.jsonl", "a")],
            [("train.jsonl", "ab"), ("valid.jsonl", "")],
            [("train.jsonl", "a"), ("test.jsonl", "b")],
            [("train.csv", "a"), ("valid.jsonl", "b")],
        ];
        for other in others {
            assert_ne!(hash(&other), hash(&files), "{other:?}");
        }
        assert_ne!(hash(&files[..1]), hash(&files));
    }
}
