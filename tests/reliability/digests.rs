//! The codes of a run against its log: when it is verified, while it runs, and when it is prolonged.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::crash::{begin, whole};
use super::fault::{Fault, start};
use crate::forge::{contents, forged, reweighted, sealed};
use crate::helper::{Dir, LONG};

/// A folder with the log of an uninterrupted run after a change.
fn with_log(log: &str) -> Dir {
    let dir = Dir::new();
    dir.write("run.qes", log);
    dir
}

/// Lines: header, evaluation 0, generations 0 and 1, evaluation 2, generations 2 and 3, evaluation 4.
#[test]
fn verify_names_the_first_generation_that_differs() {
    let log = &whole().log;
    let said = with_log(log).run("verify base.gguf run.qes").ok();
    assert!(said.contains("all 3 that the run logged on its way"), "{said}");
    for (line, first, agree) in [(3, 2, 0), (4, 2, 0), (6, 4, 2), (7, 4, 2)] {
        let done =
            with_log(&reweighted(log, line, "0.75,-0.25,1.5,0")).run("verify base.gguf run.qes").ends(1);
        let words = format!("DIFFERENT  after {first} generations the replayed codes");
        assert!(done.stdout.contains(&words), "line {line}: {done}");
        assert!(done.stdout.contains(&format!("they agree up to generation {agree}")), "line {line}: {done}");
    }
}

/// A digest that only `verify` looks at, since the run went on from there.
#[test]
fn verify_looks_at_every_digest() {
    let log = &whole().log;
    for (line, generations) in [(2, 0), (5, 2), (8, 4)] {
        let other = forged(log, line, "\"codes_sha256\":\"", "\"codes_sha256\":\"0");
        let done = with_log(&other).run("verify base.gguf run.qes").ends(1);
        assert!(done.stdout.contains(&format!("after {generations} generations")), "{done}");
    }
    // And a log may end without one.
    let lines = contents(log);
    let said = with_log(&sealed(&lines[..7])).run("verify base.gguf run.qes").ok();
    assert!(said.contains("logged none at its last generation") && said.contains("all 2 "), "{said}");
}

#[test]
fn a_paranoid_run_is_the_same_run() {
    let dir = Dir::new();
    dir.run(&format!("{} --paranoid", begin())).ok();
    assert_eq!(dir.text("run.qes"), whole().log);
    // From the middle too.
    let log = &whole().log;
    let dir = with_log(&sealed(&contents(log)[..6]));
    dir.run("tune base.gguf -o run.qes --resume --paranoid").ok();
    assert_eq!(dir.text("run.qes"), *log);
}

#[test]
fn a_paranoid_run_sees_a_log_that_is_edited_under_it() {
    let dir = Dir::new();
    let mut running = dir.spawn(&format!("tune base.gguf -o run.qes --paranoid {LONG}"));
    running.until_lines("run.qes", 5);
    let at = dir.text("run.qes").find("\"weights\":[").unwrap();
    let file = File::options().write(true).open(dir.path("run.qes")).unwrap();
    file.write_all_at(b"x", at as u64 + 12).unwrap();
    let done = running.wait().ends(1);
    assert!(done.stderr.contains("of the log does not continue the line before it"), "{done}");
}

#[test]
fn a_prolonged_run_goes_on_to_its_new_end_after_a_kill() {
    let prolonged = |fault| {
        let dir = with_log(&whole().log);
        let done = start(&dir, "tune base.gguf -o run.qes --resume --generations 6", fault).wait();
        dir.run("tune base.gguf -o run.qes --resume").ok();
        (dir.text("run.qes"), done.status.success())
    };
    let (log, _) = prolonged(Fault::Kill(1000));
    assert!(
        log.contains("{\"plan\":{\"generations\":6}") && log.contains("{\"generation\":{\"generation\":5,")
    );
    for call in 4..=8 {
        let (killed, success) = prolonged(Fault::Kill(call));
        assert!(!success && killed == log, "killed before call {call}");
    }
    let dir = with_log(&log);
    let said = dir.run("inspect run.qes").ok();
    assert!(said.contains("6 generations (6 planned)"), "{said}");
    dir.run("verify base.gguf run.qes").ok();
    // A plan is a record like any other.
    let line = log.lines().position(|line| line.starts_with("{\"plan\"")).unwrap() + 1;
    let short = forged(&log, line, "\"generations\":6", "\"generations\":3");
    with_log(&short).run("verify base.gguf run.qes").fails(1, &["a plan of 3 generations"]);
}
