//! `qes-gguf pull`: downloads a model from Hugging Face by means of Hugging Face's own program.
//!
//! That program's output goes to the standard error stream, so that the standard output is the model's path alone.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use regex::Regex;
use tracing::info;

use super::args::{PullArgs, Wanted, What};
use super::json::{self, PullOutput};
use super::{CommandEnd, out};
use crate::model::parts_of;
use crate::store::make_folder;
use crate::text;

/// The programs that can download, the newer first. Both understand the same arguments.
const PROGRAMS: [&str; 2] = ["hf", "huggingface-cli"];

/// Depth of the folders below the download's that are searched for models.
const DEPTH: usize = 4;

pub fn run(args: &PullArgs) -> Result<CommandEnd> {
    let PullArgs { wanted, output, .. } = args;
    make_folder(output)?;
    let before = models(output);
    fetch(wanted, output)?;
    let files = match &wanted.what {
        What::File(name) => {
            let path = output.join(name);
            parts_of(&path).unwrap_or_else(|| vec![path])
        }
        What::Quant(quant) => fetched(wanted, quant, output, &before)?,
    };
    let Some(path) = files.first().filter(|path| path.is_file()) else {
        bail!("{}", nothing(wanted, output))
    };
    if args.json {
        let files = files.iter().map(json::path).collect();
        out::json(&PullOutput { repository: &wanted.repository, path: json::path(path), files })?;
    } else {
        out::line(path.display())?;
    }
    if parts_of(path).is_some_and(|parts| parts.len() > 1) {
        let path = text::quoted(path);
        out::warn(format!(
            "it is in several files; to make one of them: qes-gguf merge {path} -o MERGED.gguf"
        ));
    }
    Ok(CommandEnd::Success)
}

/// Returns the message for a program that succeeded without downloading a model.
fn nothing(wanted: &Wanted, folder: &Path) -> String {
    let Wanted { repository, what } = wanted;
    let (kind, name) = match what {
        What::File(name) => ("a file", name),
        What::Quant(quant) => ("a quantization", quant),
    };
    format!(
        "{repository} seems to have no model with {kind} named {name}: none came into {}; look at \
         https://huggingface.co/{repository}/tree/main and name what is there behind a colon",
        folder.display()
    )
}

/// Runs the first installed program to download the model.
fn fetch(wanted: &Wanted, folder: &Path) -> Result<()> {
    let words = words(wanted, folder);
    for program in PROGRAMS {
        info!(program, arguments = ?words, "calling the program that fetches");
        let Some(status) = call(program, &words).with_context(|| format!("cannot run {program}"))? else {
            continue;
        };
        if !status.success() {
            bail!("{program} could not fetch the model ({status}); what it said is above");
        }
        return Ok(());
    }
    bail!(
        "neither hf nor huggingface-cli is installed; install one of them with\n  pip install -U huggingface_hub"
    )
}

/// Runs a program to its end; `None` if no program has this name.
fn call(program: &str, words: &[OsString]) -> Result<Option<ExitStatus>> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr()));
    match command.status() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        ended => Ok(Some(ended?)),
    }
}

/// Returns the program's arguments.
fn words(wanted: &Wanted, folder: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["download".into(), (&wanted.repository).into()];
    match &wanted.what {
        // Of a model in several files all are wanted.
        What::File(name) => match parts_of(Path::new(name)) {
            Some(parts) => words.extend(parts.into_iter().map(PathBuf::into_os_string)),
            None => words.push(name.into()),
        },
        What::Quant(quant) => words.push(format!("--include={}", pattern(quant)).into()),
    }
    let mut place = OsString::from("--local-dir=");
    place.push(folder);
    words.push(place);
    words
}

