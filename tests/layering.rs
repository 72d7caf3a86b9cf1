//! The rows of the library: a module imports only from rows above its own, and what the pure rows may not do, they do
//! not. Read from the sources as text, which rustfmt keeps in a form that this can rely on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// The modules of the library, each above those that may import it. `lib.rs` and `main.rs` stand outside.
const ROWS: [&str; 34] = [
    "rng",
    "tensor_type",
    "block",
    "gguf",
    "noise",
    "tile",
    "perturb",
    "fitness",
    "update",
    "settings",
    "dataset",
    "chat",
    "task",
    "seed_log",
    "replay",
    "es",
    "select",
    "diff",
    "judge",
    "engine",
    "exam",
    "text",
    "sweep",
    "store",
    "reward_command",
    "llama",
    "model",
    "export",
    "recipe",
    "tune",
    "tuning",
    "probe",
    "report",
    "cli",
];

/// The last of the rows without I/O, clock, threads and output.
const LAST_PURE: &str = "judge";

/// The only modules that may hold `unsafe`.
const UNSAFE: [&str; 2] = ["store", "llama"];

/// The files with `unsafe` code, so that one more is a decision.
const UNSAFE_FILES: [&str; 13] = [
    "llama.rs",
    "llama/context.rs",
    "llama/log.rs",
    "llama/model.rs",
    "llama/processor.rs",
    "llama/quantize.rs",
    "llama/repack.rs",
    "llama/score.rs",
    "llama/weights.rs",
    "store/cores.rs",
    "store/memory.rs",
    "store/signals.rs",
    "store/working_copy.rs",
];

/// Lines above `unsafe` within which its argument must stand.
const ARGUMENT_WITHIN: usize = 3;

/// Names that crates and macros bring into the crate's root, by the module that they belong to.
const MACROS: [(&str, &str); 2] = [("with_block", "block"), ("with_layout", "block")];

/// A file of the library, without what only tests see, comments and the insides of strings.
struct Source {
    /// Path within `src`.
    path: PathBuf,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), code: bare(&without_tests(text)) }
    }

    /// The top-level module that the file is part of.
    fn module(&self) -> String {
        let first = self.path.components().next().unwrap();
        Path::new(&first).file_stem().unwrap().to_str().unwrap().to_owned()
    }

    fn row(&self) -> usize {
        let module = self.module();
        ROWS.iter().position(|row| *row == module).unwrap_or_else(|| panic!("{module} has no row in ROWS"))
    }

    /// The top-level modules that the file names.
    fn imports(&self) -> impl Iterator<Item = &str> {
        static IMPORT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bcrate::(\w+|\{)").unwrap());
        IMPORT.captures_iter(&self.code).map(|found| {
            let name = found.get(1).unwrap().as_str();
            assert_ne!(name, "{", "{}: write one `use crate::` for each module", self.path.display());
            MACROS.iter().find(|(of_macro, _)| *of_macro == name).map_or(name, |(_, module)| module)
        })
    }

    /// Whether some path climbs out of the top-level module by `super::`, unseen by [`Source::imports`].
    fn climbs_out(&self) -> bool {
        static CLIMB: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b(?:super::)+").unwrap());
        let depth = self.path.components().count();
        CLIMB.find_iter(&self.code).any(|climb| climb.len() / "super::".len() >= depth)
    }

    /// What is wrong with the file's imports.
    fn wrong_imports(&self) -> Vec<String> {
        let (path, row) = (self.path.display(), self.row());
        let below = self.imports().filter(|name| ROWS.iter().position(|r| r == name).is_none_or(|r| r > row));
        let mut wrong: Vec<String> = below.map(|name| format!("{path} imports {name}")).collect();
        if self.climbs_out() {
            wrong.push(format!("{path} leaves its module by super::"));
        }
        wrong
    }

    /// Where the code matches, with the line.
    fn matches(&self, pattern: &Regex) -> Vec<String> {
        let lines = self.code.lines().filter(|line| pattern.is_match(line));
        lines.map(|line| format!("{}: {}", self.path.display(), line.trim())).collect()
    }
}

/// The text without what follows `#[cfg(test)]`: a module in braces, or one line.
fn without_tests(text: &str) -> String {
    let mut lines = text.lines();
    let mut kept = String::new();
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            kept += line;
            kept.push('\n');
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        // Other attributes may stand between.
        let item = lines.by_ref().find(|line| !line.trim().starts_with("#[")).unwrap_or_default();
        if item.ends_with('{') {
            lines.by_ref().find(|line| *line == end);
        }
    }
    kept
}

