//! Replay: a log made of settings and records that a fuzzer chooses as freely as their types allow is written, read back,
//! and, where it is short enough, replayed on a model in memory in each of the three ways there are, which must agree.

use arbitrary::{Result, Unstructured};
use qes_gguf::block::Field;
use qes_gguf::fitness::FitnessSummary;
use qes_gguf::seed_log::{GenerationRecord, Header, Line, PlanRecord, SeedLog, TensorSpec, pin_noise};
use qes_gguf::settings::{Settings, TypeSettings, Window};
use qes_gguf::tensor_type::TensorType;
use qes_gguf::update::Method;

use super::{Seeds, log, told, used};

/// Most lines of a log behind its header.
const LINES: usize = 12;

pub fn run(bytes: &[u8]) {
    // Too few bytes make a shorter log.
    let _ = of_choices(&mut Unstructured::new(bytes));
}

fn of_choices(input: &mut Unstructured<'_>) -> Result<()> {
    let header = header(input)?;
    let header = pin_noise(header.clone()).unwrap_or(header);
    let Ok((mut written, mut text)) = SeedLog::start(header) else { return Ok(()) };
    for _ in 0..LINES {
        if input.is_empty() {
            break;
        }
        match written.push(line(input, &written)?) {
            Ok(line) => text += &line,
            Err(error) => told(&error),
        }
    }
    assert_eq!(SeedLog::parse(text.as_bytes()).expect("what was written is read"), written);
    used::accepted(&written, text.len());
    Ok(())
}

/// Any number, the awkward ones more often.
fn number(input: &mut Unstructured<'_>) -> Result<f64> {
    const AWKWARD: [f64; 16] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.3,
        1.5,
        3.0,
        64.0,
        1000.0,
        1e-5,
        5e-324,
        1e300,
        -1e308,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    Ok(if input.ratio(3, 4)? { *input.choose(&AWKWARD)? } else { input.arbitrary()? })
}

fn count(input: &mut Unstructured<'_>) -> Result<u64> {
    const AWKWARD: [u64; 14] =
        [0, 1, 2, 4, 31, 32, 256, 8192, 8448, 1 << 24, u32::MAX as u64, 1 << 63, u64::MAX - 1, u64::MAX];
    Ok(if input.ratio(3, 4)? { *input.choose(&AWKWARD)? } else { input.arbitrary()? })
}

fn header(input: &mut Unstructured<'_>) -> Result<Header> {
    let mut header = log::header();
    if input.ratio(7, 8)? {
        header.settings = settings(input)?;
    }
    let types: Vec<TensorType> = header.settings.types.iter().map(|of_type| of_type.tensor_type).collect();
    header.tensors = (0..input.int_in_range(0..=3)?)
        .map(|place| {
            let tensor_type = if types.is_empty() { TensorType::Q8_0 } else { *input.choose(&types)? };
            let name = if input.ratio(1, 16)? { String::new() } else { format!("blk.{place}.weight") };
            // Mostly whole blocks, and not too many.
            let blocks = input.int_in_range(0..=40)?;
            let codes = if input.ratio(3, 4)? { blocks * tensor_type.block_len() } else { count(input)? };
            Ok(TensorSpec { name, tensor_type, codes, rows: None })
        })
        .collect::<Result<_>>()?;
    if input.ratio(1, 8)? {
        header.task.patience = Some(count(input)?);
        header.task.eval_every = count(input)?;
        header.task.definition.temp = number(input)?;
        header.task.definition.rewards[0].weight = number(input)?;
    }
    Ok(header)
}

