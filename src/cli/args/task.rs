//! What can be typed of a task.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::task::RewardKind;

/// The task, for every command that puts problems to a model.
#[derive(Debug, Default, ClapArgs)]
#[command(next_help_heading = "Task")]
pub struct TaskArgs {
    /// What to tune on: arith; sft, exact, numeric, regex, prefer, json, grammar or reward with your --data; or a task file
    /// (.toml)
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Your examples: a file (.jsonl, .json, .csv, .txt) or a folder with train.jsonl and valid.jsonl
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Share of a single file's examples that is held out [default: 0.2]
    #[arg(long, value_name = "X")]
    pub held_out: Option<f64>,
    /// What a reply is worth: the log-likelihood of the right reply, or what the task says of the model's own [default: by task]
    #[arg(long, value_enum)]
    pub reward: Option<RewardArg>,
    /// Program that rewards replies, for --task reward: a JSON object a line in, a number a line out
    #[arg(long, value_name = "COMMAND")]
    pub reward_cmd: Option<String>,
    /// Seconds that the program may take for a reply [default: 60]
    #[arg(long, value_name = "SECONDS")]
    pub reward_timeout: Option<f64>,
    /// Regular expression that a reply has to match, for --task regex [default: each example's wanted reply]
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,
    /// JSON schema that replies have to follow, for --task json
    #[arg(short, long, value_name = "SCHEMA", conflicts_with = "json_schema_file")]
    pub json_schema: Option<String>,
    /// File with the JSON schema, also as -jf
    #[arg(long, value_name = "FILE")]
    pub json_schema_file: Option<PathBuf>,
    /// GBNF grammar that replies have to follow, for --task grammar
    #[arg(long, value_name = "GRAMMAR", conflicts_with = "grammar_file")]
    pub grammar: Option<String>,
    /// File with the grammar
    #[arg(long, value_name = "FILE")]
    pub grammar_file: Option<PathBuf>,
    /// System message before every conversation, also as -sys; for models with a chat template
    #[arg(long, value_name = "TEXT", alias = "system-prompt")]
    pub system: Option<String>,
    /// Temperature that replies are drawn at; every member draws by the same random numbers [default: 0, the likeliest token]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub temp: Option<f64>,
    /// Most new tokens of a reply [default: by task]
    #[arg(short = 'n', long, value_name = "N", visible_alias = "n-predict")]
    pub predict: Option<usize>,
    /// Text that ends a reply; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
}

impl TaskArgs {
    /// The first flag that is given, `--task` apart.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--data", self.data.is_some()),
            ("--held-out", self.held_out.is_some()),
            ("--reward", self.reward.is_some()),
            ("--reward-cmd", self.reward_cmd.is_some()),
            ("--reward-timeout", self.reward_timeout.is_some()),
            ("--pattern", self.pattern.is_some()),
            ("--json-schema", self.json_schema.is_some()),
            ("--json-schema-file", self.json_schema_file.is_some()),
            ("--grammar", self.grammar.is_some()),
            ("--grammar-file", self.grammar_file.is_some()),
            ("--system", self.system.is_some()),
            ("--temp", self.temp.is_some()),
            ("--predict", self.predict.is_some()),
            ("--stop", !self.stop.is_empty()),
        ];
        given.iter().find(|(_, given)| *given).map(|(flag, _)| *flag)
    }
}

/// The rewards that a task with right replies can be tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RewardArg {
    Exact,
    Loglik,
}

impl From<RewardArg> for RewardKind {
    fn from(reward: RewardArg) -> Self {
        match reward {
            RewardArg::Exact => Self::Exact,
            RewardArg::Loglik => Self::Loglik,
        }
    }
}
