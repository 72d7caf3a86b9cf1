//! All methods, with and without anchor, against a plain reference, in every way to obtain the codes.

use sha2::{Digest, Sha256};

use super::*;
use crate::noise::{CodeByCode, Hits, RunAddress};
use crate::rng::{Domain, Source};
use crate::seed_log::{GenerationRecord, hex};
use crate::settings::Settings;
use crate::update::Method;

const GENERATIONS: u64 = 7;

fn header_of(settings: Settings) -> Header {
    Header { settings, ..header() }
}

fn record(header: &Header, generation: u64) -> GenerationRecord {
    test_log::generation(header, generation)
}

/// A tensor's perturbation by each pair of a generation, code by code.
fn perturbations(header: &Header, generation: u64, tensor: usize) -> Vec<Vec<i16>> {
    let (settings, spec) = (&header.settings, &header.tensors[tensor]);
    let of_type = &settings.types[settings.type_index(spec.tensor_type).unwrap()];
    let noise = crate::noise::Noise::new(of_type.sigma).unwrap();
    let codes = spec.codes as usize;
    let draw = |pair: &Pair| {
        let mut u = CodeByCode(vec![0; codes]);
        for (run, first) in (0..codes).step_by(noise.run_len()).enumerate() {
            let address = RunAddress { tensor: tensor as u32, run: run as u64 };
            noise.draw(&mut pair.batches(), address, first..(first + noise.run_len()).min(codes), &mut u);
        }
        u.0
    };
    Pair::of_generation(settings.seed, generation, settings.pairs()).iter().map(draw).collect()
}

/// The word that rounds each code of a tensor.
fn rounding_words(seed: u64, generation: u64, tensor: usize, codes: usize) -> Vec<u32> {
    let source = Source::of_generation(seed, generation, Domain::Rounding);
    let word = |index: usize| {
        let mut stream = source.stream(((tensor << 40) + index / 8192) as u64);
        (0..=index % 8192).map(|_| stream.next_u32()).last().unwrap()
    };
    // One stream after the other, since finding the word of every code by itself takes long; a few are found so.
    let mut words = Vec::new();
    for run in 0..codes.div_ceil(8192) {
        let mut stream = source.stream(((tensor << 40) + run) as u64);
        words.extend((0..8192).map(|_| stream.next_u32()));
    }
    assert!([0, 1, 8191, 8192, codes - 1].iter().all(|&index| words[index] == word(index)));
    words
}

/// Which codes of a tensor the anchor pulls.
fn pulls(rate: f64, seed: u64, generation: u64, tensor: usize, codes: usize) -> Vec<bool> {
    let mut pulls = CodeByCode(vec![0; codes]);
    if rate > 0.0 {
        let mut batches = Source::of_generation(seed, generation, Domain::Pull).batches();
        for run in 0..codes.div_ceil(8192) {
            let address = RunAddress { tensor: tensor as u32, run: run as u64 };
            let of_run = run * 8192..codes.min((run + 1) * 8192);
            Hits::new(rate).draw(&mut batches, address, of_run, &mut pulls);
        }
    }
    pulls.0.iter().map(|value| *value != 0).collect()
}

/// What rounds a code's v in a generation without feedback.
fn round_alone(method: Method, v: f32, word: u32) -> f32 {
    match method {
        Method::EsRound => v.round_ties_even(),
        _ => {
            let above = f64::from(v.abs().fract()) * 2.0_f64.powi(32);
            let up = f64::from(word) < above.floor();
            v.signum() * (v.abs().floor() + if up { 1.0 } else { 0.0 })
        }
    }
}

/// The gradient estimate of one code times sigma: what each member contributes that was not gated.
fn sum_of(gated: Option<(i16, i16, i16)>, us: &[i16], weights: &[f32]) -> f32 {
    let mut sum = 0.0;
    for (u, weight) in us.iter().zip(weights) {
        let fits = |sign: i16| gated.is_none_or(|(code, lo, hi)| (lo..=hi).contains(&(code + sign * u)));
        let mut of_pair = 0.0;
        for sign in [1, -1] {
            of_pair += if fits(sign) { weight * f32::from(*u) } else { 0.0 };
        }
        sum += of_pair;
    }
    sum
}

