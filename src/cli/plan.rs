//! From typed hyper-parameters to the header of a new log.

use anyhow::{Context, Result};
use regex::RegexBuilder;

use super::args::{Residual, RunArgs, SearchArgs};
use super::{UsageError, drift};
use crate::fitness::Shaping;
use crate::model::Model;
use crate::recipe::{self, Signal};
use crate::seed_log::{
    BaseModel, FORMAT_VERSION, Header, MAX_PROBLEMS, RetainSpec, TOOL, TaskSpec, TensorSpec, pin_noise,
};
use crate::select::{select, spec, types};
use crate::settings::{Settings, TypeSettings, Window};
use crate::task::Definition;
use crate::tensor_type::TensorType;
use crate::update::Method;

/// A pattern compiles to at most this many bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// What a run is about.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The task.
    pub definition: Definition,
    /// SHA-256 over the user's data, where there is some.
    pub data_sha256: Option<String>,
    /// What must not get worse.
    pub retain: Option<RetainSpec>,
}

/// The header of a new run on this model.
pub fn header(args: &RunArgs, model: &Model, subject: Subject) -> Result<Header> {
    header_with(args, model, subject, || model.identity().clone())
}

/// The header of a new run on a model whose identity is known, or of no account.
pub fn header_with(
    args: &RunArgs,
    model: &Model,
    subject: Subject,
    identity: impl FnOnce() -> BaseModel,
) -> Result<Header> {
    let search = &args.search;
    let signal = if subject.definition.reads_replies() { Signal::Replies } else { Signal::Likelihoods };
    // Settings are checked before the model's bytes are read for their hash, so that nonsense is told at once.
    let tensors = tensors(search, model)?;
    let types = types(&tensors);
    let settings = settings(search, &types, signal)?;
    settings.validate().map_err(|e| UsageError(e.to_string()))?;
    let task = task(args, subject)?;
    let header = Header {
        version: FORMAT_VERSION,
        tool: TOOL.to_owned(),
        base: identity(),
        tensors,
        settings,
        noise: Vec::new(),
        task,
    };
    Ok(pin_noise(header)?)
}

fn tensors(search: &SearchArgs, model: &Model) -> Result<Vec<TensorSpec>> {
    let pattern =
        search.tensors.as_deref().map(|text| RegexBuilder::new(text).size_limit(PATTERN_BYTES).build());
    let pattern =
        pattern.transpose().map_err(|e| UsageError(format!("--tensors is no regular expression: {e}")))?;
    let path = model.working.path().display();
    let tensors = select(&model.gguf, pattern.as_ref()).with_context(|| format!("{path} cannot be tuned"))?;
    Ok(tensors.into_iter().map(spec).collect())
}

fn settings(search: &SearchArgs, types: &[TensorType], signal: Signal) -> Result<Settings> {
    let population = search.population.unwrap_or(recipe::POPULATION);
    let method = search.method.map_or(Method::Qes, Into::into);
    check_method(search, method)?;
    Ok(Settings {
        seed: search.seed.unwrap_or(0),
        population,
        generations: search.generations.unwrap_or(recipe::GENERATIONS),
        types: type_settings(search, types, signal, population)?,
        method,
        decay: search.decay.unwrap_or(recipe::decay(method)),
        window: search.window.unwrap_or(recipe::window(method)),
        anchor: search.anchor.unwrap_or(0.0),
        shaping: search.shaping.map_or(Shaping::Zscore, Into::into),
    })
}

/// Refuses what was asked for of a residual that the method does not have, or not in that way.
pub fn check_method(search: &SearchArgs, method: Method) -> Result<()> {
    let name = method.name();
    let given = [
        ("--decay", search.decay.is_some()),
        ("--window", search.window.is_some()),
        ("--residual", search.residual.is_some()),
    ];
    if !method.has_residual()
        && let Some((flag, _)) = given.iter().find(|(_, given)| *given)
    {
        let message = format!("{flag} cannot be used with the method {name}, which has no residual");
        return Err(UsageError(message).into());
    }
    let why = format!("the residual of the method {name} depends on the codes of every generation");
    match (search.window, search.residual) {
        (Some(window @ Window::Last(_)), _) if method.looks_at_codes() => {
            Err(UsageError(format!("--window is {window}, but {why}; leave it out")).into())
        }
        (_, Some(Residual::Replay)) if method.looks_at_codes() => {
            Err(UsageError(format!("--residual is replay, but {why}, so it is stored; leave it out")).into())
        }
        _ => Ok(()),
    }
}

