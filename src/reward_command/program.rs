//! A running program: its process, and the threads that write to it and read from it, so that neither side can block
//! the other.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

/// Most bytes of an answer.
const LINE_LIMIT: u64 = 1 << 20;
/// Lines that are read ahead.
const READ_AHEAD: usize = 64;
/// Time that a program may take to end before it is killed.
pub(super) const PARTING: Duration = Duration::from_secs(2);
/// Interval between checks whether it has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// Output or end of a program.
pub(super) enum Heard {
    /// A line that is not blank, without the white space around it.
    Line(Vec<u8>),
    /// The start of a line that is too long.
    Endless(Vec<u8>),
    /// The end of its output.
    End,
    /// Nothing in the given time.
    Nothing,
}

/// The way in which a program ended.
pub(super) enum End {
    Exited(ExitStatus),
    /// It closed its output, but did not exit.
    Closed,
}

impl End {
    /// Returns whether the shell found nothing to run, so that a restart would not help.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Exited(status) if matches!(status.code(), Some(126 | 127)))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "ended with {status}"),
            Self::Closed => write!(f, "closed its output"),
        }
    }
}

/// A program that was started. Dropping it ends it, with all processes of its group.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    /// Lines to be written; dropped to end the program's input.
    questions: Option<Sender<Vec<u8>>>,
    heard: Receiver<Said>,
    /// `true` if the process has been waited for: its number may belong to another by now.
    is_gone: bool,
}

#[derive(Debug)]
enum Said {
    Line(Vec<u8>),
    Endless(Vec<u8>),
}

impl Program {
    /// Runs a command in the shell.
    pub(super) fn start(command: &str) -> io::Result<Self> {
        let mut shell = shell(command);
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (questions, to_write) = mpsc::channel();
        let (say, heard) = mpsc::sync_channel(READ_AHEAD);
        let pipes = (child.stdin.take(), child.stdout.take());
        // From here on, an error ends the program by dropping this.
        let program = Self { child, questions: Some(questions), heard, is_gone: false };
        if let (Some(input), Some(output)) = pipes {
            let named = |name: &str| thread::Builder::new().name(name.to_owned());
            named("reward-write").spawn(move || write_all(input, &to_write))?;
            named("reward-read").spawn(move || read_all(output, &say))?;
        }
        Ok(program)
    }

    /// Sends a line to be written. If that fails, the program's end or silence will show it.
    pub(super) fn send(&self, line: &str) {
        if let Some(questions) = &self.questions {
            let _ = questions.send(line.as_bytes().to_owned());
        }
    }

    /// Waits for the next line.
    pub(super) fn hear(&self, timeout: Duration) -> Heard {
        match self.heard.recv_timeout(timeout) {
            Ok(Said::Line(line)) => Heard::Line(line),
            Ok(Said::Endless(start)) => Heard::Endless(start),
            Err(RecvTimeoutError::Disconnected) => Heard::End,
            Err(RecvTimeoutError::Timeout) => Heard::Nothing,
        }
    }

    /// Closes the program's input, waits up to `patience` for it to exit, kills it, and returns how it ended.
    pub(super) fn end(&mut self, patience: Duration) -> End {
        let by_itself = self.exits_within(patience);
        if !self.is_gone {
            self.kill_group();
        }
        let status = self.child.wait();
        self.is_gone = true;
        match status {
            Ok(status) if by_itself => End::Exited(status),
            _ => End::Closed,
        }
    }

    fn exits_within(&mut self, patience: Duration) -> bool {
        self.questions = None;
        let deadline = Instant::now() + patience;
        while !self.is_gone && !has_exited(&mut self.child) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(GLANCE);
        }
        true
    }

    /// Kills all processes of the group that the shell has started.
    fn kill_group(&mut self) {
        #[cfg(unix)]
        {
            // The shell has not been waited for yet, so its number still means its group; that may be empty already.
            let group = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.kill();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.end(PARTING);
    }
}

/// Returns whether a process has exited, without waiting for it, so that its number is not given to another.
#[cfg(unix)]
fn has_exited(child: &mut Child) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(Pid::from_child(child)), options), Ok(None))
}

#[cfg(not(unix))]
fn has_exited(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(Some(_)))
}

#[cfg(unix)]
fn shell(command: &str) -> Command {
    use std::os::unix::process::CommandExt;
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).process_group(0);
    shell
}

#[cfg(not(unix))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("cmd");
    shell.arg("/C").arg(command);
    shell
}

/// Writes lines until there are no more, or the program reads no more.
fn write_all(mut input: ChildStdin, lines: &Receiver<Vec<u8>>) {
    for line in lines {
        if input.write_all(&line).and_then(|()| input.flush()).is_err() {
            break;
        }
    }
}

/// Passes on lines that are not blank, until the output ends, a line is too long, or the receiver is gone.
fn read_all(output: ChildStdout, say: &SyncSender<Said>) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        let read = output.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line);
        let said = match read {
            Err(_) | Ok(0) => return,
            Ok(length) if length as u64 == LINE_LIMIT && !line.ends_with(b"\n") => Said::Endless(line),
            Ok(_) if line.trim_ascii().is_empty() => continue,
            Ok(_) => Said::Line(line.trim_ascii().to_owned()),
        };
        let is_last = matches!(said, Said::Endless(_));
        if say.send(said).is_err() || is_last {
            return;
        }
    }
}
