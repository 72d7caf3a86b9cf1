//! Kills: at any instant, and between any two system calls that change a file.

use std::os::unix::process::ExitStatusExt;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use qes_gguf::seed_log::SeedLog;
use sha2::{Digest, Sha256};

use super::fault::{Fault, start};
use crate::helper::{Dir, LONG};

/// Two or three tenths of a second, two windows of the residual, an evaluation in its midst.
pub const RUN: &str = "--task arith --generations 4 --population 4 --prompts 2 --eval-problems 4 --eval-every 2 \
                       --window 2 --alpha 5%";

/// What an uninterrupted [`RUN`] leaves: its log, and its model's SHA-256.
pub struct Whole {
    pub log: String,
    pub sha256: String,
    /// How long it took.
    pub took: Duration,
}

pub fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let dir = Dir::new();
        let start = Instant::now();
        dir.run(&begin()).ok();
        Whole { log: dir.text("run.qes"), sha256: sha256(&dir), took: start.elapsed() }
    })
}

pub fn begin() -> String {
    format!("tune base.gguf -o run.qes --export tuned.gguf {RUN}")
}

/// What a user types next: another start when there is no log yet, and else a continuation.
pub fn next(dir: &Dir) -> String {
    if dir.path("run.qes").exists() {
        "tune base.gguf -o run.qes --resume --export tuned.gguf".to_owned()
    } else {
        begin()
    }
}

fn sha256(dir: &Dir) -> String {
    Sha256::digest(dir.read("tuned.gguf")).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is wrong with a folder right after a kill.
pub fn wrong_after_kill(dir: &Dir) -> Vec<String> {
    let mut wrong = Vec::new();
    if dir.path("tuned.gguf").exists() && sha256(dir) != whole().sha256 {
        wrong.push("tuned.gguf is there, but not whole".to_owned());
    }
    if dir.path("run.qes").exists() {
        match SeedLog::parse(&dir.read("run.qes")) {
            Ok(log)
                if whole().log.as_bytes().starts_with(&dir.read("run.qes")[..log.whole_bytes as usize]) => {}
            Ok(_) => wrong.push("the log has another line than the uninterrupted run's".to_owned()),
            Err(error) => wrong.push(format!("the log cannot be continued: {error}")),
        }
    }
    wrong
}

/// What is wrong with a folder whose run has come to its end.
pub fn wrong_at_end(dir: &Dir) -> Vec<String> {
    let mut wrong = Vec::new();
    if sha256(dir) != whole().sha256 {
        wrong.push("the exported model differs".to_owned());
    }
    if dir.text("run.qes") != whole().log {
        wrong.push("the log differs".to_owned());
    }
    // A kill between two names may leave a file, which the next artefact removes.
    let names = dir.names();
    if names != ["base.gguf", "run.qes", "tuned.gguf"] {
        wrong.push(format!("something was left behind: {names:?}"));
    }
    wrong
}

/// Numbers without pattern.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("CRASH_TEST_SEED").ok().map(|text| text.parse().unwrap());
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = seed.unwrap_or_else(now);
        eprintln!("CRASH_TEST_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit
    }
}

/// Starts the program on what there is and kills it, by whichever of three ways; true when the kill came in time.
fn strike(dir: &Dir, dice: &mut Dice) -> (String, bool) {
    let line = next(dir);
    let call = 1 + dice.below(14);
    let fault = match dice.below(3) {
        0 => None,
        1 => Some(Fault::Kill(call)),
        _ => Some(Fault::Tear(call, dice.below(1000))),
    };
    let (what, running) = match fault {
        None => {
            let delay = Duration::from_micros(dice.below(whole().took.as_micros() as usize) as u64);
            let running = dir.spawn(&line);
            std::thread::sleep(delay);
            running.signal("KILL");
            (format!("killed after {delay:?}"), running)
        }
        Some(fault) => (format!("{fault:?}"), start(dir, &line, fault)),
    };
    let done = running.wait();
    let killed = done.status.signal() == Some(9);
    assert!(killed || done.status.success(), "{what}: {done}");
    (what, killed)
}

