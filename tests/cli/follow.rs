//! `report --follow`: the page of a run that goes on, served on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::helper::Dir;

/// The program that follows a log, ended when this is dropped.
struct Following {
    program: Child,
    port: u16,
}

impl Following {
    fn of(dir: &Dir, words: &str) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_qes-gguf"))
            .args(words.split(' '))
            .current_dir(dir.path(""))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let port = said.split("http://127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
        let port = port.and_then(|port| port.parse().ok());
        Self { program, port: port.unwrap_or_else(|| panic!("{said}")) }
    }

    /// Sends a request and returns the whole answer.
    fn ask(&self, request: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn page(&self) -> String {
        self.ask("GET /", &format!("localhost:{}", self.port))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

#[test]
fn the_page_follows_a_log_that_grows() {
    let dir = Dir::tuned();
    let whole = dir.text("run.qes");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let generations = |page: &str| page.matches("generation ").count();
    // Header and first evaluation; the next line is being written.
    dir.write("run.qes", format!("{}{}", lines[..2].concat(), &lines[2][..40]));
    let following = Following::of(&dir, "report run.qes --follow");
    let first = following.page();
    assert!(first.starts_with("HTTP/1.1 200 OK") && first.contains("<!DOCTYPE html>"), "{first}");
    assert!(first.to_lowercase().contains("\r\nrefresh: 5\r\n"), "{first}");
    assert!(first.contains("0 of 3 generations of 4 members"), "{first}");
    // The last evaluation is still to come.
    dir.write("run.qes", lines[..lines.len() - 1].concat());
    assert!(following.page().to_lowercase().contains("\r\nrefresh: 5\r\n"));
    dir.write("run.qes", &whole);
    let last = following.page();
    assert!(!last.to_lowercase().contains("\r\nrefresh:"), "all generations are made");
    assert!(generations(&last) > generations(&first), "{last}");
    assert!(last.contains(", 3 generations of 4 members"), "{last}");
    // While a log is being replaced, the page stays.
    dir.write("run.qes", "no log");
    assert_eq!(generations(&following.page()), generations(&last));
    assert_eq!(dir.names(), ["base.gguf", "run.qes", "tuned.gguf"], "nothing is written");
}

#[test]
fn only_this_machine_reads_the_page_and_nothing_else_is_there() {
    let dir = Dir::tuned();
    let following = Following::of(&dir, "report run.qes --follow");
    let here = format!("127.0.0.1:{}", following.port);
    for (request, host, status) in [
        ("GET /", "example.com", "403"),
        ("GET /", "localhost.example.com:80", "403"),
        ("GET /", "LOCALHOST:9000", "200"),
        ("GET /../base.gguf", &*here, "404"),
        ("POST /", &here, "405"),
        ("HEAD /", &here, "200"),
    ] {
        let answer = following.ask(request, host);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request} {host}: {answer}");
    }
    let taken = dir.run(&format!("report run.qes --follow={}", following.port));
    taken.fails(1, &["cannot serve on port", "as --follow=8081"]);
}

#[test]
fn a_log_that_cannot_be_followed_is_told() {
    let dir = Dir::tuned();
    dir.run("report none.qes --follow").fails(1, &["none.qes"]);
    dir.run("report run.qes --follow -o page.html").fails(2, &["--follow", "--output"]);
}
