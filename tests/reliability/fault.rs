//! The program as a process in which a system call that changes a file fails, falls short, or is never made.
//!
//! The process is this test's own executable: it calls the program's entry after putting itself between the program and
//! the calls (`qes_gguf::store::intercept`). The binary that users have knows of no faults.

use std::ffi::OsString;
use std::io;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use qes_gguf::store::{Call, intercept};
use rustix::process::{Signal, getpid, kill_process};

use crate::helper::{Dir, Running};

const LINE: &str = "QES_SUBJECT_LINE";
const FAULT: &str = "QES_SUBJECT_FAULT";

/// What goes wrong. Calls are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before this call.
    Kill(usize),
    /// This call, when it writes, writes so many thousandths of its bytes; the process is killed before the next one.
    Tear(usize, usize),
    /// This call, and all later ones of its kind, fail with this error of the system.
    Fail(usize, i32),
    /// From this call on the disk is full: writes still take this many bytes in all, files can be made but get no name.
    Full(usize, usize),
    /// Nothing; the calls are told on the standard error stream.
    None,
}

impl Fault {
    fn text(self) -> String {
        let (word, at, more) = match self {
            Self::Kill(at) => ("kill", at, 0),
            Self::Tear(at, share) => ("tear", at, share),
            Self::Fail(at, error) => ("fail", at, error as usize),
            Self::Full(at, left) => ("full", at, left),
            Self::None => ("none", 0, 0),
        };
        format!("{word} {at} {more}")
    }

    fn read(text: &str) -> Self {
        let mut words = text.split(' ');
        let word = words.next().unwrap();
        let numbers: Vec<usize> = words.map(|number| number.parse().unwrap()).collect();
        match word {
            "kill" => Self::Kill(numbers[0]),
            "tear" => Self::Tear(numbers[0], numbers[1]),
            "fail" => Self::Fail(numbers[0], numbers[1] as i32),
            "full" => Self::Full(numbers[0], numbers[1]),
            "none" => Self::None,
            _ => panic!("{text}"),
        }
    }
}

/// Starts the program with a fault.
pub fn start<'a>(dir: &'a Dir, line: &str, fault: Fault) -> Running<'a> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "reliability::fault::subject",
        "--ignored",
        "--nocapture",
        "--test-threads",
        "1",
    ]);
    dir.launch(command, &[(LINE, line), (FAULT, &fault.text())], line)
}

#[test]
#[ignore = "it is the process that other tests start, and does nothing by itself"]
fn subject() {
    let Ok(line) = std::env::var(LINE) else { return };
    intercept(decide);
    let words = std::iter::once("qes-gguf").chain(line.split_whitespace()).map(OsString::from);
    std::process::exit(qes_gguf::cli::run(words.collect::<Vec<_>>().into_iter()).into());
}

fn decide(call: Call, bytes: usize) -> io::Result<usize> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    static KIND: OnceLock<Call> = OnceLock::new();
    static PLAN: OnceLock<Fault> = OnceLock::new();
    let number = 1 + COUNT.fetch_add(1, Ordering::SeqCst);
    match *PLAN.get_or_init(|| Fault::read(&std::env::var(FAULT).unwrap())) {
        Fault::Kill(at) if number >= at => die(),
        Fault::Tear(at, share) if number == at => Ok((bytes * share / 1000).max(1)),
        Fault::Tear(at, _) if number > at => die(),
        Fault::Fail(at, error) if number >= at && *KIND.get_or_init(|| call) == call => {
            Err(io::Error::from_raw_os_error(error))
        }
        Fault::Full(at, left) if number >= at => match call {
            Call::Write => match left - TAKEN.load(Ordering::SeqCst).min(left) {
                0 => Err(no_space()),
                free => {
                    TAKEN.fetch_add(bytes.min(free), Ordering::SeqCst);
                    Ok(free)
                }
            },
            Call::Link | Call::Rename => Err(no_space()),
            _ => Ok(bytes),
        },
        Fault::None => {
            eprintln!("call {call:?}");
            Ok(bytes)
        }
        _ => Ok(bytes),
    }
}

fn no_space() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOSPC)
}

fn die() -> ! {
    kill_process(getpid(), Signal::KILL).unwrap();
    unreachable!("the signal cannot be held off");
}
