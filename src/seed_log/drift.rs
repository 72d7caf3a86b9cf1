//! Drift of a run's model from its base, and the limit on it.

use serde::{Deserialize, Serialize};

use super::{EvaluationRecord, SeedLog};
use crate::fitness::share;

/// Largest share of all replies by which more may loop than of the base model's.
pub const MOST_LOOPS: f64 = 1.0 / 8.0;

/// Valid limits on drift, as shares of the base's perplexity: the base itself has a drift of 0.
pub const DRIFT_RANGE: std::ops::RangeInclusive<f64> = f64::MIN_POSITIVE..=1000.0;

/// Measure of drift in a run's evaluations, and its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "drift_spec"))]
pub struct DriftSpec {
    /// The neutral set: `built-in`, or the path of a file.
    pub neutral: String,
    /// SHA-256 over it, lower-case hexadecimal.
    #[cfg_attr(test, schemars(regex(pattern = "^[0-9a-f]{64}$")))]
    pub sha256: String,
    /// Limit on the rise of perplexity on its texts, as a share of the base's. Above it, or where replies loop, an evaluation does
    /// not count as the best. Absent for no limit, on loops either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(extend("exclusiveMinimum" = 0)))]
    pub max: Option<f64>,
}

/// Drift of a model from its base, as an evaluation measured it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "logged_drift"))]
pub struct DriftRecord {
    /// Rise of perplexity on the neutral texts, per token, as a share of the base's: 0.05 is 5% more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub texts: Option<f64>,
    /// Rise of perplexity on the base model's own replies to the neutral prompts, per token, as a share of the base's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_replies: Option<f64>,
    /// Replies generated freely to neutral prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neutral: Option<RepliesRecord>,
    /// Replies generated freely to held-out prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<RepliesRecord>,
    /// Texts and replies that were rated or generated to measure drift.
    pub evaluations: u64,
}

/// Counts of replies that were generated freely.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "logged_replies"))]
pub struct RepliesRecord {
    /// Number of replies.
    pub replies: u64,
    /// Those that loop.
    pub loops: u64,
    /// Those that the limit on new tokens cut off.
    pub endless: u64,
}

impl DriftRecord {
    /// Returns the counts of all replies together.
    pub fn replies(&self) -> RepliesRecord {
        let of = |count: fn(&RepliesRecord) -> u64| {
            self.neutral.iter().chain(&self.held_out).map(count).fold(0, u64::saturating_add)
        };
        RepliesRecord { replies: of(|r| r.replies), loops: of(|r| r.loops), endless: of(|r| r.endless) }
    }

    /// Returns the first fault of the record, if any.
    pub(super) fn fault(&self) -> Option<String> {
        let shares = [self.texts, self.own_replies];
        if shares.into_iter().flatten().any(|share| !share.is_finite() || share < -1.0) {
            return Some("a drift in it is not a number of at least -1".to_owned());
        }
        let mut replies = self.neutral.iter().chain(&self.held_out);
        let too_many = replies.find(|replies| replies.loops.max(replies.endless) > replies.replies)?;
        Some(format!(
            "{} of {} replies loop or do not end",
            too_many.loops.max(too_many.endless),
            too_many.replies
        ))
    }
}

/// A way in which a model has become worse elsewhere than a run's limit on drift allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Damage {
    /// More replies loop.
    Loops {
        /// Share of the model's replies.
        share: f64,
        /// Share of the base's replies.
        base: f64,
    },
    /// The perplexity of the neutral texts has risen.
    Texts {
        /// Relative rise over the base's.
        drift: f64,
        /// The limit.
        max: f64,
    },
}

impl SeedLog {
    /// Returns the evaluation of the base model.
    pub fn base_evaluation(&self) -> Option<&EvaluationRecord> {
        self.evaluations.first().filter(|record| record.generations == 0)
    }

    /// Returns the ways in which an evaluated model of this run exceeds the limit on drift; nothing if it is within
    /// it, or there is no limit.
    pub fn damage(&self, record: &EvaluationRecord) -> Vec<Damage> {
        let Some(Measured { max, texts, loops, base_loops }) = self.measured(record) else {
            return Vec::new();
        };
        let looping = loops - base_loops > MOST_LOOPS;
        let loops = looping.then_some(Damage::Loops { share: loops, base: base_loops });
        let drifted = texts.filter(|drift| *drift > max);
        loops.into_iter().chain(drifted.map(|drift| Damage::Texts { drift, max })).collect()
    }

    /// Returns the share of the allowed rise in log-perplexity of plain text that a model has used up: 1 at the limit,
    /// and 0 or less if it is no worse than the base. `None` without a limit, or if it was not measured. Loops are not
    /// included: they are counted in a few replies, and come and go while a style is learned.
    pub fn used_allowance(&self, record: &EvaluationRecord) -> Option<f64> {
        let Measured { max, texts, .. } = self.measured(record)?;
        Some(libm::log1p(texts?) / libm::log1p(max))
    }

