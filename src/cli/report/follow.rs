//! `qes-gguf report --follow`: the page of runs that go on, served to browsers on this machine.
//!
//! The logs are read again when they have grown, and browsers load the page again every few seconds, until all runs have made their
//! planned generations. Nothing is written, and the runs know nothing of it.

use std::fs::Metadata;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow};
use tiny_http::{Header, Method, Request, Response, Server};

use crate::cli::{out, setup};
use crate::report::{Run, Subject, page};
use crate::seed_log::SeedLog;
use crate::store::read_log_file;

/// Seconds after which a browser loads the page again.
const PERIOD: u32 = 5;

/// Serves the page of these logs on the loopback interface, on this port or on a free one, until the process is ended.
///
/// # Errors
/// When a log cannot be read at first, or the port cannot be used.
pub fn follow(paths: &[PathBuf], names: &[String], port: u16) -> Result<()> {
    let mut followed = Followed::read(paths, names)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!("cannot serve on port {port}; give another one, as --follow=8081, or none for a free one")
    })?;
    let port = listener.local_addr().context("the port that was taken cannot be told")?.port();
    let server =
        Server::from_listener(listener, None).map_err(|e| anyhow!("cannot serve on port {port}: {e}"))?;
    out::line(format!(
        "following {} at http://127.0.0.1:{port} (Ctrl-C ends this, and no run)",
        names.join(", ")
    ))?;
    loop {
        let request = server.recv().context("no more requests can be taken")?;
        followed.refresh();
        // A browser that has gone away is no error.
        let _ = respond(request, &followed);
    }
}

/// The page of logs as they were when they were last read.
struct Followed<'a> {
    paths: &'a [PathBuf],
    names: &'a [String],
    seen: Vec<Option<(u64, SystemTime)>>,
    page: String,
    /// `true` if all runs have made their planned generations.
    is_over: bool,
}

impl<'a> Followed<'a> {
    fn read(paths: &'a [PathBuf], names: &'a [String]) -> Result<Self> {
        let seen = paths.iter().map(|path| stamp(path)).collect();
        let log = |path: &PathBuf| setup::parse_log(path, &read_log_file(path)?);
        let logs = paths.iter().map(log).collect::<Result<Vec<_>>>()?;
        let runs: Vec<Run> = logs.iter().zip(names).map(|(log, name)| Run::of(name, log)).collect();
        let is_over = logs.iter().all(is_over);
        Ok(Self { paths, names, seen, page: page(Subject(&runs)), is_over })
    }

    /// Reads the logs again if they have changed. A log that cannot be read, as while it is being replaced, leaves the page as it is.
    fn refresh(&mut self) {
        if self.paths.iter().map(|path| stamp(path)).ne(self.seen.iter().copied())
            && let Ok(read) = Self::read(self.paths, self.names)
        {
            *self = read;
        }
    }
}

/// Returns whether a log has all that its run writes: the planned generations, or as many as its patience allows, and their evaluation.
fn is_over(log: &SeedLog) -> bool {
    let made = log.generations.len() as u64;
    let is_evaluated = log.evaluations.last().is_some_and(|last| last.generations == made);
    is_evaluated && (made >= log.planned() || log.is_out_of_patience())
}

/// Returns a file's length and time of change, if it is there.
fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata: Metadata = path.metadata().ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

fn respond(request: Request, followed: &Followed<'_>) -> std::io::Result<()> {
    let refused = |code: u16, why: &str| Response::from_string(format!("{why}\n")).with_status_code(code);
    if !is_local(&request) {
        return request.respond(refused(403, "this page is only at 127.0.0.1 and localhost"));
    }
    match (request.method(), request.url()) {
        (Method::Get | Method::Head, "/") => {
            let mut headers = vec![
                ("Content-Type", "text/html; charset=utf-8".to_owned()),
                ("Cache-Control", "no-store".to_owned()),
            ];
            if !followed.is_over {
                headers.push(("Refresh", PERIOD.to_string()));
            }
            let headers =
                headers.iter().filter_map(|(name, value)| Header::from_bytes(*name, value.as_bytes()).ok());
            request.respond(headers.fold(Response::from_string(&followed.page), Response::with_header))
        }
        (Method::Get | Method::Head, _) => request.respond(refused(404, "there is one page, at /")),
        _ => request.respond(refused(405, "the page can only be read")),
    }
}

/// Returns whether a request names this machine, by whatever port it was led here: a page elsewhere whose name leads here must not
/// read the runs.
fn is_local(request: &Request) -> bool {
    let host = request.headers().iter().find(|header| header.field.equiv("Host"));
    host.is_some_and(|host| {
        let name = host.value.as_str().split(':').next().unwrap_or_default();
        name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")
    })
}
