//! Fleets on this machine, with the real binary and a real NATS server, which scripts/test-fleet fetches.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use qes_gguf::fleet::nats::{NatsCoordinator, NatsOptions, NatsWorker};
use qes_gguf::fleet::{CoordinatorBus, Taken, Unit, WorkerBus};
use tempfile::TempDir;

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(180);

const RUN: &str =
    "--task arith --generations 6 --population 12 --prompts 96 --eval-problems 32 --window 2 --alpha 5%";

/// A process that ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder with a fleet's files, and its server.
struct Site {
    dir: TempDir,
    port: u16,
    server: Option<Process>,
}

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/arith-tiny-q4_k.gguf")
}

impl Site {
    /// Makes a fleet of workers with these names, and starts its server.
    fn new(workers: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut site = Self { dir: tempfile::tempdir().unwrap(), port, server: None };
        site.ok(&format!("fleet init fleet --listen 127.0.0.1:{port}"));
        for worker in workers {
            let key = site.ok(&format!("worker --enroll --key {worker}.nk"));
            site.ok(&format!("fleet add fleet {} {worker}", key.trim()));
        }
        site.start_server();
        site
    }

    fn start_server(&mut self) {
        let server = std::env::var("NATS_SERVER").expect("scripts/test-fleet sets NATS_SERVER");
        let mut command = Command::new(server);
        command.args(["-c", "fleet/nats-server.conf"]).current_dir(self.dir.path());
        command.stdout(Stdio::null()).stderr(fs::File::create(self.path("server.log")).unwrap());
        self.server = Some(Process(command.spawn().unwrap()));
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "{}", self.text("server.log"));
            sleep(Duration::from_millis(20));
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qes-gguf"));
        command.args(line.split_whitespace()).current_dir(self.dir.path()).env_clear();
        command.env("LLAMA_ARG_THREADS", "1").env("HOME", self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    fn run(&self, line: &str) -> Output {
        let mut command = self.command(line);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut child = Process(child);
        let start = Instant::now();
        while child.0.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < PATIENCE, "{line}: takes too long");
            sleep(Duration::from_millis(10));
        }
        let mut output = Output { status: child.0.wait().unwrap(), stdout: Vec::new(), stderr: Vec::new() };
        std::io::Read::read_to_end(child.0.stdout.as_mut().unwrap(), &mut output.stdout).unwrap();
        std::io::Read::read_to_end(child.0.stderr.as_mut().unwrap(), &mut output.stderr).unwrap();
        output
    }

    /// Runs a command that must succeed, and returns what it prints.
    fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail, and returns what it says.
    fn fails(&self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(1), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    }

    /// Starts a worker, whose words go into a file.
    fn worker(&self, name: &str) -> Process {
        let line = format!("worker --fleet {} --key {name}.nk --cache cache-{name}", self.url());
        let log = fs::File::create(self.path(&format!("{name}.log"))).unwrap();
        Process(self.command(&line).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// Waits until a file has this text.
    fn until(&self, name: &str, text: &str) {
        let start = Instant::now();
        while !self.text(name).contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text:?} in {name}: {}", self.text(name));
            sleep(Duration::from_millis(10));
        }
    }

    /// The log of the run on one machine.
    fn single(&self) -> String {
        self.ok(&format!("tune {} -o single.qes {RUN}", model().display()));
        self.text("single.qes")
    }

    /// The line that makes the run on the fleet.
    fn tune(&self) -> String {
        format!("tune {} -o fleet.qes {RUN} --fleet {} --fleet-dir fleet", model().display(), self.url())
    }

    /// A connection's options with the key in a file.
    fn options(&self, key: &str) -> NatsOptions {
        let seed = Some(self.text(key).trim().to_owned()).filter(|seed| !seed.is_empty());
        NatsOptions { url: self.url(), seed, ca: None }
    }
}

#[test]
#[ignore = "needs a NATS server: scripts/test-fleet"]
fn a_fleet_of_which_one_is_killed_leaves_the_log_of_one_machine() {
    let site = Site::new(&["a", "b", "c"]);
    let workers = ["a", "b", "c"].map(|name| site.worker(name));
    let [_a, _b, c] = workers;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            site.until("c.log", "admitted");
            assert!(
                !site.text("fleet.qes").contains("\"generation\":5,"),
                "the run was over before the kill"
            );
            drop(c);
        });
        site.ok(&site.tune());
    });
    assert!(site.text("fleet.qes") == site.single(), "another log");
    for name in ["a", "b"] {
        assert!(site.text(&format!("{name}.log")).contains("s each"), "{name} had nothing to do");
    }
    site.until("a.log", "the run is over");
}

