//! Values from environment variables, so that an error names the variable that a wrong value comes from.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

/// A variable that gives an argument its value.
#[derive(Debug)]
pub struct Variable {
    name: String,
    value: String,
    /// The names that errors may give to the argument.
    flags: Vec<String>,
}

/// Returns the variables that give values to the command that was called.
pub fn variables(command: &Command, matches: &ArgMatches) -> Vec<Variable> {
    let Some((name, matches)) = matches.subcommand() else { return Vec::new() };
    let arguments = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    let is_given = |arg: &&Arg| {
        arg.get_env().is_some()
            && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::EnvVariable)
    };
    arguments.filter(is_given).filter_map(variable).collect()
}

fn variable(arg: &Arg) -> Option<Variable> {
    let name = arg.get_env()?;
    let value = std::env::var_os(name)?.to_string_lossy().into_owned();
    let long = arg.get_long().map(|flag| format!("--{flag}"));
    let short = arg.get_short().map(|flag| format!("-{flag}"));
    Some(Variable {
        name: name.to_string_lossy().into_owned(),
        value,
        flags: long.into_iter().chain(short).collect(),
    })
}

/// Returns a note on the variables that an error is about: those whose flag, or whose value if that is a path, it names.
pub fn note(variables: &[Variable], error: &str) -> Option<String> {
    let words: Vec<&str> = error.split(|c: char| c.is_whitespace() || "(),;:'\"".contains(c)).collect();
    let is_meant = |variable: &&Variable| {
        let is_path = variable.value.contains(['/', '.']) && error.contains(&variable.value);
        is_path || variable.flags.iter().any(|flag| words.contains(&flag.as_str()))
    };
    let meant: Vec<String> = variables
        .iter()
        .filter(is_meant)
        .map(|Variable { name, value, .. }| format!("{name} is {value} in the environment"))
        .collect();
    (!meant.is_empty()).then(|| format!("note: {}", meant.join("; ")))
}

/// Returns an error of the command line, with the variable that the wrong value comes from, unless it was typed.
pub fn named(command: &Command, words: &[OsString], mut error: clap::Error) -> clap::Error {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (Some(argument), Some(value)) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue))
    else {
        return error;
    };
    let is_typed = |word: &OsString| word.to_string_lossy().ends_with(&value);
    // Arguments can be shown once the command has been built.
    let mut command = command.clone();
    command.build();
    let all = command.get_subcommands().flat_map(Command::get_arguments);
    let mut meant = all.filter(|arg| arg.to_string() == argument).filter_map(variable);
    let found = meant.find(|variable| variable.value == value).filter(|_| !words.iter().any(is_typed));
    if let Some(Variable { name, .. }) = found {
        let tip = format!("this is the value of the environment variable {name}; unset it, or change it");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_about_variables_whose_flag_or_path_they_name() {
        let variable = |name: &str, value: &str, flags: &[&str]| Variable {
            name: name.to_owned(),
            value: value.to_owned(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
        };
        let all = [
            variable("LLAMA_ARG_MODEL", "gone.gguf", &[]),
            variable("LLAMA_ARG_CTX_SIZE", "16", &["--ctx-size", "-c"]),
        ];
        let told = |error: &str| note(&all, error);
        assert_eq!(
            told("gone.gguf: no such file").unwrap(),
            "note: LLAMA_ARG_MODEL is gone.gguf in the environment"
        );
        let of_context = "note: LLAMA_ARG_CTX_SIZE is 16 in the environment";
        assert_eq!(told("make the context larger (-c, or less)").unwrap(), of_context);
        assert_eq!(told("--ctx-size is too small").unwrap(), of_context);
        assert_eq!(told("16 of them; --ctx-sizes"), None);
    }
}
