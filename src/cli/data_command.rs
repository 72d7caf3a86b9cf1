//! `qes-gguf data`: the user's data as a model will see them.

mod lengths;
mod told;

use std::path::Path;

use anyhow::Result;

use super::args::{DataArgs, InferenceArgs, TaskArgs};
use super::{CommandEnd, UsageError, definition, out, setup};
use crate::evaluation::{Evaluator, PromptedExample};
use crate::llama::{LlamaEngine, check_built_in};
use crate::model::Model;
use crate::store::today;
use crate::task::{Definition, Problem};
use crate::tuning::engine;
use crate::workload::{Facts, Workload};
use lengths::Lengths;
use told::ToldExamples;

pub fn run(args: &DataArgs) -> Result<CommandEnd> {
    if args.task.data.is_some() {
        let message = "the data are named twice; give the file alone, without --data".to_owned();
        return Err(UsageError(message).into());
    }
    let workload = Workload::load(definition(args)?)?;
    let definition = workload.definition().clone();
    let Some(facts) = workload.facts().cloned() else {
        let message = format!("--task {} has no data of yours; leave --task out", definition.name);
        return Err(UsageError(message).into());
    };
    // Nothing is judged, so no reward program is needed either.
    let evaluator = workload.unjudged_evaluator()?;
    let mut warnings = facts.warnings();
    let (lengths, examples) = match &args.model {
        Some(path) => {
            let engine = load(path, &args.inference)?;
            warnings.extend(evaluator.notes(&engine)?.into_iter().map(|note| format!("note: {note}")));
            let lengths = Lengths::of(&evaluator, &engine, &definition)?;
            let examples = shown(&evaluator, &engine, &facts, &lengths, args.show)?;
            (Some(lengths), examples)
        }
        None => (None, plain(&evaluator, &facts, args.show)),
    };
    let (lengths, examples) = (lengths.as_ref(), &examples[..]);
    let told = ToldExamples { args, definition: &definition, facts: &facts, lengths, examples, warnings };
    if args.json {
        out::json(&told.output())?;
    } else {
        out::line(told.lines().join("\n"))?;
    }
    Ok(CommandEnd::Success)
}

/// Returns the task of the data; `sft` unless another one is named.
fn definition(args: &DataArgs) -> Result<Definition> {
    let task = TaskArgs {
        task: args.task.task.clone().or_else(|| Some("sft".to_owned())),
        data: Some(args.file.clone()),
        ..args.task.clone()
    };
    let mut definition = definition::of_args(&task, args.inference.ctx_size())?;
    definition.chat.date.get_or_insert_with(today);
    Ok(definition)
}

/// Starts llama.cpp on a model of which nothing is tuned.
fn load(path: &Path, args: &InferenceArgs) -> Result<LlamaEngine> {
    check_built_in()?;
    let inference = setup::inference(args)?;
    Ok(engine(Model::open(path)?, &[], &inference)?)
}

/// One example as the model sees it.
pub struct Shown {
    place: String,
    is_held_out: bool,
    prompt: String,
    scored: Option<String>,
    length: Option<usize>,
}

/// Returns the first examples that fit, as the model sees them; unscored ones come with their wanted reply.
fn shown(
    evaluator: &Evaluator,
    engine: &LlamaEngine,
    facts: &Facts,
    lengths: &Lengths,
    count: usize,
) -> Result<Vec<Shown>> {
    let mut all = Vec::new();
    for number in lengths.that_fit().take(count) {
        let Some(PromptedExample { place, prompt, scored }) = evaluator.example_of(engine, number)? else {
            continue;
        };
        let wanted = || evaluator.given().get(number).and_then(|problem| problem.wanted.clone());
        all.push(Shown {
            place,
            is_held_out: number as u64 >= facts.training,
            prompt,
            scored: scored.or_else(wanted),
            length: Some(lengths.needed(number)),
        });
    }
    Ok(all)
}

/// Returns the first examples as a model without a chat template sees them.
fn plain(evaluator: &Evaluator, facts: &Facts, count: usize) -> Vec<Shown> {
    let one = |(number, problem): (usize, &Problem)| Shown {
        place: problem.place.to_string(),
        is_held_out: number as u64 >= facts.training,
        prompt: problem.prompt.plain.clone(),
        scored: problem.wanted.clone(),
        length: None,
    };
    evaluator.given().into_iter().enumerate().take(count).map(one).collect()
}
