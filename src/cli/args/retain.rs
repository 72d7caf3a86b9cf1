//! Flags of the retained task.

use clap::Args as ClapArgs;

/// The retained task, and an early end of the run.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Retaining")]
pub struct RetainArgs {
    /// Task that must not get worse: a file or folder of your examples (their log-likelihood), arith, countdown, or a task file
    /// (.toml); every evaluation tells how it does
    #[arg(long, value_name = "PATH|TASK")]
    pub retain: Option<String>,
    /// Its weight in a member's fitness, next to the task's own reward; 0 only watches it [default: 0]
    #[arg(long, value_name = "X", requires = "retain", allow_negative_numbers = true)]
    pub retain_weight: Option<f64>,
    /// Its problems that each member is evaluated on, where it counts [default: 16]
    #[arg(long, value_name = "N", requires = "retain")]
    pub retain_prompts: Option<u32>,
    /// Weight of the base model's own replies in a member's fitness, put after the openings of wanted ones, of which only the
    /// openings are scored then; for runs in rows of tokens [default: 1 where the tokens were found, else 0]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub retain_own: Option<f64>,
    /// End the run after this many held-out evaluations in a row without a new highest mean reward within the limit on
    /// drift; the tuned model is then the best one's
    #[arg(long, value_name = "N")]
    pub patience: Option<u64>,
}
