//! `qes-gguf eval`: accuracy on held-out problems.

use anyhow::{Context, Result};
use serde_json::json;

use super::args::EvalArgs;
use super::{Ending, UsageError, out, setup, text};
use crate::exam::{Exam, Grade};
use crate::export::{Model, check_digest};
use crate::select::{select, spec};
use crate::task;

pub fn run(args: &EvalArgs) -> Result<Ending> {
    let threads = setup::threads(&args.inference)?;
    if args.problems == 0 {
        return Err(UsageError("--problems is 0, but must be at least 1".to_owned()).into());
    }
    let task = task::by_name(&args.task).context("no such task")?;
    let mut model = Model::open(&args.model)?;
    let specs = if let Some(path) = &args.log {
        let log = setup::read_log(path)?;
        let generations = log.generations.len() as u64;
        check_digest(&log, generations, &model.replay(&log, generations)?)?;
        log.header.tensors
    } else {
        // What a run would tune, so that the model is laid out, and its last bits come out, as in a run.
        select(&model.gguf, None)
            .map_or_else(|_| Vec::new(), |tensors| tensors.into_iter().map(spec).collect())
    };
    let mut engine = match setup::engine(model, &specs, &args.inference, threads, None) {
        // Inference may not use all of a model's tensors, which only matters where they are tuned.
        Err(_) if args.log.is_none() => {
            setup::engine(Model::open(&args.model)?, &[], &args.inference, threads, None)?
        }
        loaded => loaded?,
    };
    let exam = Exam::new(&engine, task.held_out(args.problems as usize))?;
    let grade = Grade::of(&exam.marks(&mut engine, task.as_ref())?);
    if args.json {
        out::line(object(args, &grade))?;
    } else {
        out::line(format!(
            "{} on {}, {} held-out problems\n  accuracy             {}\n  mean log-likelihood  {:.4}",
            args.model.display(),
            args.task,
            text::count(grade.problems),
            text::accuracy(&grade),
            grade.mean_loglik,
        ))?;
    }
    Ok(Ending::Success)
}

fn object(args: &EvalArgs, grade: &Grade) -> serde_json::Value {
    let (low, high) = grade.interval();
    json!({
        "model": args.model.display().to_string(),
        "log": args.log.as_ref().map(|path| path.display().to_string()),
        "task": args.task,
        "problems": grade.problems,
        "correct": grade.correct,
        "accuracy": grade.accuracy(),
        "ci95_low": low,
        "ci95_high": high,
        "mean_loglik": grade.mean_loglik,
        "peak_rss_bytes": crate::store::peak_rss_bytes(),
    })
}
