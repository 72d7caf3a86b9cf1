//! `qes-gguf eval`: evaluation of a model on held-out problems, and its comparison with another.

use std::path::{Path, PathBuf};

use anyhow::Result;
use tracing::debug;

use super::args::{EvalArgs, Until};
use super::json::{self, ComparedModel, EvalOutput, MeanDifference, Measures, SeenExample};
use super::{CommandEnd, UsageError, chat, definition, out, setup, text};
use crate::evaluation::{Difference, EvaluationSummary, Evaluator, ProblemOutcome, PromptedExample};
use crate::llama::{LlamaEngine, LlamaOptions, Uneditable, check_built_in};
use crate::model::Model;
use crate::recipe;
use crate::seed_log::SeedLog;
use crate::select::{select, spec};
use crate::store::{peak_rss_bytes, today};
use crate::task::Definition;
use crate::tuning::engine;
use crate::workload::{Facts, Workload, WorkloadError, moved};

pub fn run(args: &EvalArgs) -> Result<CommandEnd> {
    check_built_in()?;
    let job = EvalJob::new(args)?;
    let workload = job.workload()?;
    let warnings: Vec<String> = workload.facts().into_iter().flat_map(Facts::warnings).collect();
    let log = job.log.as_ref().map(|(_, log)| log);
    let seed = log.map_or(0, |log| log.header.settings.seed);
    let mut evaluator = workload.evaluator(seed)?;
    let problems = job.problems()?;
    // One model after the other, so that only one is in memory.
    let mut outcomes_of = |path: &Path, log: Option<&SeedLog>| {
        let engine = job.load(path, log)?;
        outcomes(&mut evaluator, engine, problems)
    };
    let of_base = job.compare.as_deref().map(|base| outcomes_of(base, None)).transpose()?;
    let (outcomes, example) = outcomes_of(&job.model, log)?;
    let report = Report { job: &job, summary: EvaluationSummary::of(&outcomes), example };
    let difference =
        of_base.map(|(of_base, _)| (EvaluationSummary::of(&of_base), Difference::of(&of_base, &outcomes)));
    if job.json {
        out::json(&report.output(difference))?;
    } else {
        out::line(report.lines(difference))?;
    }
    warnings.iter().for_each(out::warn);
    for hint in evaluator.hints() {
        out::warn(format!("note: {hint}"));
    }
    Ok(CommandEnd::Success)
}

/// A model, and the problems of its evaluation.
struct EvalJob {
    model: PathBuf,
    /// The log that tunes the model, and its file.
    log: Option<(PathBuf, SeedLog)>,
    /// The part of the log to apply; `None` for all of it.
    until: Option<Until>,
    /// The other model of a comparison.
    compare: Option<PathBuf>,
    definition: Definition,
    /// Set if the definition is that of the log.
    of_log: Option<OfLog>,
    /// Most held-out problems, if they are given.
    problems: Option<u32>,
    json: bool,
    inference: LlamaOptions,
}

/// The log's task apart from its definition.
struct OfLog {
    data_sha256: Option<String>,
    /// `true` if a program named in the log may be run.
    trusted: bool,
}

impl EvalJob {
    /// Resolves the flags.
    fn new(args: &EvalArgs) -> Result<Self> {
        let inference = setup::inference(&args.inference)?;
        if args.problems == Some(0) {
            return Err(UsageError("--problems is 0, but must be at least 1".to_owned()).into());
        }
        if args.task.skip_long && args.compare.is_some() {
            let message = "--skip-long leaves out what is too long for one model, and --compare needs two on the same problems; make \
                           the context larger (-c), or give shorter examples";
            return Err(UsageError(message.to_owned()).into());
        }
        let read = |path: &PathBuf| Ok::<_, anyhow::Error>((path.clone(), setup::read_log(path)?));
        let log = args.log.as_ref().map(read).transpose()?;
        let (definition, of_log) = match &log {
            Some((_, log)) if args.task.task.is_none() => {
                let spec = &log.header.task;
                let definition = moved(&spec.definition, args.task.data.as_deref())?;
                let data_sha256 = spec.data_sha256.clone();
                (definition, Some(OfLog { data_sha256, trusted: args.trust_log }))
            }
            _ => {
                let mut definition = definition::of_args(&args.task, inference.ctx_size)?;
                definition.chat.date.get_or_insert_with(today);
                (definition, None)
            }
        };
        let EvalArgs { model, generation: until, compare, problems, json, .. } = args.clone();
        Ok(Self { model, log, until, compare, definition, of_log, problems, json, inference })
    }

