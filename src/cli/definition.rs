//! From the flags of a task, or a task file, to its definition.

use std::path::Path;

use anyhow::{Context, Result};

use super::UsageError;
use super::args::TaskArgs;
use crate::store::read_text;
use crate::task::{Definition, Problems, Reward, RewardKind};

/// The tasks that have names.
const NAMED: [&str; 9] = ["arith", "sft", "exact", "numeric", "regex", "prefer", "json", "grammar", "reward"];

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
    let mut definition =
        if NAMED.contains(&task) { named(task, args)? } else { of_file(Path::new(task), args)? };
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
    let is_task = NAMED.contains(&retained) || retained.ends_with(".toml");
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
    task == definition.name || (!NAMED.contains(&task) && of_file)
}

/// A task with a name.
fn named(task: &str, args: &TaskArgs) -> Result<Definition> {
    refuse_foreign(task, args)?;
    let problems = match task {
        "arith" => Problems::Arith,
        _ => Problems::Data { path: data(task, args)?, held_out: args.held_out.unwrap_or(0.2) },
    };
    let kind = match task {
        "arith" => args.reward.map_or(RewardKind::Loglik, Into::into),
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
    let generated = task == "arith";
    let flags = [
        ("--data", args.data.is_some() && generated),
        ("--held-out", args.held_out.is_some() && generated),
        ("--reward", args.reward.is_some() && !generated),
        ("--reward-cmd", args.reward_cmd.is_some() && task != "reward"),
        ("--reward-timeout", args.reward_timeout.is_some() && task != "reward"),
        ("--pattern", args.pattern.is_some() && task != "regex"),
        ("--json-schema", args.json_schema.is_some() && task != "json"),
        ("--json-schema-file", args.json_schema_file.is_some() && task != "json"),
        ("--grammar", args.grammar.is_some() && task != "grammar"),
        ("--grammar-file", args.grammar_file.is_some() && task != "grammar"),
    ];
    match flags.iter().find(|(_, foreign)| *foreign) {
        Some((flag, _)) => Err(usage(format!("{flag} says nothing to --task {task}; leave it out"))),
        None => Ok(()),
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
        let names = NAMED.join(", ");
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
