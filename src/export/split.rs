//! Models in several files, which are named `NAME-00001-of-00003.gguf` and so on.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::ExportError;
use crate::diff::Digest;
use crate::gguf::{Part, merge};
use crate::seed_log::hex;
use crate::store::{Artefact, WorkingCopy};

/// Digits of a part's number and of the number of parts.
const DIGITS: usize = 5;

/// The names of all parts of a model, where this is the name of one.
pub fn parts_of(path: &Path) -> Option<Vec<PathBuf>> {
    let stem = path.file_stem()?.to_str()?;
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (prefix, number) = rest.rsplit_once('-')?;
    let digits = |text: &str| text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(number) || !digits(count) {
        return None;
    }
    let ending = path.extension().map_or(String::new(), |ending| format!(".{}", ending.to_string_lossy()));
    let name = |number: u32| path.with_file_name(format!("{prefix}-{number:05}-of-{count}{ending}"));
    Some((1..=count.parse().ok()?).map(name).collect())
}

/// Writes the one file that the parts of a model make; `part` is any of them. Returns which file it is.
///
/// # Errors
/// When a part is missing or not of this model, or something cannot be read or written.
pub fn merge_parts(part: &Path, place: &Path) -> Result<Digest, ExportError> {
    let paths = parts_of(part).ok_or_else(|| ExportError::NotAPart(part.to_owned()))?;
    if let Some(missing) = paths.iter().find(|path| !path.exists()) {
        return Err(ExportError::MissingPart { part: part.to_owned(), missing: missing.clone() });
    }
    let files = paths.iter().map(WorkingCopy::open).collect::<Result<Vec<_>, _>>()?;
    let parse = |file: &WorkingCopy| {
        Part::parse(file.base()).map_err(|source| ExportError::Gguf { path: file.path().to_owned(), source })
    };
    let parts = files.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let first = files.first().map_or(&[][..], WorkingCopy::base);
    let merged = merge(&parts, first)
        .map_err(|(number, source)| ExportError::Merge { path: paths[number].clone(), source })?;
    let mut artefact = Artefact::begin(place)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut write = |piece: &[u8]| {
        hash.update(piece);
        bytes += piece.len() as u64;
        artefact.write_all(piece)
    };
    write(&merged.start)?;
    for piece in &merged.pieces {
        write(&files[piece.part].base()[piece.range.clone()])?;
        write(&vec![0; piece.padding])?;
    }
    files.iter().try_for_each(|file| file.witness().check())?;
    artefact.publish()?;
    Ok(Digest { bytes, sha256: hex(&hash.finalize()) })
}

/// What is said where one part of a model is given as a model.
pub(super) fn refused(path: &Path, count: u64) -> Option<ExportError> {
    let parts = parts_of(path)?;
    let missing: Vec<PathBuf> = parts.iter().filter(|part| !part.exists()).cloned().collect();
    let first = parts.first()?.clone();
    Some(ExportError::Split { path: path.to_owned(), count, first, missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_by_their_numbers() {
        let names = |path: &str| {
            let parts = parts_of(Path::new(path))?;
            Some(parts.iter().map(|part| part.to_str().unwrap().to_owned()).collect::<Vec<_>>())
        };
        let expected = ["x/a-b-00001-of-00002.gguf", "x/a-b-00002-of-00002.gguf"];
        assert_eq!(names("x/a-b-00002-of-00002.gguf").unwrap(), expected);
        assert_eq!(names("m-00001-of-00001").unwrap(), ["m-00001-of-00001"]);
        for other in [
            "m.gguf",
            "m-1-of-2.gguf",
            "m-00001-of-0000x.gguf",
            "00001-of-00002.gguf",
            "",
            "m-+0001-of-00002",
        ] {
            assert_eq!(names(other), None, "{other}");
        }
    }
}
