//! Models that cannot be read, or not be tuned: the message names the file and says why, and no log is begun.

use super::gguf_bytes::{F32, Q4_K, bare, gguf};
use super::helper::{Dir, TINY};

/// Checks that commands refuse this model with these words.
fn assert_refused_by(commands: &[&str], model: &[u8], words: &[&str]) {
    let dir = Dir::with_base(model.to_vec());
    for command in commands {
        dir.run(command).fails(1, &[words, &["base.gguf"]].concat());
        assert_eq!(dir.names(), ["base.gguf"], "{command} left something behind");
    }
}

/// Checks that every command refuses this model with these words.
fn assert_refused(model: impl AsRef<[u8]>, words: &[&str]) {
    let tune = format!("tune base.gguf -o run.qes {TINY}");
    let commands = [&tune, "eval base.gguf --task arith", "inspect base.gguf"];
    assert_refused_by(&commands, model.as_ref(), words);
}

/// The same for models that are sound, but not what llama.cpp can run.
fn assert_not_run(model: &[u8], words: &[&str]) {
    let tune = format!("tune base.gguf -o run.qes {TINY}");
    assert_refused_by(&[&tune, "eval base.gguf --task arith"], model, words);
}

fn good() -> Vec<u8> {
    Dir::new().read("base.gguf")
}

#[test]
fn no_such_file() {
    let dir = Dir::tuned();
    for line in [
        "tune nosuch.gguf --task arith -o new.qes",
        "tune nosuch.gguf -o run.qes --resume",
        "eval nosuch.gguf --task arith",
        "inspect nosuch.gguf",
        "export nosuch.gguf run.qes -o new.gguf",
        "verify nosuch.gguf run.qes",
    ] {
        dir.run(line).fails(1, &["cannot open nosuch.gguf", "No such file"]);
    }
    assert_eq!(dir.names(), ["base.gguf", "run.qes", "tuned.gguf"]);
}

#[test]
fn a_folder() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("models")).unwrap();
    for line in ["tune models --task arith", "eval models --task arith", "inspect models"] {
        dir.run(line).fails(1, &["models"]);
    }
}

#[test]
fn an_empty_file() {
    assert_refused("", &["empty"]);
}

#[test]
fn a_text() {
    assert_refused("Dear diary,\n", &["not a GGUF file", "download"]);
}

#[test]
fn a_web_page() {
    assert_refused("<!DOCTYPE html><html>", &["not a GGUF file but a web page", "download"]);
}

#[test]
fn an_archive_of_pytorch_weights() {
    assert_refused(b"PK\x03\x04weights", &["zip archive", "convert_hf_to_gguf.py"]);
}

#[test]
fn a_log_in_place_of_a_model() {
    let dir = Dir::tuned();
    dir.run("tune run.qes --task arith").fails(1, &["run.qes", "not a GGUF file"]);
    dir.run("eval run.qes --task arith").fails(1, &["run.qes", "not a GGUF file"]);
}

#[test]
fn a_truncated_file() {
    let model = good();
    for (length, section) in [
        (3, "inside its header"),
        (23, "inside its header"),
        (24, "inside its metadata"),
        (5000, "inside its metadata"),
        (8000, "inside its list of tensors"),
        (20_000, "before the end of tensor"),
        (1_000_000, "before the end of tensor"),
        (model.len() - 1, "before the end of tensor"),
    ] {
        assert_refused(&model[..length], &[section, &length.to_string(), "download"]);
    }
}

#[test]
fn a_file_truncated_anywhere() {
    let model = good();
    for length in (1..12_000).step_by(397).chain((12_000..model.len()).step_by(199_999)) {
        assert_refused_by(&["inspect base.gguf"], &model[..length], &["the file ends", "download"]);
    }
}

#[test]
fn big_endian() {
    let mut model = good();
    model[4..8].reverse();
    assert_refused(model, &["big-endian", "gguf_convert_endian.py"]);
}

#[test]
fn other_versions() {
    for (version, word) in [(1, "version 1"), (2, "llama-quantize"), (4, "version 4")] {
        let mut model = good();
        model[4] = version;
        assert_refused(model, &["GGUF version", word]);
    }
}

#[test]
fn a_part_of_a_split_model() {
    let model = gguf("llama", &[("split.no", 0), ("split.count", 3)], "blk.0.attn_q.weight", Q4_K);
    assert_refused(model, &["one of 3 parts", "qes-gguf merge"]);
}

#[test]
fn no_architecture() {
    assert_refused(bare(), &["no general.architecture"]);
}

#[test]
fn an_architecture_that_llama_cpp_does_not_know() {
    assert_not_run(&gguf("nonsense", &[], "blk.0.attn_q.weight", Q4_K), &["architecture", "nonsense"]);
}

#[test]
fn hyper_parameters_that_llama_cpp_misses() {
    assert_not_run(&gguf("llama", &[], "blk.0.attn_q.weight", Q4_K), &["llama.context_length"]);
}

#[test]
fn an_unknown_tensor_type() {
    assert_refused(gguf("llama", &[], "blk.0.attn_q.weight", 999), &["blk.0.attn_q.weight", "type 999"]);
}

#[test]
fn nothing_that_can_be_tuned() {
    let model = gguf("llama", &[], "blk.0.attn_q.weight", F32);
    let words = ["cannot be tuned", "F32", "Q4_0, Q4_1", "IQ4_NL", "llama-quantize"];
    assert_refused_by(&[&format!("tune base.gguf -o run.qes {TINY}")], &model, &words);
    let dir = Dir::with_base(model);
    assert!(dir.run("inspect base.gguf").ok().contains("nothing in this model can be tuned"));
}

/// llama.cpp reports such a vocabulary by a C++ exception in the middle of tokenizing.
#[test]
#[ignore = "llama.cpp's exception ends the process: the bindings have no way to catch it"]
fn a_vocabulary_that_lacks_a_byte() {
    let text = good();
    let at = text.windows(6).position(|bytes| bytes == b"<0x32>").unwrap();
    let mut model = text;
    model[at..at + 6].copy_from_slice(b"<none>");
    assert_not_run(&model, &[]);
}
