//! Hyper-parameters that can be typed.

use clap::{Args, ValueEnum};

use crate::block::Field;
use crate::fitness::Shaping;
use crate::plan::Tokens;
use crate::recipe;
use crate::settings::Window;
use crate::tune::ResidualMode;
use crate::update::Method;

/// Hyper-parameters. All are optional; a log that is resumed has its own.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Search")]
pub struct SearchArgs {
    #[arg(long, value_name = "N", help = format!("Generations in all, also when resuming [default: {}; 6 to teach where replies end]", recipe::GENERATIONS))]
    pub generations: Option<u64>,
    #[arg(long, value_name = "N", help = format!("Members of a generation [default: {}; 32 to teach where replies end]", recipe::POPULATION))]
    pub population: Option<u32>,
    /// Evaluate members in mirrored pairs, a perturbation and its negative, as the paper does; an even number of them
    #[arg(long)]
    pub mirror: bool,
    /// Integers of the blocks that are tuned: codes, scales, mins, or several of them with commas [default: scales,mins]
    #[arg(long, value_enum, value_name = "FIELDS", value_delimiter = ',')]
    pub fields: Option<Vec<FieldArg>>,
    /// Size of the noise: a share of the weights, as 3%, or in steps of the integers, as 0.1; for all or, with names, for a type
    /// or a field, as Q4_K=2%,mins=1% [default: 3%]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub sigma: Option<String>,
    /// Step size of the first generation: by how much of the weights it moves the model, as 0.4%, or the learning rate in steps of
    /// the integers, as 0.006; for all or by names as --sigma [default: 6% for small models, 1% for 100 million weights]
    #[arg(long, visible_alias = "learning-rate", value_name = "X", allow_negative_numbers = true)]
    pub alpha: Option<String>,
    /// Step size of the last generation; it changes linearly in between [default: in the same ratio to alpha as by default]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub alpha_final: Option<String>,
    /// How evidence becomes steps: with error feedback (qes), with error feedback by the paper's rule, which looks at the codes
    /// (qes-gated), rounded at random (quzo) or to the nearest (es-round) [default: qes]
    #[arg(long, value_enum)]
    pub method: Option<MethodArg>,
    #[arg(long, value_name = "X", allow_negative_numbers = true, help = format!("Share of the residual that the next generation keeps [default: {}]", recipe::DECAY))]
    pub decay: Option<f64>,
    /// Generations that the residual is rebuilt from at least [default: all]
    #[arg(long, value_name = "N|all", value_parser = window)]
    pub window: Option<Window>,
    /// After each update, pull each code that is away from its base value a step back with this probability [default: 0]
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub anchor: Option<f64>,
    #[arg(long, value_name = "N", help = format!(
        "Problems that each member is evaluated on [default: {}; of your data {} where likelihoods count, or {} with --tokens, and {} where replies are judged, or {} to teach their end]",
        recipe::PROMPTS, recipe::SCORED_PROMPTS, recipe::ROW_PROMPTS, recipe::JUDGED_PROMPTS, recipe::ENDING_PROMPTS
    ))]
    pub prompts: Option<u32>,
    /// Draw so many problems for each generation, and evaluate its members on the --prompts of them that tell them apart best: those
    /// whose wanted reply the model gives neither almost surely nor almost never; for short replies [default: all that are drawn]
    #[arg(long, value_name = "N")]
    pub candidates: Option<u32>,
    /// How differences in fitness become weights [default: zscore]
    #[arg(long, value_enum)]
    pub shaping: Option<ShapingArg>,
    /// Tensors to tune, by a regular expression on their names; it may choose no matrix whose type cannot be tuned
    /// [default: the weight matrices of the blocks that can be]
    #[arg(long, value_name = "REGEX")]
    pub tensors: Option<String>,
    /// Tokens whose rows of the output matrix are tuned and nothing else: numbers with commas between, "all" for whole tensors,
    /// or "auto" for those that surprise the model in how the user's own replies begin, or the one that ends replies where these
    /// are judged and right, but go on
    /// [default: auto; all with --tensors, --fields, and sizes that are not plain percentages]
    #[arg(long, value_name = "TOKENS", value_parser = parse_tokens)]
    pub tokens: Option<Tokens>,
    /// Draw the residual again for every update, or keep it in memory (4 bytes an integer, 8 with a window; faster); the result is
    /// the same [default: stored up to 64 MiB and with qes-gated; else replay]
    #[arg(long, value_enum)]
    pub residual: Option<ResidualArg>,
    #[arg(long, value_name = "N", help = format!("Generations between held-out evaluations, 0 for only the first and last [default: {}; with --tokens {}]", recipe::EVAL_EVERY, recipe::ROW_EVAL_EVERY))]
    pub eval_every: Option<u64>,
    #[arg(long, value_name = "N", help = format!("Problems of a held-out evaluation [default: {}, or {} of a model with more than 30 million weights]", recipe::EVAL_PROBLEMS, recipe::EVAL_PROBLEMS_OF_LARGE))]
    pub eval_problems: Option<u32>,
    /// Seed of the run [default: 0]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    pub seed: Option<u64>,
}

fn parse_tokens(text: &str) -> Result<Tokens, String> {
    let number = |part: &str| {
        let part = part.trim();
        part.parse().map_err(|_| {
            format!("\"{part}\" is no token's number; give numbers with commas between, all or auto")
        })
    };
    match text.trim() {
        "auto" => Ok(Tokens::Auto),
        "all" => Ok(Tokens::All),
        numbers => Ok(Tokens::These(numbers.split(',').map(number).collect::<Result<_, _>>()?)),
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FieldArg {
    Codes,
    Scales,
    Mins,
}

impl From<FieldArg> for Field {
    fn from(field: FieldArg) -> Self {
        match field {
            FieldArg::Codes => Self::Codes,
            FieldArg::Scales => Self::Scales,
            FieldArg::Mins => Self::Mins,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ShapingArg {
    Zscore,
    Rank,
}

impl From<ShapingArg> for Shaping {
    fn from(shaping: ShapingArg) -> Self {
        match shaping {
            ShapingArg::Zscore => Self::Zscore,
            ShapingArg::Rank => Self::Rank,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum MethodArg {
    Qes,
    QesGated,
    Quzo,
    EsRound,
}

impl From<MethodArg> for Method {
    fn from(method: MethodArg) -> Self {
        match method {
            MethodArg::Qes => Self::Qes,
            MethodArg::QesGated => Self::QesGated,
            MethodArg::Quzo => Self::Quzo,
            MethodArg::EsRound => Self::EsRound,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ResidualArg {
    Replay,
    Stored,
}

impl From<ResidualArg> for ResidualMode {
    fn from(residual: ResidualArg) -> Self {
        match residual {
            ResidualArg::Replay => Self::Replay,
            ResidualArg::Stored => Self::Stored,
        }
    }
}

fn window(text: &str) -> Result<Window, String> {
    match text {
        "all" => Ok(Window::All),
        number => number.parse().map(Window::Last).map_err(|_| "expected a number or \"all\"".to_owned()),
    }
}