fn type_settings(
    search: &SearchArgs,
    types: &[TensorType],
    signal: Signal,
    population: u32,
) -> Result<Vec<TypeSettings>> {
    for (flag, text) in
        [("--sigma", &search.sigma), ("--alpha", &search.alpha), ("--alpha-final", &search.alpha_final)]
    {
        check_applies(flag, text.as_deref(), types)?;
    }
    let of_type = |&tensor_type: &TensorType| {
        let default = recipe::type_settings(tensor_type, signal, population);
        let given = |flag, text: &Option<String>| value_for(flag, text.as_deref(), tensor_type);
        let alpha = given("--alpha", &search.alpha)?;
        // A given alpha keeps the default's fall.
        let falls_to = alpha.map_or(default.alpha_final, |alpha| alpha * default.alpha_final / default.alpha);
        Ok(TypeSettings {
            tensor_type,
            sigma: given("--sigma", &search.sigma)?.unwrap_or(default.sigma),
            alpha: alpha.unwrap_or(default.alpha),
            alpha_final: given("--alpha-final", &search.alpha_final)?.unwrap_or(falls_to),
        })
    };
    types.iter().map(of_type).collect()
}

/// Refuses values that are only for types which this run does not tune.
fn check_applies(flag: &str, text: Option<&str>, types: &[TensorType]) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    for tensor_type in types {
        if value_for(flag, Some(text), *tensor_type)?.is_some() {
            return Ok(());
        }
    }
    let types: Vec<&str> = types.iter().map(|t| t.name()).collect();
    Err(UsageError(format!("{flag} {text} is for no type that is tuned here: {}", types.join(", "))).into())
}

/// The value for a type in `0.1` or `Q4_K=0.1,Q8_0=1.6`.
fn value_for(flag: &str, text: Option<&str>, tensor_type: TensorType) -> Result<Option<f64>> {
    let Some(text) = text else { return Ok(None) };
    let mut value = None;
    for part in text.split(',') {
        let (applies, number) = match part.split_once('=') {
            Some((name, number)) => {
                let named: TensorType =
                    name.trim().parse().map_err(|e| UsageError(format!("{flag}: {e}")))?;
                (named == tensor_type, number)
            }
            None => (true, part),
        };
        let number: f64 =
            number.trim().parse().map_err(|_| UsageError(format!("{flag}: \"{number}\" is not a number")))?;
        if applies {
            value = Some(number);
        }
    }
    Ok(value)
}

fn task(args: &RunArgs, subject: Subject) -> Result<TaskSpec> {
    let search = &args.search;
    if args.retain.patience == Some(0) {
        return Err(UsageError("--patience is 0, but must be at least 1 evaluation".to_owned()).into());
    }
    let at_least_one = |flag: &str, given: Option<u32>, default: u32| match given.unwrap_or(default) {
        number @ 1..=MAX_PROBLEMS => Ok(number),
        number => Err(UsageError(format!("{flag} is {number}, but must be from 1 to {MAX_PROBLEMS}"))),
    };
    let candidates = search.candidates.map(|number| at_least_one("--candidates", Some(number), number));
    let task = TaskSpec {
        definition: subject.definition,
        data_sha256: subject.data_sha256,
        retain: subject.retain,
        patience: args.retain.patience,
        drift: drift::spec(&args.drift)?,
        prompts: at_least_one("--prompts", search.prompts, recipe::PROMPTS)?,
        candidates: candidates.transpose()?,
        eval_problems: at_least_one("--eval-problems", search.eval_problems, recipe::EVAL_PROBLEMS)?,
        eval_every: search.eval_every.unwrap_or(recipe::EVAL_EVERY),
    };
    match task.unchoosable() {
        Some(why) => Err(UsageError(format!("--candidates: {why}")).into()),
        None => Ok(task),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_for_all_types_or_for_one() {
        let value =
            |text, tensor_type| value_for("--sigma", Some(text), tensor_type).map_err(|e| e.to_string());
        assert_eq!(value("0.5", TensorType::Q4_K), Ok(Some(0.5)));
        assert_eq!(value("Q4_K=0.5,Q8_0=2", TensorType::Q8_0), Ok(Some(2.0)));
        assert_eq!(value("1,q8_0=2", TensorType::Q8_0), Ok(Some(2.0)));
        assert_eq!(value("Q8_0=2", TensorType::Q4_K), Ok(None));
        assert!(value("x", TensorType::Q4_K).unwrap_err().contains("--sigma: \"x\" is not a number"));
        assert!(value("Q9=1", TensorType::Q4_K).unwrap_err().contains("Q9"));
    }
}
