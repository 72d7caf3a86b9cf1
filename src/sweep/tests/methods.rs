//! All methods, with and without anchor, against a plain reference, in every way to obtain the codes.

use sha2::{Digest, Sha256};

use super::*;
use crate::noise::{Hits, OneByOne, RunAddress};
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

/// A field of a tensor that is tuned.
#[derive(Clone, Copy, Debug)]
struct Part {
    tensor: usize,
    field: Field,
    /// Position of its settings.
    entry: usize,
    integers: usize,
    range: (i16, i16),
}

impl Part {
    /// The stream of one of its runs.
    fn address(self, run: usize) -> RunAddress {
        RunAddress { tensor: self.tensor as u32, field: self.field, run: run as u64 }
    }
}

/// Everything that a header tunes, in the order of [`Memory::integers`].
fn parts(header: &Header) -> Vec<Part> {
    let mut parts = Vec::new();
    for (tensor, spec) in header.tensors.iter().enumerate() {
        let entries = header.settings.types.iter().enumerate();
        for (entry, of) in entries.filter(|(_, of)| of.tensor_type == spec.tensor_type) {
            let arrangement = Arrangement::plain(spec.tensor_type);
            let range = with_integers!(arrangement, of.field, I => (I::LO, I::HI));
            let integers = spec.integers(of.field) as usize;
            parts.push(Part { tensor, field: of.field, entry, integers, range });
        }
    }
    parts
}

/// Each perturbation of a generation, integer by integer.
fn perturbations(header: &Header, generation: u64, part: Part) -> Vec<Vec<i16>> {
    let settings = &header.settings;
    let noise = settings.types[part.entry].noise().unwrap();
    let draw = |seed: &NoiseSeed| {
        let mut u = OneByOne(vec![0; part.integers]);
        for (run, first) in (0..part.integers).step_by(noise.run_len()).enumerate() {
            let of_run = first..(first + noise.run_len()).min(part.integers);
            noise.draw(&mut seed.batches(), part.address(run), of_run, &mut u);
        }
        u.0
    };
    NoiseSeed::of_generation(settings.seed, generation, settings.perturbations()).iter().map(draw).collect()
}

/// The word that rounds each integer of a part.
fn rounding_words(seed: u64, generation: u64, part: Part) -> Vec<u32> {
    let source = Source::of_generation(seed, generation, Domain::Rounding);
    let word = |index: usize| {
        let mut stream = source.stream(part.address(index / 8192).stream());
        (0..=index % 8192).map(|_| stream.next_u32()).last().unwrap()
    };
    // One stream after the other, since finding every word by itself takes long; a few are found so.
    let mut words = Vec::new();
    for run in 0..part.integers.div_ceil(8192) {
        let mut stream = source.stream(part.address(run).stream());
        words.extend((0..8192).map(|_| stream.next_u32()));
    }
    let some = [0, 1, 8191, 8192, part.integers - 1].into_iter().filter(|index| *index < part.integers);
    some.for_each(|index| assert_eq!(words[index], word(index)));
    words
}

/// Which integers of a part the anchor pulls.
fn pulls(rate: f64, seed: u64, generation: u64, part: Part) -> Vec<bool> {
    let mut pulls = vec![false; part.integers];
    if rate > 0.0 {
        let mut batches = Source::of_generation(seed, generation, Domain::Pull).batches();
        for run in 0..part.integers.div_ceil(8192) {
            let of_run = run * 8192..part.integers.min((run + 1) * 8192);
            Hits::new(rate).draw(&mut batches, part.address(run), of_run, |index, _| pulls[index] = true);
        }
    }
    pulls
}

/// Rounds a code's v in a generation without feedback.
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

/// The gradient estimate of one integer times sigma: what each member contributes that was not gated.
fn sum_of(gated: Option<(i16, i16, i16)>, us: &[i16], weights: &[f32], mirror: bool) -> f32 {
    let mut sum = 0.0;
    for (u, weight) in us.iter().zip(weights) {
        let fits = |sign: i16| gated.is_none_or(|(value, lo, hi)| (lo..=hi).contains(&(value + sign * u)));
        let mut of_members = 0.0;
        for sign in if mirror { &[1, -1][..] } else { &[1] } {
            of_members += if fits(*sign) { weight * f32::from(*u) } else { 0.0 };
        }
        sum += of_members;
    }
    sum
}

