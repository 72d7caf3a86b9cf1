//! Seed logs as files: [`SeedLog::parse`]. A log that it accepts is then shown and replayed, as by a program that knows nothing
//! else of it.

use qes_gguf::block::Field;
use qes_gguf::fitness::{FitnessSummary, Shaping};
use qes_gguf::seed_log::{
    BaseModel, EvaluationRecord, FORMAT_VERSION, GenerationRecord, Header, Line, PlanRecord, SeedLog,
    TaskSpec, TensorSpec, pin_noise,
};
use qes_gguf::settings::{Settings, TypeSettings, Window};
use qes_gguf::task::arith::ArithOptions;
use qes_gguf::task::{Definition, Problems, RewardKind};
use qes_gguf::tensor_type::TensorType;
use qes_gguf::update::Method;

use super::{Seeds, told, used};

pub fn run(bytes: &[u8]) {
    match SeedLog::parse(bytes) {
        Ok(log) => used::accepted(&log, bytes.len()),
        Err(error) => told(&error),
    }
}

/// A header of two small tensors, of the second the scales too.
pub fn header() -> Header {
    let of_type = |tensor_type, field, sigma, hit| TypeSettings {
        tensor_type,
        field,
        sigma,
        hit,
        alpha: 0.2,
        alpha_final: 0.1,
    };
    let tensor =
        |name: &str, tensor_type, codes| TensorSpec { name: name.to_owned(), tensor_type, codes, rows: None };
    let problems = Problems::Arith(ArithOptions::default());
    Header {
        version: FORMAT_VERSION,
        tool: "fuzz".to_owned(),
        base: BaseModel { file: "base.gguf".to_owned(), bytes: 1, sha256: "00".repeat(32) },
        tensors: vec![tensor("a", TensorType::Q4_K, 512), tensor("b", TensorType::Q8_0, 96)],
        settings: Settings {
            seed: 7,
            population: 4,
            generations: 6,
            mirror: true,
            types: vec![
                of_type(TensorType::Q4_K, Field::Codes, 0.3, 1),
                of_type(TensorType::Q8_0, Field::Codes, 1.5, 4),
                of_type(TensorType::Q8_0, Field::Scales, 20.0, 64),
            ],
            method: Method::Qes,
            decay: 0.9,
            window: Window::Last(2),
            anchor: 0.0,
            shaping: Shaping::Zscore,
        },
        noise: Vec::new(),
        task: TaskSpec {
            definition: Definition::new("arith", problems, RewardKind::Loglik),
            data_sha256: None,
            prompts: 8,
            candidates: None,
            eval_problems: 16,
            eval_every: 2,
            retain: None,
            own_replies: None,
            right_replies: false,
            patience: Some(2),
            drift: None,
        },
    }
}

/// A generation that fits a header.
pub fn generation(header: &Header, number: u64, weights: Vec<f32>) -> GenerationRecord {
    GenerationRecord {
        generation: number,
        alpha: header.settings.types.iter().map(|of_type| of_type.alpha).collect(),
        weights,
        fitness: FitnessSummary { mean: -1.5, spread: 0.1, best: -1.0 },
        evaluations: 32,
    }
}

/// An evaluation after so many generations.
pub fn evaluation(generations: u64, mean_reward: f64) -> EvaluationRecord {
    EvaluationRecord {
        generations,
        problems: 16,
        correct: Some(9),
        mean_reward,
        mean_loglik: Some(-0.7),
        retained: None,
        drift: None,
        displacement: None,
        displacement_last: None,
        codes_sha256: "ab".repeat(32),
    }
}

/// A log of a header so changed, with a generation, an evaluation and a plan, five times.
pub fn text(change: impl FnOnce(&mut Header)) -> String {
    let mut header = header();
    change(&mut header);
    let header = pin_noise(header).expect("a sound sigma");
    let (mut log, mut text) = SeedLog::start(header.clone()).expect("a sound header");
    for number in 0..5 {
        let weights = vec![1.5 - number as f32 / 2.0; header.settings.perturbations()];
        for line in [
            Line::Generation(generation(&header, number, weights)),
            Line::Evaluation(evaluation(number + 1, (number % 3) as f64)),
            Line::Plan(PlanRecord { generations: 10 + number }),
        ] {
            text += &log.push(line).expect("a record that fits");
        }
    }
    text
}

pub fn seeds() -> Seeds {
    let sound = text(|_| ());
    let lines: Vec<&str> = sound.split_inclusive('\n').collect();
    let torn = &sound[..sound.len() - 40];
    vec![
        ("sound", sound.clone().into_bytes()),
        ("torn", torn.into()),
        ("header-alone", lines[0].into()),
        ("header-torn", lines[0][..200].into()),
        ("header-twice", lines[0].repeat(2).into_bytes()),
        ("line-twice", [lines[0], lines[1], lines[1]].concat().into_bytes()),
        ("lines-swapped", [lines[0], lines[2], lines[1]].concat().into_bytes()),
        ("no-header", lines[1..].concat().into_bytes()),
        ("empty-line", [lines[0], "\n", lines[1]].concat().into_bytes()),
        ("windows", sound.replace('\n', "\r\n").into_bytes()),
        ("zeros", vec![0; 500]),
        ("one-end-of-line", b"\n".to_vec()),
        ("split-character", ["\u{e4}".repeat(80).as_bytes(), b"\n"].concat()),
    ]
}