fn settings(input: &mut Unstructured<'_>) -> Result<Settings> {
    let method = *input.choose(&[Method::Qes, Method::QesGated, Method::Quzo, Method::EsRound])?;
    let fitting = match method {
        Method::Qes => (0.9, Window::Last(input.int_in_range(1..=4)?)),
        Method::QesGated => (0.9, Window::All),
        Method::Quzo | Method::EsRound => (0.0, Window::Last(1)),
    };
    let chosen = (number(input)?, if input.arbitrary()? { Window::All } else { Window::Last(count(input)?) });
    let (decay, window) = if input.ratio(3, 4)? { fitting } else { chosen };
    let of_type = |input: &mut Unstructured<'_>| {
        let of_any = TensorType::from_ggml_id(input.int_in_range(0..=42)?).unwrap_or(TensorType::Q6_K);
        let tensor_type = if input.ratio(7, 8)? { *input.choose(&TensorType::TUNABLE)? } else { of_any };
        let (alpha, alpha_final) = (number(input)?, number(input)?);
        let first = if tensor_type.code_range().is_some() { Field::Codes } else { Field::Scales };
        let field = if input.ratio(3, 4)? { first } else { *input.choose(&Field::ALL)? };
        let hit = if input.ratio(7, 8)? { *input.choose(&[1, 4, 300])? } else { input.arbitrary()? };
        Ok(TypeSettings { tensor_type, field, sigma: number(input)?, hit, alpha, alpha_final })
    };
    Ok(Settings {
        seed: input.arbitrary()?,
        population: if input.ratio(3, 4)? { *input.choose(&[2, 4, 5, 8])? } else { count(input)? as u32 },
        mirror: input.arbitrary()?,
        generations: count(input)?,
        types: (0..input.int_in_range(0..=3)?).map(|_| of_type(input)).collect::<Result<_>>()?,
        method,
        decay,
        window,
        anchor: if input.arbitrary()? { 0.0 } else { number(input)? },
        shaping: log::header().settings.shaping,
    })
}

/// A line that mostly follows from the log so far.
fn line(input: &mut Unstructured<'_>, log: &SeedLog) -> Result<Line> {
    let next = log.generations.len() as u64;
    let place = if input.ratio(7, 8)? { next } else { count(input)? };
    Ok(match input.int_in_range(0..=7_u8)? {
        0 => Line::Evaluation(log::evaluation(place, number(input)?)),
        1 => Line::Plan(PlanRecord { generations: count(input)? }),
        2 => Line::Header(Box::new(log.header.clone())),
        _ => Line::Generation(generation(input, &log.header, place)?),
    })
}

fn generation(input: &mut Unstructured<'_>, header: &Header, place: u64) -> Result<GenerationRecord> {
    let perturbations = header.settings.perturbations().min(64) + usize::from(input.ratio(1, 16)?);
    let weight = |input: &mut Unstructured<'_>| {
        const AWKWARD: [f32; 8] = [0.0, -0.0, 3.0, -3.0, f32::MIN_POSITIVE, 1e-45, 3.000_000_2, f32::NAN];
        Ok(if input.ratio(1, 3)? {
            *input.choose(&AWKWARD)?
        } else {
            f32::from(input.arbitrary::<i16>()?) / 11_000.0
        })
    };
    let weights = (0..perturbations).map(|_| weight(input)).collect::<Result<_>>()?;
    let mut record = log::generation(header, place, weights);
    if input.ratio(1, 4)? {
        for alpha in &mut record.alpha {
            *alpha = number(input)?;
        }
    }
    if input.ratio(1, 4)? {
        record.fitness =
            FitnessSummary { mean: number(input)?, spread: number(input)?, best: number(input)? };
    }
    Ok(record)
}

/// Bytes that choose differently.
pub fn seeds() -> Seeds {
    let mixed =
        |seed: u32| (0..300_u32).map(|i| ((i ^ seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    vec![
        ("zeros", vec![0; 200]),
        ("ones", vec![0xff; 200]),
        ("rising", (0..=255).collect()),
        ("mixed-1", mixed(1)),
        ("mixed-2", mixed(1 << 20)),
        ("mixed-3", mixed(0xbeef)),
        ("short", vec![1, 2, 3]),
    ]
}