/// The codes of one tensor after each generation, by the definitions: every code by itself, from the first generation on.
fn reference(header: &Header, tensor: usize, base: &[i16], range: (i16, i16)) -> Vec<Vec<i16>> {
    let settings = &header.settings;
    let of_type = settings.type_index(header.tensors[tensor].tensor_type).unwrap();
    let records: Vec<GenerationRecord> = (0..GENERATIONS).map(|g| record(header, g)).collect();
    let us: Vec<Vec<Vec<i16>>> = (0..GENERATIONS).map(|g| perturbations(header, g, tensor)).collect();
    let words: Vec<Vec<u32>> =
        (0..GENERATIONS).map(|g| rounding_words(settings.seed, g, tensor, base.len())).collect();
    let pulls: Vec<Vec<bool>> =
        (0..GENERATIONS).map(|g| pulls(settings.anchor, settings.seed, g, tensor, base.len())).collect();
    let mut after = vec![Vec::new(); GENERATIONS as usize];
    for (index, &base) in base.iter().enumerate() {
        let step = |generation: usize, code: i16, e: f32| {
            let us: Vec<i16> = us[generation].iter().map(|u| u[index]).collect();
            let gated = (settings.method == Method::QesGated).then_some((code, range.0, range.1));
            let record = &records[generation];
            let scale = (record.alpha[of_type] / record.sigma[of_type]) as f32;
            scale * sum_of(gated, &us, &record.weights) + settings.decay as f32 * e
        };
        let (mut code, mut gated_residual) = (base, 0.0);
        for generation in 0..GENERATIONS as usize {
            let delta = match settings.method {
                Method::Qes => {
                    // The residual from the beginning of its window.
                    let first = settings.window.start(generation as u64) as usize;
                    let e = (first..generation).fold(0.0, |e, earlier| {
                        let v = step(earlier, code, e);
                        v - v.round_ties_even()
                    });
                    step(generation, code, e).round_ties_even()
                }
                Method::QesGated => {
                    let v = step(generation, code, gated_residual);
                    let delta = v.round_ties_even();
                    let fits = (range.0..=range.1).contains(&(code + delta as i16));
                    gated_residual = if fits { v - delta } else { v };
                    delta
                }
                method => round_alone(method, step(generation, code, 0.0), words[generation][index]),
            };
            let moved = code + delta as i16;
            code = if (range.0..=range.1).contains(&moved) { moved } else { code };
            if pulls[generation][index] {
                code += (base - code).signum();
            }
            after[generation].push(code);
        }
    }
    after
}

/// The codes of all tensors after each generation.
fn references(header: &Header) -> Vec<Vec<Vec<i16>>> {
    let base = plain(header).codes(header);
    let of_tensor = |(tensor, base): (usize, &Vec<i16>)| {
        let range = crate::with_block!(header.tensors[tensor].tensor_type, B => (B::LO, B::HI));
        reference(header, tensor, base, range)
    };
    let of_tensors: Vec<_> = base.iter().enumerate().map(of_tensor).collect();
    (0..GENERATIONS as usize)
        .map(|g| of_tensors.iter().map(|of_tensor| of_tensor[g].clone()).collect())
        .collect()
}

fn plain(header: &Header) -> Memory {
    Memory::new(header, |spec| Arrangement::plain(spec.tensor_type))
}

/// The stores that a live run by this history may have.
fn stores(specs: &[TensorSpec], history: &History) -> Vec<ResidualStore> {
    let stored = ResidualStore::Stored(per_tile(specs, history));
    if history.must_store() { vec![stored] } else { vec![stored, ResidualStore::Replay] }
}

/// Checks that a live run in some layout, and one that is resumed half-way, has the expected codes after each generation.
fn assert_live(header: &Header, expected: &[Vec<Vec<i16>>], arrange: &dyn Fn(&TensorSpec) -> Arrangement) {
    let specs = &header.tensors;
    let mut history = History::new(header).unwrap();
    let name = format!("{:?}, anchor {}", header.settings.method, header.settings.anchor);
    let mut runs: Vec<_> =
        stores(specs, &history).into_iter().map(|store| (Memory::new(header, arrange), store)).collect();
    for generation in 0..GENERATIONS {
        history.push(&record(header, generation));
        for (memory, store) in &mut runs {
            update_all(&mut memory.lend(), specs, &history, store);
            assert!(memory.codes(header) == expected[generation as usize], "{name}, generation {generation}");
        }
        if generation == 3 {
            // From here on also as resumed from the log.
            for mut store in stores(specs, &history) {
                let mut memory = Memory::new(header, arrange);
                rebuild_all(&mut memory.lend(), specs, &history, &mut store);
                assert!(memory.codes(header) == expected[3], "{name}, resumed");
                runs.push((memory, store));
            }
        }
    }
    let mut exported = Memory::new(header, arrange);
    rebuild_all(&mut exported.lend(), specs, &history, &mut ResidualStore::Replay);
    assert!(exported.codes(header) == expected[GENERATIONS as usize - 1], "{name}, exported");
}

