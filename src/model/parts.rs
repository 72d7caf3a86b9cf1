//! The names of the parts of a split model: `NAME-00001-of-00003.gguf` and so on.

use std::path::{Path, PathBuf};

use super::ModelError;
use crate::gguf::GgufError;

/// Digits of a part's number and of the number of parts.
const DIGITS: usize = 5;

/// Returns the names of all parts of a model, if this is the name of one.
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

/// Returns the names of all pieces of a file that was cut into pieces of bytes, such as `X.gguf.part1of2`, if this is
/// the name of one, and the file's own name.
fn pieces_of(path: &Path) -> Option<(Vec<PathBuf>, PathBuf)> {
    let name = path.file_name()?.to_str()?;
    let (whole, place) = name.rsplit_once(".part")?;
    let (number, separator, count) = ["of", "-of-", "_of_"].iter().find_map(|of| {
        let (number, count) = place.split_once(of)?;
        let is_number =
            |text: &str| (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(number) && is_number(count)).then_some((number, *of, count))
    })?;
    let width = number.len();
    let piece = |number: u32| path.with_file_name(format!("{whole}.part{number:0width$}{separator}{count}"));
    Some(((1..=count.parse().ok()?).map(piece).collect(), path.with_file_name(whole)))
}

/// Returns the error for a single part or piece given as a model.
pub(super) fn refused(path: &Path, error: &GgufError) -> Option<ModelError> {
    let path = path.to_owned();
    if let Some((pieces, whole)) = pieces_of(&path) {
        return Some(ModelError::Piece { path, pieces, whole });
    }
    let &GgufError::Split { count } = error else { return None };
    let Some(parts) = parts_of(&path) else { return Some(ModelError::Joined { path, count }) };
    let missing: Vec<PathBuf> = parts.iter().filter(|part| !part.exists()).cloned().collect();
    let first = parts.first()?.clone();
    Some(ModelError::Split { path, count, first, missing })
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

    #[test]
    fn pieces_are_named_by_their_numbers() {
        let names = |path: &str| {
            let (pieces, whole) = pieces_of(Path::new(path))?;
            Some(pieces.into_iter().chain([whole]).map(|path| path.display().to_string()).collect::<Vec<_>>())
        };
        for (name, all) in [
            ("x/m.gguf.part2of2", ["x/m.gguf.part1of2", "x/m.gguf.part2of2", "x/m.gguf"]),
            ("m.gguf.part01-of-02", ["m.gguf.part01-of-02", "m.gguf.part02-of-02", "m.gguf"]),
        ] {
            assert_eq!(names(name).unwrap(), all);
        }
        for other in ["m.gguf", "m.gguf.part", "m.gguf.partXof2", "m.gguf.part1of", "m-00001-of-00002.gguf"] {
            assert_eq!(names(other), None, "{other}");
        }
    }
}
