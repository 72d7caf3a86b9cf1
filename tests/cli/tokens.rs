//! `--tokens`: rows of the output matrix are tuned, and nothing else.

use qes_gguf::gguf::Gguf;
use serde_json::json;

use super::forge::forged;
use super::helper::{Dir, Q4_K, Q8_0, sums};

/// Rows of digits, and one by itself.
const TOKENS: &str = "--tokens 51,52,53,61";

const RUN: &str =
    "--task arith --generations 4 --population 4 --prompts 8 --eval-problems 16 --eval-every 2 --alpha 8%";

/// A run on [`marked`] examples.
pub const MARKED: &str = "--task sft --data marked.jsonl --neutral plain.jsonl";

/// Writes sums whose replies begin with a mark that the model never makes, and plain ones for a neutral set.
pub fn marked(dir: &Dir) {
    dir.write("marked.jsonl", sums(|sum| json!({"completion": format!("!{sum}")})));
    dir.write("plain.jsonl", "{\"text\": \"10+20=30 11+12=23\"}\n{\"text\": \"57-12=45 30+31=61\"}\n");
}

/// The bytes of a row of the output matrix.
fn row(file: &[u8], token: usize) -> &[u8] {
    let gguf = Gguf::parse(file).unwrap();
    let matrix = gguf.tensor("output.weight").unwrap();
    let bytes = matrix.byte_range();
    let len = bytes.len() / matrix.shape[1] as usize;
    &file[bytes][token * len..][..len]
}

#[test]
fn the_rows_of_these_tokens_change_and_nothing_else() {
    for model in [Q4_K, Q8_0] {
        let dir = Dir::with_model(model);
        let said = dir.run(&format!("tune base.gguf -o run.qes {RUN} {TOKENS}")).ok();
        assert!(said.contains("1,024 integers in 4 rows of output.weight (Q"), "{said}");
        dir.run("export base.gguf run.qes -o tuned.gguf --no-provenance").ok();
        dir.run("verify base.gguf run.qes tuned.gguf").ok();
        let (base, mut tuned) = (dir.read("base.gguf"), dir.read("tuned.gguf"));
        for token in [51, 52, 53, 61] {
            assert!(row(&base, token) != row(&tuned, token), "{model}: token {token} did not change");
        }
        let at = |token| row(&base, token).as_ptr().addr() - base.as_ptr().addr();
        for token in [51, 52, 53, 61] {
            let (start, len) = (at(token), row(&base, token).len());
            tuned[start..start + len].copy_from_slice(&base[start..start + len]);
        }
        assert!(base == tuned, "{model}: something else changed");
    }
}

/// Of interleaved weights the rows stay as in the file, and what inference then says is what it says of the tuned file.
#[test]
fn what_was_measured_is_what_the_tuned_model_does() {
    let dir = Dir::new();
    let said = dir.run(&format!("tune base.gguf -o a.qes {RUN} {TOKENS} --paranoid --json")).json_lines();
    dir.run("export base.gguf a.qes -o a.gguf --no-provenance").ok();
    let loglik = |flags: &str| {
        let said = dir.run(&format!("eval {flags} --problems 16 --json")).json();
        said["mean_loglik"].as_f64().unwrap()
    };
    let last = said.iter().rfind(|line| line["event"] == "evaluation").unwrap();
    let of_log = loglik("base.gguf --log a.qes");
    assert_eq!(last["mean_loglik"].as_f64().unwrap(), of_log);
    assert!((of_log - loglik("a.gguf --task arith")).abs() < 1e-3, "interleaved sums are rounded otherwise");
    assert_eq!(loglik("base.gguf --log a.qes --no-repack"), loglik("a.gguf --task arith --no-repack"));
    assert!((of_log - loglik("base.gguf --task arith")).abs() > 1e-3, "nothing was learnt");
}

#[test]
fn a_run_can_be_resumed_and_its_diff_leads_both_ways() {
    let dir = Dir::new();
    dir.run(&format!("tune base.gguf -o whole.qes {RUN} {TOKENS}")).ok();
    dir.cut("whole.qes", 4, "part.qes");
    dir.run("tune base.gguf -o part.qes --resume").ok();
    dir.run("export base.gguf whole.qes -o whole.gguf --no-provenance --as-diff whole.qesdiff").ok();
    dir.run("export base.gguf part.qes -o part.gguf --no-provenance").ok();
    assert!(dir.read("whole.gguf") == dir.read("part.gguf"));
    dir.run("apply base.gguf whole.qesdiff -o there.gguf").ok();
    assert!(dir.read("there.gguf") == dir.read("whole.gguf"));
    dir.run("revert there.gguf whole.qesdiff -o back.gguf").ok();
    assert!(dir.read("back.gguf") == dir.read("base.gguf"));
    dir.run("report whole.qes --model base.gguf -o page.html").ok();
    assert!(dir.text("page.html").contains("output.weight, rows 51 to 53"));
}

#[test]
fn tokens_that_stand_out_in_replies_are_tuned_and_told() {
    let dir = Dir::new();
    marked(&dir);
    let tune = |flags: &str| {
        let marked = if flags.contains("--neutral") { "--task sft --data marked.jsonl" } else { MARKED };
        dir.run(&format!("tune base.gguf --generations 0 --overwrite {marked} {flags}")).ok()
    };
    let said = tune("-o auto.qes");
    assert!(said.contains("replies begin with 1 token that the model would not say there: \"!\""), "{said}");
    assert!(said.contains("256 integers in 1 row of output.weight (Q4_K.codes)"), "{said}");
    // As many problems as a member has by default where whole tensors are tuned, but not where rows are.
    assert!(tune("-o auto.qes --candidates 4").contains("1 of 4 problems each"));
    for whole in [
        "--tokens all",
        "--fields scales",
        "--tensors attn_q",
        "--sigma scales=2%",
        "--alpha 0.05",
        "--neutral none",
    ] {
        let said = tune(&format!("-o whole.qes {whole}"));
        assert!(!said.contains("would not say"), "{whole}: {said}");
    }
    assert!(
        tune("-o auto.qes --fields scales --tokens auto")
            .contains("1 integers in 1 row of output.weight (Q4_K.scales)")
    );
}