    /// Returns the measurements of an evaluation besides the limit on drift, if there is one.
    fn measured(&self, record: &EvaluationRecord) -> Option<Measured> {
        let max = self.header.task.drift.as_ref()?.max?;
        let drift = record.drift.as_ref()?;
        let of_base = self.base_evaluation().and_then(|base| base.drift.as_ref());
        let looping = |replies: RepliesRecord| share(replies.loops, replies.replies);
        let base_loops = of_base.map_or(0.0, |base| looping(base.replies()));
        Some(Measured { max, texts: drift.texts, loops: looping(drift.replies()), base_loops })
    }
}

/// Measurements that are compared with a run's limit on drift.
struct Measured {
    max: f64,
    texts: Option<f64>,
    /// Share of the model's replies that loop, and of the base's.
    loops: f64,
    base_loops: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_log::{Line, test_log};

    /// Returns a log with evaluations by generations, reward, drift on texts and loops of 16 replies.
    fn log(max: Option<f64>, patience: Option<u64>, evaluations: &[(u64, f64, f64, u64)]) -> SeedLog {
        let mut header = test_log::header(test_log::settings());
        header.task.drift = Some(DriftSpec { neutral: "built-in".to_owned(), sha256: "00".repeat(32), max });
        header.task.patience = patience;
        let (mut log, mut text) = SeedLog::start(header.clone()).unwrap();
        for &(generations, mean_reward, texts, loops) in evaluations {
            while (log.generations.len() as u64) < generations {
                let next = test_log::generation(&header, log.generations.len() as u64);
                text += &log.push(Line::Generation(next)).unwrap();
            }
            let replies = |loops| Some(RepliesRecord { replies: 8, loops, endless: 0 });
            let drift = DriftRecord {
                texts: Some(texts),
                own_replies: Some(2.0 * texts),
                neutral: replies(loops / 2),
                held_out: replies(loops.div_ceil(2)),
                evaluations: 38,
            };
            let record =
                EvaluationRecord { mean_reward, drift: Some(drift), ..test_log::evaluation(generations) };
            text += &log.push(Line::Evaluation(record)).unwrap();
        }
        assert_eq!(SeedLog::parse(text.as_bytes()).unwrap(), log);
        log
    }

    #[test]
    fn the_best_evaluation_is_within_the_limit() {
        let evaluations = [
            (0, -9.0, 0.0, 1),
            (1, -5.0, 0.049, 3),
            (2, -4.0, 0.06, 0),
            (3, -3.0, 0.01, 4),
            (4, -6.0, 0.0, 0),
        ];
        let best = |max| log(max, None, &evaluations).best().unwrap().generations;
        assert_eq!(best(Some(0.05)), 1, "three of 16 replies are two more than the base's, and may loop");
        assert_eq!(best(Some(0.1)), 2, "four may not");
        assert_eq!(best(None), 3);
        let log = log(Some(0.05), Some(2), &evaluations);
        assert_eq!((log.chosen(), log.is_out_of_patience()), (1, true));
        let damage: Vec<Vec<Damage>> = log.evaluations.iter().map(|record| log.damage(record)).collect();
        assert_eq!(damage[2], [Damage::Texts { drift: 0.06, max: 0.05 }]);
        assert_eq!(damage[3], [Damage::Loops { share: 0.25, base: 0.0625 }]);
        assert!(damage[0].is_empty() && damage[1].is_empty() && damage[4].is_empty());
        let used: Vec<f64> =
            log.evaluations.iter().map(|record| log.used_allowance(record).unwrap()).collect();
        assert!((used[1] - 0.98).abs() < 1e-2 && (used[2] - 1.2).abs() < 1e-2 && used[4] == 0.0, "{used:?}");
    }

    #[test]
    fn where_all_is_damaged_the_base_is_best() {
        let log = log(Some(0.05), Some(1), &[(0, -9.0, 0.0, 0), (1, -1.0, 0.5, 16)]);
        assert_eq!((log.best().unwrap().generations, log.chosen()), (0, 0));
        assert_eq!(log.damage(&log.evaluations[1]).len(), 2);
    }

    #[test]
    fn drift_that_makes_no_sense_is_refused() {
        let (mut log, _) = test_log::log(2);
        let replies = |loops, endless| Some(RepliesRecord { replies: 8, loops, endless });
        let good = DriftRecord { texts: Some(0.1), neutral: replies(8, 8), ..DriftRecord::default() };
        let refused = [
            DriftRecord { texts: Some(f64::NAN), ..good },
            DriftRecord { own_replies: Some(-1.1), ..good },
            DriftRecord { neutral: replies(9, 0), ..good },
            DriftRecord { held_out: replies(0, 9), ..good },
        ];
        let of = |drift, displacement| EvaluationRecord {
            drift: Some(drift),
            displacement: Some(displacement),
            ..test_log::evaluation(2)
        };
        for drift in refused {
            assert!(log.push(Line::Evaluation(of(drift, 0.1))).is_err(), "{drift:?}");
        }
        assert!(log.push(Line::Evaluation(of(good, -0.1))).is_err());
        assert!(log.push(Line::Evaluation(of(good, 0.1))).is_ok());
        let mut header = test_log::header(test_log::settings());
        header.task.drift = Some(DriftSpec { neutral: String::new(), sha256: String::new(), max: Some(0.0) });
        assert!(SeedLog::start(header).unwrap_err().to_string().contains("limit on drift is 0"));
    }
}
