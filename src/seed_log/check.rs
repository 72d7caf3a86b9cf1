//! Checks that a line of a log is consistent with the lines before it.

use super::{
    DRIFT_RANGE, DriftRecord, EvaluationRecord, GenerationRecord, Header, LogError, MAX_PROBLEMS, PlanRecord,
    TaskSpec, named_twice, noise_specs,
};
use crate::fitness::{FitnessSummary, MAX_WEIGHT};
use crate::settings::{ALPHA_RANGE, MAX_GENERATIONS};

pub(super) fn check_header(header: &Header) -> Result<(), LogError> {
    header.settings.validate().map_err(LogError::Settings)?;
    if header.tensors.is_empty() {
        return Err(LogError::Header("it names no tensor".to_owned()));
    }
    check_task(&header.task)?;
    if let Some(tensor) = named_twice(&header.tensors) {
        return Err(LogError::Header(format!("it names tensor {tensor} twice")));
    }
    for tensor in &header.tensors {
        let mut types = header.settings.types.iter();
        if !tensor.has_whole_blocks() || !types.any(|of_type| of_type.tensor_type == tensor.tensor_type) {
            let problem = format!(
                "its tensor {tensor} has {} codes of type {}, which is no whole number of blocks or of rows, or has no settings",
                tensor.codes, tensor.tensor_type
            );
            return Err(LogError::Header(problem));
        }
    }
    let codes = header.tensors.iter().try_fold(0_u64, |sum, tensor| sum.checked_add(tensor.codes));
    if codes.is_none() {
        return Err(LogError::Header("its tensors have more codes together than any file".to_owned()));
    }
    if header.noise != noise_specs(header)? {
        return Err(LogError::Noise);
    }
    Ok(())
}

fn check_task(task: &TaskSpec) -> Result<(), LogError> {
    let retained = task.retain.iter();
    for definition in retained.clone().map(|retain| &retain.definition).chain([&task.definition]) {
        definition.validate().map_err(|e| LogError::Header(e.to_string()))?;
    }
    if let Some(weight) =
        retained.clone().map(|retain| retain.weight).find(|weight| !(0.0..=1e6).contains(weight))
    {
        return Err(LogError::Header(format!(
            "its weight of what is retained is {weight}, but must be from 0 to 1000000"
        )));
    }
    if task.patience == Some(0) {
        return Err(LogError::Header("its patience is 0, but must be at least 1".to_owned()));
    }
    if let Some(max) =
        task.drift.as_ref().and_then(|drift| drift.max).filter(|max| !DRIFT_RANGE.contains(max))
    {
        return Err(LogError::Header(format!(
            "its limit on drift is {max}, but must be above 0 and at most 1000"
        )));
    }
    if let Some(why) = task.unchoosable() {
        return Err(LogError::Header(why));
    }
    let prompts = retained.map(|retain| ("retain.prompts", retain.prompts));
    let candidates = task.candidates.map(|candidates| ("candidates", candidates));
    let counts = [("prompts", task.prompts), ("eval_problems", task.eval_problems)];
    let mut counts = prompts.chain(candidates).chain(counts);
    match counts.find(|(_, count)| !(1..=MAX_PROBLEMS).contains(count)) {
        Some((name, count)) => {
            Err(LogError::Header(format!("{name} is {count}, but must be from 1 to {MAX_PROBLEMS}")))
        }
        None => Ok(()),
    }
}

pub(super) fn check_generation(
    header: &Header,
    expected: u64,
    record: &GenerationRecord,
) -> Result<(), String> {
    let settings = &header.settings;
    if record.generation != expected || expected >= MAX_GENERATIONS {
        return Err(format!("generation {} where {expected} should be", record.generation));
    }
    let perturbations = settings.perturbations();
    if record.weights.len() != perturbations {
        return Err(format!("{} weights for {perturbations} perturbations", record.weights.len()));
    }
    if let Some(weight) = record.weights.iter().find(|w| w.is_nan() || w.abs() > MAX_WEIGHT) {
        return Err(format!("the weight {weight} is not within -{MAX_WEIGHT} to {MAX_WEIGHT}"));
    }
    let FitnessSummary { mean, spread, best } = record.fitness;
    if [mean, spread, best].iter().any(|value| !value.is_finite()) {
        return Err("its fitness is not a finite number".to_owned());
    }
    if record.alpha.len() != settings.types.len() || record.alpha.iter().any(|a| !ALPHA_RANGE.contains(a)) {
        return Err("its alpha is not one number from 0 to 1000 for each type".to_owned());
    }
    Ok(())
}

pub(super) fn check_evaluation(expected: u64, record: &EvaluationRecord) -> Result<(), String> {
    if record.generations != expected {
        return Err(format!(
            "an evaluation after {} generations, but {expected} generations come before it",
            record.generations
        ));
    }
    if let Some(correct) = record.correct.filter(|correct| *correct > record.problems) {
        return Err(format!("{correct} of {} problems solved", record.problems));
    }
    let means = [Some(record.mean_reward), record.mean_loglik, record.retained];
    if means.into_iter().flatten().any(|mean| !mean.is_finite()) {
        return Err("a mean reward or log-likelihood in it is not a finite number".to_owned());
    }
    let displacements = [record.displacement, record.displacement_last];
    if displacements
        .into_iter()
        .flatten()
        .any(|displacement| !(displacement.is_finite() && displacement >= 0.0))
    {
        return Err("a displacement in it is not a number of at least 0".to_owned());
    }
    record.drift.as_ref().and_then(DriftRecord::fault).map_or(Ok(()), Err)
}

pub(super) fn check_plan(has: u64, record: &PlanRecord) -> Result<(), String> {
    if (has..=MAX_GENERATIONS).contains(&record.generations) {
        return Ok(());
    }
    Err(format!("a plan of {} generations, but {has} generations come before it", record.generations))
}