/// The text without comments, and with nothing in its string and character literals.
fn bare(text: &str) -> String {
    static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
        let raw = r##"r#"(?s:.*?)"#"##;
        let string = r#""(?:[^"\\]|\\(?s:.))*""#;
        // One character between quotes, which a lifetime is not.
        let character = r"'(?:[^'\\\n]|\\'|\\[^'\n]+)'";
        Regex::new(&[raw, string, character, r"//[^\n]*"].join("|")).unwrap()
    });
    let bared = |found: &regex::Captures<'_>| if found[0].starts_with('/') { "" } else { "\"\"" };
    LITERAL.replace_all(text, bared).into_owned()
}

/// All files below a folder of `src`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => found.extend(files(&path)),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
    found
}

/// The files of modules that are declared under `#[cfg(test)]`, and of all modules below those.
fn is_of_tests(path: &Path, all: &[PathBuf]) -> bool {
    static MODULE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"#\[cfg\(test\)\]\s*(?:pub(?:\(\w+\))? )?mod (\w+);").unwrap());
    all.iter().any(|parent| {
        let text = fs::read_to_string(parent).unwrap();
        MODULE.captures_iter(&text).any(|found| {
            let of_module = parent.with_extension("").join(&found[1]);
            path.starts_with(&of_module) || path == of_module.with_extension("rs")
        })
    })
}

/// The library, tests left out.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let all = files(&root);
    let mut sources = Vec::new();
    for path in &all {
        let place = path.strip_prefix(&root).unwrap();
        let outside = place == Path::new("lib.rs") || place == Path::new("main.rs");
        if !outside && !is_of_tests(path, &all) {
            sources.push(Source::new(place.to_str().unwrap(), &fs::read_to_string(path).unwrap()));
        }
    }
    assert!(sources.len() > 40, "only {} files were found", sources.len());
    sources
}

fn all_matches(sources: &[Source], pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    sources.iter().flat_map(|source| source.matches(&pattern)).collect()
}

fn assert_none(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let modules: BTreeSet<String> = sources().iter().map(Source::module).collect();
    let rows: BTreeSet<String> = ROWS.iter().map(|row| (*row).to_owned()).collect();
    assert_eq!(modules, rows);
}

#[test]
fn modules_import_only_from_rows_above() {
    let wrong: Vec<String> = sources().iter().flat_map(Source::wrong_imports).collect();
    assert_none(&wrong, "a row imports from below");
}

#[test]
fn pure_rows_have_no_io_no_clock_no_threads_and_no_output() {
    let last = ROWS.iter().position(|row| *row == LAST_PURE).unwrap();
    let pure: Vec<Source> = sources().into_iter().filter(|source| source.row() <= last).collect();
    let impure = r"\bstd::(fs|time|thread|net|env|process|sync)\b|\brayon\b|\be?print(ln)?!|\bdbg!";
    assert_none(&all_matches(&pure, impure), "a pure row does more than compute");
}

/// A pattern for calls of what the standard library leaves to the platform's C library, where the last bits differ from
/// platform to platform, and of multiplications and additions that may be one operation with one rounding.
fn of_the_platform() -> String {
    let names = "mul_add|powi|powf|exp|exp2|exp_m1|ln|ln_1p|log2|log10|cbrt|hypot|sin|cos|tan|sin_cos|asin|acos|atan|atan2|\
                 sinh|cosh|tanh|asinh|acosh|atanh|gamma|ln_gamma|erf|erfc|algebraic_\\w+";
    format!(r"\.(?:{names})\(|\.log\([^)]|\bf(?:32|64)::(?:{names}|log)\b")
}

#[test]
fn no_number_outside_inference_depends_on_the_platform() {
    let others: Vec<Source> = sources().into_iter().filter(|source| source.module() != "llama").collect();
    assert_none(
        &all_matches(&others, &of_the_platform()),
        "the crate libm has the same, with the same bits everywhere",
    );
}

#[test]
fn unsafe_code_is_in_store_and_llama_alone() {
    let others: Vec<Source> =
        sources().into_iter().filter(|source| !UNSAFE.contains(&source.module().as_str())).collect();
    assert_none(&all_matches(&others, r"\bunsafe\b"), "unsafe code where it may not be");
}

#[test]
fn every_unsafe_piece_says_why_it_is_sound() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeSet::new();
    let mut wrong = Vec::new();
    for path in files(&root) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let places = unargued(&text);
        if places.pieces > 0 {
            found.insert(name.clone());
        }
        wrong.extend(places.without.iter().map(|line| format!("{name}: {line}")));
    }
    assert_none(&wrong, "unsafe code without a SAFETY comment right above");
    assert!(found.iter().eq(&UNSAFE_FILES), "{found:?}");
}

/// Pieces of `unsafe` code, and those of them without an argument.
struct Unargued {
    pieces: usize,
    without: Vec<String>,
}

