//! A folder with a model, and commands in it, so that a test is a few lines.
//!
//! Every command runs with one thread, for rewards that are the same each time, and is followed by two checks that
//! hold for all of them: nothing panicked, and the model's file is what it was.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub const Q4_K: &str = "arith-tiny-q4_k.gguf";
pub const Q8_0: &str = "arith-tiny-q8_0.gguf";

/// A run of a quarter of a second that moves many codes, and whose replay window is shorter than itself.
pub const TINY: &str = "--task arith --generations 3 --population 4 --prompts 8 --eval-problems 16 --window 1 \
                        --alpha 5%";

/// A run of one or two seconds, long enough to be interrupted: four lines of log in every three generations.
pub const LONG: &str = "--task arith --generations 24 --population 4 --prompts 4 --eval-problems 8 --eval-every 3 \
                        --window 2 --alpha 5%";

/// Longest time that anything here may take, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// A model that comes with the repository.
pub fn bundled(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name)
}

/// A folder of its own with a model, `base.gguf`, that nobody may write to.
pub struct Dir {
    folder: TempDir,
    base: Arc<Vec<u8>>,
}

impl Dir {
    /// With the Q4_K model.
    pub fn new() -> Self {
        Self::with_model(Q4_K)
    }

    pub fn with_model(name: &str) -> Self {
        Self::with_base(fs::read(bundled(name)).unwrap())
    }

    /// With these bytes as the model.
    pub fn with_base(bytes: Vec<u8>) -> Self {
        let dir = Self { folder: tempfile::tempdir().unwrap(), base: Arc::new(bytes) };
        dir.write("base.gguf", dir.base.as_slice());
        fs::set_permissions(dir.path("base.gguf"), Permissions::from_mode(0o444)).unwrap();
        dir
    }

    /// With a finished [`TINY`] run: its log `run.qes` and the model `tuned.gguf` that it wrote.
    pub fn tuned() -> Self {
        static RUN: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
        let (log, tuned) = RUN.get_or_init(|| {
            let dir = Self::new();
            dir.run(&format!("tune base.gguf -o run.qes --export tuned.gguf {TINY}")).ok();
            (dir.read("run.qes"), dir.read("tuned.gguf"))
        });
        let dir = Self::new();
        dir.write("run.qes", log);
        dir.write("tuned.gguf", tuned);
        dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// The names of all files, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Makes a log of the first lines of another, as of a run that died after them.
    pub fn cut(&self, log: &str, lines: usize, to: &str) {
        self.write(to, self.text(log).split_inclusive('\n').take(lines).collect::<String>());
    }

    /// Runs `qes-gguf` with the words of a line. What stands in single quotes is one word.
    pub fn run(&self, line: &str) -> Done {
        self.spawn(line).wait()
    }

    /// Runs it with these variables set.
    pub fn run_with(&self, variables: &[(&str, &str)], line: &str) -> Done {
        self.start(variables, line).wait()
    }

    /// Starts it.
    pub fn spawn(&self, line: &str) -> Running<'_> {
        self.start(&[], line)
    }

    fn start(&self, variables: &[(&str, &str)], line: &str) -> Running<'_> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qes-gguf"));
        command.args(words(line));
        self.launch(command, variables, line)
    }

    /// Starts a command in the folder that is to do what `qes-gguf` does with this line.
    pub fn launch(&self, mut command: Command, variables: &[(&str, &str)], line: &str) -> Running<'_> {
        let child = command
            .current_dir(self.folder.path())
            .env_clear()
            .env("LLAMA_ARG_THREADS", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running { dir: self, line: line.to_owned(), child }
    }
}

fn words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    parts
        .flat_map(|(i, part)| if i % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
        .collect()
}

/// Sums that the bundled models get right about half of the time, as examples of a prompt and each of these keys with what
/// it holds for the sum.
pub fn sums(fields: fn(u32) -> Value) -> String {
    let example = |number: u32| {
        let (a, b) = (10 + number, 10 + number * 7 % 37);
        let mut example = serde_json::json!({"prompt": format!("{a}+{b}=")});
        let fields = fields(a + b);
        example.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        format!("{example}\n")
    };
    (0..40).map(example).collect()
}

/// A command that is running.
pub struct Running<'a> {
    dir: &'a Dir,
    line: String,
    pub child: Child,
}

impl Running<'_> {
    /// Waits until a log in the folder has this many whole lines. Fails when the run ends before.
    pub fn until_lines(&mut self, log: &str, count: usize) {
        let start = Instant::now();
        while fs::read(self.dir.path(log)).unwrap_or_default().iter().filter(|b| **b == b'\n').count() < count
        {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{}: ended ({ended:?}) before line {count}", self.line);
            assert!(start.elapsed() < PATIENCE, "{}: no line {count} yet", self.line);
            sleep(Duration::from_millis(1));
        }
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Done {
        let start = Instant::now();
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        // Read from the side, so that neither pipe fills up while the other is waited for.
        let (stdout, stderr) = (reader(stdout), reader(stderr));
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if start.elapsed() > PATIENCE => {
                    self.child.kill().unwrap();
                    panic!("{}: takes too long", self.line)
                }
                None => sleep(Duration::from_millis(1)),
            }
        };
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        let done = Done { line: self.line, status, stdout, stderr };
        assert!(!done.stderr.contains("panicked"), "{done}");
        assert!(self.dir.read("base.gguf") == *self.dir.base, "the model was changed: {done}");
        done
    }
}

fn reader(pipe: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut bytes).unwrap();
        }
        String::from_utf8(bytes).unwrap()
    })
}

/// A command that has ended.
pub struct Done {
    line: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, status, stdout, stderr } = self;
        write!(f, "qes-gguf {line}\n{status}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}

impl Done {
    /// What it printed, after checking that it went well.
    pub fn ok(self) -> String {
        self.ends(0).stdout
    }

    /// The one JSON object it printed.
    pub fn json(self) -> Value {
        let text = self.ok();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// The JSON objects it printed, one a line.
    pub fn json_lines(self) -> Vec<Value> {
        let text = self.ok();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Itself, after checking its exit code.
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    /// Checks that it failed with a message that holds all of these.
    pub fn fails(self, code: i32, words: &[&str]) {
        let done = self.ends(code);
        assert!(done.stderr.starts_with("error: "), "{done}");
        for word in words {
            assert!(done.stderr.contains(word), "no {word:?} in: {done}");
        }
    }
}