#[test]
#[ignore = "needs a NATS server: scripts/test-fleet"]
fn a_server_may_be_restarted_and_lose_everything() {
    let mut site = Site::new(&["a", "b"]);
    let _workers = ["a", "b"].map(|name| site.worker(name));
    let mut tune = site.command(&site.tune());
    let log = fs::File::create(site.path("tune.log")).unwrap();
    let mut tune = Process(tune.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    for (seen, loses) in [("generation 1:", false), ("generation 2:", true)] {
        site.until("tune.log", seen);
        assert!(tune.0.try_wait().unwrap().is_none(), "the run was over before the restart");
        site.server = None;
        if loses {
            fs::remove_dir_all(site.path("fleet/jetstream")).unwrap();
        }
        site.start_server();
    }
    let start = Instant::now();
    let status = loop {
        if let Some(status) = tune.0.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < PATIENCE, "{}", site.text("tune.log"));
        sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{}", site.text("tune.log"));
    assert!(site.text("fleet.qes") == site.single(), "another log");
}

#[test]
#[ignore = "needs a NATS server: scripts/test-fleet"]
fn a_coordinator_that_is_killed_goes_on_where_it_was() {
    let site = Site::new(&["a"]);
    let _worker = site.worker("a");
    let mut tune = site.command(&site.tune());
    let log = fs::File::create(site.path("tune.log")).unwrap();
    let mut tune = Process(tune.stdout(Stdio::null()).stderr(log).spawn().unwrap());
    site.until("tune.log", "generation 2:");
    assert!(tune.0.try_wait().unwrap().is_none(), "the run was over before the kill");
    drop(tune);
    let resumed =
        format!("tune {} -o fleet.qes --resume --fleet {} --fleet-dir fleet", model().display(), site.url());
    site.ok(&resumed);
    assert!(site.text("fleet.qes") == site.single(), "another log");
}

#[test]
#[ignore = "needs a NATS server: scripts/test-fleet"]
fn without_the_right_key_nothing_can_be_published_or_read() {
    let site = Site::new(&["a", "b"]);
    site.ok("worker --enroll --key stranger.nk");
    for key in ["stranger.nk", "none"] {
        assert!(NatsCoordinator::connect(&site.options(key)).is_err_and(|error| error.is_final), "{key}");
        assert!(NatsWorker::connect(&site.options(key), "U").is_err_and(|error| error.is_final), "{key}");
    }
    let said = site.fails(&format!("worker --fleet {} --key stranger.nk", site.url()));
    assert!(said.contains("authorization"), "{said}");
    let without = site.fails(&format!("tune {} -o x.qes {RUN} --fleet {}", model().display(), site.url()));
    assert!(without.contains("authorization"), "{without}");

    let mut coordinator = NatsCoordinator::connect(&site.options("fleet/coordinator.nk")).unwrap();
    coordinator.announce(Some(b"run")).unwrap();
    coordinator.put_line("r", 0, b"line").unwrap();
    let keys = ["a", "b"].map(|name| site.ok(&format!("worker --enroll --key {name}.nk")).trim().to_owned());
    coordinator.tell(&keys[1], b"for b").unwrap();

    // A worker is not a coordinator.
    assert!(NatsCoordinator::connect(&site.options("a.nk")).is_err_and(|error| error.is_final));
    let mut a = NatsWorker::connect(&site.options("a.nk"), &keys[0]).unwrap();
    assert_eq!(a.run().unwrap(), Some(b"run".to_vec()));
    assert_eq!(a.line("r", 0).unwrap(), Some(b"line".to_vec()));
    assert_eq!(a.word().unwrap(), None);
    let unit = Unit {
        run: "r".to_owned(),
        announced: "h".to_owned(),
        generation: 0,
        lines: 1,
        chain: "c".to_owned(),
        first: 0,
        end: 1,
        issue: 1,
        not_by: None,
        chosen: None,
    };
    assert_eq!(a.answer(&unit, b"answer").unwrap(), Taken::Accepted);
    assert_eq!(a.answer(&unit, b"again").unwrap(), Taken::Refused, "one answer in a place");

    // Nor another worker: its own key lets it in, but into its own places only.
    let mut forged = NatsWorker::connect(&site.options("a.nk"), &keys[1]).unwrap();
    assert!(forged.answer(&unit, b"forged").is_err());
    let mut forged = NatsWorker::connect(&site.options("a.nk"), &keys[1]).unwrap();
    assert!(forged.word().is_err(), "the word to another worker");
    assert_eq!(coordinator.next_report(Duration::from_secs(5)).unwrap(), Some(b"answer".to_vec()));
    assert_eq!(coordinator.next_report(Duration::from_millis(300)).unwrap(), None);
}

#[test]
#[ignore = "needs a NATS server: scripts/test-fleet"]
fn a_unit_is_delivered_to_one_worker_until_it_is_done() {
    let site = Site::new(&["a", "b"]);
    let mut coordinator = NatsCoordinator::connect(&site.options("fleet/coordinator.nk")).unwrap();
    let keys = ["a", "b"].map(|name| site.ok(&format!("worker --enroll --key {name}.nk")).trim().to_owned());
    let mut a = NatsWorker::connect(&site.options("a.nk"), &keys[0]).unwrap();
    let mut b = NatsWorker::connect(&site.options("b.nk"), &keys[1]).unwrap();
    coordinator.offer(b"unit").unwrap();
    let second = Duration::from_secs(1);
    let taken = a.take(second).unwrap().unwrap();
    assert_eq!(taken.bytes, b"unit");
    assert_eq!(b.take(second).unwrap(), None);
    a.give_back(taken.receipt, Duration::ZERO).unwrap();
    let taken = b.take(second).unwrap().unwrap();
    b.done(taken.receipt).unwrap();
    assert_eq!(a.take(second).unwrap(), None);
    coordinator.offer(b"unit").unwrap();
    coordinator.withdraw().unwrap();
    assert_eq!(a.take(second).unwrap(), None);
}