/// Looks at blocks, implementations and functions; that a function of C's kind is unsafe to call is what its type says.
fn unargued(text: &str) -> Unargued {
    let lines: Vec<&str> = text.lines().collect();
    let is_unsafe = |line: &str| {
        bare(line)
            .replace("unsafe extern", "")
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == "unsafe")
    };
    let pieces: Vec<usize> = (0..lines.len()).filter(|&number| is_unsafe(lines[number])).collect();
    let argued = |number: &usize| {
        let above = &lines[number.saturating_sub(ARGUMENT_WITHIN)..*number];
        above.iter().any(|line| line.contains("// SAFETY: ") || line.contains("/// # Safety"))
    };
    let without =
        pieces.iter().filter(|number| !argued(number)).map(|&number| lines[number].trim().to_owned());
    Unargued { pieces: pieces.len(), without: without.collect() }
}

#[test]
fn the_scanner_sees_arguments() {
    for (text, pieces, without) in [
        ("// SAFETY: it is.\nunsafe { f() }\n", 1, 0),
        ("/// # Safety\n/// Do not.\nunsafe fn f() {}\n", 1, 0),
        ("unsafe { f() }\n// SAFETY: late.\n", 1, 1),
        ("// SAFETY: far.\n\n\n\nunsafe { f() }\n", 1, 1),
        ("// unsafe\nlet x = \"unsafe\"; not_unsafe();\n", 0, 0),
        ("type F = unsafe extern \"C\" fn();\n", 0, 0),
    ] {
        let found = unargued(text);
        assert_eq!((found.pieces, found.without.len()), (pieces, without), "{text}");
    }
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    // A parser may have an `expect` of its own, which takes no text.
    let unwraps = r#"\.unwrap\(\)|\.unwrap_err\(\)|\.expect\((&|"|$)|\b(todo|unimplemented)!"#;
    assert_none(&all_matches(&sources(), unwraps), "an error that no user should meet as a panic");
}

#[test]
fn the_scanner_sees_what_it_looks_for() {
    let wrong = |path, text| Source::new(path, text).wrong_imports();
    assert_eq!(wrong("noise.rs", "use crate::update::step;\n"), ["noise.rs imports update"]);
    assert_eq!(wrong("noise/alias.rs", "let x = crate::cli::main();\n"), ["noise/alias.rs imports cli"]);
    assert_eq!(wrong("noise.rs", "use crate::nonsense;\n"), ["noise.rs imports nonsense"]);
    assert_eq!(wrong("block.rs", "use super::cli;\n"), ["block.rs leaves its module by super::"]);
    assert_eq!(wrong("block/q4_k.rs", "use super::super::cli;\n").len(), 1);
    assert_eq!(wrong("tensor_type.rs", "crate::with_block!(t, B => 1);\n"), ["tensor_type.rs imports block"]);
    let platform = Regex::new(&of_the_platform()).unwrap();
    for text in ["x.exp()", "(a / b).powf(c)", "x.log(2.0)", "xs.map(f64::ln)", "f32::mul_add(a, b, c)"] {
        assert_eq!(Source::new("noise.rs", text).matches(&platform).len(), 1, "{text}");
    }
    for text in
        ["libm::exp(x)", "x.sqrt()", "run.log()", "x.floor()", "std::f64::consts::PI", "x.round_ties_even()"]
    {
        assert_eq!(Source::new("noise.rs", text).matches(&platform).len(), 0, "{text}");
    }
    let unsafe_code = Regex::new(r"\bunsafe\b").unwrap();
    assert_eq!(Source::new("rng.rs", "fn f<'a>(x: &'a str) { unsafe {} }\n").matches(&unsafe_code).len(), 1);
    assert_eq!(Source::new("rng.rs", "let c = '\"'; unsafe {} // \"\n").matches(&unsafe_code).len(), 1);
}

#[test]
fn the_scanner_passes_over_what_is_not_code() {
    for text in [
        "use crate::rng::Source;\nuse crate::noise::Noise;\nuse super::tests;\n",
        "// use crate::cli;\n//! See [`crate::llama`].\n",
        "let text = \"use crate::cli\";\n",
        "#[cfg(test)]\nmod tests {\n    use crate::cli;\n    fn f() {\n    }\n}\n",
        "#[cfg(test)]\npub(crate) mod cli;\n",
    ] {
        assert_eq!(Source::new("noise/alias.rs", text).wrong_imports(), [""; 0], "{text}");
    }
    let after = Source::new("noise.rs", "#[cfg(test)]\nmod tests {\n}\nuse crate::cli;\n");
    assert_eq!(after.wrong_imports().len(), 1, "what follows the tests is code again");
}