/// Kills so many times, run after run, and returns how many runs there were and what was wrong.
fn kill(times: usize) -> (usize, Vec<String>) {
    let mut dice = Dice::new();
    let (mut killed, mut runs, mut wrong) = (0, 0, Vec::new());
    while killed < times {
        let dir = Dir::new();
        let mut story = Vec::new();
        loop {
            let (what, was_killed) = strike(&dir, &mut dice);
            story.push(what);
            if !was_killed {
                break;
            }
            killed += 1;
            wrong.extend(wrong_after_kill(&dir).into_iter().map(|what| format!("{what}, after {story:?}")));
            if killed == times {
                dir.run(&next(&dir)).ok();
                break;
            }
            if killed.is_multiple_of(100) {
                eprintln!("{killed} kills, {} differing results", wrong.len());
            }
        }
        runs += 1;
        wrong.extend(wrong_at_end(&dir).into_iter().map(|what| format!("{what}, after {story:?}")));
    }
    (runs, wrong)
}

#[test]
fn fifty_kills_change_nothing() {
    let (_, wrong) = kill(50);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "minutes; scripts/crash-test runs it"]
fn many_kills() {
    let Ok(times) = std::env::var("CRASH_TEST_KILLS") else { return };
    let times = times.parse().unwrap();
    let start = Instant::now();
    let (runs, wrong) = kill(times);
    wrong.iter().for_each(|what| eprintln!("{what}"));
    println!(
        "kills survived: {times}, in {runs} runs and {:.0} s; differing results: {}",
        start.elapsed().as_secs_f64(),
        wrong.len()
    );
    assert!(wrong.is_empty());
}

/// Runs with a fault at each call in turn, then without, until there is no such call.
fn at_each_call(line: &str, prepare: impl Fn() -> Dir, fault: impl Fn(usize) -> Fault) -> usize {
    for call in 1.. {
        let dir = prepare();
        let done = start(&dir, line, fault(call)).wait();
        let killed = done.status.signal() == Some(9);
        assert!(killed || done.status.success(), "{:?}: {done}", fault(call));
        assert_eq!(wrong_after_kill(&dir), [""; 0], "{:?}", fault(call));
        dir.run(&next(&dir)).ok();
        assert_eq!(wrong_at_end(&dir), [""; 0], "{:?}", fault(call));
        if !killed {
            return call - 1;
        }
    }
    unreachable!()
}

