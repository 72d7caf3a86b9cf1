//! The seed log (`.qes`): the record of a run, in kilobytes.
//!
//! JSON Lines: a header, then a record for each generation, each held-out evaluation and each change of plan. Every
//! line ends with the hash chain's next hash, SHA-256 over the previous line's hash and this line's own bytes, so that
//! an edited, missing, repeated or reordered line is detected. Lines are appended whole; bytes after the last newline
//! are a torn tail, the trace of a write that was cut off.
//!
//! Parsing is pure: it takes bytes and returns a [`SeedLog`] that has passed every check, or the first fault.

mod best;
mod check;
mod drift;
mod error;
mod record;

use sha2::{Digest, Sha256};

pub use drift::*;
pub use error::LogError;
pub use record::*;

use crate::noise::Noise;
use crate::settings::Settings;
use check::{check_evaluation, check_generation, check_header, check_plan};

/// Bytes between the JSON text of a line's content and its hash, and after the hash.
const HASH_KEY: &str = ",\"hash\":\"";
const HASH_END: &str = "\"}";
const HASH_LEN: usize = 64;

/// The first bytes of every log.
const HEADER_START: &[u8] = b"{\"header\":{\"version\":";

/// Number of a line in messages, from 1.
type LineNumber = usize;

/// A log that has passed every check.
#[derive(Clone, Debug, PartialEq)]
pub struct SeedLog {
    /// The first line.
    pub header: Header,
    /// All generations, in order, from 0.
    pub generations: Vec<GenerationRecord>,
    /// All held-out evaluations, in order.
    pub evaluations: Vec<EvaluationRecord>,
    /// Changes of the planned number of generations, in order.
    pub plans: Vec<PlanRecord>,
    /// The hash from which the next line's continues.
    pub chain: Chain,
    /// The hash of the header's line, then of each generation's: the identity of the log up to there.
    points: Vec<Chain>,
    /// Length in bytes of the complete lines; the rest is torn.
    pub whole_bytes: u64,
    /// Bytes of the torn tail; 0 for a clean end.
    pub torn_bytes: u64,
}

/// A hash of the hash chain over a log's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain([u8; 32]);

impl Chain {
    /// Returns the hash after a line with this content, which lacks its closing brace.
    fn after(&self, content: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(content);
        Self(hash.finalize().into())
    }

    /// Returns the hash as text, which identifies a log up to some line.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// Encodes a line, newline included, and advances to its hash. JSON has no form for NaN and infinities;
    /// [`SeedLog::push`] refuses records with one.
    ///
    /// # Errors
    /// When the line cannot be written as JSON.
    pub fn encode(&mut self, line: &Line) -> Result<String, LogError> {
        let mut text = serde_json::to_string(line).map_err(LogError::Encode)?;
        text.pop();
        *self = self.after(&text);
        text.push_str(HASH_KEY);
        text.push_str(&self.hex());
        text.push_str(HASH_END);
        text.push('\n');
        Ok(text)
    }
}

/// Returns bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl SeedLog {
    /// Parses a log.
    ///
    /// # Errors
    /// For the first invalid line; a torn tail is no error, but counted in `torn_bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let mut chain = Chain::default();
        let mut lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n').enumerate();
        let Some((_, first)) = lines.next() else {
            let cut_off = bytes.starts_with(HEADER_START) || HEADER_START.starts_with(bytes);
            return Err(if cut_off { LogError::NoHeader } else { LogError::NotALog });
        };
        let Line::Header(header) = decode(1, first, &mut chain)? else {
            return Err(LogError::NotALog);
        };
        check_header(&header)?;
        let mut log = Self {
            header: *header,
            generations: Vec::new(),
            evaluations: Vec::new(),
            plans: Vec::new(),
            chain: chain.clone(),
            points: vec![chain.clone()],
            whole_bytes: whole as u64,
            torn_bytes: (bytes.len() - whole) as u64,
        };
        for (index, line) in lines {
            let line = decode(index + 1, line, &mut chain)?;
            log.check(index + 1, &line)?;
            log.add(line, chain.clone());
        }
        Ok(log)
    }

    /// Creates a log with only this header, and returns it with the header's line.
    ///
    /// # Errors
    /// When the header is inconsistent.
    pub fn start(header: Header) -> Result<(Self, String), LogError> {
        check_header(&header)?;
        let mut chain = Chain::default();
        let text = chain.encode(&Line::Header(Box::new(header.clone())))?;
        let whole_bytes = text.len() as u64;
        let log = Self {
            header,
            generations: Vec::new(),
            evaluations: Vec::new(),
            plans: Vec::new(),
            points: vec![chain.clone()],
            chain,
            whole_bytes,
            torn_bytes: 0,
        };
        Ok((log, text))
    }

    /// Checks the next record and encodes its line. The log has the record only after [`PreparedLine::commit`], so that
    /// the line can be made durable first.
    ///
    /// # Errors
    /// When the record does not follow from the log so far.
    pub fn prepare(&mut self, line: Line) -> Result<PreparedLine<'_>, LogError> {
        let number = self.line_count() + 1;
        let mut chain = self.chain.clone();
        let text = chain.encode(&line)?;
        self.check(number, &line)?;
        Ok(PreparedLine { log: self, line, chain, text })
    }

    /// Adds a record in memory and returns its line. For a line that also goes into a file, use [`SeedLog::prepare`],
    /// append it, and then [`PreparedLine::commit`].
    ///
    /// # Errors
    /// When the record does not follow from the log so far.
    pub fn push(&mut self, line: Line) -> Result<String, LogError> {
        Ok(self.prepare(line)?.commit())
    }

    /// Adds the next line of the same log's text, newline included, as another copy of the log received it.
    ///
    /// # Errors
    /// When the line is damaged or does not continue the log; the log is then unchanged.
    pub fn follow(&mut self, text: &[u8]) -> Result<&Self, LogError> {
        let number = self.line_count() + 1;
        let mut chain = self.chain.clone();
        let line = decode(number, text, &mut chain)?;
        self.check(number, &line)?;
        self.add(line, chain);
        self.whole_bytes += text.len() as u64;
        Ok(self)
    }

    /// Returns the number of its lines, the header's included.
    pub fn line_count(&self) -> usize {
        1 + self.generations.len() + self.evaluations.len() + self.plans.len()
    }

    /// Returns the planned number of generations in all, as of the last plan.
    pub fn planned(&self) -> u64 {
        self.plans.last().map_or(self.header.settings.generations, |plan| plan.generations)
    }

    /// Returns the run's settings, with the planned number of generations as of the last plan.
    pub fn settings(&self) -> Settings {
        Settings { generations: self.planned(), ..self.header.settings.clone() }
    }

    /// Returns the hash of the line that ends the first `generations` generations, if there are so many: it covers
    /// everything that determines the codes at that point, however the log continues.
    pub fn hash_after(&self, generations: u64) -> Option<&Chain> {
        self.points.get(usize::try_from(generations).ok()?)
    }

    /// Checks that a record follows from the log so far.
    fn check(&self, number: LineNumber, line: &Line) -> Result<(), LogError> {
        let done = self.generations.len() as u64;
        let checked = match line {
            Line::Header(_) => return Err(LogError::SecondHeader { line: number }),
            Line::Generation(record) => check_generation(&self.header, done, record),
            Line::Evaluation(record) => check_evaluation(done, record),
            Line::Plan(record) => check_plan(done, record),
        };
        checked.map_err(|problem| LogError::Record { line: number, problem })
    }

    /// Adds a record that was checked, with its line's hash.
    fn add(&mut self, line: Line, chain: Chain) {
        match line {
            // Refused by the check.
            Line::Header(_) => {}
            Line::Generation(record) => self.generations.push(record),
            Line::Evaluation(record) => self.evaluations.push(record),
            Line::Plan(record) => self.plans.push(record),
        }
        if self.points.len() == self.generations.len() {
            self.points.push(chain.clone());
        }
        self.chain = chain;
    }
}