/// The integers of one part after each generation, by the definitions: every one by itself, from the first generation on.
fn reference(header: &Header, part: Part, base: &[i16]) -> Vec<Vec<i16>> {
    let settings = &header.settings;
    let Part { entry, range, .. } = part;
    let records: Vec<GenerationRecord> = (0..GENERATIONS).map(|g| record(header, g)).collect();
    let us: Vec<Vec<Vec<i16>>> = (0..GENERATIONS).map(|g| perturbations(header, g, part)).collect();
    let words: Vec<Vec<u32>> = (0..GENERATIONS).map(|g| rounding_words(settings.seed, g, part)).collect();
    let pulls: Vec<Vec<bool>> =
        (0..GENERATIONS).map(|g| pulls(settings.anchor, settings.seed, g, part)).collect();
    let mut after = vec![Vec::new(); GENERATIONS as usize];
    for (index, &base) in base.iter().enumerate() {
        let step = |generation: usize, value: i16, e: f32| {
            let us: Vec<i16> = us[generation].iter().map(|u| u[index]).collect();
            let gated = (settings.method == Method::QesGated).then_some((value, range.0, range.1));
            let record = &records[generation];
            let scale = (record.alpha[entry] / settings.types[entry].sigma) as f32;
            scale * sum_of(gated, &us, &record.weights, settings.mirror) + settings.decay as f32 * e
        };
        let (mut value, mut gated_residual) = (base, 0.0);
        for generation in 0..GENERATIONS as usize {
            let delta = match settings.method {
                Method::Qes => {
                    // The residual from the beginning of its window.
                    let first = settings.window.start(generation as u64) as usize;
                    let e = (first..generation).fold(0.0, |e, earlier| {
                        let v = step(earlier, value, e);
                        v - v.round_ties_even()
                    });
                    step(generation, value, e).round_ties_even()
                }
                Method::QesGated => {
                    let v = step(generation, value, gated_residual);
                    let delta = v.round_ties_even();
                    let fits = (range.0..=range.1).contains(&(value + delta as i16));
                    gated_residual = if fits { v - delta } else { v };
                    delta
                }
                method => round_alone(method, step(generation, value, 0.0), words[generation][index]),
            };
            let moved = value + delta as i16;
            value = if (range.0..=range.1).contains(&moved) { moved } else { value };
            if pulls[generation][index] {
                value += (base - value).signum();
            }
            after[generation].push(value);
        }
    }
    after
}

/// The integers of all parts after each generation.
fn references(header: &Header) -> Vec<Vec<Vec<i16>>> {
    let base = plain(header).integers(header);
    let of_parts: Vec<_> =
        parts(header).into_iter().zip(&base).map(|(part, base)| reference(header, part, base)).collect();
    (0..GENERATIONS as usize).map(|g| of_parts.iter().map(|of_part| of_part[g].clone()).collect()).collect()
}

fn plain(header: &Header) -> Memory {
    Memory::new(header, |spec| Arrangement::plain(spec.tensor_type))
}

/// The stores that a live run by this history may have.
fn stores(history: &History) -> Vec<ResidualStore> {
    let stored = ResidualStore::Stored(per_tile(history));
    if history.must_store() { vec![stored] } else { vec![stored, ResidualStore::Replay] }
}

/// Checks that a live run in some layout, and one that is resumed half-way, has the expected codes after each generation.
fn assert_live(header: &Header, expected: &[Vec<Vec<i16>>], arrange: &dyn Fn(&TensorSpec) -> Arrangement) {
    let mut history = History::new(header).unwrap();
    let name = format!("{:?}, anchor {}", header.settings.method, header.settings.anchor);
    let mut runs: Vec<_> =
        stores(&history).into_iter().map(|store| (Memory::new(header, arrange), store)).collect();
    for generation in 0..GENERATIONS {
        history.push(&record(header, generation));
        for (memory, store) in &mut runs {
            update_all(&history, store).over(&mut memory.lend());
            assert!(
                memory.integers(header) == expected[generation as usize],
                "{name}, generation {generation}"
            );
        }
        if generation == 3 {
            // From here on also as resumed from the log.
            for mut store in stores(&history) {
                let mut memory = Memory::new(header, arrange);
                rebuild_all(&history, &mut store).over(&mut memory.lend());
                assert!(memory.integers(header) == expected[3], "{name}, resumed");
                runs.push((memory, store));
            }
        }
    }
    let mut exported = Memory::new(header, arrange);
    rebuild_all(&history, &mut ResidualStore::Replay).over(&mut exported.lend());
    assert!(exported.integers(header) == expected[GENERATIONS as usize - 1], "{name}, exported");
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
    let moves = rebuild_all(&history, &mut ResidualStore::Replay).over(&mut memory.lend());
    (memory.integers(header), moves)
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
    let [qes, .., es_round, _] = &test_log::by_each_method(&[0.0])[..] else { panic!("five methods") };
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
        let mut history = History::new(&header).unwrap();
        let base = plain(&header).integers(&header);
        let mut memory = plain(&header);
        let mut store = ResidualStore::Replay;
        let mut update = |alpha: f64, generation| {
            let mut record = record(&header, generation);
            let types = header.settings.types.iter();
            record
                .alpha
                .iter_mut()
                .zip(types)
                .for_each(|(of_type, of)| *of_type = alpha * of.sigma / f64::from(of.hit));
            history.push(&record);
            let moves = update_all(&history, &mut store).over(&mut memory.lend());
            (memory.integers(&header), moves)
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
/// version rises.
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
        "3eecfa5b32f30306",
        "03fc0e67d8e811fd",
        "afe24bda7f8b6ad3",
        "da6a236d894722a0",
        "f0d1ef64c3dcaeef",
        "60b0629bb62e396e",
        "83c6f3b5aef5ad69",
        "a74b621c8b69f89b",
        "0d78ec96040a0bed",
        "11115f3f15d5c7e4",
        "43b7162865a8f979",
        "7f5a0057e9dc541a",
        "ad7661a57413c9ca",
        "473328b20051a9a6",
        "9dafacc97938d046",
        "41e15c14b82cbe7d",
        "5a4bd8670507fd41",
        "f3e10b3d18338664",
        "af5e2162c8332a6a",
        "044deead8fcf315d",
    ];
    assert_eq!(digests, golden);
}
