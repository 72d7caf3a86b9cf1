//! Smaller steps where the model is about to drift beyond its limit.
//!
//! Most of a step is noise, and the damage of noise grows with its variance. So what drift will be at the end of a run follows
//! from what it is now, the squares of the steps so far and those of the planned rest. Where that is beyond the limit, the
//! remaining steps are made smaller by one factor. It depends on nothing but the log, so a resumed run has the same.

use crate::seed_log::SeedLog;

/// Share of the limit that is aimed at, since drift is not known to the last percent.
const AIM: f64 = 0.9;

/// The factor is not smaller: a run that is beyond its limit goes on in small steps until it is stopped or ends.
const LEAST: f64 = 0.1;

/// Returns the factor, 0.1..=1.0, on the steps that are planned after the log's last evaluation.
pub(super) fn restraint(log: &SeedLog) -> f64 {
    let Some(last) = log.evaluations.last() else { return 1.0 };
    let Some(used) = log.used_allowance(last).filter(|used| *used > 0.0) else { return 1.0 };
    // All types and fields have one schedule but for its size, so the first speaks for them.
    let Some(first) = log.header.settings.types.first() else { return 1.0 };
    let square = |alpha: f64| alpha * alpha;
    let (done, all) = (last.generations, log.header.settings.generations);
    let made = log.generations.iter().take(done as usize).filter_map(|record| record.alpha.first());
    let gone: f64 = made.map(|alpha| square(*alpha)).sum();
    let rest: f64 = (done..all).map(|generation| square(first.alpha_at(generation, all))).sum();
    if rest <= 0.0 {
        return 1.0;
    }
    ((AIM - used).max(0.0) / used * gone / rest).sqrt().clamp(LEAST, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_log::{DriftRecord, DriftSpec, EvaluationRecord, Line, test_log};
    use crate::settings::Settings;

    /// A run of 4 generations with equal steps, evaluated after 2, where plain text has drifted so far.
    fn log(max: Option<f64>, texts: f64) -> SeedLog {
        let mut settings = Settings { generations: 4, ..test_log::settings() };
        settings.types.iter_mut().for_each(|of_type| of_type.alpha_final = of_type.alpha);
        let mut header = test_log::header(settings);
        header.task.drift = Some(DriftSpec { neutral: "built-in".to_owned(), sha256: "00".repeat(32), max });
        let (mut log, _) = SeedLog::start(header.clone()).unwrap();
        for generation in 0..2 {
            log.push(Line::Generation(test_log::generation(&header, generation))).unwrap();
        }
        let drift = Some(DriftRecord { texts: Some(texts), ..DriftRecord::default() });
        log.push(Line::Evaluation(EvaluationRecord { drift, ..test_log::evaluation(2) })).unwrap();
        log
    }

    #[test]
    fn steps_are_restrained_as_far_as_the_limit_asks() {
        let of = |texts| restraint(&log(Some(0.1), texts));
        assert_eq!(of(-0.01), 1.0);
        assert_eq!(of(0.04), 1.0, "twice as much at the end is within the limit");
        // At 60% of the limit, the same again would be 120%; 30% more is half of it, by steps smaller by the root.
        assert!((of(0.06) - 0.5_f64.sqrt()).abs() < 1e-9);
        assert_eq!((of(0.0899), of(0.5)), (0.1, 0.1));
        assert_eq!(restraint(&log(None, 0.5)), 1.0);
    }

    #[test]
    fn nothing_is_left_to_restrain_at_the_end() {
        let mut ended = log(Some(0.1), 0.06);
        ended.header.settings.generations = 2;
        assert_eq!(restraint(&ended), 1.0);
    }
}
