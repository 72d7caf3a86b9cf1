//! `qes-gguf eval`: how a model does on held-out problems, and how it compares with another.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use tracing::debug;

use super::args::{EvalArgs, Until};
use super::{Ending, UsageError, chat, definition, out, progress, setup, text};
use crate::exam::{Difference, Examiner, Example, Grade, Mark};
use crate::llama::{LlamaEngine, LlamaOptions, Uneditable, check_built_in};
use crate::model::Model;
use crate::seed_log::SeedLog;
use crate::select::{select, spec};
use crate::task::Definition;
use crate::tuning::engine;
use crate::workload::{Facts, Workload, moved};

pub fn run(args: &EvalArgs) -> Result<Ending> {
    check_built_in()?;
    let inference = setup::inference(&args.inference)?;
    if args.problems == 0 {
        return Err(UsageError("--problems is 0, but must be at least 1".to_owned()).into());
    }
    if args.task.skip_long && args.compare.is_some() {
        let message = "--skip-long leaves out what is too long for one model, and --compare needs two on the same problems; make \
                       the context larger (-c), or give shorter examples";
        return Err(UsageError(message.to_owned()).into());
    }
    let log = args.log.as_deref().map(setup::read_log).transpose()?;
    let workload = workload(args, log.as_ref())?;
    let definition = workload.definition().clone();
    let warnings: Vec<String> = workload.facts().into_iter().flat_map(Facts::warnings).collect();
    let seed = log.as_ref().map_or(0, |log| log.header.settings.seed);
    let mut examiner = workload.examiner(seed)?;
    // One model after the other, lest both are in memory.
    let mut marks_of = |path: &Path, log: Option<&SeedLog>| {
        let engine = load(path, log, args.generation, &inference)?;
        marks(&mut examiner, engine, args.problems as usize)
    };
    let of_base = args.compare.as_deref().map(|base| marks_of(base, None)).transpose()?;
    let (marks, example) = marks_of(&args.model, log.as_ref())?;
    let report = Report { args, definition: &definition, grade: Grade::of(&marks), example };
    let difference = of_base.map(|(of_base, _)| (Grade::of(&of_base), Difference::of(&of_base, &marks)));
    out::line(if args.json { report.object(difference).to_string() } else { report.lines(difference) })?;
    warnings.iter().for_each(out::warn);
    for hint in examiner.hints() {
        out::warn(format!("note: {hint}"));
    }
    Ok(Ending::Success)
}

/// A model's marks, and the first example as it sees it.
fn marks(
    examiner: &mut Examiner,
    mut engine: LlamaEngine,
    problems: usize,
) -> Result<(Vec<Mark>, Option<Example>)> {
    setup::tell_skipped(examiner.skip_long(&engine)?);
    let exam = examiner.held_out(&engine, problems)?;
    chat::warn(examiner, &engine)?;
    let example = examiner.example(&engine, true)?;
    Ok((examiner.marks(&mut engine, &exam)?, example))
}

/// A model, as tuned by a log where there is one.
fn load(
    path: &Path,
    log: Option<&SeedLog>,
    until: Option<Until>,
    inference: &LlamaOptions,
) -> Result<LlamaEngine> {
    if let Some(log) = log {
        let generations = setup::generations(log, until)?.unwrap_or(log.generations.len() as u64);
        return setup::tuned_engine(Model::open(path)?, log, generations, inference);
    }
    let model = Model::open(path)?;
    // What a run of whole tensors would tune, so that the model is laid out, and its last bits come out, as in one.
    let specs = select(&model.gguf, None)
        .map_or_else(|_| Vec::new(), |tensors| tensors.into_iter().map(spec).collect::<Vec<_>>());
    match engine(model, &specs, inference).map_err(anyhow::Error::from) {
        // Inference may not use all of a model's tensors, or not as they are, which only matters where they are tuned.
        Err(error) if error.chain().any(|cause| cause.is::<Uneditable>()) => {
            debug!(%error, "the model is loaded again, with no tensor to be tuned");
            Ok(engine(Model::open(path)?, &[], inference)?)
        }
        engine => engine,
    }
}

/// The task that is named, else the log's.
fn workload(args: &EvalArgs, log: Option<&SeedLog>) -> Result<Workload> {
    if let (None, Some(log)) = (&args.task.task, log) {
        let spec = &log.header.task;
        let definition = moved(&spec.definition, args.task.data.as_deref())?;
        return Ok(Workload::of_log(definition, spec.data_sha256.as_deref(), args.trust_log)?);
    }
    let mut definition = definition::of_args(&args.task, args.inference.ctx_size())?;
    definition.chat.date.get_or_insert_with(crate::store::today);
    Ok(Workload::load(definition)?)
}

/// What is told of an evaluation.
struct Report<'a> {
    args: &'a EvalArgs,
    definition: &'a Definition,
    grade: Grade,
    example: Option<Example>,
}

impl Report<'_> {
    /// For people. A comparison is with the other model's grade.
    fn lines(&self, difference: Option<(Grade, Difference)>) -> String {
        let Self { args, definition, grade, example } = self;
        let tuned = args.log.as_ref().map_or(String::new(), |log| format!(" as tuned by {}", log.display()));
        let (model, problems) = (args.model.display(), text::held_out(grade.problems));
        let mut lines: Vec<String> = example.iter().map(chat::lines).collect();
        lines.push(format!("{model}{tuned} on {}, {problems}", definition.name));
        lines.extend(self.measures(grade));
        if let (Some((of_base, difference)), Some(base)) = (difference, &args.compare) {
            lines.push(format!("{} on the same", base.display()));
            lines.extend(self.measures(&of_base));
            let (mean, margin) = (difference.mean, difference.margin);
            let (low, high) = (mean - margin, mean + margin);
            lines.push(if grade.correct.is_some() {
                let [mean, low, high] = [mean, low, high].map(|share| 100.0 * share);
                format!("difference             {mean:+.1} points (95% interval {low:+.1} to {high:+.1})")
            } else {
                format!("difference             {mean:+.4} (95% interval {low:+.4} to {high:+.4})")
            });
        }
        lines.join("\n")
    }

    fn measures(&self, grade: &Grade) -> Vec<String> {
        let mut lines = Vec::new();
        if grade.correct.is_some() {
            lines.push(format!("  accuracy             {}", text::headline(grade)));
        }
        let rewards = self.definition.rewards_text();
        if rewards != "loglik" {
            lines.push(format!("  mean reward          {:.4} ({rewards})", grade.mean_reward));
        }
        if let Some(loglik) = grade.mean_loglik {
            lines.push(format!("  mean log-likelihood  {loglik:.4}"));
        }
        lines
    }

    /// For programs.
    fn object(&self, difference: Option<(Grade, Difference)>) -> Value {
        let Self { args, definition, grade, example } = self;
        let mut object = progress::grade(grade);
        object["model"] = json!(args.model.display().to_string());
        object["log"] = json!(args.log.as_ref().map(|path| path.display().to_string()));
        object["task"] = json!(definition.name);
        object["reward"] = json!(definition.rewards_text());
        object["example"] = chat::object(example.as_ref());
        object["peak_rss_bytes"] = json!(crate::store::peak_rss_bytes());
        if let Some((of_base, Difference { mean, margin })) = difference {
            object["compare"] = progress::grade(&of_base);
            object["compare"]["model"] = json!(args.compare.as_ref().map(|path| path.display().to_string()));
            object["difference"] =
                json!({ "mean": mean, "ci95_low": mean - margin, "ci95_high": mean + margin });
        }
        object
    }
}
