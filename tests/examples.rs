//! The examples of the library do what they say. They are compiled into this test, so that it runs the code that is there.

#[cfg(feature = "llama")]
#[path = "../examples/closure.rs"]
mod closure;
#[path = "../examples/codes.rs"]
mod codes;
#[path = "../examples/replay.rs"]
mod replay;

use std::path::{Path, PathBuf};

fn of_package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn codes_are_those_of_the_type() {
    for (model, lowest, highest) in [("arith-tiny-q4_k.gguf", 0, 15), ("arith-tiny-q8_0.gguf", -127, 127)] {
        let histograms = codes::histograms(&of_package("models").join(model)).unwrap();
        // 28 tensors of blocks, and an embedding that nothing tunes.
        assert!(histograms.len() >= 28, "{model}: {}", histograms.len());
        for (name, counts) in histograms {
            let ends = (counts.keys().next().copied(), counts.keys().next_back().copied());
            assert!(ends.0 >= Some(lowest) && ends.1 <= Some(highest), "{model}, {name}: {ends:?}");
            assert!(counts.len() > 8, "{model}, {name}: {counts:?}");
        }
    }
}

#[test]
fn replay_agrees_with_every_log() {
    for of in ["q4_k", "q8_0"] {
        let log = replay::read(&of_package(&format!("tests/exactness/{of}-qes.qes"))).unwrap();
        let base = of_package(&format!("models/arith-tiny-{of}.gguf"));
        let found = replay::digests(&base, &log).unwrap();
        assert_eq!(found.len(), log.evaluations.len());
        assert!(found.iter().all(|(_, same)| *same), "{of}: {found:?}");
    }
}

#[cfg(feature = "llama")]
mod tuning {
    use std::sync::atomic::AtomicBool;

    use qes_gguf::export::{Form, export};
    use qes_gguf::judge::Asked;
    use qes_gguf::seed_log::SeedLog;
    use qes_gguf::task::{Examples, Problem};
    use qes_gguf::tune::{Event, Outcome, TuneError};
    use qes_gguf::tuning::{Tuning, TuningError};

    use super::*;

    fn model() -> PathBuf {
        of_package("models/arith-tiny-q4_k.gguf")
    }

    #[test]
    fn a_reward_in_code_tunes_a_model() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("closure.qes");
        let finished = closure::tune(&model(), &log).unwrap();
        assert_eq!((finished.outcome, finished.summary.generations), (Outcome::Done, 8));
        let rewards = |found: Option<qes_gguf::seed_log::EvaluationRecord>| found.unwrap().mean_reward;
        let (before, after) = (rewards(finished.summary.before), rewards(finished.summary.after.clone()));
        assert!(after > before, "{before} became {after}");
        assert_eq!(SeedLog::parse(&std::fs::read(&log).unwrap()).unwrap(), finished.log);
        let tuned = folder.path().join("tuned.gguf");
        let digest = export(&model(), &finished.log, 8, Form::WithProvenance, &tuned).unwrap();
        assert_eq!(Some(digest), finished.summary.after.map(|after| after.codes_sha256));
    }

    /// A short run on problems of the caller's own.
    fn short(name: &str) -> Tuning {
        let problem = |(a, b): (u32, u32)| Problem::new(format!("{a}+{b}="), (a + b).to_string());
        let examples = |from: u32| (from..from + 8).map(|a| problem((a, 2 * a - 13))).collect();
        let length = |asked: &Asked<'_>| asked.reply.len() as f64;
        Tuning::new(model(), Examples::new(examples(20), examples(40), None), length)
            .name(name)
            .generations(3)
            .population(4)
            .prompts(4)
            .evaluations(0, 8)
            .reply_tokens(4)
            .settings(|settings| settings.types[0].alpha *= 2.0)
    }

    #[test]
    fn a_stopped_run_goes_on_to_the_same_log_and_other_tasks_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let never = AtomicBool::new(false);
        short("lengths").run(path("whole.qes"), &never, &mut |_: &Event<'_>| ()).unwrap();

        let stop = AtomicBool::new(false);
        let mut after_one = |event: &Event<'_>| {
            if matches!(event, Event::Generation { .. }) {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        };
        let stopped = short("lengths").run(path("parts.qes"), &stop, &mut after_one).unwrap();
        assert_eq!((stopped.outcome, stopped.summary.generations), (Outcome::Stopped, 1));
        let again = short("lengths").run(path("parts.qes"), &never, &mut |_: &Event<'_>| ());
        assert!(matches!(again, Err(TuningError::Tune(TuneError::Store(_)))), "a log is never written over");
        let other = short("others").resume(path("parts.qes"), &never, &mut |_: &Event<'_>| ());
        let said = other.unwrap_err().to_string();
        assert!(said.contains("the task lengths, not of others"), "{said}");
        let done = short("lengths").resume(path("parts.qes"), &never, &mut |_: &Event<'_>| ()).unwrap();
        assert_eq!(done.outcome, Outcome::Done);
        let bytes = |name| std::fs::read(path(name)).unwrap();
        assert!(bytes("whole.qes") == bytes("parts.qes"), "the very same log");
    }

    #[test]
    fn a_reward_that_is_no_number_and_nonsense_end_a_run_with_a_message() {
        let folder = tempfile::tempdir().unwrap();
        let never = AtomicBool::new(false);
        let log = folder.path().join("a.qes");
        let task = || Examples::new(vec![Problem::new("1+1=", "2")], vec![Problem::new("1+2=", "3")], None);
        let nan = Tuning::new(model(), task(), |_: &Asked<'_>| f64::NAN).population(4);
        let said = nan.run(&log, &never, &mut |_: &Event<'_>| ()).unwrap_err().to_string();
        assert!(said.contains("code") && said.contains("no finite number"), "{said}");

        let log = folder.path().join("b.qes");
        let odd = Tuning::new(model(), task(), |_: &Asked<'_>| 0.0).population(1);
        let said = odd.run(&log, &never, &mut |_: &Event<'_>| ()).unwrap_err().to_string();
        assert!(said.contains("population is 1"), "{said}");
        assert!(!log.exists(), "nothing was begun");
    }
}