#[test]
fn every_method_gives_the_codes_of_its_definition_live_resumed_and_exported_in_every_layout() {
    for settings in test_log::by_each_method(&[0.0, 0.01, 1.0]) {
        let header = header_of(settings);
        let expected = references(&header);
        assert!(expected.windows(2).all(|pair| pair[0] != pair[1]), "these tests are worth little otherwise");
        assert_live(&header, &expected, &|spec| Arrangement::plain(spec.tensor_type));
        for number in 0..2 {
            assert_live(&header, &expected, &|spec| arranged(spec, number));
        }
    }
}

/// The codes after a whole log.
fn exported(header: &Header, generations: u64) -> (Vec<Vec<i16>>, Moves) {
    let mut history = History::new(header).unwrap();
    (0..generations).for_each(|generation| history.push(&record(header, generation)));
    let mut memory = plain(header);
    let moves = rebuild_all(&mut memory.lend(), &header.tensors, &history, &mut ResidualStore::Replay);
    (memory.codes(header), moves)
}

#[test]
fn no_method_depends_on_the_number_of_threads() {
    for settings in test_log::by_each_method(&[0.3]) {
        let header = header_of(settings);
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| exported(&header, 4))
        };
        let one = with_threads(1);
        assert!(one.1.moved > 0 && one.1.pulled > 0);
        for threads in [2, 3] {
            assert!(with_threads(threads) == one, "{:?}, {threads} threads", header.settings.method);
        }
    }
}

#[test]
fn rounding_to_the_nearest_is_feedback_without_memory() {
    let [qes, .., es_round] = &test_log::by_each_method(&[0.0])[..] else { panic!("four methods") };
    let forgetful = Settings { decay: 0.0, ..qes.clone() };
    assert!(exported(&header_of(forgetful), 5) == exported(&header_of(es_round.clone()), 5));
    assert!(exported(&header_of(qes.clone()), 5) != exported(&header_of(es_round.clone()), 5));
}

/// How far the codes of a model are from those of another, summed up.
fn distance(a: &[Vec<i16>], b: &[Vec<i16>], longest: &mut i16) -> u64 {
    let mut sum = 0;
    for (a, b) in a.iter().flatten().zip(b.iter().flatten()) {
        *longest = (*longest).max((a - b).abs());
        sum += u64::from(a.abs_diff(*b));
    }
    sum
}

#[test]
fn a_full_anchor_and_no_steps_bring_every_code_back_one_step_at_a_time() {
    for settings in test_log::by_each_method(&[1.0]) {
        // What its codes could not take, the gated method tries again and again.
        if settings.method == Method::QesGated {
            continue;
        }
        let header = header_of(settings);
        let specs = &header.tensors;
        let mut history = History::new(&header).unwrap();
        let base = plain(&header).codes(&header);
        let mut memory = plain(&header);
        let mut store = ResidualStore::Replay;
        let mut update = |alpha: f64, generation| {
            let mut record = record(&header, generation);
            record.alpha.iter_mut().zip(&record.sigma).for_each(|(of_type, sigma)| *of_type = alpha * sigma);
            history.push(&record);
            let moves = update_all(&mut memory.lend(), specs, &history, &mut store);
            (memory.codes(&header), moves)
        };
        let (mut codes, _) = update(0.7, 0);
        let mut steps = 0;
        let mut longest = 0;
        while distance(&codes, &base, &mut longest) > 0 {
            steps += 1;
            let (next, moves) = update(0.0, steps);
            let away = codes.iter().flatten().zip(base.iter().flatten()).filter(|(code, base)| code != base);
            assert_eq!((moves.moved, moves.pulled), (0, away.count() as u64));
            assert_eq!(distance(&codes, &next, &mut 0), moves.pulled, "one step each");
            assert_eq!(
                distance(&codes, &base, &mut 0) - distance(&next, &base, &mut 0),
                moves.pulled,
                "towards the base"
            );
            codes = next;
        }
        assert_eq!(steps, longest as u64);
        assert!(steps > 1, "nothing was far away");
    }
}

/// These pin the codes that a log leads to: a change here means that old logs no longer replay, and that the log's format
/// version rises. The first is as it was before there were other methods.
#[test]
fn golden_codes() {
    let digests: Vec<String> = test_log::by_each_method(&[0.0, 0.01])
        .into_iter()
        .map(|settings| {
            let (codes, _) = exported(&header_of(settings), GENERATIONS);
            let mut hash = Sha256::new();
            codes.iter().flatten().for_each(|code| hash.update(code.to_le_bytes()));
            hex(&hash.finalize()[..8])
        })
        .collect();
    let golden = [
        "965c977007ed5d68",
        "5f838d34aa0f78a2",
        "23084e98e76754ed",
        "a8fe988586be77ed",
        "7eab9fabfd175537",
        "fe8c338beb0ab027",
        "66e9493466b67a2e",
        "d08552808da9b98f",
    ];
    assert_eq!(digests, golden);
}
