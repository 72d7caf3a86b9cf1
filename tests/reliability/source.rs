//! Files are opened for writing, written and moved in one file of the library alone, so that the tests with faults see every
//! such call, and none of them can be on the user's model by oversight. None asks for the time of day.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Removes what is left when llama.cpp, which writes the file itself, does not finish a quantized model.
const EXCEPTION: &str = "src/llama/quantize.rs";

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The library's files in which a line of code, tests aside, matches.
fn files_with(pattern: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pattern = Regex::new(pattern).unwrap();
    let mut found = Vec::new();
    for path in
        files(&root.join("src")).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"))
    {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let is_of_tests = name.ends_with("tests.rs") || name.contains("/test_");
        let code = text.split("#[cfg(test)]").next().unwrap();
        if !is_of_tests && code.lines().any(|line| pattern.is_match(line) && !line.trim().starts_with("//")) {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn only_one_file_of_the_library_changes_files() {
    let writing = r"OpenOptions|\bFile::(create|options)|fs::(write|rename|copy|remove|hard_link|set_perm|create_dir)|\.set_len\(|\.sync_(all|data)\(|\.persist|tempfile_in|rustix::fs";
    assert_eq!(files_with(writing), [EXCEPTION, "src/store/disk.rs"]);
}

/// A clock that jumps can change nothing, since nobody looks at it: durations are those of the clock that never goes back. Three
/// files keep a file's time of change, and only look whether it is still the same. Another tells the date to chat templates that
/// write one; a log keeps the date of its run.
#[test]
fn nothing_asks_for_the_time_of_day() {
    assert_eq!(
        files_with(r"UNIX_EPOCH|SystemTime::now|clock_gettime|::time\(|duration_since"),
        ["src/store/today.rs"]
    );
    let keeping =
        ["src/cli/pull.rs", "src/cli/report/follow.rs", "src/store/today.rs", "src/store/witness.rs"];
    assert_eq!(files_with(r"SystemTime"), keeping);
}