#[test]
fn a_probe_keeps_the_number_of_problems_that_was_given() {
    let dir = Dir::new();
    marked(&dir);
    for flags in ["--prompts 1", "--prompts 2 --candidates 4", "--tokens all --prompts 2"] {
        let line =
            format!("probe base.gguf {MARKED} --population 4 --eval-problems 8 --generations 2 {flags}");
        let prompts = if flags.contains("--prompts 1") { 1 } else { 2 };
        assert_eq!(dir.run(&format!("{line} --json")).json()["prompts"], prompts, "{flags}");
    }
}

#[test]
fn why_there_are_none_is_told_where_they_were_asked_for() {
    let dir = Dir::new();
    marked(&dir);
    dir.write("sums.jsonl", sums(|sum| json!({"completion": sum.to_string()})));
    for (flags, why) in [
        ("--task arith", "the problems are no --data"),
        ("--task exact --data marked.jsonl --neutral plain.jsonl", "to end sooner would not make most"),
        ("--task sft --data marked.jsonl --neutral none", "there is no neutral set"),
        (
            "--task sft --data sums.jsonl --neutral plain.jsonl",
            "replies do not begin with tokens that stand out",
        ),
    ] {
        let run =
            dir.run(&format!("tune base.gguf -o x.qes --overwrite --generations 0 --tokens auto {flags}"));
        let run = run.ends(0);
        assert!(
            run.stderr.contains("note: --tokens auto tunes whole tensors here, as"),
            "{flags}: {}",
            run.stderr
        );
        assert!(run.stderr.contains(why), "{flags}: {}", run.stderr);
    }
}

/// What the base model itself says is found again when the engine has been brought back to it.
#[test]
fn a_run_with_own_replies_can_be_resumed() {
    let dir = Dir::new();
    marked(&dir);
    let flags =
        "--generations 4 --population 4 --prompts 3 --eval-problems 8 --eval-every 2 --max-drift none";
    dir.run(&format!("tune base.gguf -o whole.qes {MARKED} {flags}")).ok();
    let header = dir.run("inspect whole.qes --json").json()["header"]["task"].clone();
    assert_eq!(header["own_replies"], 1.0);
    dir.cut("whole.qes", 3, "part.qes");
    dir.run("tune base.gguf -o part.qes --resume").ok();
    assert_eq!(dir.text("whole.qes"), dir.text("part.qes"));
}

/// The base's own replies count in such a run unless told otherwise, and nowhere else.
#[test]
fn own_replies_count_where_rows_are_tuned() {
    let dir = Dir::new();
    let run = |flags: &str| dir.run(&format!("tune base.gguf --overwrite -o run.qes {RUN} {flags}"));
    let weight = |flags: &str| {
        run(flags).ok();
        dir.run("inspect run.qes --json").json()["header"]["task"]["own_replies"].as_f64()
    };
    // Tokens that the user names may be there for something else than openings.
    assert_eq!(weight(TOKENS), None);
    assert_eq!(weight(&format!("{TOKENS} --retain-own 0.5")), Some(0.5));
    assert!(dir.run("inspect run.qes").ok().contains("own replies after openings, weight 0.5"));
    assert_eq!(weight(&format!("{TOKENS} --reward exact")), None);
    for (flags, part) in [
        (format!("{TOKENS} --retain-own -1"), "--retain-own is -1, but must be from 0 to 1000000"),
        ("--retain-own 1".to_owned(), "--retain-own is for runs in the rows of a few tokens"),
        (format!("{TOKENS} --reward exact --retain-own 1"), "--retain-own is for runs in the rows"),
    ] {
        run(&flags).fails(2, &[part]);
    }
}

#[test]
fn tokens_that_cannot_be_tuned_are_told() {
    let dir = Dir::new();
    let tune = |flags: &str| dir.run(&format!("tune base.gguf --task arith {flags}"));
    tune("--tokens 258,259").fails(1, &["output.weight", "has 259 rows", "no rows 258 to 259"]);
    tune("--tokens 18446744073709551615").fails(1, &["has 259 rows"]);
    tune("--tokens ye").fails(2, &["\"ye\" is no token's number", "all or auto"]);
    tune("--tokens 5 --tensors output").fails(2, &["--tokens", "--tensors"]);
    tune("--tokens 5 --resume").fails(2, &["--tokens cannot be used with --resume"]);
    assert_eq!(dir.names(), ["base.gguf"]);
}

#[test]
fn a_damaged_list_of_rows_is_refused() {
    let dir = Dir::new();
    dir.run(&format!("tune base.gguf -o run.qes {RUN} {TOKENS}")).ok();
    let (log, last) = (dir.text("run.qes"), r#""rows":{"first":61,"count":1}"#);
    for (is, why) in [
        (r#""rows":{"first":53,"count":1}"#, "names tensor output.weight, row 53 twice"),
        (r#""rows":{"first":61,"count":0}"#, "no whole number of blocks or of rows"),
        (r#""rows":{"first":61,"count":3}"#, "no whole number of blocks or of rows"),
        (r#""rows":{"first":18446744073709551615,"count":1}"#, "has 259 rows"),
    ] {
        dir.write("forged.qes", forged(&log, 1, last, is));
        dir.run("export base.gguf forged.qes -o x.gguf").fails(1, &[why]);
    }
}
