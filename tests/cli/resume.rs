//! A run that was stopped, by whatever, and goes on.

use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use super::forge::contents;
use super::helper::{Dir, LONG, Q8_0, TINY};

/// The model that an undisturbed [`LONG`] run makes, and its generations.
fn undisturbed() -> &'static (Vec<u8>, Vec<String>) {
    static RUN: OnceLock<(Vec<u8>, Vec<String>)> = OnceLock::new();
    RUN.get_or_init(|| {
        let dir = Dir::new();
        dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf {LONG}")).ok();
        (dir.read("tuned.gguf"), generations(&dir.text("run.qes")))
    })
}

/// Checks that the folder's finished run is what the undisturbed one is.
fn assert_undisturbed(dir: &Dir) {
    let (tuned, records) = undisturbed();
    assert!(dir.read("tuned.gguf") == *tuned);
    assert_eq!(generations(&dir.text("run.qes")), *records);
    assert!(dir.run("verify base.gguf run.qes tuned.gguf").ok().ends_with("verified\n"));
}

/// The records of a log's generations without their hashes. A torn tail is left out.
fn generations(log: &str) -> Vec<String> {
    let whole = &log[..log.rfind('\n').map_or(0, |last| last + 1)];
    contents(whole).into_iter().filter(|content| content.starts_with("{\"generation\"")).collect()
}

