//! Of `probe` and `tune --auto`.

use serde::Serialize;

use super::{SeenExample, TunedRows};
use crate::probe::Trial;
use crate::settings::Settings;

/// Settings that suit a run, with the measurements they follow from and the results to expect.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "probe"))]
pub struct ProbeOutput<'a> {
    /// Measurements and chosen settings.
    #[serde(flatten)]
    pub found: ProbeFields<'a>,
    /// Command line of the run with the chosen settings.
    pub command: String,
    /// The first example as the model sees it; `null` where there is none.
    pub example: Option<SeenExample>,
    /// Tokens whose rows alone are tuned; `null` where whole tensors are.
    pub rows: Option<TunedRows<'a>>,
}

/// The settings that a probe chose, with the measurements they follow from.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub struct ProbeFields<'a> {
    /// Mean reward of the unperturbed model.
    pub fitness: f64,
    /// Members that were evaluated.
    pub members: u64,
    /// Seconds that the probe took.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub seconds: f64,
    /// One entry for each sigma that was tried.
    pub trials: Vec<SigmaTrial>,
    /// Fitness lost to noise, per unit of its variance in squared codes; `null` where it cannot be estimated.
    pub noise_cost: Option<f64>,
    /// Standard error of `noise_cost`, from the differences between problems.
    pub noise_cost_error: Option<f64>,
    /// Share of the variance of fitness that is even in the noise. Above 0.5, mirrored members pay.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub even_share: f64,
    /// Rise of log-perplexity per token caused by one perturbation, in nats.
    pub noise_drift: NoiseDrift,
    /// Standard errors of `noise_drift`.
    pub noise_drift_error: NoiseDrift,
    /// Displacement of one perturbation, as a share of the weights' size; `null` where it is not known.
    pub noise_displacement: Option<f64>,
    /// Chosen hyper-parameters.
    pub settings: &'a Settings,
    /// Chosen number of problems for each member.
    pub prompts: u32,
    /// Expected gain in fitness by the end of the run.
    pub expected_gain: f64,
    /// Expected rise in perplexity by the noise of all steps, as a share; `null` where that was not measured.
    pub expected_drift: NoiseDrift,
    /// Expected displacement of the whole run, as a share of the weights' size; `null` where it is not known.
    pub expected_displacement: Option<f64>,
    /// Expected seconds for a generation.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub seconds_generation: f64,
    /// Seconds of `seconds_generation` that inference takes.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub seconds_inference: f64,
    /// Expected seconds for a held-out evaluation.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub seconds_evaluation: f64,
    /// Expected seconds for the whole run.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub seconds_run: f64,
}

/// Results of members with one sigma.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "trial"))]
pub struct SigmaTrial {
    /// Its sigma, as a multiple of the one that was asked for.
    #[cfg_attr(test, schemars(extend("exclusiveMinimum" = 0)))]
    pub factor: f64,
    /// Members that were evaluated with it.
    pub members: usize,
    /// Variance of the members' gain or loss in fitness, without the part that the choice of problems explains.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub signal: f64,
    /// Variance that the choice of problems explains.
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub noise: f64,
    /// Share of `signal` in the sum of both.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub reliability: f64,
    /// Mean reward of the unperturbed model minus that of the members.
    pub cost: f64,
    /// Standard error of `cost`.
    pub cost_error: f64,
}

impl From<&Trial> for SigmaTrial {
    fn from(Trial { factor, signal, .. }: &Trial) -> Self {
        Self {
            factor: *factor,
            members: signal.members,
            signal: signal.signal,
            noise: signal.noise,
            reliability: signal.reliability(1.0),
            cost: signal.cost,
            cost_error: signal.cost_error,
        }
    }
}

/// A measure of drift caused by noise.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "noise_drift"))]
pub struct NoiseDrift {
    /// On plain texts; `null` where it is not measured.
    pub texts: Option<f64>,
    /// On the base model's own replies; `null` where it is not measured.
    pub own_replies: Option<f64>,
}
