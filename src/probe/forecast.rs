//! Forecast of the duration of a run.

use super::Findings;
use crate::seed_log::TaskSpec;
use crate::settings::{Settings, Window};
use crate::tune::ResidualMode;

/// Expected seconds of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeForecast {
    /// Seconds of a generation, on average over the run.
    pub generation: f64,
    /// Seconds of inference in it.
    pub inference: f64,
    /// Seconds of a held-out evaluation.
    pub evaluation: f64,
    /// Seconds of all generations and evaluations.
    pub run: f64,
}

/// Returns the forecast of a run with these settings, from the findings of a probe on `probed` problems a member.
pub fn forecast(
    findings: &Findings,
    settings: &Settings,
    task: &TaskSpec,
    mode: ResidualMode,
    probed: u32,
) -> TimeForecast {
    let problem = (findings.inference - findings.overhead) / f64::from(probed.max(1));
    let member = findings.overhead + f64::from(task.prompts) * problem;
    let choice =
        task.candidates.map_or(0.0, |candidates| findings.overhead + f64::from(candidates) * problem);
    let inference = f64::from(settings.population) * member + choice;
    let perturb = findings.trials.first().map_or(0.0, |trial| trial.perturb) * f64::from(settings.population);
    let generation = inference + perturb + findings.update * replayed(settings, mode);
    let evaluation = findings.overhead + findings.held_out as f64 * problem + findings.drift_seconds;
    let generations = settings.generations as f64;
    let evaluations = match task.eval_every {
        0 => 2,
        every => settings.generations.div_ceil(every) + 1,
    };
    TimeForecast {
        generation,
        inference,
        evaluation,
        run: generations * generation + evaluations as f64 * evaluation,
    }
}

/// Returns the number of generations whose noise an update draws, on average over the run.
pub(super) fn replayed(settings: &Settings, mode: ResidualMode) -> f64 {
    let generations = settings.generations;
    match (mode, settings.window) {
        (ResidualMode::Stored, _) => 1.0,
        (ResidualMode::Replay, Window::All) => (generations as f64 + 1.0) / 2.0,
        (ResidualMode::Replay, window) => {
            let of_update = |t: u64| (t - window.start(t) + 1) as f64;
            (0..generations).map(of_update).sum::<f64>() / generations.max(1) as f64
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_log::test_log;

    #[test]
    fn updates_replay_what_their_windows_hold() {
        let of = |window, generations, mode| {
            replayed(&Settings { window, generations, ..test_log::settings() }, mode)
        };
        assert_eq!(of(Window::Last(2), 4, ResidualMode::Stored), 1.0);
        // 1, 2, 3 and 4 generations: the second window's residual starts with the first one's.
        assert_eq!(of(Window::Last(2), 4, ResidualMode::Replay), 2.5);
        assert_eq!(of(Window::All, 9, ResidualMode::Replay), 5.0);
        assert_eq!(of(Window::Last(100), 9, ResidualMode::Replay), 5.0);
    }

    #[test]
    fn a_run_is_the_sum_of_its_parts() {
        let findings = Findings {
            trials: Vec::new(),
            cost: None,
            even: 0.0,
            texts: None,
            own_replies: None,
            displacement: None,
            fitness: 0.0,
            task: 0.0,
            range: (0.0, 1.0),
            inference: 2.0,
            overhead: 0.0,
            update: 3.0,
            drift_seconds: 5.0,
            held_out: 100,
            members: 1,
            seconds: 1.0,
        };
        let settings = Settings { population: 10, generations: 4, ..test_log::settings() };
        let task = TaskSpec {
            prompts: 20,
            candidates: None,
            eval_problems: 100,
            eval_every: 3,
            ..test_log::header(settings.clone()).task
        };
        // 10 members on twice the problems that took 2 seconds, and an update; evaluations, drift included, at 0, 3 and the end.
        let told = forecast(&findings, &settings, &task, ResidualMode::Stored, 10);
        assert_eq!(
            told,
            TimeForecast {
                generation: 43.0,
                inference: 40.0,
                evaluation: 25.0,
                run: 4.0 * 43.0 + 3.0 * 25.0
            }
        );
    }
}