/// What a kill cannot show, since the system keeps what it was given: everything is made durable, and in an order in which any
/// part of what is not durable yet may be lost.
#[test]
fn every_write_is_made_durable_before_anything_follows_from_it() {
    let calls = |line: &str, dir: &Dir| {
        let stderr = start(dir, line, Fault::None).wait().ends(0).stderr;
        let calls = stderr.lines().filter_map(|line| line.strip_prefix("call "));
        calls.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    let (log, record) = ("Create Write Sync Link SyncFolder", " Write Sync".repeat(7));
    // The start of the file, and its tensors.
    let (model, probe) = ("Create Write Write Sync Link SyncFolder", "Create");
    let dir = Dir::new();
    assert_eq!(calls(&begin(), &dir), format!("{probe} {log}{record} {model}"));
    // Over an older model, whose name is whole at any time.
    let over = "Create Write Write Sync Link Link Rename SyncFolder";
    assert_eq!(calls("export base.gguf run.qes -o tuned.gguf", &dir), over);
    let log = &whole().log;
    dir.write("run.qes", &log[..log.len() - 10]);
    assert_eq!(calls("tune base.gguf -o run.qes --resume", &dir), "Open Cut Sync Write Sync");
}

#[test]
fn a_kill_before_each_call_of_a_run_changes_nothing() {
    let calls = at_each_call(&begin(), Dir::new, Fault::Kill);
    assert!((15..40).contains(&calls), "{calls} calls");
}

#[test]
fn a_kill_within_each_write_of_a_resumed_run_changes_nothing() {
    // Two generations, and a torn third.
    let torn = || {
        let dir = Dir::new();
        let log = &whole().log;
        let end = log.match_indices('\n').nth(4).unwrap().0 + 1;
        dir.write("run.qes", &log[..end + 77]);
        dir.write("tuned.gguf", dir.read("base.gguf"));
        dir
    };
    // The model that is there already is another one until the run is at its end.
    for call in 1.. {
        let dir = torn();
        let fault = Fault::Tear(call, 400);
        let line = "tune base.gguf -o run.qes --resume --export tuned.gguf";
        let done = start(&dir, line, fault).wait();
        let killed = done.status.signal() == Some(9);
        assert!(killed || done.status.success(), "{fault:?}: {done}");
        let tuned = dir.read("tuned.gguf");
        assert!(
            tuned == dir.read("base.gguf") || sha256(&dir) == whole().sha256,
            "{fault:?}: neither old nor new"
        );
        dir.run(line).ok();
        assert_eq!(wrong_at_end(&dir), [""; 0], "{fault:?}");
        if !killed {
            assert!(call > 10, "{call} calls");
            break;
        }
    }
}

#[test]
fn starting_over_keeps_the_old_log_until_the_new_one_is_whole() {
    for call in 1.. {
        let dir = Dir::tuned();
        let old = dir.read("run.qes");
        let fault = Fault::Kill(call);
        let done = start(&dir, &format!("tune base.gguf -o run.qes --overwrite {RUN}"), fault).wait();
        let log = dir.read("run.qes");
        let is_new = SeedLog::parse(&log).is_ok() && whole().log.as_bytes().starts_with(&log);
        assert!(log == old || is_new, "{fault:?}: neither old nor new");
        if done.status.success() {
            break;
        }
    }
}

#[test]
fn export_leaves_a_whole_model_or_none() {
    // Nine calls are more than it makes.
    let faults = (1..=9).flat_map(|call| [Fault::Kill(call), Fault::Tear(call, 500)]);
    for (place, fault) in faults.flat_map(|fault| [("new.gguf", fault), ("tuned.gguf", fault)]) {
        let dir = Dir::tuned();
        let tuned = dir.read("tuned.gguf");
        let line = format!("export base.gguf run.qes -o {place}");
        let done = start(&dir, &line, fault).wait();
        let there = dir.path(place).exists();
        assert!(!there || dir.read(place) == tuned, "{fault:?}: half a model: {done}");
        dir.run(&line).ok();
        assert!(dir.read(place) == tuned, "{fault:?}");
        assert!(dir.names().iter().all(|name| !name.starts_with('.')), "{fault:?}: {:?}", dir.names());
    }
}

#[test]
fn a_log_is_free_again_as_soon_as_its_run_is_killed() {
    let dir = Dir::new();
    let mut running = dir.spawn(&format!("tune base.gguf -o run.qes {LONG}"));
    running.until_lines("run.qes", 3);
    dir.run("tune base.gguf -o run.qes --resume").fails(1, &["run.qes is in use by another run"]);
    running.signal("KILL");
    running.wait();
    let mut second = dir.spawn("tune base.gguf -o run.qes --resume");
    second.until_lines("run.qes", 6);
    second.signal("INT");
    second.wait().ends(130);
}

/// The first Ctrl-C ends `export` at once, as does the second one `tune`.
#[test]
fn an_interrupted_export_leaves_nothing() {
    for step in 0..20 {
        let dir = Dir::tuned();
        let tuned = dir.read("tuned.gguf");
        let running = dir.spawn("export base.gguf run.qes -o new.gguf");
        std::thread::sleep(Duration::from_millis(2 * step));
        running.signal("INT");
        running.wait();
        let names = dir.names();
        if names.contains(&"new.gguf".to_owned()) {
            assert!(dir.read("new.gguf") == tuned);
        }
        assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
    }
}
