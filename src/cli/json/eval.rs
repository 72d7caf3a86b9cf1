//! Of `eval`.

use serde::Serialize;

use super::SeenExample;
use crate::evaluation::{Difference, EvaluationSummary};

/// Held-out results of a model.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "eval"))]
pub struct EvalOutput {
    /// Results of the model.
    #[serde(flatten)]
    pub measures: Measures,
    /// The model, as given.
    pub model: String,
    /// The log of `--log`.
    pub log: Option<String>,
    /// Name of the task.
    pub task: String,
    /// The task's rewards, such as `loglik + 0.5 regex`.
    pub reward: String,
    /// The first example as the model sees it; `null` where there is none.
    pub example: Option<SeenExample>,
    /// Largest resident memory in bytes; `null` where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
    /// Results of the other model; only with `--compare`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<ComparedModel>,
    /// Result of the model minus that of the other; only with `--compare`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<MeanDifference>,
}

/// Results on held-out problems.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Measures {
    /// Number of held-out problems.
    problems: u64,
    /// Problems answered correctly; `null` where replies are not right or wrong.
    correct: Option<u64>,
    /// Share of problems answered correctly; `null` where replies are not right or wrong.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    accuracy: Option<f64>,
    /// Lower end of the accuracy's 95% interval (Wilson).
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    ci95_low: Option<f64>,
    /// Upper end of the accuracy's 95% interval (Wilson).
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    ci95_high: Option<f64>,
    /// Mean reward.
    mean_reward: f64,
    /// Mean log-likelihood of the wanted replies; `null` where there are none.
    mean_loglik: Option<f64>,
}

impl From<&EvaluationSummary> for Measures {
    fn from(summary: &EvaluationSummary) -> Self {
        let interval = summary.interval();
        Self {
            problems: summary.problems,
            correct: summary.correct,
            accuracy: summary.accuracy(),
            ci95_low: interval.map(|(low, _)| low),
            ci95_high: interval.map(|(_, high)| high),
            mean_reward: summary.mean_reward,
            mean_loglik: summary.mean_loglik,
        }
    }
}

/// Results of the model that another one is compared with.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "compared"))]
pub struct ComparedModel {
    /// Results of that model.
    #[serde(flatten)]
    pub measures: Measures,
    /// That model, as given.
    pub model: String,
}

/// A difference of means over the same problems.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "difference"))]
pub struct MeanDifference {
    /// Difference of accuracies (1 is all problems) where replies are right or wrong, otherwise of mean rewards.
    mean: f64,
    /// Lower end of its 95% interval.
    ci95_low: f64,
    /// Upper end of its 95% interval.
    ci95_high: f64,
}

impl From<Difference> for MeanDifference {
    fn from(Difference { mean, margin }: Difference) -> Self {
        Self { mean, ci95_low: mean - margin, ci95_high: mean + margin }
    }
}