/// A record that follows from a log, which does not have it yet. If dropped, it leaves the log unchanged.
#[derive(Debug)]
#[must_use = "the log lacks the record until it is committed"]
pub struct PreparedLine<'a> {
    log: &'a mut SeedLog,
    line: Line,
    chain: Chain,
    text: String,
}

impl PreparedLine<'_> {
    /// Returns the record's line, newline included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds the record to the log and returns its line.
    pub fn commit(self) -> String {
        let Self { log, line, chain, text } = self;
        log.add(line, chain);
        log.whole_bytes += text.len() as u64;
        text
    }
}

/// Splits a line into content and hash, checks the hash, and reads the content.
fn decode(number: LineNumber, line: &[u8], chain: &mut Chain) -> Result<Line, LogError> {
    let not_a_line = || if number == 1 { LogError::NotALog } else { LogError::Malformed { line: number } };
    let text = std::str::from_utf8(line).map_err(|_| not_a_line())?;
    let tail_len = HASH_KEY.len() + HASH_LEN + HASH_END.len() + 1;
    let split = text.len().checked_sub(tail_len).filter(|&at| text.is_char_boundary(at));
    let (content, tail) = text.split_at(split.ok_or_else(not_a_line)?);
    let hash = tail
        .strip_prefix(HASH_KEY)
        .and_then(|rest| rest.strip_suffix('\n'))
        .and_then(|rest| rest.strip_suffix(HASH_END))
        .ok_or_else(not_a_line)?;
    let next = chain.after(content);
    if next.hex() != hash {
        return Err(LogError::Broken { line: number });
    }
    *chain = next;
    // The version is looked at first: a newer format may hold what this one cannot read.
    let content = format!("{content}}}");
    if number == 1 {
        check_version(&content)?;
    }
    serde_json::from_str(&content).map_err(|source| LogError::Content { line: number, source })
}

fn check_version(content: &str) -> Result<(), LogError> {
    let value: serde_json::Value = serde_json::from_str(content).map_err(|_| LogError::NotALog)?;
    match value.pointer("/header/version").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(FORMAT_VERSION) => Ok(()),
        Some(version) => Err(LogError::Version(version)),
        None => Err(LogError::NotALog),
    }
}

/// Returns a header with its `noise` filled in from its settings.
///
/// # Errors
/// When sigma or the magnitude of hits is out of range.
pub fn pin_noise(header: Header) -> Result<Header, LogError> {
    Ok(Header { noise: noise_specs(&header)?, ..header })
}

/// Returns the definition of the noise for each of the header's types.
fn noise_specs(header: &Header) -> Result<Vec<NoiseSpec>, LogError> {
    let spec = |noise: Noise| NoiseSpec { run: noise.run_len() as u64, tables: hex(&noise.digest()[..8]) };
    let noises = header.settings.types.iter().map(|of_type| of_type.noise().map(spec));
    noises.collect::<Result<_, _>>().map_err(|e| LogError::Header(e.to_string()))
}

#[cfg(test)]
pub(crate) mod test_log;
#[cfg(test)]
mod tests;
