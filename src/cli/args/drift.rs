//! Flags of drift.

use clap::Args as ClapArgs;

/// Drift from the base model, measured in every evaluation.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Drift from the base model")]
pub struct DriftArgs {
    /// Measure drift on this set: a file of lines {"prompt": "..."} and {"text": "..."} that have nothing to do with the task, or
    /// none for replies to held-out prompts alone [default: a set that comes with the program]
    #[arg(long, value_name = "FILE|none")]
    pub neutral: Option<String>,
    /// Most that the perplexity on neutral texts may rise, in percent; a model that is beyond it, or whose replies loop by more
    /// than 1 in 8 above the base's, is never the best one, and ends the run with exit code 3; none for no limit [default: 5%]
    #[arg(long, value_name = "PERCENT|none", allow_hyphen_values = true)]
    pub max_drift: Option<String>,
}
