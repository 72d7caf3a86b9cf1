//! The command line: from arguments to calls of the library.
//!
//! `args` defines the arguments and has no effects; each command's module turns its arguments into calls of the
//! library and prints the result. Exit codes: 0 success, 1 failure (or a model that does not verify), 2 misuse of the
//! command line, 3 a tuned model beyond the limit on drift, 130 interrupted.

mod apply;
mod args;
mod audit;
mod begin;
mod chat;
mod data_command;
mod definition;
mod devices;
mod drift;
mod environment;
mod eval;
mod export;
#[cfg(feature = "fleet")]
mod fleet;
mod given;
mod inspect;
mod interrupt;
mod json;
mod manual;
mod out;
mod probe;
mod progress;
mod pull;
mod report;
mod resolve;
mod samples;
mod setup;
mod tokens;
mod tune;
mod verbosity;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::FromArgMatches;
use thiserror::Error;

use crate::export::ExportError;
use crate::model::ModelError;
use crate::plan::PlanError;
use crate::store::{explain_file_signals, return_freed_memory};
use crate::text;
use crate::workload::WorkloadError;
use args::{Args, Command};
use environment::Variable;

/// Error of arguments that parse but make no sense.
#[derive(Debug, Error)]
#[error("{0}")]
struct UsageError(String);

/// The end of that error's message.
const HINT: &str = "\n\nFor more information, try '--help'.";

/// Result of a command that did not fail.
enum CommandEnd {
    Success,
    /// A check failed.
    Negative,
    /// The tuned model has become worse elsewhere than the limit on drift allows.
    Damaged,
    /// Stopped by Ctrl-C.
    Interrupted,
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()))
}

/// Runs the program with these arguments, the first of which is its own name, and returns its exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    explain_file_signals();
    return_freed_memory();
    let words: Vec<OsString> = arguments.collect();
    if devices::are_asked_for(&words) {
        return exit_code_of(devices::list(), &[]);
    }
    let known = args::command();
    let matches = known
        .clone()
        .try_get_matches_from(canonical(&words))
        .unwrap_or_else(|error| environment::named(&known, &words, error).exit());
    let variables = environment::variables(&known, &matches);
    let Args { command, verbose, .. } = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    verbosity::start(verbose);
    let misuse = args::misuse(&args::command(), &matches);
    let outcome = misuse.map_or_else(|| obey(command, &words), |misuse| Err(UsageError(misuse).into()));
    exit_code_of(outcome, &variables)
}

/// Prints the error, if there is one, and the variables that it may come from; returns the program's exit code.
fn exit_code_of(outcome: Result<CommandEnd>, variables: &[Variable]) -> u8 {
    match outcome {
        Ok(CommandEnd::Success) => 0,
        Ok(CommandEnd::Negative) => 1,
        Ok(CommandEnd::Damaged) => 3,
        Ok(CommandEnd::Interrupted) => 130,
        Err(error) => {
            let hint = if is_misuse(&error) { HINT } else { "" };
            let text = sentence(&error);
            let note = environment::note(variables, &text);
            out::warn(format!("error: {text}{hint}"));
            note.into_iter().for_each(out::warn);
            exit_code(&error)
        }
    }
}

/// Runs a command. `words` are the program's arguments.
fn obey(command: Command, words: &[OsString]) -> Result<CommandEnd> {
    match command {
        Command::Tune(args) => tune::run(&args),
        Command::Data(args) => data_command::run(&args),
        Command::Probe(args) => probe::run(&args, words),
        Command::Eval(args) => eval::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Apply(args) => apply::run(&args),
        Command::Revert(args) => apply::revert(&args),
        Command::Merge(args) => apply::merge(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Report(args) => report::run(&args),
        #[cfg(feature = "fleet")]
        Command::Worker(args) => fleet::work(&args),
        #[cfg(feature = "fleet")]
        Command::Fleet(args) => fleet::files(&args),
        Command::Pull(args) => pull::run(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man(args) => manual::man(&args),
    }
}

/// Returns the arguments in the parser's form. llama.cpp has long flags with one dash, such as `-np`, which the parser
/// does not know, and takes the model by `-m`, which here is a positional argument. What follows `--` is no flag and
/// stays as it is.
fn canonical(words: &[OsString]) -> Vec<OsString> {
    let takes_model =
        words.get(1).is_some_and(|word| ["tune", "probe", "eval", "inspect"].iter().any(|name| word == name));
    let names_model = |word: &OsString| takes_model && (word == "-m" || word == "--model");
    let flags = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let long = |word: &OsString| match word.to_str() {
        Some("-dev") => "--device".into(),
        Some("-fa") => "--flash-attn".into(),
        Some("-mg") => "--main-gpu".into(),
        Some("-ngl") => "--n-gpu-layers".into(),
        Some("-np") => "--parallel".into(),
        Some("-nr") => "--no-repack".into(),
        Some("-jf") => "--json-schema-file".into(),
        Some("-sm") => "--split-mode".into(),
        Some("-sys") => "--system".into(),
        Some("-ts") => "--tensor-split".into(),
        _ => word.clone(),
    };
    let given = words[..flags].iter().filter(|word| !names_model(word)).map(long);
    given.chain(words[flags..].iter().cloned()).collect()
}

/// Returns the error with its causes. A cause that is already part of the message before it is left out.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    // Names from a hostile file must not steer the terminal.
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// Returns whether the error is a misuse of the command line, whatever the files that it names contain.
fn is_misuse(error: &anyhow::Error) -> bool {
    error.is::<UsageError>()
        || error.downcast_ref().is_some_and(WorkloadError::is_misuse)
        || error.downcast_ref().is_some_and(PlanError::is_misuse)
}

fn exit_code(error: &anyhow::Error) -> u8 {
    let of_model = match error.downcast_ref() {
        Some(ExportError::Model(error)) => Some(error),
        _ => error.downcast_ref(),
    };
    let usage = is_misuse(error)
        || matches!(error.downcast_ref(), Some(ExportError::OntoBase(_)))
        || matches!(of_model, Some(ModelError::NoSuchGeneration { .. }));
    if usage { 2 } else { 1 }
}