/// Returns the shell pattern of file names with this quantization in any case: neither `BF16` for `F16`, nor `Q4_K_M`
/// for `Q4_K`.
fn pattern(quant: &str) -> String {
    let any_case = |c: char| match (c.to_ascii_lowercase(), c.to_ascii_uppercase()) {
        (lower, upper) if lower != upper => format!("[{upper}{lower}]"),
        _ => c.to_string(),
    };
    format!("*[-._/]{}[-.]*gguf", quant.chars().map(any_case).collect::<String>())
}

/// A model below a folder.
#[derive(Debug, PartialEq, Eq)]
struct FetchedFiles {
    path: PathBuf,
    modified: Option<SystemTime>,
}

/// Returns all models below a folder, in the order of their names.
fn models(folder: &Path) -> Vec<FetchedFiles> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        // What cannot be read holds nothing that was just written.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().to_ascii_lowercase());
            if path.is_dir() && depth < DEPTH && !name.starts_with('.') {
                folders.push((path, depth + 1));
            } else if name.ends_with(".gguf") && !name.starts_with("mmproj") {
                let modified = entry.metadata().and_then(|data| data.modified()).ok();
                found.push(FetchedFiles { path, modified });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Returns the models of a quantization that are new in a folder; if none is, since they were there already, those
/// that are named like the repository.
fn fetched(wanted: &Wanted, quant: &str, folder: &Path, before: &[FetchedFiles]) -> Result<Vec<PathBuf>> {
    let name = Regex::new(&format!(r"(?i)(?:^|[-._/]){}[-.](?:.*\.)?gguf$", regex::escape(quant)))?;
    let is_of_quant = |found: &FetchedFiles| {
        let path = found.path.strip_prefix(folder).unwrap_or(&found.path);
        name.is_match(&path.to_string_lossy())
    };
    let after: Vec<FetchedFiles> = models(folder).into_iter().filter(is_of_quant).collect();
    let (_, repository) = wanted.repository.split_once('/').unwrap_or_default();
    let stem = repository.to_ascii_lowercase();
    let stem = stem.strip_suffix("-gguf").unwrap_or(&stem);
    let is_of_repository = |found: &&FetchedFiles| {
        let name = found.path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        name.starts_with(stem)
    };
    let mut chosen: Vec<&FetchedFiles> = after.iter().filter(|found| !before.contains(found)).collect();
    if chosen.is_empty() {
        chosen = after.iter().filter(is_of_repository).collect();
    }
    Ok(chosen.into_iter().map(|found| found.path.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_told_what_and_where() {
        let told = |wanted: &str| {
            let words = words(&wanted.parse().unwrap(), Path::new("dir"));
            words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told("me/m"), "download me/m --include=*[-._/][Qq]4_[Kk]_[Mm][-.]*gguf --local-dir=dir");
        assert_eq!(told("me/m:x.gguf"), "download me/m x.gguf --local-dir=dir");
        assert_eq!(
            told("me/m:q/x-00002-of-00002.gguf"),
            "download me/m q/x-00001-of-00002.gguf q/x-00002-of-00002.gguf --local-dir=dir"
        );
    }

    #[test]
    fn models_of_a_quantization_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        };
        let wanted: Wanted = "me/Small-GGUF:f16".parse().unwrap();
        let found = |before: &[FetchedFiles]| -> Vec<String> {
            let paths = fetched(&wanted, "f16", dir.path(), before).unwrap();
            paths
                .iter()
                .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned())
                .collect()
        };
        for name in
            ["other-F16.gguf", "small-BF16.gguf", "mmproj-F16.gguf", ".cache/small-f16.gguf", "small-f16.txt"]
        {
            write(name);
        }
        let before = models(dir.path());
        assert_eq!(found(&before), [""; 0]);
        write("sub/small-f16.gguf");
        assert_eq!(found(&before), ["sub/small-f16.gguf"]);
        assert_eq!(found(&models(dir.path())), ["sub/small-f16.gguf"], "was there already");
        write("small-F16-00001-of-00002.gguf");
        write("small-F16-00002-of-00002.gguf");
        assert_eq!(found(&before).len(), 3);
    }
}
