//! Flags of a task.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::chat::Special;
use crate::task::arith::Operation;
use crate::task::countdown::range;
use crate::task::{PromptForm, Replies, RewardKind};

/// The task, for every command that puts problems to a model.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Task")]
pub struct TaskArgs {
    /// The task: arith or countdown; sft, exact, numeric, regex, prefer, json, grammar, reward or gsm8k with your --data; or a
    /// task file (.toml). Options of a task follow a colon: arith:digits=3,operands=2,operations=+-* (by default 2, 2, +-),
    /// countdown:counts=3-4,numbers=1-99,targets=10-99, regex:pattern=REGEX, json:schema=FILE,equal, grammar:file=FILE
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// Your examples: a file (.jsonl, .json, .csv, .tsv; .txt and .md for sft) or a folder with train.jsonl and valid.jsonl
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// Share of a single file's examples that is held out; at least 4 of 16 or more [default: 0.2]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub held_out: Option<f64>,
    /// Replies of a conversation that count: all of the assistant's, each after the messages before it, or the last [default: all]
    #[arg(long, value_enum)]
    pub replies: Option<RepliesArg>,
    /// How a model without a chat template is asked conversations, instructions and questions: instruct (### Instruction: and
    /// ### Response:), lines, or a text of yours with {prompt}, as 'Q: {prompt}\nA:' [default: instruct]
    #[arg(long, value_name = "FORM")]
    pub prompt_form: Option<PromptForm>,
    /// Leave out examples that are too long for the context (-c), and say how many
    #[arg(long)]
    pub skip_long: bool,
    /// Reward of arith, countdown and gsm8k: the log-likelihood of the right reply, the same with less weight on what is
    /// out of reach (for short replies), or whether the model's own is right [default: loglik for arith, else exact]
    #[arg(long, value_enum)]
    pub reward: Option<RewardArg>,
    /// Program that rewards replies, for --task reward: a JSON object a line in, a number a line out
    #[arg(long, value_name = "COMMAND")]
    pub reward_cmd: Option<String>,
    /// Seconds that the program may take for a reply [default: 60]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub reward_timeout: Option<f64>,
    /// When the program takes longer: stop, or the reward of such a reply, after which it is started again [default: stop]
    #[arg(long, value_name = "stop|X", allow_negative_numbers = true, value_parser = OnTimeout::parse)]
    pub reward_on_timeout: Option<OnTimeout>,
    /// Operations of --task arith, some of +-* [default: +-]
    #[arg(long, value_name = "SIGNS", allow_hyphen_values = true, value_parser = Operation::set, hide = true)]
    pub operations: Option<BTreeSet<Operation>>,
    /// Digits of each operand of --task arith [default: 2]
    #[arg(long, value_name = "N", hide = true)]
    pub digits: Option<u32>,
    /// Operands of --task arith [default: 2]
    #[arg(long, value_name = "N", hide = true)]
    pub operands: Option<u32>,
    /// How many numbers a puzzle of --task countdown has [default: 3-4]
    #[arg(long, value_name = "LOW-HIGH", value_parser = range::parse, hide = true)]
    pub counts: Option<RangeInclusive<u32>>,
    /// The numbers of --task countdown [default: 1-99]
    #[arg(long, value_name = "LOW-HIGH", value_parser = range::parse, hide = true)]
    pub numbers: Option<RangeInclusive<u32>>,
    /// The targets of --task countdown [default: 10-99]
    #[arg(long, value_name = "LOW-HIGH", value_parser = range::parse, hide = true)]
    pub targets: Option<RangeInclusive<u32>>,
    /// Regular expression to be found in a reply, for --task regex [default: each example's wanted reply is one]
    #[arg(long, value_name = "REGEX")]
    pub pattern: Option<String>,
    /// JSON schema that replies have to follow, for --task json [default: any JSON]
    #[arg(short, long, value_name = "SCHEMA", conflicts_with = "json_schema_file")]
    pub json_schema: Option<String>,
    /// File with the JSON schema, also as -jf
    #[arg(long, value_name = "FILE")]
    pub json_schema_file: Option<PathBuf>,
    /// Replies have to be the JSON of the wanted reply, for --task json: keys in any order, numbers by value
    #[arg(long)]
    pub json_equal: bool,
    /// GBNF grammar that replies have to follow, for --task grammar
    #[arg(long, value_name = "GRAMMAR", conflicts_with = "grammar_file")]
    pub grammar: Option<String>,
    /// File with the grammar
    #[arg(long, value_name = "FILE")]
    pub grammar_file: Option<PathBuf>,
    /// System message before every conversation, also as -sys; for models with a chat template
    #[arg(long, value_name = "TEXT", alias = "system-prompt")]
    pub system: Option<String>,
    /// Chat template in place of the model's own: a Jinja template, or the name of one (chatml, gemma, granite, llama2, llama3,
    /// mistral-v3, phi3, phi4, zephyr), or none for prompts as they stand
    #[arg(long, value_name = "NAME|TEXT", allow_hyphen_values = true, conflicts_with = "chat_template_file")]
    pub chat_template: Option<String>,
    /// File with the chat template
    #[arg(long, value_name = "FILE")]
    pub chat_template_file: Option<PathBuf>,
    /// Variables for the chat template, as '{"enable_thinking": false}'
    #[arg(long, value_name = "JSON")]
    pub chat_template_kwargs: Option<String>,
    /// Names of control tokens, such as <|im_end|>, in your data: parse takes them for the tokens and tells you, text for their
    /// letters, refuse for an error [default: parse]
    #[arg(long, value_enum)]
    pub special: Option<SpecialArg>,
    /// Run the chat template, which is always done; llama.cpp has the flag too
    #[arg(long, hide = true)]
    pub jinja: bool,
    /// Score only the first N tokens of wanted replies, for log-likelihoods: what a reply begins with sets its style and form, and
    /// takes fewer evaluations to learn than all it says [default: all]
    #[arg(long, value_name = "N")]
    pub score_first: Option<usize>,
    /// Temperature that replies are drawn at; every member draws by the same random numbers [default: 0, the likeliest token]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub temp: Option<f64>,
    /// Most new tokens of a reply [default: by task; 128 for your data]
    #[arg(short = 'n', long, value_name = "N", visible_alias = "n-predict")]
    pub predict: Option<usize>,
    /// Text that ends a reply; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
}

