//! Smaller steps when the model is about to drift beyond its limit.
//!
//! Most of a step is noise, and the damage of noise grows with its variance. So the drift at the end of a run is
//! predicted from the present drift, the squares of the steps so far and those of the planned rest. If it exceeds the
//! limit, the remaining steps are made smaller by one factor. It depends on the log alone, so a resumed run has the
//! same.

use crate::recipe::{displacement, displacement_of};
use crate::seed_log::SeedLog;

/// Target as a share of the limit, since drift is not known to the last percent.
const AIM: f64 = 0.9;

/// Smallest factor: a run that is beyond its limit goes on in small steps until it is stopped or ends.
const LEAST: f64 = 0.1;

/// Returns the factor, 0.1..=1.0, on the steps that are planned after the log's last evaluation.
pub(super) fn restraint(log: &SeedLog) -> f64 {
    let Some(last) = log.evaluations.last() else { return 1.0 };
    let Some(used) = log.used_allowance(last).filter(|used| *used > 0.0) else { return 1.0 };
    let (header, done) = (&log.header, last.generations);
    let square = |displacement: f64| displacement * displacement;
    let made = log.generations.iter().take(done as usize);
    let gone: f64 = made.map(|record| square(displacement_of(header, record))).sum();
    let (settings, perturbations) = (log.settings(), header.settings.perturbations() as f64);
    let planned = |generation| square(displacement(header, &settings.alphas_at(generation), perturbations));
    let rest: f64 = (done..settings.generations).map(planned).sum();
    if rest <= 0.0 {
        return 1.0;
    }
    ((AIM - used).max(0.0) / used * gone / rest).sqrt().clamp(LEAST, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_log::{DriftRecord, DriftSpec, EvaluationRecord, GenerationRecord, Line, test_log};
    use crate::settings::Settings;

    /// Returns a run of 4 generations with equal steps, evaluated after 2 with this drift of plain text.
    fn log(max: Option<f64>, texts: f64) -> SeedLog {
        let mut settings = Settings { generations: 4, ..test_log::settings() };
        settings.types.iter_mut().for_each(|of_type| of_type.alpha_final = of_type.alpha);
        let mut header = test_log::header(settings);
        header.task.drift = Some(DriftSpec { neutral: "built-in".to_owned(), sha256: "00".repeat(32), max });
        let (mut log, _) = SeedLog::start(header.clone()).unwrap();
        for generation in 0..2 {
            let made = test_log::generation(&header, generation);
            let weights = vec![1.0; made.weights.len()];
            log.push(Line::Generation(GenerationRecord { weights, ..made })).unwrap();
        }
        let drift = Some(DriftRecord { texts: Some(texts), ..DriftRecord::default() });
        log.push(Line::Evaluation(EvaluationRecord { drift, ..test_log::evaluation(2) })).unwrap();
        log
    }

    #[test]
    fn steps_are_restrained_as_far_as_the_limit_asks() {
        // So much of a limit of 10% is used up.
        let of = |used: f64| restraint(&log(Some(0.1), 1.1_f64.powf(used) - 1.0));
        assert_eq!(of(-0.1), 1.0);
        assert_eq!(of(0.4), 1.0, "twice as much at the end is within the limit");
        // The same again would be 120%; 30% more is half of it, by steps smaller by the root.
        assert!((of(0.6) - 0.5_f64.sqrt()).abs() < 1e-6, "{}", of(0.6));
        assert_eq!((of(0.899), of(5.0)), (0.1, 0.1));
        assert_eq!(restraint(&log(None, 0.5)), 1.0);
    }

    #[test]
    fn nothing_is_left_to_restrain_at_the_end() {
        let mut ended = log(Some(0.1), 0.06);
        ended.header.settings.generations = 2;
        assert_eq!(restraint(&ended), 1.0);
    }
}