    /// Returns the most held-out problems: as many as are given, as the log's run has, or as a run of this model has.
    ///
    /// # Errors
    /// When the model cannot be read.
    fn problems(&self) -> Result<usize> {
        let of_run = self.log.as_ref().filter(|_| self.of_log.is_some());
        let of_run = of_run.map(|(_, log)| log.header.task.eval_problems);
        let problems = match self.problems.or(of_run) {
            Some(problems) => problems,
            None => recipe::eval_problems(Model::open(&self.model)?.weights()),
        };
        Ok(problems as usize)
    }

    /// Reads the data and creates the task.
    fn workload(&self) -> Result<Workload, WorkloadError> {
        let definition = self.definition.clone();
        match &self.of_log {
            None => Workload::load(definition),
            Some(OfLog { data_sha256, trusted }) => {
                Workload::of_log(definition, data_sha256.as_deref(), *trusted)
            }
        }
    }

    /// Loads a model, tuned by a log if there is one.
    fn load(&self, path: &Path, log: Option<&SeedLog>) -> Result<LlamaEngine> {
        let inference = &self.inference;
        if let Some(log) = log {
            let generations = setup::generations(log, self.until)?.unwrap_or(log.generations.len() as u64);
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
}

/// Returns a model's outcomes, and the first example as it sees it.
fn outcomes(
    evaluator: &mut Evaluator,
    mut engine: LlamaEngine,
    problems: usize,
) -> Result<(Vec<ProblemOutcome>, Option<PromptedExample>)> {
    setup::tell_skipped(evaluator.skip_long(&engine)?);
    let batch = evaluator.held_out(&engine, problems)?;
    chat::warn(evaluator, &engine)?;
    let example = evaluator.example(&engine, true)?;
    Ok((evaluator.outcomes(&mut engine, &batch)?, example))
}

/// Output of an evaluation.
struct Report<'a> {
    job: &'a EvalJob,
    summary: EvaluationSummary,
    example: Option<PromptedExample>,
}

impl Report<'_> {
    /// Returns lines of text. A comparison is with the other model's summary.
    fn lines(&self, difference: Option<(EvaluationSummary, Difference)>) -> String {
        let Self { job, summary, example } = self;
        let tuned =
            job.log.as_ref().map_or(String::new(), |(path, _)| format!(" as tuned by {}", path.display()));
        let (model, problems) = (job.model.display(), text::held_out(summary.problems));
        let mut lines: Vec<String> = example.iter().map(chat::lines).collect();
        lines.push(format!("{model}{tuned} on {}, {problems}", job.definition.name));
        lines.extend(self.measures(summary));
        if let (Some((of_base, difference)), Some(base)) = (difference, &job.compare) {
            lines.push(format!("{} on the same", base.display()));
            lines.extend(self.measures(&of_base));
            let (mean, margin) = (difference.mean, difference.margin);
            let (low, high) = (mean - margin, mean + margin);
            lines.push(if summary.correct.is_some() {
                let [mean, low, high] = [mean, low, high].map(|share| 100.0 * share);
                format!("difference             {mean:+.1} points (95% interval {low:+.1} to {high:+.1})")
            } else {
                format!("difference             {mean:+.4} (95% interval {low:+.4} to {high:+.4})")
            });
        }
        lines.join("\n")
    }

    fn measures(&self, summary: &EvaluationSummary) -> Vec<String> {
        let mut lines = Vec::new();
        if summary.correct.is_some() {
            lines.push(format!("  accuracy             {}", text::headline(summary)));
        }
        let rewards = self.job.definition.rewards_text();
        if rewards != "loglik" {
            lines.push(format!("  mean reward          {:.4} ({rewards})", summary.mean_reward));
        }
        if let Some(loglik) = summary.mean_loglik {
            lines.push(format!("  mean log-likelihood  {loglik:.4}"));
        }
        lines
    }

    /// Returns the output as JSON.
    fn output(&self, difference: Option<(EvaluationSummary, Difference)>) -> EvalOutput {
        let Self { job, summary, example } = self;
        let compare = job.compare.as_ref().zip(difference.as_ref());
        EvalOutput {
            measures: Measures::from(summary),
            model: json::path(&job.model),
            log: job.log.as_ref().map(|(path, _)| json::path(path)),
            task: job.definition.name.clone(),
            reward: job.definition.rewards_text(),
            example: example.as_ref().map(SeenExample::from),
            peak_rss_bytes: peak_rss_bytes(),
            compare: compare.map(|(path, (of_base, _))| ComparedModel {
                measures: Measures::from(of_base),
                model: json::path(path),
            }),
            difference: difference.map(|(_, difference)| MeanDifference::from(difference)),
        }
    }
}
