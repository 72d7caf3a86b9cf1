//! What goes wrong around a run: disks that are full or fail, folders that cannot be written to, files that others touch.

use std::fs;
use std::process::Command;

use qes_gguf::seed_log::SeedLog;

use super::crash::{begin, next, whole, wrong_after_kill, wrong_at_end};
use super::fault::{Fault, start};
use crate::helper::{Dir, Done, LONG};

/// The binary with its arguments, in a shell that prepares something first.
pub fn in_shell(dir: &Dir, wrapper: &[&str], script: &str) -> Done {
    let mut command = Command::new(wrapper.first().unwrap_or(&"sh"));
    if let Some((_, rest)) = wrapper.split_first() {
        command.args(rest).arg("sh");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(["-c", script]);
    let variables = [("BIN", env!("CARGO_BIN_EXE_qes-gguf")), ("PATH", path.as_str())];
    dir.launch(command, &variables, script).wait()
}

/// What lets a test mount things for itself alone, without being root.
pub const OWN_MOUNTS: [&str; 2] = ["unshare", "-rm"];

/// Whether that is allowed here; many containers do not.
pub fn can_mount() -> bool {
    let script = "mount -t tmpfs tmpfs /mnt";
    let tried = Command::new("unshare").args(["-rm", "sh", "-c", script]).output();
    let can = tried.is_ok_and(|tried| tried.status.success());
    if !can {
        eprintln!("nothing can be mounted here, so this is left to the tests with injected faults");
    }
    can
}

/// Runs with a fault at each call in turn; each time the program must end with a sentence that has one of these words, leave
/// a log that can be continued and no half model, and a second run must come out as if nothing had been.
fn told_at_each_call(fault: impl Fn(usize) -> Fault, words: &[&str]) {
    for call in 1.. {
        let (dir, fault) = (Dir::new(), fault(call));
        let done = start(&dir, &begin(), fault).wait();
        if done.status.success() {
            assert!(call > 15, "{call} calls");
            return;
        }
        assert_eq!(done.status.code(), Some(1), "{fault:?}: {done}");
        assert!(done.stderr.contains("error: "), "{fault:?}: {done}");
        assert!(words.iter().any(|word| done.stderr.contains(word)), "{fault:?}: {done}");
        assert!(done.stderr.contains("run.qes") || done.stderr.contains("tuned.gguf"), "{fault:?}: {done}");
        assert_eq!(wrong_after_kill(&dir), [""; 0], "{fault:?}");
        if dir.path("run.qes").exists() {
            let log = SeedLog::parse(&dir.read("run.qes")).unwrap();
            assert_eq!(log.torn_bytes, 0, "{fault:?}: the half record was not taken back");
        }
        dir.run(&next(&dir)).ok();
        assert_eq!(wrong_at_end(&dir), [""; 0], "{fault:?}");
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_whole_records() {
    told_at_each_call(|call| Fault::Full(call, 50), &["No space left on device"]);
}

#[test]
fn a_disk_that_fails_is_told_and_leaves_whole_records() {
    told_at_each_call(|call| Fault::Fail(call, libc::EIO), &["Input/output error"]);
}

#[test]
fn a_real_full_disk() {
    if !can_mount() {
        return;
    }
    let dir = Dir::new();
    fs::create_dir(dir.path("small")).unwrap();
    // One page, which the log outgrows.
    let script = "mount -t tmpfs -o size=4k tmpfs small && $BIN tune base.gguf -o small/run.qes --generations 9 \
                  --task arith --population 4 --prompts 2 --eval-problems 4; status=$?; cp small/run.qes run.qes; exit $status";
    let done = in_shell(&dir, &OWN_MOUNTS, script).ends(1);
    assert!(done.stderr.contains("cannot write small/run.qes: No space left on device"), "{done}");
    assert!(done.stderr.contains("--resume"), "{done}");
    let log = SeedLog::parse(&dir.read("run.qes")).unwrap();
    assert!(log.torn_bytes == 0 && !log.generations.is_empty());
    dir.run("tune base.gguf -o run.qes --resume").ok();
}

#[test]
fn a_limit_on_the_size_of_files_is_told() {
    let dir = Dir::new();
    // Blocks of 512 bytes, or of 1024: some records fit.
    let script = format!("ulimit -f 9; $BIN tune base.gguf -o run.qes {LONG}");
    let done = in_shell(&dir, &[], &script).ends(1);
    assert!(done.stderr.contains("cannot write run.qes: File too large"), "{done}");
    let log = SeedLog::parse(&dir.read("run.qes")).unwrap();
    assert_eq!(log.torn_bytes, 0);
    // One, or several.
    let words = format!("run.qes is whole, with {} generation", log.generations.len());
    assert!(done.stderr.contains(&words), "{done}");
    dir.run("tune base.gguf -o run.qes --resume").ok();
}

#[test]
fn a_read_only_folder_is_told() {
    let told = |done: Done| {
        let done = done.ends(1);
        assert!(done.stderr.contains("cannot write"), "{done}");
        assert!(done.stderr.contains("may be written to"), "{done}");
    };
    if can_mount() {
        let dir = Dir::tuned();
        for line in [
            "tune base.gguf -o new.qes --task arith",
            "tune base.gguf -o run.qes --resume",
            "export base.gguf run.qes -o x.gguf",
        ] {
            told(in_shell(
                &dir,
                &OWN_MOUNTS,
                &format!("mount --bind . . && mount -o remount,bind,ro . && cd . && cd $PWD && $BIN {line}"),
            ));
        }
    }
    let dir = Dir::new();
    told(start(&dir, &begin(), Fault::Fail(1, libc::EROFS)).wait());
}

#[test]
fn a_log_that_is_removed_or_replaced_under_a_run_is_saved() {
    type Harm = fn(&Dir);
    let harms: [(&str, Harm); 4] = [
        ("removed", |dir| fs::remove_file(dir.path("run.qes")).unwrap()),
        ("moved", |dir| fs::rename(dir.path("run.qes"), dir.path("other.qes")).unwrap()),
        ("replaced", |dir| {
            dir.write("new.qes", "");
            fs::rename(dir.path("new.qes"), dir.path("run.qes")).unwrap();
        }),
        ("changed", |dir| dir.write("run.qes", "nothing")),
    ];
    for (word, harm) in harms {
        let dir = Dir::new();
        let mut running = dir.spawn(&format!("tune base.gguf -o run.qes {LONG}"));
        running.until_lines("run.qes", 5);
        harm(&dir);
        let done = running.wait().ends(1);
        assert!(done.stderr.contains(word) && done.stderr.contains("-o run.rescued.qes --resume"), "{done}");
        assert!(SeedLog::parse(&dir.read("run.rescued.qes")).unwrap().generations.len() >= 3);
        dir.run("tune base.gguf -o run.rescued.qes --resume --export tuned.gguf").ok();
        dir.run("verify base.gguf run.rescued.qes tuned.gguf").ok();
    }
}

#[test]
fn a_model_that_others_touch_stops_a_run_before_it_logs_anything_of_it() {
    type Harm = fn(&Dir);
    let harms: [(&str, Harm); 4] = [
        ("cut short", |dir| {
            fs::File::options().write(true).open(dir.path("m.gguf")).unwrap().set_len(300_000).unwrap()
        }),
        ("emptied", |dir| dir.write("m.gguf", "")),
        ("replaced", |dir| {
            dir.write("new.gguf", "another");
            fs::rename(dir.path("new.gguf"), dir.path("m.gguf")).unwrap();
        }),
        ("removed", |dir| fs::remove_file(dir.path("m.gguf")).unwrap()),
    ];
    for (what, harm) in harms {
        for layout in ["", "--no-repack"] {
            let dir = Dir::new();
            dir.write("m.gguf", dir.read("base.gguf"));
            let mut running = dir.spawn(&format!("tune m.gguf -o run.qes {layout} {LONG}"));
            running.until_lines("run.qes", 5);
            harm(&dir);
            let done = running.wait().ends(1);
            let told = done.stderr.contains("m.gguf is") || done.stderr.contains("cannot be read any more");
            assert!(told && done.stderr.contains("--resume"), "{what}: {done}");
            eprintln!("{what} {layout}: {}", done.stderr);
            dir.write("m.gguf", dir.read("base.gguf"));
            dir.run(&format!("tune m.gguf -o run.qes --resume --export tuned.gguf {layout}")).ok();
            dir.run("verify m.gguf run.qes tuned.gguf").ok();
        }
    }
}

/// Length and place stay, so only the time of change tells.
#[test]
fn a_model_that_is_written_to_in_place_stops_a_run() {
    let dir = Dir::new();
    dir.write("m.gguf", dir.read("base.gguf"));
    let mut running = dir.spawn(&format!("tune m.gguf -o run.qes --no-repack {LONG}"));
    running.until_lines("run.qes", 5);
    let mut other = dir.read("base.gguf");
    let middle = other.len() / 2;
    other[middle..].fill(0x55);
    use std::os::unix::fs::FileExt;
    let file = fs::File::options().write(true).open(dir.path("m.gguf")).unwrap();
    file.write_all_at(&other[middle..], middle as u64).unwrap();
    let done = running.wait().ends(1);
    assert!(done.stderr.contains("m.gguf is not the file that it was"), "{done}");
    // What the log has was all computed from the model as it was.
    let whole = Dir::new();
    whole.run(&format!("tune base.gguf -o run.qes --no-repack {LONG}")).ok();
    let records = |dir: &Dir| {
        dir.text("run.qes").lines().skip(1).map(|line| line[..line.len() - 76].to_owned()).collect::<Vec<_>>()
    };
    assert!(records(&whole).starts_with(&records(&dir)));
    assert!(whole.text("run.qes").len() > dir.text("run.qes").len());
}

#[test]
fn the_whole_run_is_what_the_others_are_compared_with() {
    let log = SeedLog::parse(whole().log.as_bytes()).unwrap();
    assert_eq!((log.generations.len(), log.evaluations.len()), (4, 3));
}
