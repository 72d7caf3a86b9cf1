//! The rows of the library: a module imports only from rows above its own, and what the pure rows may not do, they do
//! not. Read from the sources as text, which rustfmt keeps in a form that this can rely on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

#[path = "layering/circles.rs"]
mod circles;

/// The modules of the library, each above those that may import it, as the tables of `lib.rs` have them; `lib.rs` and
/// `main.rs` stand outside. Those of the first table have no I/O, clock, threads and output.
struct Rows {
    names: Vec<String>,
    pure: usize,
}

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    rows(&text)
});

fn rows(text: &str) -> Rows {
    let row = Regex::new(r"^//! \| \[?`(\w+)`\]? \|").unwrap();
    let layers = text.split_once("//! # Layers\n").expect("a chapter on layers").1;
    let mut tables: Vec<Vec<String>> = vec![Vec::new()];
    for line in layers.lines().take_while(|line| line.starts_with("//!")) {
        match row.captures(line) {
            Some(found) => tables.last_mut().unwrap().push(found[1].to_owned()),
            None if line.contains("---") => tables.push(Vec::new()),
            None => {}
        }
    }
    tables.retain(|table| !table.is_empty());
    assert_eq!(tables.len(), 2, "one table for what is pure and one for the rest");
    Rows { pure: tables[0].len(), names: tables.concat() }
}

fn row_of(module: &str) -> Option<usize> {
    ROWS.names.iter().position(|row| row == module)
}

/// The only modules that may hold `unsafe`.
const UNSAFE: [&str; 2] = ["store", "llama"];

/// The files with `unsafe` code, so that one more is a decision.
const UNSAFE_FILES: [&str; 16] = [
    "llama.rs",
    "llama/context.rs",
    "llama/device.rs",
    "llama/displacement.rs",
    "llama/log.rs",
    "llama/mirror.rs",
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
const MACROS: [(&str, &str); 3] =
    [("with_block", "block"), ("with_layout", "block"), ("with_integers", "block")];

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
        row_of(&module).unwrap_or_else(|| panic!("{module} has no row in the tables of lib.rs"))
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
        let below = self.imports().filter(|name| row_of(name).is_none_or(|of_name| of_name > row));
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

/// The modules that this file of `src` declares under `#[cfg(test)]`, as files without their ending.
fn of_tests(path: &Path, text: &str) -> Vec<PathBuf> {
    static MODULE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"#\[cfg\(test\)\]\s*(?:pub(?:\(\w+\))? )?mod (\w+);").unwrap());
    MODULE.captures_iter(text).map(|found| path.with_extension("").join(&found[1])).collect()
}

/// The library, tests left out.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let read = |path: PathBuf| {
            (path.strip_prefix(&root).unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        };
        let texts: Vec<(PathBuf, String)> = files(&root).into_iter().map(read).collect();
        let tests: Vec<PathBuf> = texts.iter().flat_map(|(path, text)| of_tests(path, text)).collect();
        let is_left_out = |path: &Path| {
            let of_tests = |module: &PathBuf| path.starts_with(module) || path == module.with_extension("rs");
            path == Path::new("lib.rs") || path == Path::new("main.rs") || tests.iter().any(of_tests)
        };
        let kept = texts.iter().filter(|(path, _)| !is_left_out(path));
        kept.map(|(path, text)| Source::new(path.to_str().unwrap(), text)).collect()
    });
    assert!(SOURCES.len() > 40, "only {} files were found", SOURCES.len());
    &SOURCES
}

fn all_matches<'a>(sources: impl IntoIterator<Item = &'a Source>, pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap();
    sources.into_iter().flat_map(|source| source.matches(&pattern)).collect()
}

fn assert_none(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_row_and_every_row_a_module() {
    let modules: BTreeSet<String> = sources().iter().map(Source::module).collect();
    let rows: BTreeSet<String> = ROWS.names.iter().cloned().collect();
    assert_eq!(modules, rows);
    assert_eq!(rows.len(), ROWS.names.len(), "a module with two rows");
}

#[test]
fn modules_import_only_from_rows_above() {
    let wrong: Vec<String> = sources().iter().flat_map(Source::wrong_imports).collect();
    assert_none(&wrong, "a row imports from below");
}

#[test]
fn no_modules_lean_on_each_other_in_a_circle() {
    assert_none(&circles::circles(sources()), "a circle; give what both need a place of its own");
}

#[test]
fn pure_rows_have_no_io_no_clock_no_threads_and_no_output() {
    assert!(ROWS.pure > 10, "{:?}", ROWS.names);
    let pure = sources().iter().filter(|source| source.row() < ROWS.pure);
    // An `Arc` is a count and no lock; it lets values go to another thread as a whole.
    let shared = r"\bstd::sync::(?:[^A]|A[^r])";
    let impure = r"\bstd::(fs|time|thread|net|env|process)\b|\brayon\b|\be?print(ln)?!|\bdbg!";
    let impure = [impure, shared].join("|");
    assert_none(&all_matches(pure, &impure), "a pure row does more than compute");
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
    let others = sources().iter().filter(|source| source.module() != "llama");
    assert_none(
        &all_matches(others, &of_the_platform()),
        "the crate libm has the same, with the same bits everywhere",
    );
}

#[test]
fn unsafe_code_is_in_store_and_llama_alone() {
    let others = sources().iter().filter(|source| !UNSAFE.contains(&source.module().as_str()));
    assert_none(&all_matches(others, r"\bunsafe\b"), "unsafe code where it may not be");
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
    assert_none(&all_matches(sources(), unwraps), "an error that no user should meet as a panic");
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
fn rows_are_read_from_the_tables() {
    let text = "//! # Layers\n//! text `x`\n//! | module | line |\n//! |---|---|\n//! | `a` | one |\n//! | [`b`] | two |\n//!\n\
                //! | module | line |\n//! |---|---|\n//! | `c` | `d` |\nmod e;\n//! | `f` | no |\n";
    let rows = rows(text);
    assert_eq!((rows.names.join(" ").as_str(), rows.pure), ("a b c", 2));
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
