//! From typed hyper-parameters to the header of a new log.

use anyhow::{Context, Result};
use regex::RegexBuilder;

use super::UsageError;
use super::args::{Residual, RunArgs, SearchArgs, Tokens};
use super::sizes::{self, Size};
use crate::block::Field;
use crate::fitness::Shaping;
use crate::model::Model;
use crate::recipe::{self, Scope};
use crate::seed_log::{
    BaseModel, FORMAT_VERSION, Header, MAX_PROBLEMS, TOOL, TaskSpec, TensorSpec, pin_noise,
};
use crate::select::{self, select, spec};
use crate::settings::{Settings, TypeSettings, Window};
use crate::tensor_type::TensorType;
use crate::update::Method;
use crate::workload::Objective;

/// A pattern compiles to at most this many bytes.
const PATTERN_BYTES: usize = 1 << 20;

/// The header of a new run on this model.
pub fn header(args: &RunArgs, model: &Model, objective: Objective) -> Result<Header> {
    header_with(args, model, objective, || model.identity().clone())
}

/// The header of a new run on a model whose identity is known, or of no account.
pub fn header_with(
    args: &RunArgs,
    model: &Model,
    objective: Objective,
    identity: impl FnOnce() -> BaseModel,
) -> Result<Header> {
    // Settings are checked before the model's bytes are read for their hash, so that nonsense is told at once.
    check_tokens(&args.search)?;
    let tokens = match &args.search.tokens {
        Some(Tokens::These(tokens)) => Some(&**tokens),
        None | Some(Tokens::Auto | Tokens::All) => None,
    };
    let (tensors, settings) = scope(&args.search, model, tokens)?;
    let task = task(args, objective, tokens.is_some())?;
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

/// The same run, but that it tunes the rows of these tokens.
pub fn of_tokens(header: Header, args: &RunArgs, model: &Model, tokens: &[u64]) -> Result<Header> {
    let search = &args.search;
    let (tensors, settings) = scope(search, model, Some(tokens))?;
    let mut task = header.task;
    task.prompts = search.prompts.unwrap_or(recipe::prompts(&task.definition, true));
    task.eval_every = search.eval_every.unwrap_or(recipe::eval_every(true));
    Ok(pin_noise(Header { tensors, settings, task, ..header })?)
}

/// Refuses tokens and a pattern of tensors together.
fn check_tokens(search: &SearchArgs) -> Result<()> {
    match (&search.tokens, &search.tensors) {
        (Some(Tokens::Auto | Tokens::These(_)), Some(_)) => {
            Err(UsageError("--tokens and --tensors cannot be used together".to_owned()).into())
        }
        _ => Ok(()),
    }
}

/// What is tuned, whole tensors or the rows of some tokens, and how.
fn scope(search: &SearchArgs, model: &Model, tokens: Option<&[u64]>) -> Result<(Vec<TensorSpec>, Settings)> {
    let asked: Option<Vec<Field>> =
        search.fields.as_ref().map(|fields| fields.iter().map(|field| (*field).into()).collect());
    let (mut tensors, default): (_, &[Field]) = match tokens {
        Some(tokens) => (rows(model, tokens)?, &recipe::ROW_FIELDS),
        None => (tensors(search, model)?, &recipe::FIELDS),
    };
    let weights = tensors.iter().map(|tensor| tensor.codes).sum();
    let fields = asked.as_deref().unwrap_or(default);
    let entries = entries(&tensors, fields, asked.is_some())?;
    tensors.retain(|tensor| entries.iter().any(|(of_type, _)| *of_type == tensor.tensor_type));
    let settings = settings(search, &entries, weights)?;
    settings.validate().map_err(|e| UsageError(e.to_string()))?;
    Ok((tensors, settings))
}

/// The rows of these tokens.
fn rows(model: &Model, tokens: &[u64]) -> Result<Vec<TensorSpec>> {
    let path = model.working.path().display();
    select::rows_of_tokens(&model.gguf, tokens).with_context(|| format!("--tokens on {path}"))
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

/// Returns the fields that are tuned of each type. Refuses one that was asked for and that no type has.
fn entries(tensors: &[TensorSpec], fields: &[Field], asked: bool) -> Result<Vec<(TensorType, Field)>> {
    let entries = select::fields(tensors, fields);
    let lacks = |field: &&Field| !entries.iter().any(|(_, found)| found == *field);
    match fields.iter().find(lacks) {
        Some(field) if asked => {
            let mut types: Vec<&str> = tensors.iter().map(|tensor| tensor.tensor_type.name()).collect();
            types.sort_unstable();
            types.dedup();
            let message = format!(
                "--fields {field}: the tensors to be tuned are of the types {}, which have no {field}",
                types.join(", ")
            );
            Err(UsageError(message).into())
        }
        _ => Ok(entries),
    }
}

fn settings(search: &SearchArgs, entries: &[(TensorType, Field)], weights: u64) -> Result<Settings> {
    let population = search.population.unwrap_or(recipe::POPULATION);
    let method = search.method.map_or(Method::Qes, Into::into);
    check_method(search, method)?;
    Ok(Settings {
        seed: search.seed.unwrap_or(0),
        population,
        mirror: search.mirror,
        generations: search.generations.unwrap_or(recipe::GENERATIONS),
        types: type_settings(search, entries, population, weights)?,
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
    entries: &[(TensorType, Field)],
    population: u32,
    weights: u64,
) -> Result<Vec<TypeSettings>> {
    let of_entry = |&(tensor_type, field): &(TensorType, Field)| {
        let scope = Scope::of(tensor_type, entries, weights, population, search.mirror);
        let default = recipe::type_settings(tensor_type, field, scope);
        let given = |flag, text: &Option<String>| sizes::find(flag, text.as_deref(), tensor_type, field);
        let step = |size: Size| match size {
            Size::Steps(alpha) => alpha,
            Size::Displacement(step) => scope.alpha(step, tensor_type, field),
        };
        let sigma = given("--sigma", &search.sigma)?.map_or(default.sigma, |size| match size {
            Size::Steps(sigma) => sigma,
            Size::Displacement(sigma) => scope.sigma(sigma, tensor_type, field),
        });
        let alpha = given("--alpha", &search.alpha)?.map(step);
        // A given alpha keeps the default's fall.
        let falls_to = alpha.map_or(default.alpha_final, |alpha| alpha * default.alpha_final / default.alpha);
        Ok(TypeSettings {
            tensor_type,
            field,
            sigma,
            hit: recipe::hit(sigma),
            alpha: alpha.unwrap_or(default.alpha),
            alpha_final: given("--alpha-final", &search.alpha_final)?.map_or(falls_to, step),
        })
    };
    for (flag, text) in
        [("--sigma", &search.sigma), ("--alpha", &search.alpha), ("--alpha-final", &search.alpha_final)]
    {
        sizes::check_applies(flag, text.as_deref(), entries)?;
    }
    entries.iter().map(of_entry).collect()
}

fn task(args: &RunArgs, objective: Objective, in_rows: bool) -> Result<TaskSpec> {
    let search = &args.search;
    let at_least_one = |flag: &str, given: Option<u32>, default: u32| match given.unwrap_or(default) {
        number @ 1..=MAX_PROBLEMS => Ok(number),
        number => Err(UsageError(format!("{flag} is {number}, but must be from 1 to {MAX_PROBLEMS}"))),
    };
    let candidates = search.candidates.map(|number| at_least_one("--candidates", Some(number), number));
    let prompts = recipe::prompts(&objective.definition, in_rows);
    let task = TaskSpec {
        definition: objective.definition,
        data_sha256: objective.data_sha256,
        retain: objective.retain,
        patience: objective.patience,
        drift: objective.drift,
        prompts: at_least_one("--prompts", search.prompts, prompts)?,
        candidates: candidates.transpose()?,
        eval_problems: at_least_one("--eval-problems", search.eval_problems, recipe::EVAL_PROBLEMS)?,
        eval_every: search.eval_every.unwrap_or(recipe::eval_every(in_rows)),
    };
    match task.unchoosable() {
        Some(why) => Err(UsageError(format!("--candidates: {why}")).into()),
        None => Ok(task),
    }
}
