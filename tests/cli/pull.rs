//! `pull`, with a program in place of Hugging Face's own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::helper::Dir;

/// Where that program lies, relative to the folder, and the system's own.
pub const PATH: (&str, &str) = ("PATH", "bin:/usr/bin:/bin");

/// Nothing is installed.
const EMPTY: (&str, &str) = ("PATH", "nowhere");

/// Writes down what it was told, talks on both streams, and makes one file in the folder that it was given.
const FAKE: &str = r#"#!/bin/sh
echo "$0 $*" > told
for word; do case $word in --local-dir=*) folder=${word#--local-dir=};; esac; done
echo "Fetching 1 file"
echo "a warning" >&2
[ "$2" = me/broken ] && exit 3
[ "$2" = me/empty ] && exit 0
mkdir -p "$folder/sub"
case $3 in
    --include=*) echo model > "$folder/m-Q8_0.gguf";;
    *) shift 2; for file; do case $file in *.gguf) echo model > "$folder/$file";; esac; done;;
esac
"#;

fn install(dir: &Dir, name: &str) {
    fs::create_dir_all(dir.path("bin")).unwrap();
    dir.write(&format!("bin/{name}"), FAKE);
    fs::set_permissions(dir.path(&format!("bin/{name}")), Permissions::from_mode(0o755)).unwrap();
}

/// The folder with an `hf`.
pub fn fake(dir: &Dir) -> &Dir {
    install(dir, "hf");
    dir
}

#[test]
fn a_model_is_fetched_and_its_path_is_printed_alone() {
    let dir = Dir::new();
    let done = fake(&dir).run_with(&[PATH], "pull me/m-GGUF:q8_0 -o new/folder").ends(0);
    assert_eq!(done.stdout, "new/folder/m-Q8_0.gguf\n");
    assert!(done.stderr.contains("Fetching 1 file") && done.stderr.contains("a warning"), "{done}");
    let told = dir.text("told");
    assert!(
        told.ends_with("hf download me/m-GGUF --include=*[-._/][Qq]8_0[-.]*gguf --local-dir=new/folder\n"),
        "{told}"
    );
    // Once more, where it is there already.
    assert_eq!(dir.run_with(&[PATH], "pull me/m-GGUF:q8_0 -o new/folder").ok(), "new/folder/m-Q8_0.gguf\n");
    let variables = [PATH, ("LLAMA_ARG_HF_REPO", "me/m-GGUF:q8_0")];
    assert_eq!(dir.run_with(&variables, "pull").ok(), "./m-Q8_0.gguf\n");
}

#[test]
fn a_file_is_fetched_by_its_name_with_all_its_parts() {
    let dir = Dir::new();
    assert_eq!(fake(&dir).run_with(&[PATH], "pull me/m:sub/x.gguf -o d").ok(), "d/sub/x.gguf\n");
    let done = dir.run_with(&[PATH], "pull me/m:x-00002-of-00002.gguf -o d").ends(0);
    assert_eq!(done.stdout, "d/x-00001-of-00002.gguf\n");
    assert!(done.stderr.contains("qes-gguf merge d/x-00001-of-00002.gguf"), "{done}");
    assert!(dir.path("d/x-00002-of-00002.gguf").exists());
}

#[test]
fn the_older_program_does_too() {
    let dir = Dir::new();
    install(&dir, "huggingface-cli");
    dir.run_with(&[PATH], "pull me/m:q8_0").ok();
    assert!(dir.text("told").contains("huggingface-cli download me/m "), "{}", dir.text("told"));
}

#[test]
fn what_goes_wrong_is_told() {
    let dir = Dir::new();
    dir.run_with(&[EMPTY], "pull me/m")
        .fails(1, &["neither hf nor huggingface-cli", "pip install -U huggingface_hub"]);
    let done = fake(&dir).run_with(&[PATH], "pull me/broken").ends(1);
    assert!(done.stderr.contains("hf could not fetch the model (exit status: 3)"), "{done}");
    assert_eq!(done.stdout, "");
    let done = dir.run_with(&[PATH], "pull me/empty").ends(1);
    assert!(done.stderr.contains("no model with a quantization named Q4_K_M"), "{done}");
    dir.run_with(&[PATH], "pull").fails(2, &["REPO"]);
    dir.run_with(&[PATH], "pull m").fails(2, &["Qwen/Qwen2.5-0.5B-Instruct-GGUF"]);
    dir.run_with(&[PATH], "pull 'me/m:--token'").fails(2, &["a quantization such as Q4_K_M"]);
    dir.run_with(&[PATH], "pull me/m -o base.gguf").fails(1, &["base.gguf"]);
}
