//! Logs that are not what they should be. Each is refused by every command that reads logs, with its name and the
//! reason, and is left as it is.

use super::forge::{contents, forged, reweighted, sealed};
use super::helper::{Dir, Q8_0};

/// Checks that each command refuses this log with these words, and changes no file.
fn assert_refused_in(dir: &Dir, log: &[u8], words: &[&str]) {
    dir.write("bad.qes", log);
    let names = dir.names();
    for line in [
        "verify base.gguf bad.qes",
        "export base.gguf bad.qes -o new.gguf",
        "tune base.gguf -o bad.qes --resume",
        "eval base.gguf --log bad.qes --task arith --problems 4",
    ] {
        dir.run(line).fails(1, words);
        assert!(dir.read("bad.qes") == log, "{line} changed the log");
        assert_eq!(dir.names(), names, "{line} left something behind");
    }
}

fn assert_refused(log: impl AsRef<[u8]>, words: &[&str]) {
    assert_refused_in(&Dir::tuned(), log.as_ref(), &[words, &["bad.qes"]].concat());
}

/// A good log of six lines: header, evaluation, three generations, evaluation.
fn good() -> String {
    Dir::tuned().text("run.qes")
}

fn lines(log: &str) -> Vec<&str> {
    log.split_inclusive('\n').collect()
}

#[test]
fn an_edited_digit() {
    assert_refused(
        good().replacen("\"mean\":-1", "\"mean\":-2", 1),
        &["line 3 of the log", "unchanged copy"],
    );
}

#[test]
fn an_edited_header() {
    assert_refused(good().replacen("\"seed\":0", "\"seed\":1", 1), &["line 1 of the log", "unchanged copy"]);
}

#[test]
fn an_edited_hash() {
    let log = good();
    let last = log.len() - 4;
    let other = if log.as_bytes()[last] == b'0' { "1" } else { "0" };
    let edited = [&log[..last], other, &log[last + 1..]].concat();
    assert_refused(edited, &["line 6 of the log", "unchanged copy"]);
}

#[test]
fn a_removed_line() {
    let log = good();
    let mut lines = lines(&log);
    lines.remove(3);
    assert_refused(lines.concat(), &["line 4 of the log", "removed"]);
}

#[test]
fn swapped_lines() {
    let log = good();
    let mut lines = lines(&log);
    lines.swap(2, 3);
    assert_refused(lines.concat(), &["line 3 of the log", "moved"]);
}

#[test]
fn a_duplicated_line() {
    let log = good();
    let mut lines = lines(&log);
    lines.insert(3, lines[2]);
    assert_refused(lines.concat(), &["line 4 of the log", "repeated"]);
}

#[test]
fn an_empty_line() {
    let log = good();
    let mut lines = lines(&log);
    lines.insert(3, "\n");
    assert_refused(lines.concat(), &["line 4 of the log"]);
}

#[test]
fn line_ends_of_another_system() {
    assert_refused(good().replace('\n', "\r\n"), &["line"]);
}

#[test]
fn two_logs_in_one_file() {
    assert_refused(good().repeat(2), &["line 7 of the log"]);
}

#[test]
fn an_empty_file() {
    assert_refused("", &["ends within its first line"]);
}

#[test]
fn a_torn_header() {
    assert_refused(&good()[..300], &["ends within its first line", "delete the file"]);
}

#[test]
fn a_text() {
    assert_refused("Dear diary,\ntoday\n", &["not a seed log"]);
}

/// Whatever it is, it is not a run's log; nobody should be told to delete it.
#[test]
fn a_text_of_one_line_without_end() {
    let dir = Dir::tuned();
    dir.write("bad.qes", "Dear diary");
    let done = dir.run("verify base.gguf bad.qes");
    assert!(!done.stderr.contains("delete"), "{done}");
    done.fails(1, &["bad.qes", "not a seed log"]);
}

#[test]
fn a_model_in_place_of_a_log() {
    let dir = Dir::tuned();
    dir.run("export base.gguf tuned.gguf -o new.gguf").fails(1, &["tuned.gguf", "not a seed log"]);
    dir.run("export run.qes base.gguf -o new.gguf").fails(1, &["base.gguf", "not a seed log"]);
}

#[test]
fn some_other_json() {
    assert_refused("{\"hello\": \"world\"}\n", &["not a seed log"]);
    assert_refused(sealed(&["{\"hello\":\"world\"".to_owned()]), &["not a seed log"]);
}

#[test]
fn a_folder() {
    let dir = Dir::new();
    std::fs::create_dir(dir.path("folder")).unwrap();
    dir.run("verify base.gguf folder").fails(1, &["folder"]);
    dir.run("tune base.gguf -o folder --resume").fails(1, &["folder"]);
}

#[test]
fn a_file_that_is_not_there() {
    let dir = Dir::new();
    dir.run("export base.gguf nosuch.qes -o new.gguf").fails(1, &["nosuch.qes"]);
    assert_eq!(dir.names(), ["base.gguf"]);
}

#[test]
fn a_log_for_another_model() {
    let dir = Dir::with_model(Q8_0);
    let words = ["made for another model", "base.gguf", "2010080 bytes", "3780320 bytes"];
    assert_refused_in(&dir, good().as_bytes(), &words);
}

#[test]
fn a_log_for_a_model_with_one_other_byte() {
    let mut model = Dir::new().read("base.gguf");
    *model.last_mut().unwrap() ^= 1;
    assert_refused_in(&Dir::with_base(model), good().as_bytes(), &["made for another model"]);
}

