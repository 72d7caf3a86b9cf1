//! Contents of `-h`: the flags that most people need, a line each. `--help` shows all of them in full, and ends with examples.

use clap::{Arg, Command, CommandFactory};

use super::Args;

/// How a command is helped.
struct Help {
    command: &'static str,
    /// Arguments in `-h`, each with its line.
    common: &'static [(&'static str, &'static str)],
    /// Last part of `--help`.
    examples: &'static str,
}

const MODEL: (&str, &str) = ("model", "The GGUF model; it is only read");
const TASK: (&str, &str) =
    ("task", "arith, countdown; with --data sft, exact, numeric, regex, json, ...; a .toml file");
const DATA: (&str, &str) = ("data", "Your examples: a file, or a folder with train and valid files");
const REWARD: (&str, &str) = ("reward_cmd", "Program that rewards replies, for --task reward");
const LAYERS: (&str, &str) =
    ("n_gpu_layers", "Layers on GPUs, a number, auto or all; --list-devices shows GPUs {default}");
const THREADS: (&str, &str) = ("threads", "Threads [default: one for each core]");
const CONTEXT: (&str, &str) = ("ctx_size", "Tokens of context, all sequences together {default}");
const JSON: (&str, &str) = ("json", "Print JSON instead of text");
const GENERATIONS: (&str, &str) = ("generations", "Generations in all {default}");
const POPULATION: (&str, &str) = ("population", "Members of a generation {default}");
const PROMPTS: (&str, &str) = ("prompts", "Problems for each member [default: by task]");
const ALPHA: (&str, &str) =
    ("alpha", "Step size, as a share of the weights [default: 6% to 1%, by the model's size]");
const SIGMA: (&str, &str) = ("sigma", "Size of the noise, as a share of the weights {default}");

const HELPS: [Help; 7] = [
    Help {
        command: "tune",
        common: &[
            MODEL,
            ("output", "The seed log to write [default: the model's name with .qes]"),
            ("export", "Also write the tuned model when done"),
            ("resume", "Continue a log exactly where it stopped"),
            ("overwrite", "Start anew over an existing log"),
            ("auto", "Probe first, and take the settings that suit"),
            JSON,
            TASK,
            DATA,
            REWARD,
            ("max_drift", "Most that plain text may become more perplexing {default}"),
            GENERATIONS,
            POPULATION,
            PROMPTS,
            ALPHA,
            SIGMA,
            ("seed", "Seed of the run {default}"),
            THREADS,
            LAYERS,
            CONTEXT,
        ],
        examples: "Examples:
  qes-gguf tune model.gguf --task arith --export tuned.gguf
  qes-gguf tune model.gguf --task sft --data chats.jsonl --export tuned.gguf
  qes-gguf tune model.gguf --task regex --data prompts.jsonl --pattern '(?i)^sure' -n 32
  qes-gguf tune model.gguf --task reward --data prompts.jsonl --reward-cmd 'python3 reward.py'
  qes-gguf tune model.gguf -o run.qes --resume --generations 100",
    },
    Help {
        command: "probe",
        common: &[
            MODEL,
            JSON,
            TASK,
            DATA,
            REWARD,
            GENERATIONS,
            POPULATION,
            PROMPTS,
            ALPHA,
            SIGMA,
            THREADS,
            LAYERS,
            CONTEXT,
        ],
        examples: "Example:
  qes-gguf probe model.gguf --task sft --data chats.jsonl",
    },
    Help {
        command: "data",
        common: &[
            ("file", "Your examples: a file, or a folder with train and valid files"),
            ("model", "The model that is to see them, for tokens and its chat template"),
            ("show", "Examples to show"),
            JSON,
            TASK,
            ("held_out", "Share of a single file that is held out [default: 0.2]"),
            ("skip_long", "Leave out examples that are too long for the context"),
            ("system", "System message before every conversation"),
            ("chat_template", "Chat template in place of the model's own, or none"),
            CONTEXT,
        ],
        examples: "Examples:
  qes-gguf data chats.jsonl --model model.gguf
  qes-gguf data prompts.jsonl --task json --show 10",
    },
    Help {
        command: "eval",
        common: &[
            MODEL,
            ("log", "Evaluate the model as tuned by this log, on the log's task"),
            ("generation", "The log's generations to apply, or best [default: all]"),
            ("compare", "Another model, to be evaluated on the same problems"),
            ("problems", "Held-out problems [default: as many as a run has]"),
            JSON,
            TASK,
            DATA,
            REWARD,
            ("predict", "Most new tokens of a reply"),
            THREADS,
            LAYERS,
            CONTEXT,
        ],
        examples: "Examples:
  qes-gguf eval tuned.gguf --task arith --compare model.gguf
  qes-gguf eval model.gguf --log run.qes --generation best",
    },
    Help {
        command: "export",
        common: &[
            ("model", "The base model that the run started from"),
            ("log", "The run's seed log"),
            ("output", "The tuned model to write"),
            ("generation", "Generations to apply, or best [default: all]"),
            ("as_diff", "Also, or only, write the difference to the base model"),
            ("card", "Also write a model card, README.md beside the model"),
            JSON,
        ],
        examples: "Examples:
  qes-gguf export model.gguf run.qes -o tuned.gguf
  qes-gguf export model.gguf run.qes -o tuned.gguf --generation best --card",
    },
    Help {
        command: "verify",
        common: &[
            ("model", "The base model that the run started from"),
            ("log", "The run's seed log"),
            ("tuned", "A tuned model that should be exactly what both make"),
            ("generation", "Generations to replay, or best [default: all]"),
            JSON,
        ],
        examples: "Example:
  qes-gguf verify model.gguf run.qes tuned.gguf",
    },
    Help {
        command: "report",
        common: &[
            ("logs", "Seed logs; several are compared"),
            ("output", "The page to write"),
            ("model", "The base model, to show which tensors moved"),
            ("samples", "Show replies before and after to this many held-out problems"),
            ("timing", "What `tune --json` printed, to show where time went"),
            JSON,
        ],
        examples: "Example:
  qes-gguf report run.qes --model model.gguf --samples 5",
    },
];

