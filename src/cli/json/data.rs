//! Of `data`.

use serde::Serialize;

/// The user's data as a model will see them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "data"))]
pub struct DataOutput {
    /// The file of the training problems.
    pub file: String,
    /// The file of the held-out problems, where that is another one.
    pub held_out_file: Option<String>,
    /// Other files of the folder that could be evaluated on.
    pub unused_files: Vec<String>,
    /// Form of the examples.
    #[cfg_attr(
        test,
        schemars(extend("enum" = ["chat", "completion", "answer", "question", "preference", "text", "prompt"]))
    )]
    pub shape: &'static str,
    /// Number of examples in the files.
    pub examples: u64,
    /// Training problems. A conversation with several replies gives several.
    pub training: u64,
    /// Held-out problems.
    pub held_out: u64,
    /// Replies left out because their weight is 0.
    pub weightless: u64,
    /// Replies left out because nothing was asked before them, or because of `--replies last`.
    pub passed_over: u64,
    /// Training problems whose prompt and reply repeat those of an earlier one.
    pub repeated: u64,
    /// Held-out problems whose prompts are among the training problems.
    pub shared: u64,
    /// Examples whose line ends were converted to those of Unix.
    pub line_ends: u64,
    /// Keys of the data that are not used.
    pub unused_keys: Vec<String>,
    /// Name of the task that the data are read for.
    pub task: String,
    /// The model, as given.
    pub model: Option<String>,
    /// Lengths of the problems in tokens; `null` without a model.
    pub tokens: Option<TokenCounts>,
    /// Problems that are too long for the context; `null` without a model.
    pub too_long: Option<Vec<LongProblem>>,
    /// The first problems that fit.
    pub shown: Vec<ShownProblem>,
    /// Warnings before a run, as sentences.
    pub warnings: Vec<String>,
}

/// Lengths of the problems in tokens, replies included.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "tokens"))]
pub struct TokenCounts {
    /// Tokens that a prompt and its reply may have together.
    pub room: usize,
    /// Lengths of prompts.
    pub prompt: Percentiles,
    /// Lengths of wanted replies, with the token that ends them.
    pub reply: Percentiles,
    /// Lengths of prompt and reply together.
    pub both: Percentiles,
}

/// Percentiles of a number.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "percentiles"))]
pub struct Percentiles {
    /// Median.
    p50: usize,
    /// 90th percentile.
    p90: usize,
    /// 99th percentile.
    p99: usize,
    /// Maximum.
    p100: usize,
}

impl From<[usize; 4]> for Percentiles {
    fn from([p50, p90, p99, p100]: [usize; 4]) -> Self {
        Self { p50, p90, p99, p100 }
    }
}

/// A problem that is too long for the context.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "too_long"))]
pub struct LongProblem {
    /// File and line.
    pub place: String,
    /// Tokens that it needs, its reply included.
    pub needed: usize,
}

/// A problem as the model gets it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "shown"))]
pub struct ShownProblem {
    /// File and line.
    pub place: String,
    /// True of a held-out problem.
    pub held_out: bool,
    /// The prompt; with a model its tokens, with the names of control tokens.
    pub prompt: String,
    /// The wanted reply; with a model the tokens that are scored, if any. `null` where no reply is wanted.
    pub wanted: Option<String>,
    /// Tokens that it needs, its reply included; `null` without a model.
    pub needed: Option<usize>,
}