/// What a newer program may write there is unknown, so its version is told before anything else is looked at.
#[test]
fn a_future_version() {
    let log = forged(&good(), 1, "\"version\":3", "\"version\":4,\"new\":[]");
    assert_refused(log, &["format version 4", "reads version 3", "use the version"]);
}

#[test]
fn other_noise_tables() {
    assert_refused(forged(&good(), 1, "\"tables\":\"", "\"tables\":\"0"), &["other noise tables"]);
}

/// The file makes no sense, not the command line.
#[test]
fn settings_that_make_no_sense() {
    for (from, to, word) in [
        ("\"population\":4", "\"population\":1", "population is 1"),
        ("\"sigma\":12.0", "\"sigma\":0", "sigma is 0"),
        ("\"hit\":48", "\"hit\":0", "hit is 0"),
        ("\"field\":\"mins\"", "\"field\":\"scales\"", "scales of Q4_K are listed twice"),
        ("\"field\":\"mins\"", "\"field\":\"maxs\"", "maxs"),
        ("\"window\":1", "\"window\":0", "window is 0"),
        ("\"decay\":1.0", "\"decay\":1.5", "decay is 1.5"),
        ("\"anchor\":0.0", "\"anchor\":2", "anchor is 2"),
        ("\"method\":\"qes\"", "\"method\":\"qes-gated\"", "window is 1"),
        ("\"method\":\"qes\"", "\"method\":\"quzo\"", "quzo has no residual"),
        ("\"method\":\"qes\"", "\"method\":\"best\"", "best"),
        (",\"anchor\":0.0", "", "anchor"),
    ] {
        assert_refused(forged(&good(), 1, from, to), &[word]);
    }
}

#[test]
fn a_tensor_that_the_model_lacks() {
    let dir = Dir::tuned();
    let log = forged(&good(), 1, "blk.0.attn_k.weight", "blk.7.attn_k.weight");
    assert_refused_in(&dir, log.as_bytes(), &["no tensor \"blk.7.attn_k.weight\""]);
}

#[test]
fn a_tensor_of_another_size() {
    let dir = Dir::tuned();
    let log = forged(&good(), 1, "\"codes\":65536", "\"codes\":131072");
    assert_refused_in(&dir, log.as_bytes(), &["blk.0.attn_k.weight", "65536 codes of type Q4_K"]);
}

/// It is the log that is wrong, not the model.
#[test]
fn a_tensor_that_is_named_twice() {
    let log = forged(&good(), 1, "blk.0.attn_k.weight", "blk.0.attn_q.weight");
    assert_refused(log, &["blk.0.attn_q.weight"]);
}

#[test]
fn an_unknown_field() {
    assert_refused(forged(&good(), 1, "\"seed\":0", "\"seed\":0,\"zeal\":1"), &["line 1", "zeal"]);
}

#[test]
fn records_that_do_not_follow_from_the_header() {
    for (line, from, to, word) in [
        (3, "\"generation\":0", "\"generation\":1", "generation 1 where 0 should be"),
        (3, "\"alpha\":[", "\"alpha\":[-", "alpha"),
        (2, "\"generations\":0", "\"generations\":1", "after 1 generations, but 0"),
        (2, "\"problems\":16", "\"problems\":1", "of 1 problems"),
    ] {
        assert_refused(forged(&good(), line, from, to), &[&format!("line {line} of the log"), word]);
    }
    for (weights, word) in
        [("0.5,1,-1", "3 weights for 4 perturbations"), ("3.5,-1,0,0", "not within -3 to 3")]
    {
        assert_refused(reweighted(&good(), 3, weights), &["line 3 of the log", word]);
    }
}

#[test]
fn a_second_header() {
    let mut lines = contents(&good());
    lines.insert(2, lines[0].clone());
    assert_refused(sealed(&lines), &["line 3 of the log is a second header"]);
}

#[test]
fn problems_and_rewards_that_are_not_known() {
    assert_refused(forged(&good(), 1, "\"source\":\"arith\"", "\"source\":\"poetry\""), &["poetry", "arith"]);
    assert_refused(
        forged(&good(), 1, "\"kind\":\"loglik\"", "\"kind\":\"applause\""),
        &["applause", "loglik"],
    );
}

/// Whoever makes a log could otherwise have others run anything.
#[test]
fn a_program_that_only_a_log_names_is_not_run() {
    let dir = Dir::tuned();
    let log = forged(&good(), 1, "\"kind\":\"loglik\"", "\"kind\":\"command\",\"command\":\": > ran\"");
    dir.write("bad.qes", &log);
    let names = dir.names();
    for line in [
        "eval base.gguf --log bad.qes --problems 4",
        "tune base.gguf -o bad.qes --resume --generations 9",
        "report bad.qes --model base.gguf --samples 4",
    ] {
        dir.run(line).fails(2, &["would run this program: : > ran", "--trust-log"]);
        assert_eq!(dir.names(), names, "{line}");
    }
    dir.run("verify base.gguf bad.qes").ok();
    dir.run("export base.gguf bad.qes -o new.gguf").ok();
    dir.run("eval base.gguf --log bad.qes --problems 4 --trust-log").ends(1);
    assert!(dir.names().contains(&"ran".to_owned()), "with the user's word it is run");
}

#[test]
fn a_reward_without_sense() {
    let with = |more: &str| forged(&good(), 1, "\"kind\":\"loglik\"", &format!("\"kind\":\"loglik\",{more}"));
    assert_refused(with("\"weight\":0"), &["loglik", "weight 0"]);
    assert_refused(with("\"pattern\":\"x\""), &["loglik", "pattern"]);
}
