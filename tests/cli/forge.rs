//! Logs with right hashes and wrong content, by the format's description alone: a line is its content, which is a JSON
//! object without the closing brace, then `,"hash":"…"}`; the hash is SHA-256 of the previous hash (at first 32 zeros)
//! and the content.

use sha2::{Digest, Sha256};

use super::helper::Dir;

/// What follows a line's content.
const TAIL: usize = r#","hash":""}"#.len() + 64;

/// The contents of a log's lines.
pub fn contents(log: &str) -> Vec<String> {
    log.lines().map(|line| line[..line.len() - TAIL].to_owned()).collect()
}

/// A log with these contents, every hash right.
pub fn sealed(contents: &[String]) -> String {
    let mut hash = [0; 32];
    let line = |content: &String| {
        hash = Sha256::new().chain_update(hash).chain_update(content).finalize().into();
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{content},\"hash\":\"{hex}\"}}\n")
    };
    contents.iter().map(line).collect()
}

/// The log with the first `from` in its line number `line` (from 1) made `to`, and sealed again.
pub fn forged(log: &str, line: usize, from: &str, to: &str) -> String {
    let mut contents = contents(log);
    let content = &mut contents[line - 1];
    assert!(content.contains(from), "no {from} in {content}");
    *content = content.replacen(from, to, 1);
    sealed(&contents)
}

/// The log with other weights in the generation on its line number `line`, and sealed again.
pub fn reweighted(log: &str, line: usize, weights: &str) -> String {
    let content = &contents(log)[line - 1];
    let start = content.find("\"weights\":[").unwrap();
    let end = start + content[start..].find(']').unwrap() + 1;
    forged(log, line, &content[start..end], &format!("\"weights\":[{weights}]"))
}

#[test]
fn sealing_is_what_the_program_does() {
    let log = Dir::tuned().text("run.qes");
    assert_eq!(sealed(&contents(&log)), log);
}
