//! `export --as-diff`, `apply` and `revert` with diffs.

use super::helper::{Dir, Q8_0, TINY};

/// With the diff from base to tuned model.
fn with_diff() -> Dir {
    let dir = Dir::tuned();
    let said = dir.run("export base.gguf run.qes --as-diff tuned.qesdiff").ok();
    assert!(said.contains("wrote tuned.qesdiff after 3 of 3 generations"), "{said}");
    dir
}

#[test]
fn a_diff_leads_from_base_to_tuned_and_back() {
    let dir = with_diff();
    let said = dir.run("apply base.gguf tuned.qesdiff -o there.gguf").ok();
    assert!(said.contains("wrote there.gguf") && said.contains("SHA-256 "), "{said}");
    assert!(dir.read("there.gguf") == dir.read("tuned.gguf"));
    dir.run("revert there.gguf tuned.qesdiff -o back.gguf").ok();
    assert!(dir.read("back.gguf") == dir.read("base.gguf"));
    assert!(dir.read("tuned.qesdiff").len() < dir.read("base.gguf").len());
}

#[test]
fn a_diff_has_the_form_that_was_asked_for() {
    for flags in ["--no-provenance", "--generation 1", "--generation 0", "--no-provenance --generation 2"] {
        let dir = Dir::tuned();
        dir.run(&format!("export base.gguf run.qes -o x.gguf --as-diff x.qesdiff {flags}")).ok();
        dir.run("apply base.gguf x.qesdiff -o y.gguf").ok();
        assert!(dir.read("x.gguf") == dir.read("y.gguf"), "{flags}");
        dir.run("revert x.gguf x.qesdiff -o z.gguf").ok();
        assert!(dir.read("z.gguf") == dir.read("base.gguf"), "{flags}");
    }
}

#[test]
fn q8_0_is_led_both_ways_too() {
    let dir = Dir::with_model(Q8_0);
    dir.run(&format!("tune base.gguf -o run.qes {TINY}")).ok();
    dir.run("export base.gguf run.qes -o x.gguf --as-diff x.qesdiff").ok();
    dir.run("apply base.gguf x.qesdiff -o y.gguf").ok();
    assert!(dir.read("x.gguf") == dir.read("y.gguf"));
    dir.run("revert x.gguf x.qesdiff -o z.gguf").ok();
    assert!(dir.read("z.gguf") == dir.read("base.gguf"));
}

#[test]
fn the_same_run_makes_the_same_diff() {
    let dir = with_diff();
    for threads in ["1", "2"] {
        dir.run(&format!("export base.gguf run.qes --as-diff again.qesdiff -t {threads}")).ok();
        assert!(dir.read("again.qesdiff") == dir.read("tuned.qesdiff"));
    }
}

#[test]
fn a_diff_is_described() {
    let dir = with_diff();
    let said = dir.run("inspect tuned.qesdiff").ok();
    for word in ["diff, format 1", "base.gguf", "3,407,872 codes in 28 tensors", "3 generations, hash "] {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
    let object = dir.run("inspect tuned.qesdiff --json").json();
    assert_eq!(object["kind"], "diff");
    assert_eq!(object["header"]["base"]["file"], "base.gguf");
}

#[test]
fn another_model_is_refused_with_the_one_that_is_wanted() {
    let dir = with_diff();
    for line in
        ["apply tuned.gguf tuned.qesdiff -o x.gguf", "apply base.gguf tuned.qesdiff tuned.qesdiff -o x.gguf"]
    {
        dir.run(line)
            .fails(1, &["tuned.qesdiff was made for another model: it names base.gguf (2010080 bytes"]);
    }
    let words = ["tuned.qesdiff does not lead to base.gguf", "2010080 bytes"];
    dir.run("revert base.gguf tuned.qesdiff -o x.gguf").fails(1, &words);
    assert_eq!(dir.names(), ["base.gguf", "run.qes", "tuned.gguf", "tuned.qesdiff"]);
}

#[test]
fn a_log_is_not_reverted() {
    let words = ["run.qes is a log", "--as-diff"];
    let dir = with_diff();
    dir.run("revert tuned.gguf run.qes -o x.gguf").fails(1, &words);
    dir.run("revert tuned.gguf tuned.qesdiff run.qes -o x.gguf").fails(1, &words);
}

#[test]
fn what_is_read_is_not_written_over() {
    let dir = with_diff();
    let names = dir.names();
    for (line, place) in [
        ("apply base.gguf tuned.qesdiff -o base.gguf", "base.gguf is the base model"),
        ("apply base.gguf tuned.qesdiff -o tuned.qesdiff", "tuned.qesdiff is one of what is applied"),
        ("revert tuned.gguf tuned.qesdiff -o tuned.gguf", "tuned.gguf is the tuned model"),
        ("export base.gguf run.qes --as-diff run.qes", "run.qes is the log"),
        ("export base.gguf run.qes --as-diff base.gguf", "would replace the base model"),
        ("export base.gguf run.qes -o x.gguf --as-diff x.gguf", "x.gguf is the tuned model"),
    ] {
        dir.run(line).fails(2, &[place]);
    }
    assert_eq!(dir.names(), names);
}

#[test]
fn damage_is_told() {
    let dir = with_diff();
    let whole = dir.read("tuned.qesdiff");
    let refused = |bytes: &[u8], words: &[&str]| {
        dir.write("bad.qesdiff", bytes);
        dir.run("apply base.gguf bad.qesdiff -o x.gguf").fails(1, &[words, &["bad.qesdiff"]].concat());
        assert!(!dir.path("x.gguf").exists());
    };
    refused(&whole[..whole.len() - 1], &["incomplete"]);
    refused(&[&whole[..], b"x"].concat(), &["behind its end"]);
    refused(&whole[..40], &["not a diff"]);
    let mut changed = whole.clone();
    let middle = whole.len() / 2;
    changed[middle] ^= 1;
    refused(&changed, &["damaged"]);
    // A first line that names another result.
    let text = String::from_utf8_lossy(&whole[..2000]).into_owned();
    let at = text.find("\"result\"").unwrap()
        + text[text.find("\"result\"").unwrap()..].find("sha256\":\"").unwrap()
        + 9;
    let mut other = whole.clone();
    other[at] = if other[at] == b'0' { b'1' } else { b'0' };
    refused(&other, &["does not make the model that it names"]);
    dir.run("apply base.gguf tuned.gguf -o x.gguf").fails(1, &["tuned.gguf", "not a seed log"]);
    dir.run("export base.gguf tuned.qesdiff -o x.gguf").fails(1, &["tuned.qesdiff", "not a seed log"]);
}