#[test]
fn an_interrupted_run_resumes_to_where_an_undisturbed_one_ends() {
    for signal in ["INT", "TERM"] {
        let dir = Dir::new();
        let mut run = dir.spawn(&format!("tune base.gguf -o run.qes {LONG}"));
        run.until_lines("run.qes", 5);
        run.signal(signal);
        let done = run.wait().ends(130);
        let count = generations(&dir.text("run.qes")).len();
        assert!((3..24).contains(&count), "{count} generations");
        let words = format!("interrupted after {count} generations; the log is whole");
        assert!(done.stderr.contains(&words), "{done}");
        assert!(done.stderr.contains("qes-gguf tune base.gguf -o run.qes --resume"), "{done}");
        dir.run("verify base.gguf run.qes").ok();

        let said = dir.run("tune base.gguf -o run.qes --resume --export tuned.gguf").ok();
        assert!(said.contains(&format!("continuing run.qes after {count} generations")), "{said}");
        assert_undisturbed(&dir);
    }
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_where_an_undisturbed_one_does() {
    let dir = Dir::new();
    // Elsewhere each time; KILL_SEED repeats what a failed test printed.
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let seed: u32 = std::env::var("KILL_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
    eprintln!("KILL_SEED={seed}");
    let mut line = format!("tune base.gguf -o run.qes {LONG}");
    for (round, lines) in [1, 8, 16].into_iter().enumerate() {
        let mut run = dir.spawn(&line);
        run.until_lines("run.qes", lines);
        // Somewhere in the next generation or so.
        let delay = Duration::from_micros(u64::from(seed >> (8 * round)) % 50_000);
        eprintln!("round {round}: killed {delay:?} after line {lines}");
        sleep(delay);
        run.signal("KILL");
        run.wait();
        assert!(generations(&dir.text("run.qes")).len() < 24, "killed too late to test anything");
        line = "tune base.gguf -o run.qes --resume --residual replay".to_owned();
    }
    dir.run("tune base.gguf -o run.qes --resume --export tuned.gguf").ok();
    assert_undisturbed(&dir);
}

#[test]
fn a_torn_tail_is_told_and_dropped() {
    let whole = Dir::tuned().read("run.qes");
    let end_of = |line: usize| {
        let ends = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        ends.collect::<Vec<_>>()[line - 1]
    };
    let appended = [&whole[..], &b"{\"generation\":{\"genera"[..]].concat();
    let cases = [
        ("half a line was appended", &appended[..], 22),
        ("the last line has no end", &whole[..whole.len() - 1], whole.len() - 1 - end_of(5)),
        ("the last line is cut", &whole[..whole.len() - 70], whole.len() - 70 - end_of(5)),
        ("a generation is cut", &whole[..end_of(3) + 50], 50),
        ("the first generation is cut", &whole[..end_of(2) + 1], 1),
        ("the first evaluation is cut", &whole[..end_of(1) + 9], 9),
    ];
    for (what, torn, dropped) in cases {
        let dir = Dir::tuned();
        let tuned = dir.read("tuned.gguf");
        dir.write("run.qes", torn);
        let done = dir.run("tune base.gguf -o run.qes --resume --export tuned.gguf").ends(0);
        let words = format!("run.qes: the last {dropped} bytes are a torn record");
        assert!(done.stderr.contains(&words), "{what}: {done}");
        assert!(dir.read("tuned.gguf") == tuned, "{what}");
        assert!(dir.run("verify base.gguf run.qes tuned.gguf").ok().ends_with("verified\n"), "{what}");
    }
}

#[test]
fn a_log_with_only_a_header_is_resumed_from_the_start() {
    let dir = Dir::tuned();
    let log = dir.text("run.qes");
    dir.write("header.qes", &log[..=log.find('\n').unwrap()]);
    dir.run("tune base.gguf -o header.qes --resume").ok();
    assert_eq!(dir.text("header.qes"), log);
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let dir = Dir::tuned();
    let log = dir.text("run.qes");
    dir.run("tune base.gguf -o run.qes --resume --export again.gguf").ok();
    assert_eq!(dir.text("run.qes"), log);
    assert!(dir.read("again.gguf") == dir.read("tuned.gguf"));
}

#[test]
fn more_generations_prolong_a_finished_run() {
    let dir = Dir::tuned();
    let log = dir.text("run.qes");
    dir.run("tune base.gguf -o run.qes --resume --generations 5 --export longer.gguf").ok();
    let longer = dir.text("run.qes");
    assert!(longer.starts_with(&log), "what was logged is never changed");
    assert_eq!(generations(&longer).len(), 5);
    assert!(dir.run("verify base.gguf run.qes longer.gguf").ok().ends_with("verified\n"));
    // The run up to there is still in the log.
    dir.run("export base.gguf run.qes --generation 3 -o third.gguf").ok();
    assert!(dir.read("third.gguf") == dir.read("tuned.gguf"));
}

/// Which problems they are depends on the codes, and so on where the run was.
#[test]
fn a_run_that_chooses_its_problems_ends_where_an_undisturbed_one_does() {
    const CHOOSING: &str = "--candidates 32 --residual stored";
    let dir = Dir::new();
    dir.run(&format!("tune base.gguf -o whole.qes --export tuned.gguf {TINY} {CHOOSING}")).ok();
    dir.run(&format!("tune base.gguf -o all.qes {TINY}")).ok();
    let (whole, records) = (dir.text("whole.qes"), generations(&dir.text("whole.qes")));
    assert_ne!(records[0], generations(&dir.text("all.qes"))[0], "other problems");
    let evaluations = 4 * 8 + 32;
    assert!(
        records.iter().all(|record| record.contains(&format!("\"evaluations\":{evaluations}"))),
        "{records:?}"
    );
    let (first, _) = whole.match_indices("{\"generation\"").nth(1).unwrap();
    dir.write("run.qes", &whole[..first]);
    dir.run("tune base.gguf -o run.qes --resume --export again.gguf").ok();
    assert_eq!(dir.text("run.qes"), whole);
    assert!(dir.read("again.gguf") == dir.read("tuned.gguf"));
    assert!(dir.run("inspect run.qes").ok().contains("8 of 32 problems"));
    dir.run("verify base.gguf run.qes tuned.gguf").ok();
}

#[test]
fn settings_cannot_be_changed_half_way() {
    let dir = Dir::tuned();
    let log = dir.text("run.qes");
    for flag in [
        "--population 4",
        "--mirror",
        "--fields codes",
        "--sigma 0.1",
        "--alpha 0.1",
        "--learning-rate 0.1",
        "--alpha-final 0.1",
        "--method qes",
        "--decay 0.9",
        "--window 1",
        "--anchor 0",
        "--prompts 8",
        "--candidates 16",
        "--reward loglik",
        "--shaping zscore",
        "--tensors attn",
        "--eval-every 10",
        "--eval-problems 16",
        "--seed 0",
    ] {
        let name = flag.split(' ').next().unwrap().replace("--learning-rate", "--alpha");
        dir.run(&format!("tune base.gguf -o run.qes --resume {flag}"))
            .fails(2, &[&format!("{name} cannot be used with --resume")]);
    }
    assert_eq!(dir.text("run.qes"), log);
}

#[test]
fn another_models_log_is_not_touched() {
    let log = Dir::tuned().text("run.qes");
    let dir = Dir::with_model(Q8_0);
    // Torn as well, which another model is no reason to repair.
    let torn = &log[..log.len() - 5];
    dir.write("run.qes", torn);
    dir.run("tune base.gguf -o run.qes --resume")
        .fails(1, &["the log was made for another model", "base.gguf"]);
    assert_eq!(dir.text("run.qes"), torn);
}

#[test]
fn a_log_that_is_not_there_is_named() {
    let dir = Dir::new();
    dir.run("tune base.gguf -o nosuch.qes --resume").fails(1, &["cannot open nosuch.qes"]);
    assert_eq!(dir.names(), ["base.gguf"]);
}

#[test]
fn a_log_has_one_run_at_a_time() {
    let dir = Dir::new();
    let mut run = dir.spawn(&format!("tune base.gguf -o run.qes {LONG}"));
    run.until_lines("run.qes", 2);
    dir.run("tune base.gguf -o run.qes --resume").fails(1, &["run.qes is in use by another run"]);
    // Reading is another matter.
    dir.run("inspect run.qes").ok();
    run.signal("INT");
    run.wait().ends(130);
}

#[test]
fn a_run_may_be_resumed_by_the_name_of_its_task() {
    let dir = Dir::tuned();
    let log = contents(&dir.text("run.qes"));
    dir.run("tune base.gguf -o run.qes --resume --task arith").ok();
    assert_eq!(contents(&dir.text("run.qes")), log);
    // Without --resume it is another run, which does not replace the first.
    dir.run(&format!("tune base.gguf -o run.qes {TINY}"))
        .fails(1, &["run.qes exists already", "--resume", "-o"]);
    assert_eq!(contents(&dir.text("run.qes")), log);
}
