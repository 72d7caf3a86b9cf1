//! From the flags of a task, or a task file, to its definition.

use std::path::Path;

use anyhow::{Context, Result};

use super::args::{OF_DATA, OnTimeout, RetainArgs, RunArgs, TaskArgs, task_text};
use super::given::text;
use super::{UsageError, chat, drift};
use crate::dataset::HELD_OUT_SHARE;
use crate::llama::context_tokens;
use crate::recipe;
use crate::seed_log::RetainSpec;
use crate::task::arith::ArithOptions;
use crate::task::countdown::CountdownOptions;
use crate::task::{DataOptions, Definition, Problems, RewardKind};
use crate::workload::{Objective, as_given, data_of_task_file, read_task_file};

/// The tasks whose problems are generated; the other names are in [`OF_DATA`].
const GENERATED: [&str; 2] = ["arith", "countdown"];

/// The flags that override a task file.
const OF_FILES: [&str; 14] = [
    "--data",
    "--held-out",
    "--replies",
    "--prompt-form",
    "--skip-long",
    "--system",
    "--chat-template",
    "--chat-template-file",
    "--chat-template-kwargs",
    "--special",
    "--score-first",
    "--temp",
    "--predict",
    "--stop",
];

fn is_named(task: &str) -> bool {
    GENERATED.contains(&task) || OF_DATA.contains(&task)
}

/// Returns the objective that the flags ask for; `context` is the number of tokens that they ask for.
///
/// # Errors
/// When they make no sense, or a file cannot be read.
pub fn objective(args: &RunArgs, context: Option<u32>) -> Result<Objective> {
    Ok(Objective {
        definition: of_args(&args.task, context)?,
        data_sha256: None,
        retain: retained(&args.retain)?,
        own_replies: args.retain.retain_own,
        patience: args.retain.patience,
        drift: drift::spec(&args.drift)?,
    })
}

/// Returns the definition that the flags ask for; `context` is the number of tokens that they ask for.
///
/// # Errors
/// When no task is named, a flag makes no sense for it, or a file cannot be read.
pub fn of_args(args: &TaskArgs, context: Option<u32>) -> Result<Definition> {
    let args = &task_text::spread(args)?;
    let task = args.task.as_deref().ok_or_else(|| {
        UsageError(
            "the following required argument was not provided: --task <TASK> (such as --task arith)"
                .to_owned(),
        )
    })?;
    let mut definition = match task {
        _ if is_named(task) => named(task, args)?,
        _ if is_file(task) => of_file(Path::new(task), args)?,
        _ => {
            let names = [&GENERATED[..], &OF_DATA].concat().join(", ");
            let files = "and task files with names that end in .toml";
            return Err(usage(format!("--task {task}: no such task; there are {names}, {files}")));
        }
    };
    definition.system = args.system.clone().or(definition.system);
    chat::change(&mut definition.chat, args)?;
    definition.predict = args.predict.or(definition.predict);
    definition.score_first = args.score_first.or(definition.score_first);
    definition.temp = args.temp.unwrap_or(definition.temp);
    if !args.stop.is_empty() {
        definition.stop.clone_from(&args.stop);
    }
    if let Some(options) = definition.problems.data_mut() {
        resolve(options, args, context);
    }
    definition.validate().map_err(|e| UsageError(format!("--task {task}: {e}")))?;
    Ok(definition)
}

/// Makes explicit what flags or a file leave open, so that a log is complete.
fn resolve(options: &mut DataOptions, args: &TaskArgs, context: Option<u32>) {
    options.held_out = args.held_out.unwrap_or(options.held_out);
    options.replies = Some(args.replies.map(Into::into).or(options.replies).unwrap_or_default());
    options.prompt_form = Some(args.prompt_form.clone().or(options.prompt_form.take()).unwrap_or_default());
    if args.skip_long {
        options.longest = Some(context_tokens(context));
    }
    options.shared = None;
}

/// Returns the retained task, if there is one.
fn retained(args: &RetainArgs) -> Result<Option<RetainSpec>> {
    let Some(retained) = &args.retain else { return Ok(None) };
    Ok(Some(RetainSpec {
        definition: of_retained(retained)?,
        data_sha256: None,
        weight: args.retain_weight.unwrap_or(0.0),
        prompts: args.retain_prompts.unwrap_or(recipe::RETAIN_PROMPTS),
    }))
}

/// Returns the definition of the retained task: a task as for `--task`, or else examples scored by log-likelihood.
fn of_retained(retained: &str) -> Result<Definition> {
    let path = Path::new(retained);
    let args = if GENERATED.contains(&task_text::name(retained)) || is_file(retained) {
        TaskArgs { task: Some(retained.to_owned()), ..TaskArgs::default() }
    } else if path.exists() {
        TaskArgs { task: Some("sft".to_owned()), data: Some(path.to_owned()), ..TaskArgs::default() }
    } else {
        return Err(usage(format!(
            "--retain {retained} cannot be found; give a file or a folder of your examples, {}, or a task file whose name \
             ends in .toml",
            GENERATED.join(", ")
        )));
    };
    Ok(Definition { name: retained.to_owned(), ..of_args(&args, None).context("--retain")? })
}

