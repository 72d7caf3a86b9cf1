//! Logs of runs that never took place: a model's tensors, the settings of a benchmark, made-up weights. To replay one
//! costs what replaying a real one does.

use anyhow::Result;
use qes_gguf::block::Field;
use qes_gguf::fitness::{FitnessSummary, Shaping};
use qes_gguf::model::Model;
use qes_gguf::recipe;
use qes_gguf::seed_log::{FORMAT_VERSION, GenerationRecord, Header, Line, SeedLog, TaskSpec, pin_noise};
use qes_gguf::select::{select, spec};
use qes_gguf::settings::{Settings, TypeSettings};
use qes_gguf::task::arith::ArithOptions;
use qes_gguf::task::{Definition, Problems, RewardKind};
use qes_gguf::tensor_type::TensorType;
use qes_gguf::update::Method;

/// Members of a generation.
pub const POPULATION: u32 = 32;

/// Generations of a whole run.
pub const GENERATIONS: u64 = 300;

/// Codes with noise that hits one in 125, and steps of the default displacement.
pub fn codes(tensor_type: TensorType) -> Vec<TypeSettings> {
    let default = recipe::type_settings(tensor_type, Field::Codes, scope(POPULATION));
    vec![TypeSettings { sigma: 0.0894, hit: 1, alpha_final: default.alpha, ..default }]
}

/// What sizes depend on; timings do not.
pub fn scope(population: u32) -> recipe::Scope {
    let recipe::Effort { noise, step, .. } = recipe::Effort::of(0, None);
    recipe::Scope { noise, step, fields: 1, population, mirror: false }
}

/// The header of a run on all block matrices of a model.
pub fn header(
    model: &Model,
    population: u32,
    of_type: impl Fn(TensorType) -> Vec<TypeSettings>,
) -> Result<Header> {
    let tensors: Vec<_> = select(&model.gguf, None)?.into_iter().map(spec).collect();
    let mut types: Vec<TensorType> = tensors.iter().map(|tensor| tensor.tensor_type).collect();
    types.sort_unstable();
    types.dedup();
    let settings = Settings {
        seed: 0,
        population,
        mirror: false,
        generations: GENERATIONS,
        types: types.into_iter().flat_map(of_type).collect(),
        method: Method::Qes,
        decay: recipe::DECAY,
        window: recipe::window(Method::Qes),
        anchor: 0.0,
        shaping: Shaping::Zscore,
    };
    let task = TaskSpec {
        definition: Definition::new("arith", Problems::Arith(ArithOptions::default()), RewardKind::Loglik),
        data_sha256: None,
        retain: None,
        own_replies: None,
        right_replies: false,
        patience: None,
        drift: None,
        prompts: recipe::PROMPTS,
        candidates: None,
        eval_problems: recipe::EVAL_PROBLEMS,
        eval_every: 0,
    };
    let tool = "the benchmark of a generation".to_owned();
    let base = model.identity().clone();
    Ok(pin_noise(Header { version: FORMAT_VERSION, tool, base, tensors, settings, noise: Vec::new(), task })?)
}

/// A generation with weights from -1.475 to 1.475, none of which is 0: a member of weight 0 would cost nothing.
pub fn record(header: &Header, generation: u64) -> GenerationRecord {
    let Settings { generations, population, types, .. } = &header.settings;
    let weight = |member: u32| ((generation as u32 * 31 + member * 17) % 60) as f32 / 20.0 - 1.475;
    GenerationRecord {
        generation,
        alpha: types.iter().map(|of_type| of_type.alpha_at(generation, *generations)).collect(),
        weights: (0..*population).map(weight).collect(),
        fitness: FitnessSummary { mean: -1.0, spread: 0.1, best: -0.9 },
        evaluations: u64::from(population * header.task.prompts),
    }
}

/// The text of a log of [`GENERATIONS`] generations that tune codes.
pub fn log(model: &Model) -> Result<String> {
    let (mut log, mut text) = SeedLog::start(header(model, POPULATION, codes)?)?;
    for generation in 0..GENERATIONS {
        text += &log.push(Line::Generation(record(&log.header, generation)))?;
    }
    Ok(text)
}