/// The tasks that go by the user's examples.
pub const OF_DATA: [&str; 9] =
    ["sft", "exact", "numeric", "regex", "prefer", "json", "grammar", "reward", "gsm8k"];

/// The tasks that have the model reply.
const OF_REPLIES: [&str; 9] =
    ["arith", "countdown", "exact", "numeric", "regex", "json", "grammar", "reward", "gsm8k"];

/// The tasks that look at the likelihood of given replies alone.
const OF_SCORES: [&str; 2] = ["sft", "prefer"];

/// The tasks with right replies, for which likelihood or replies can be rewarded.
const OF_EITHER: [&str; 3] = ["arith", "countdown", "gsm8k"];

impl TaskArgs {
    /// The flags but for `--task` itself: name, whether it is given, and the named tasks that it is for; none for all.
    pub fn flags(&self) -> [(&'static str, bool, &'static [&'static str]); 30] {
        [
            ("--data", self.data.is_some(), &OF_DATA),
            ("--held-out", self.held_out.is_some(), &OF_DATA),
            ("--replies", self.replies.is_some(), &OF_DATA),
            ("--prompt-form", self.prompt_form.is_some(), &OF_DATA),
            ("--skip-long", self.skip_long, &OF_DATA),
            ("--reward", self.reward.is_some(), &OF_EITHER),
            ("--reward-cmd", self.reward_cmd.is_some(), &["reward"]),
            ("--reward-timeout", self.reward_timeout.is_some(), &["reward"]),
            ("--reward-on-timeout", self.reward_on_timeout.is_some(), &["reward"]),
            ("--pattern", self.pattern.is_some(), &["regex"]),
            ("--json-schema", self.json_schema.is_some(), &["json"]),
            ("--json-schema-file", self.json_schema_file.is_some(), &["json"]),
            ("--json-equal", self.json_equal, &["json"]),
            ("--grammar", self.grammar.is_some(), &["grammar"]),
            ("--grammar-file", self.grammar_file.is_some(), &["grammar"]),
            ("--operations", self.operations.is_some(), &["arith"]),
            ("--digits", self.digits.is_some(), &["arith"]),
            ("--operands", self.operands.is_some(), &["arith"]),
            ("--counts", self.counts.is_some(), &["countdown"]),
            ("--numbers", self.numbers.is_some(), &["countdown"]),
            ("--targets", self.targets.is_some(), &["countdown"]),
            ("--system", self.system.is_some(), &[]),
            ("--chat-template", self.chat_template.is_some(), &[]),
            ("--chat-template-file", self.chat_template_file.is_some(), &[]),
            ("--chat-template-kwargs", self.chat_template_kwargs.is_some(), &[]),
            ("--special", self.special.is_some(), &[]),
            ("--score-first", self.score_first.is_some(), &OF_SCORES),
            ("--temp", self.temp.is_some(), &OF_REPLIES),
            ("--predict", self.predict.is_some(), &OF_REPLIES),
            ("--stop", !self.stop.is_empty(), &OF_REPLIES),
        ]
    }
}

/// Meaning of control tokens' names in the user's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SpecialArg {
    Parse,
    Text,
    Refuse,
}

impl From<SpecialArg> for Special {
    fn from(special: SpecialArg) -> Self {
        match special {
            SpecialArg::Parse => Self::Parse,
            SpecialArg::Text => Self::Text,
            SpecialArg::Refuse => Self::Refuse,
        }
    }
}

/// The rewards that a task with right replies can be tuned for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RewardArg {
    Exact,
    Loglik,
    SoftLoglik,
}

impl From<RewardArg> for RewardKind {
    fn from(reward: RewardArg) -> Self {
        match reward {
            RewardArg::Exact => Self::Exact,
            RewardArg::Loglik => Self::Loglik,
            RewardArg::SoftLoglik => Self::SoftLoglik,
        }
    }
}

/// Replies of a conversation that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RepliesArg {
    All,
    Last,
}

impl From<RepliesArg> for Replies {
    fn from(replies: RepliesArg) -> Self {
        match replies {
            RepliesArg::All => Self::All,
            RepliesArg::Last => Self::Last,
        }
    }
}

/// Action when a reward program takes too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OnTimeout {
    Stop,
    Reward(f64),
}

impl OnTimeout {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "stop" => Ok(Self::Stop),
            number => number.parse().map(Self::Reward).map_err(|_| "expected stop or a number".to_owned()),
        }
    }

    /// Returns the reward that a reply gets then, where the run goes on.
    pub fn reward(self) -> Option<f64> {
        match self {
            Self::Stop => None,
            Self::Reward(reward) => Some(reward),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_says_which_tasks_it_is_for() {
        let command = TaskArgs::augment_args(clap::Command::new("task"));
        let all: BTreeSet<String> =
            command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        let told = TaskArgs::default().flags().into_iter().map(|(flag, ..)| flag);
        assert_eq!(told.chain(["--task", "--jinja"]).map(str::to_owned).collect::<BTreeSet<_>>(), all);
    }
}
