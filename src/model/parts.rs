//! The names of the parts of a split model: `NAME-00001-of-00003.gguf` and so on.

use std::path::{Path, PathBuf};

use super::ModelError;

/// Digits of a part's number and of the number of parts.
const DIGITS: usize = 5;

/// Returns the names of all parts of a model, where this is the name of one.
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

/// Returns the error for one part of a model that is given as a model.
pub(super) fn refused(path: &Path, count: u64) -> Option<ModelError> {
    let parts = parts_of(path)?;
    let missing: Vec<PathBuf> = parts.iter().filter(|part| !part.exists()).cloned().collect();
    let first = parts.first()?.clone();
    Some(ModelError::Split { path: path.to_owned(), count, first, missing })
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