/// Returns the command line's definition with its short and its long help.
pub fn command() -> Command {
    let command =
        Args::command().mut_arg("verbose", |arg| with_line(arg, "Say what is done and why; -vv for more"));
    let command = command.mut_arg("list_devices", |arg| arg.hide_short_help(true));
    HELPS.iter().fold(command, |command, help| command.mut_subcommand(help.command, |sub| helped(sub, help)))
}

fn helped(command: Command, help: &Help) -> Command {
    let shorten = |arg: Arg| match help.common.iter().find(|(id, _)| arg.get_id() == *id) {
        Some((_, line)) => with_line(arg, line),
        None => arg.hide_short_help(true),
    };
    let all = format!("{} --help has all flags, in full", help.command);
    command.mut_args(shorten).after_help(format!("qes-gguf {all}")).after_long_help(help.examples)
}

/// Gives an argument a line for `-h`, in which `{default}` stands for the default that its own text ends with. That text stays
/// for `--help`.
fn with_line(arg: Arg, line: &'static str) -> Arg {
    let full = arg.get_long_help().or_else(|| arg.get_help()).cloned();
    let text = full.as_ref().map(ToString::to_string).unwrap_or_default();
    let default = text.rfind("[default: ").map_or("", |place| &text[place..]);
    let arg = arg.help(line.replace("{default}", default));
    match full {
        Some(full) => arg.long_help(full),
        None => arg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_of_an_argument_and_fits_a_screen() {
        let mut command = command();
        command.build();
        for sub in command.get_subcommands_mut() {
            let lines = sub.render_help().to_string().lines().count();
            assert!(lines <= 60, "{} has {lines} lines of -h", sub.get_name());
        }
        for help in &HELPS {
            let sub = command.find_subcommand_mut(help.command).unwrap();
            for (id, line) in help.common {
                let arg = sub.get_arguments().find(|arg| arg.get_id() == *id);
                assert!(arg.is_some_and(|arg| !arg.is_hide_short_help_set()), "{} {id}", help.command);
                assert!(line.len() <= 85, "{line}");
                let told = arg.and_then(Arg::get_help).map(ToString::to_string).unwrap_or_default();
                assert_eq!(line.contains("{default}"), told != *line, "{told}");
            }
            assert!(sub.render_long_help().to_string().contains("--help"));
        }
    }
}
