//! A task and its options in one text, as `arith:digits=3,operations=+`.

use std::fmt::Display;
use std::str::FromStr;

use clap::ValueEnum;

use super::task::{RewardArg, TaskArgs};
use crate::cli::UsageError;
use crate::task::arith::Operation;
use crate::task::countdown::range;

/// The options of each task that has some.
const OPTIONS: [(&str, &[&str]); 6] = [
    ("arith", &["digits", "operands", "operations", "reward"]),
    ("countdown", &["counts", "numbers", "targets", "reward"]),
    ("gsm8k", &["reward"]),
    ("regex", &["pattern"]),
    ("json", &["schema", "equal"]),
    ("grammar", &["file"]),
];

/// Returns the name of the task that a text names.
pub fn name(text: &str) -> &str {
    match text.split_once(':') {
        Some((name, _)) if !options_of(name).is_empty() => name,
        _ => text,
    }
}

/// Returns the arguments with the task's options taken out of its text, as if each had been given by its flag.
///
/// # Errors
/// When an option is none of the task's, has no valid value, or is given twice.
pub fn spread(args: &TaskArgs) -> Result<TaskArgs, UsageError> {
    let mut spread = args.clone();
    let Some(text) = args.task.as_deref() else { return Ok(spread) };
    let task = name(text);
    if task.len() == text.len() {
        return Ok(spread);
    }
    let wrong = |why: String| UsageError(format!("--task {text}: {why}"));
    for (option, value) in pieces(task, &text[task.len() + 1..]).map_err(wrong)? {
        set(&mut spread, option, &value).map_err(|why| wrong(format!("{option}: {why}")))?;
    }
    spread.task = Some(task.to_owned());
    Ok(spread)
}

fn options_of(task: &str) -> &'static [&'static str] {
    OPTIONS.iter().find(|(name, _)| *name == task).map_or(&[], |(_, options)| *options)
}

/// Returns the options of a task in a text, each with its value. A value may have commas: it goes on to one with a word and `=` after it.
fn pieces(task: &str, text: &str) -> Result<Vec<(&'static str, String)>, String> {
    let options = options_of(task);
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for piece in text.split(',') {
        let (key, value) = piece.split_once('=').unwrap_or((piece, "true"));
        let option = options.iter().find(|option| **option == key && (key == "equal" || piece.contains('=')));
        if let Some(option) = option {
            if found.iter().any(|(other, _)| other == option) {
                return Err(format!("{option} is given twice"));
            }
            found.push((option, value.to_owned()));
        } else if let Some((_, before)) = found.last_mut().filter(|_| !(piece.contains('=') && is_word(key)))
        {
            *before = format!("{before},{piece}");
        } else {
            let (options, example) = (options.join(", "), example(task));
            return Err(format!(
                "{piece:?} is no option of {task}; there are {options}, as in {task}:{example}"
            ));
        }
    }
    Ok(found)
}

/// Returns whether a text could be the name of an option.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
}

/// Returns how options of a task may look.
fn example(task: &str) -> &'static str {
    match task {
        "arith" => "digits=3,operations=+",
        "countdown" => "counts=3,targets=10-50",
        "regex" => "pattern=^Yes",
        "json" => "schema=FILE",
        "grammar" => "file=FILE",
        _ => "reward=loglik",
    }
}

/// Gives an option the value in a text, where its flag has not.
fn set(args: &mut TaskArgs, option: &str, value: &str) -> Result<(), String> {
    match option {
        "digits" => once(&mut args.digits, number(value)?, "--digits"),
        "operands" => once(&mut args.operands, number(value)?, "--operands"),
        "operations" => {
            once(&mut args.operations, Operation::set(value).map_err(|e| e.to_string())?, "--operations")
        }
        "counts" => once(&mut args.counts, range::parse(value)?, "--counts"),
        "numbers" => once(&mut args.numbers, range::parse(value)?, "--numbers"),
        "targets" => once(&mut args.targets, range::parse(value)?, "--targets"),
        "reward" => once(&mut args.reward, RewardArg::from_str(value, false)?, "--reward"),
        "pattern" => once(&mut args.pattern, value.to_owned(), "--pattern"),
        "schema" => once(&mut args.json_schema_file, value.into(), "--json-schema-file"),
        "file" => once(&mut args.grammar_file, value.into(), "--grammar-file"),
        _ if args.json_equal => Err("--json-equal gives it too; leave one of them out".to_owned()),
        _ => {
            args.json_equal = number(value)?;
            Ok(())
        }
    }
}

/// Reads a number, or true or false.
fn number<T: FromStr<Err: Display>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|e| format!("{value:?}: {e}"))
}

fn once<T>(of_flag: &mut Option<T>, value: T, flag: &str) -> Result<(), String> {
    match of_flag.replace(value) {
        Some(_) => Err(format!("{flag} gives it too; leave one of them out")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<TaskArgs, String> {
        spread(&TaskArgs { task: Some(text.to_owned()), ..TaskArgs::default() }).map_err(|e| e.to_string())
    }

    #[test]
    fn options_are_those_of_flags() {
        let arith = of("arith:digits=3,operations=+-,reward=soft-loglik").unwrap();
        assert_eq!(
            (arith.task.as_deref(), arith.digits, arith.reward),
            (Some("arith"), Some(3), Some(RewardArg::SoftLoglik))
        );
        assert_eq!(arith.operations, Operation::set("+-").ok());
        let countdown = of("countdown:counts=2,numbers=1-20,targets=2-50").unwrap();
        assert_eq!((countdown.counts, countdown.targets), (Some(2..=2), Some(2..=50)));
        for pattern in ["a{1,3}=b", "a,=b", "a,b"] {
            assert_eq!(of(&format!("regex:pattern={pattern}")).unwrap().pattern.as_deref(), Some(pattern));
        }
        let json = of("json:schema=my,file.json,equal").unwrap();
        assert_eq!((json.json_schema_file, json.json_equal), (Some("my,file.json".into()), true));
        assert!(!of("json:equal=false").unwrap().json_equal);
    }

    #[test]
    fn texts_without_options_stay_as_they_are() {
        for text in ["arith", "C:/tasks/mine.toml", "nothing:digits=3", ""] {
            assert_eq!((of(text).unwrap().task.as_deref(), name(text)), (Some(text), text));
        }
        assert_eq!(spread(&TaskArgs::default()).unwrap().task, None);
        assert_eq!((name("arith:digits=3"), name("json:")), ("arith", "json"));
    }

    #[test]
    fn wrong_options_are_told() {
        for (text, part) in [
            ("arith:", "\"\" is no option of arith; there are digits, operands"),
            ("arith:digit=3", "\"digit=3\" is no option of arith"),
            ("arith:digits", "as in arith:digits=3,operations=+"),
            ("arith:digits=3,digits=4", "digits is given twice"),
            ("arith:digits=many", "digits: \"many\": invalid digit"),
            ("arith:operations=/", "operations: "),
            ("countdown:counts=few", "counts: \"few\" is no number"),
            ("gsm8k:reward=best", "reward: "),
            ("json:equal=perhaps", "equal: \"perhaps\""),
        ] {
            let said = of(text).unwrap_err();
            assert!(said.starts_with(&format!("--task {text}: ")) && said.contains(part), "{text}: {said}");
        }
        let args =
            TaskArgs { task: Some("arith:digits=3".to_owned()), digits: Some(3), ..TaskArgs::default() };
        assert!(spread(&args).unwrap_err().to_string().contains("--digits gives it too"));
    }
}
