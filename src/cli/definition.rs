//! From the flags of a task, or a task file, to its definition.

use std::path::Path;

use anyhow::{Context, Result};

use super::UsageError;
use super::args::{OF_DATA, TaskArgs};
use crate::store::read_text;
use crate::task::arith::ArithOptions;
use crate::task::countdown::CountdownOptions;
use crate::task::{Definition, Problems, Reward, RewardKind};

/// The tasks whose problems are generated; the others with names are [`OF_DATA`].
const GENERATED: [&str; 2] = ["arith", "countdown"];

fn is_named(task: &str) -> bool {
    GENERATED.contains(&task) || OF_DATA.contains(&task)
}

/// The definition that the flags ask for.
///
/// # Errors
/// When no task is named, a flag makes no sense for it, or a file cannot be read.
pub fn of_args(args: &TaskArgs) -> Result<Definition> {
    let task = args.task.as_deref().ok_or_else(|| {
        UsageError(
            "the following required argument was not provided: --task <TASK> (such as --task arith)"
                .to_owned(),
        )
    })?;
    let mut definition = if is_named(task) { named(task, args)? } else { of_file(Path::new(task), args)? };
    definition.system = args.system.clone().or(definition.system);
    definition.predict = args.predict.or(definition.predict);
    definition.temp = args.temp.unwrap_or(definition.temp);
    if !args.stop.is_empty() {
        definition.stop.clone_from(&args.stop);
    }
    definition.validate().map_err(|e| UsageError(format!("--task {task}: {e}")))?;
    Ok(definition)
}

/// What is to be retained: a task as for `--task`, or else examples whose log-likelihood counts.
///
/// # Errors
/// When it is neither.
pub fn of_retained(retained: &str) -> Result<Definition> {
    let is_task = is_named(retained) || retained.ends_with(".toml");
    let args = if is_task {
        TaskArgs { task: Some(retained.to_owned()), ..TaskArgs::default() }
    } else {
        TaskArgs { task: Some("sft".to_owned()), data: Some(retained.into()), ..TaskArgs::default() }
    };
    Ok(Definition { name: retained.to_owned(), ..of_args(&args).context("--retain")? })
}

fn usage(message: String) -> anyhow::Error {
    UsageError(message).into()
}

/// Whether a task on the command line is the one that has this definition.
pub fn is_called(task: &str, definition: &Definition) -> bool {
    let of_file = Path::new(task).file_stem().is_some_and(|stem| *stem == *definition.name);
    task == definition.name || (!is_named(task) && of_file)
}

/// A task with a name.
fn named(task: &str, args: &TaskArgs) -> Result<Definition> {
    refuse_foreign(task, args)?;
    let held_out = args.held_out.unwrap_or(0.2);
    let problems = match task {
        "arith" => Problems::Arith(arith(args)),
        "countdown" => Problems::Countdown(countdown(args)),
        "gsm8k" => Problems::Gsm8k { path: data(task, args)?, held_out },
        _ => Problems::Data { path: data(task, args)?, held_out },
    };
    let kind = match task {
        "arith" => args.reward.map_or(RewardKind::Loglik, Into::into),
        "countdown" | "gsm8k" => args.reward.map_or(RewardKind::Exact, Into::into),
        "sft" => RewardKind::Loglik,
        "exact" => RewardKind::Exact,
        "numeric" => RewardKind::Numeric,
        "regex" => RewardKind::Regex,
        "prefer" => RewardKind::Margin,
        "json" => RewardKind::Json,
        "grammar" => RewardKind::Grammar,
        _ => RewardKind::Command,
    };
    let reward = Reward {
        pattern: args.pattern.clone(),
        schema: schema(args)?,
        grammar: text("--grammar-file", args.grammar.as_ref(), args.grammar_file.as_deref())?,
        command: args.reward_cmd.clone(),
        timeout: args.reward_timeout,
        ..kind.into()
    };
    Ok(Definition::new(task, problems, reward))
}

/// The path of the user's examples, made absolute so that a run can be continued from any folder.
fn data(task: &str, args: &TaskArgs) -> Result<String> {
    let path =
        args.data.as_ref().ok_or_else(|| usage(format!("--task {task} needs your examples: --data PATH")))?;
    let absolute =
        path.canonicalize().with_context(|| format!("--data {} cannot be found", path.display()))?;
    absolute
        .into_os_string()
        .into_string()
        .map_err(|path| usage(format!("--data {path:?} is not UTF-8; rename it")))
}

/// Refuses flags that say nothing to a task.
fn refuse_foreign(task: &str, args: &TaskArgs) -> Result<()> {
    let is_foreign = |tasks: &[&str]| !tasks.is_empty() && !tasks.contains(&task);
    match args.flags().iter().find(|(_, given, tasks)| *given && is_foreign(tasks)) {
        Some((flag, _, tasks)) => {
            let tasks = tasks.join(", ");
            Err(usage(format!("{flag} says nothing to --task {task}, only to: {tasks}; leave it out")))
        }
        None => Ok(()),
    }
}

fn arith(args: &TaskArgs) -> ArithOptions {
    let default = ArithOptions::default();
    ArithOptions {
        operations: args.operations.clone().unwrap_or(default.operations),
        digits: args.digits.unwrap_or(default.digits),
        operands: args.operands.unwrap_or(default.operands),
    }
}

fn countdown(args: &TaskArgs) -> CountdownOptions {
    let default = CountdownOptions::default();
    CountdownOptions {
        counts: args.counts.clone().unwrap_or(default.counts),
        numbers: args.numbers.clone().unwrap_or(default.numbers),
        targets: args.targets.clone().unwrap_or(default.targets),
    }
}

/// A text given on the command line or in a file.
fn text(flag: &str, given: Option<&String>, file: Option<&Path>) -> Result<Option<String>> {
    match (given, file) {
        (Some(text), _) => Ok(Some(text.clone())),
        (None, Some(path)) => Ok(Some(read_text(path).with_context(|| flag.to_owned())?)),
        (None, None) => Ok(None),
    }
}

fn schema(args: &TaskArgs) -> Result<Option<serde_json::Value>> {
    let text = text("--json-schema-file", args.json_schema.as_ref(), args.json_schema_file.as_deref())?;
    let parse = |text: String| {
        serde_json::from_str(&text).map_err(|e| usage(format!("the JSON schema is no JSON: {e}")))
    };
    text.map(parse).transpose()
}

/// A task from the user's task file. Paths in it are meant from the file's own folder.
fn of_file(path: &Path, args: &TaskArgs) -> Result<Definition> {
    if path.extension().is_none_or(|extension| extension != "toml") {
        let names = [&GENERATED[..], &OF_DATA].concat().join(", ");
        return Err(usage(format!(
            "--task {}: no such task; there are {names}, and task files with names that end in .toml",
            path.display()
        )));
    }
    let mut definition: Definition = toml::from_str(&read_text(path)?)
        .map_err(|e| usage(format!("{}: {}", path.display(), e.to_string().trim_end())))?;
    if definition.name.is_empty() {
        definition.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    }
    if let Problems::Data { path: data, .. } = &mut definition.problems {
        let place = args.data.clone().unwrap_or_else(|| crate::store::folder_of(path).join(&*data));
        let absolute = place
            .canonicalize()
            .with_context(|| format!("{}: {} cannot be found", path.display(), place.display()))?;
        *data = absolute.to_string_lossy().into_owned();
    }
    Ok(definition)
}
