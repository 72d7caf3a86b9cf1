//! A reward program of the user's own, kept running and asked line by line.
//!
//! The command is run by the shell, once. For each reply it reads one line, a JSON object:
//!
//! | key | value |
//! |---|---|
//! | `prompt` | the prompt |
//! | `reply` | the model's reply |
//! | `wanted` | the wanted reply, if the example has one |
//! | `example` | the example as it is in the user's file, if it comes from one |
//!
//! and writes one line, the reward: a number, higher is better, or an object with the number as `reward`. An object
//! with an `error`, a text, ends the run with that text. Blank lines are skipped. The program must answer each line
//! before it waits for the next, and flush its output; several lines may be waiting. Its standard error goes to the
//! user's. Its input ends when the run does.
//!
//! A program that ends before it has answered is started again and asked the same question once more, so its answers
//! should depend on the line alone. Any other fault, silence included, is an error. Time decides over errors alone,
//! and over a reward only if the user names one for replies that the program does not answer in time: then it is
//! started again and asked the next question.
//!
//! The program has a process group of its own, which Ctrl-C in a terminal does not reach: the current member is still
//! judged.

use std::time::Duration;

use crate::judge::{Asked, Judge, JudgeError};

mod error;
mod program;
mod protocol;
#[cfg(unix)]
#[cfg(test)]
mod tests;

pub use error::{CommandError, Wrong};
use program::{Heard, PARTING, Program};

/// Default time for one answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Most consecutive restarts of a program without an answer.
const RESTARTS: u32 = 3;
/// Most consecutive replies that get the reward of a timeout: a program that answers none of this many is broken.
const SILENCES: u32 = 32;
/// Most questions that wait to be answered, so that the program need not wait for the next.
const AHEAD: usize = 64;
/// Time after the first answer of a newly started program in which more output is an error.
const QUIET: Duration = Duration::from_millis(100);

/// A command that judges replies. Dropping it ends the program.
#[derive(Debug)]
pub struct RewardCommand {
    command: String,
    timeout: Duration,
    /// The reward if there is no answer in time; `None` for an error.
    on_timeout: Option<f64>,
    /// Number of replies that got it.
    timeouts: u64,
    /// Number of them since the last answer.
    silences: u32,
    /// `None` before the first question, and if the program ended with its last answer.
    running: Option<Program>,
}

/// Reason that the questions of one start were not all answered.
enum Stop {
    /// The program ended, in this way.
    Ended(program::End),
    Wrong(Wrong),
}

impl RewardCommand {
    /// Creates a judge from a command for the shell, and the time for one answer (including the start, for the first).
    /// The command is started on first use.
    pub fn new(command: impl Into<String>, timeout: Duration) -> Self {
        let command = command.into();
        Self { command, timeout, on_timeout: None, timeouts: 0, silences: 0, running: None }
    }

    /// Sets the reward of a reply without an answer in time; without one that is an error.
    pub fn on_timeout(self, reward: Option<f64>) -> Self {
        Self { on_timeout: reward, ..self }
    }

    /// Returns the rewards for questions, each a line.
    fn ask_all(&mut self, questions: &[String]) -> Result<Vec<f64>, CommandError> {
        let mut rewards = Vec::with_capacity(questions.len());
        let mut restarts = 0;
        while rewards.len() < questions.len() {
            let before = rewards.len();
            let Err(stop) = self.ask(&questions[before..], &mut rewards) else {
                self.silences = 0;
                break;
            };
            if let (Stop::Wrong(_), Some(running)) = (&stop, &mut self.running) {
                // A program at fault is not waited for.
                running.end(Duration::ZERO);
            }
            self.running = None;
            if rewards.len() > before {
                (restarts, self.silences) = (0, 0);
            }
            let wrong = match stop {
                Stop::Wrong(Wrong::Silent { .. })
                    if self.on_timeout.is_some() && self.silences < SILENCES =>
                {
                    self.silences += 1;
                    self.timeouts += 1;
                    rewards.extend(self.on_timeout);
                    continue;
                }
                Stop::Wrong(wrong) => wrong,
                Stop::Ended(end) if end.is_not_found() => Wrong::NotFound { how: end.to_string() },
                Stop::Ended(end) if restarts == RESTARTS => Wrong::Ended { how: end.to_string(), restarts },
                Stop::Ended(_) => {
                    restarts += 1;
                    continue;
                }
            };
            return Err(CommandError::new(&self.command, questions.get(rewards.len()), wrong));
        }
        Ok(rewards)
    }

    /// Asks the running program, or a newly started one, and adds its answers to `rewards` as they come.
    fn ask(&mut self, questions: &[String], rewards: &mut Vec<f64>) -> Result<(), Stop> {
        if let Some(running) = &self.running {
            // What has come since the last answer was not asked for.
            match running.hear(Duration::ZERO) {
                Heard::End => self.running = None,
                heard => unasked(heard)?,
            }
        }
        let is_new = self.running.is_none();
        let program = match &mut self.running {
            Some(running) => running,
            none => none.insert(Program::start(&self.command).map_err(|e| Stop::Wrong(Wrong::Start(e)))?),
        };
        let mut sent = 0;
        for place in 0..questions.len() {
            // The first answer of a new program is awaited alone: it may be one that says more, or that ends with it.
            let ahead = if is_new && place == 0 { 1 } else { AHEAD };
            let up_to = questions.len().min(place + ahead);
            questions[sent..up_to].iter().for_each(|question| program.send(question));
            sent = up_to;
            rewards.push(answer(program, self.timeout)?);
            if is_new && place == 0 {
                unasked(program.hear(QUIET))?;
            }
        }
        Ok(())
    }
}

/// Returns the next answer.
fn answer(program: &mut Program, timeout: Duration) -> Result<f64, Stop> {
    match program.hear(timeout) {
        Heard::Line(line) => protocol::reward(&line).map_err(Stop::Wrong),
        Heard::Endless(said) => Err(Stop::Wrong(Wrong::Endless { said })),
        Heard::Nothing => Err(Stop::Wrong(Wrong::Silent { seconds: timeout.as_secs_f64() })),
        Heard::End => Err(Stop::Ended(program.end(PARTING))),
    }
}

/// Refuses output of a program that was not asked. If it has ended, the next question will show it.
fn unasked(heard: Heard) -> Result<(), Stop> {
    match heard {
        Heard::Line(said) => Err(Stop::Wrong(Wrong::Unasked { said })),
        Heard::Endless(said) => Err(Stop::Wrong(Wrong::Endless { said })),
        Heard::Nothing | Heard::End => Ok(()),
    }
}

impl Judge for RewardCommand {
    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        let questions: Result<Vec<String>, serde_json::Error> =
            asked.iter().map(protocol::question).collect();
        let program = |error: CommandError| JudgeError::Program(Box::new(error));
        let questions = questions
            .map_err(|source| program(CommandError::new(&self.command, None, Wrong::Question(source))))?;
        self.ask_all(&questions).map_err(program)
    }

    fn hint(&self) -> Option<String> {
        let (seconds, reward) = (self.timeout.as_secs_f64(), self.on_timeout?);
        (self.timeouts > 0).then(|| {
            format!(
                "the reward program gave no answer within {seconds} s to {} of the replies, which got the reward {reward}",
                self.timeouts
            )
        })
    }
}