fn usage(message: String) -> anyhow::Error {
    UsageError(message).into()
}

fn is_file(task: &str) -> bool {
    Path::new(task).extension().is_some_and(|extension| extension == "toml")
}

/// Returns the name in logs of a task on the command line.
///
/// # Errors
/// When it is a task file that cannot be read.
pub fn name(task: &str) -> Result<String> {
    if is_file(task) {
        Ok(read_task_file(Path::new(task))?.name)
    } else {
        Ok(task_text::name(task).to_owned())
    }
}

/// Returns the definition of a named task.
fn named(task: &str, args: &TaskArgs) -> Result<Definition> {
    refuse_foreign(task, args)?;
    let problems = match task {
        "arith" => Problems::Arith(arith(args)),
        "countdown" => Problems::Countdown(countdown(args)),
        "gsm8k" => Problems::Gsm8k(data(task, args)?),
        _ => Problems::Data(data(task, args)?),
    };
    Ok(Definition::new(task, problems, reward(task, args)?))
}

/// Returns the reward of a named task; some tasks let the user choose it.
fn reward(task: &str, args: &TaskArgs) -> Result<RewardKind> {
    let asked = args.reward.map(RewardKind::from);
    Ok(match task {
        "arith" => asked.unwrap_or(RewardKind::Loglik),
        "countdown" | "gsm8k" => asked.unwrap_or(RewardKind::Exact),
        "sft" => RewardKind::Loglik,
        "exact" => RewardKind::Exact,
        "numeric" => RewardKind::Numeric,
        "regex" => RewardKind::Regex { pattern: args.pattern.clone() },
        "prefer" => RewardKind::Margin,
        "json" => RewardKind::Json { schema: schema(args)?, equal: args.json_equal },
        "grammar" => {
            let grammar = text(("--grammar", &args.grammar), ("--grammar-file", &args.grammar_file))?;
            let needs = || usage(format!("--task {task} needs a grammar: --grammar or --grammar-file"));
            RewardKind::Grammar { grammar: grammar.ok_or_else(needs)?.1 }
        }
        _ => {
            let needs = || usage(format!("--task {task} needs your program: --reward-cmd COMMAND"));
            RewardKind::Command {
                command: args.reward_cmd.clone().ok_or_else(needs)?,
                timeout: args.reward_timeout,
                on_timeout: args.reward_on_timeout.and_then(OnTimeout::reward),
            }
        }
    })
}

/// Returns the common options of the user's examples.
fn data(task: &str, args: &TaskArgs) -> Result<DataOptions> {
    let path = args.data.as_ref();
    let path = path.ok_or_else(|| usage(format!("--task {task} needs your examples: --data PATH")))?;
    Ok(DataOptions { held_out: HELD_OUT_SHARE, ..DataOptions::new(as_given(path, "--data")?) })
}

/// Refuses flags that do not apply to a task.
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

/// Refuses flags that do not apply to a task file.
fn refuse_foreign_to_file(path: &Path, definition: &Definition, args: &TaskArgs) -> Result<()> {
    let path = path.display();
    match args.flags().iter().find(|(flag, given, _)| *given && !OF_FILES.contains(flag)) {
        Some((flag, ..)) => Err(usage(format!(
            "{flag} says nothing to a task file; leave it out, and write what it says into {path}"
        ))),
        None if definition.problems.data().is_none() => {
            let of_data = args.flags().into_iter().find(|(_, given, tasks)| *given && *tasks == OF_DATA);
            of_data.map_or(Ok(()), |(flag, ..)| {
                Err(usage(format!(
                    "{flag} says nothing to {path}, whose problems are generated; leave it out"
                )))
            })
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

fn schema(args: &TaskArgs) -> Result<Option<serde_json::Value>> {
    let (given, file) = (&args.json_schema, &args.json_schema_file);
    let text = text(("--json-schema", given), ("--json-schema-file", file))?;
    let parse = |(from, text): (String, String)| {
        serde_json::from_str(&text).map_err(|e| usage(format!("{from}: the schema is no JSON: {e}")))
    };
    text.map(parse).transpose()
}

/// Reads the user's task file. Paths in it are relative to its folder.
fn of_file(path: &Path, args: &TaskArgs) -> Result<Definition> {
    let mut definition = read_task_file(path)?;
    refuse_foreign_to_file(path, &definition, args)?;
    if let Some(options) = definition.problems.data_mut() {
        options.path = match &args.data {
            Some(data) => as_given(data, "--data")?,
            None => data_of_task_file(path, &options.path)?,
        };
    }
    Ok(definition)
}
