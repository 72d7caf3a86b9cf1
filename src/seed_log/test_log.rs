//! A small log for tests.

use super::*;
use crate::block::Field;
use crate::fitness::{FitnessSummary, Shaping};
use crate::settings::{Settings, TypeSettings, Window};
use crate::task::arith::ArithOptions;
use crate::task::{Definition, Problems, RewardKind};
use crate::tensor_type::TensorType;
use crate::update::Method;

/// Returns settings of four members for three fields of two types, one of them with larger hits.
pub fn settings() -> Settings {
    let of_type = |tensor_type, field, sigma, hit| TypeSettings {
        tensor_type,
        field,
        sigma,
        hit,
        alpha: 0.2 * sigma,
        alpha_final: 0.1 * sigma,
    };
    Settings {
        seed: 7,
        population: 4,
        generations: 20,
        mirror: false,
        types: vec![
            of_type(TensorType::Q4_K, Field::Codes, 0.3, 1),
            of_type(TensorType::Q8_0, Field::Codes, 1.5, 4),
            of_type(TensorType::Q8_0, Field::Scales, 20.0, 64),
        ],
        method: Method::Qes,
        decay: 0.9,
        window: Window::Last(3),
        anchor: 0.0,
        shaping: Shaping::Zscore,
    }
}

/// Returns the settings of a run by each method, mirrored and not, with an anchor that pulls at each of these rates.
pub fn by_each_method(anchors: &[f64]) -> Vec<Settings> {
    let of_method = |(method, decay, window)| {
        let mirrors = anchors.iter().flat_map(|&anchor| [(anchor, false), (anchor, true)]);
        mirrors.map(move |(anchor, mirror)| Settings { method, decay, window, anchor, mirror, ..settings() })
    };
    [
        (Method::Qes, 0.9, Window::Last(2)),
        (Method::Qes, 1.0, Window::All),
        (Method::QesGated, 0.9, Window::All),
        (Method::Quzo, 0.0, Window::Last(1)),
        (Method::EsRound, 0.0, Window::Last(1)),
    ]
    .into_iter()
    .flat_map(of_method)
    .collect()
}

/// Returns the header of a log with one tensor of each type, the second with a shorter last tile.
pub fn header(settings: Settings) -> Header {
    let tensor =
        |name: &str, tensor_type, codes| TensorSpec { name: name.to_owned(), tensor_type, codes, rows: None };
    let header = Header {
        version: FORMAT_VERSION,
        tool: "qes-gguf test".to_owned(),
        base: BaseModel { file: "base.gguf".to_owned(), bytes: 1, sha256: "00".repeat(32) },
        tensors: vec![tensor("a", TensorType::Q4_K, 16_384), tensor("b", TensorType::Q8_0, 10_016)],
        settings,
        noise: Vec::new(),
        task: TaskSpec {
            definition: Definition::new(
                "arith",
                Problems::Arith(ArithOptions::default()),
                RewardKind::Loglik,
            ),
            data_sha256: None,
            retain: None,
            own_replies: None,
            right_replies: false,
            patience: None,
            drift: None,
            prompts: 8,
            candidates: None,
            eval_problems: 16,
            eval_every: 0,
        },
    };
    pin_noise(header).unwrap()
}

/// Returns a generation whose weights depend on its number.
pub fn generation(header: &Header, generation: u64) -> GenerationRecord {
    let types = &header.settings.types;
    let weight = |number: usize| ((generation as usize * 31 + number * 17) % 61) as f32 / 10.0 - 3.0;
    GenerationRecord {
        generation,
        alpha: types.iter().map(|t| t.alpha_at(generation, header.settings.generations)).collect(),
        weights: (0..header.settings.perturbations()).map(weight).collect(),
        fitness: FitnessSummary { mean: -1.5, spread: 0.1, best: -1.0 / 3.0 },
        evaluations: 32,
    }
}

/// Returns a log of this many generations, an evaluation after every second, and its text.
pub fn log(generations: u64) -> (SeedLog, String) {
    let header = header(settings());
    let (mut log, mut text) = SeedLog::start(header.clone()).unwrap();
    for number in 0..generations {
        text += &log.push(Line::Generation(generation(&header, number))).unwrap();
        if number % 2 == 1 {
            text += &log.push(Line::Evaluation(evaluation(number + 1))).unwrap();
        }
    }
    (log, text)
}

/// Returns an evaluation after this many generations.
pub fn evaluation(generations: u64) -> EvaluationRecord {
    EvaluationRecord {
        generations,
        problems: 16,
        correct: Some(9),
        mean_reward: -0.7,
        mean_loglik: Some(-0.7),
        retained: None,
        drift: None,
        displacement: None,
        displacement_last: None,
        codes_sha256: "ab".repeat(32),
    }
}
