//! The draws against their definition, integer by integer, and golden vectors.
//!
//! Chi-square statistics are compared with the value that the distribution exceeds once in ten thousand runs; seeds are
//! fixed, so the outcome is too.

use super::*;
use crate::rng::{BATCH, Domain, Source};

/// The value a chi-square statistic exceeds once in ten thousand (Wilson and Hilferty's approximation).
fn limit(degrees: usize) -> f64 {
    let k = degrees as f64;
    let z = 3.719;
    k * (1.0 - 2.0 / (9.0 * k) + z * (2.0 / (9.0 * k)).sqrt()).powi(3)
}

fn chi_square(counts: &[u64], expected: &[f64]) -> (f64, usize) {
    // Cells with few expected counts are joined, as the statistic needs.
    let (mut chi, mut cells, mut count, mut wanted) = (0.0, 0, 0.0, 0.0);
    for (&c, &e) in counts.iter().zip(expected) {
        count += c as f64;
        wanted += e;
        if wanted >= 10.0 {
            chi += (count - wanted).powi(2) / wanted;
            (cells, count, wanted) = (cells + 1, 0.0, 0.0);
        }
    }
    if cells > 0 && wanted > 0.0 {
        // What is left at the end is too little for a cell of its own, but a surplus there has to show.
        chi += (count - wanted).max(0.0).powi(2) / wanted.max(1.0);
    }
    (chi, cells - 1)
}

fn assert_fits(what: &str, counts: &[u64], expected: &[f64]) {
    let (chi, degrees) = chi_square(counts, expected);
    assert!(chi < limit(degrees), "{what}: chi-square {chi:.1} with {degrees} degrees of freedom");
}

/// Sigmas and hits from the rarest to every integer.
const NOISES: [(f64, u16); 8] =
    [(0.008, 1), (0.1, 1), (0.106, 2), (0.5, 1), (1.6, 2), (3.2, 16), (40.0, 160), (7.0, 7)];

fn noise((sigma, hit): (f64, u16)) -> Noise {
    Noise::new(sigma, hit).unwrap()
}

fn address(tensor: u32, run: u64) -> RunAddress {
    RunAddress { tensor, field: Field::Codes, run }
}

/// The perturbation of so many integers of one field of a tensor, one by one.
fn perturbation_of(noise: &Noise, seed: u64, tensor: u32, field: Field, integers: usize) -> Vec<i16> {
    let mut u = OneByOne(vec![0; integers]);
    let mut batches = NoiseSeed::new(seed).batches();
    for (run, first) in (0..integers).step_by(noise.run_len()).enumerate() {
        let address = RunAddress { tensor, field, run: run as u64 };
        noise.draw(&mut batches, address, first..(first + noise.run_len()).min(integers), &mut u);
    }
    u.0
}

fn perturbation(noise: &Noise, seed: u64, tensor: u32, integers: usize) -> Vec<i16> {
    perturbation_of(noise, seed, tensor, Field::Codes, integers)
}

/// Counts of minus, none, plus.
fn classes(u: &[i16]) -> Vec<u64> {
    let mut counts = vec![0; 3];
    u.iter().for_each(|u| counts[(u.signum() + 1) as usize] += 1);
    counts
}

#[test]
fn values_follow_the_definition() {
    const INTEGERS: usize = 1 << 21;
    for of in NOISES {
        let noise = noise(of);
        let u = perturbation(&noise, 11, 0, INTEGERS);
        assert!(u.iter().all(|u| *u == 0 || u.unsigned_abs() == noise.hit()), "{of:?}");
        let (p, all) = (noise.probability(), INTEGERS as f64);
        assert_fits(
            &format!("values of {of:?}"),
            &classes(&u),
            &[all * p / 2.0, all * (1.0 - p), all * p / 2.0],
        );
    }
}

/// The same by plain draws of the definition, one number for each integer.
#[test]
fn values_follow_plain_draws() {
    const INTEGERS: usize = 1 << 20;
    for of in NOISES {
        let noise = noise(of);
        let mut stream = Source::new(5, Domain::Problems).stream(0);
        let mut plain = || match stream.unit() / noise.probability() {
            place if place < 0.5 => 1,
            place if place < 1.0 => -1,
            _ => 0,
        };
        let plain: Vec<i16> = (0..INTEGERS).map(|_| plain()).collect();
        let (drawn, plain) = (classes(&perturbation(&noise, 5, 0, INTEGERS)), classes(&plain));
        // Two samples of the same size: half their sum is the expectation, and the statistic doubles.
        let half: Vec<f64> = drawn.iter().zip(&plain).map(|(a, b)| (a + b) as f64 / 2.0).collect();
        let (chi, degrees) = chi_square(&drawn, &half);
        assert!(2.0 * chi < limit(degrees), "{of:?}: {chi:.1} with {degrees}");
    }
}

#[test]
fn sigma_is_the_root_mean_square() {
    const INTEGERS: usize = 1 << 22;
    for of in NOISES {
        let noise = noise(of);
        let squares: f64 =
            perturbation(&noise, 3, 1, INTEGERS).iter().map(|u| f64::from(*u) * f64::from(*u)).sum();
        let (variance, p) = (of.0 * of.0, noise.probability());
        let error = variance * ((1.0 - p) / p / INTEGERS as f64).sqrt();
        assert!((squares / INTEGERS as f64 - variance).abs() <= 4.0 * error + 1e-9, "{of:?}");
    }
}

#[test]
fn every_position_of_a_run_is_hit_alike() {
    for of in [(0.1, 1), (0.5, 1), (2.0, 4)] {
        let noise = noise(of);
        let run = noise.run_len();
        let u = perturbation(&noise, 2, 7, run << 12);
        let mut counts = vec![0; run];
        for (i, _) in u.iter().enumerate().filter(|(_, u)| **u != 0) {
            counts[i % run] += 1;
        }
        let hits: u64 = counts.iter().sum();
        assert_fits(&format!("positions of {of:?}"), &counts, &vec![hits as f64 / run as f64; run]);
    }
}

#[test]
fn hits_per_run_are_binomial() {
    for of in [(0.1, 1), (0.25, 1)] {
        let noise = noise(of);
        let (run, p) = (noise.run_len(), noise.probability());
        let runs = 20_000;
        let mut counts = vec![0; 400];
        let mut batches = NoiseSeed::new(3).batches();
        for number in 0..runs as u64 {
            let mut u = OneByOne(vec![0; run]);
            noise.draw(&mut batches, address(1, number), 0..run, &mut u);
            counts[u.0.iter().filter(|u| **u != 0).count()] += 1;
        }
        // In logarithms, since the first of them are too small for a number.
        let (mut logarithm, mut expected) = (run as f64 * (1.0 - p).ln(), Vec::new());
        for k in 0..400 {
            expected.push(runs as f64 * logarithm.exp());
            logarithm += ((run - k.min(run - 1)) as f64 / (k + 1) as f64 * p / (1.0 - p)).ln();
        }
        assert_fits(&format!("hits of {of:?}"), &counts, &expected);
    }
}

/// Counts of (class of a, class of b) over paired draws, classes being minus, none, plus.
fn joint(a: &[i16], b: &[i16]) -> Vec<u64> {
    let mut counts = vec![0; 9];
    for (a, b) in a.iter().zip(b) {
        counts[((a.signum() + 1) * 3 + b.signum() + 1) as usize] += 1;
    }
    counts
}

fn assert_independent(what: &str, a: &[i16], b: &[i16]) {
    let counts = joint(a, b);
    let total = a.len() as f64;
    let row = |i: usize| (0..3).map(|j| counts[3 * i + j]).sum::<u64>() as f64;
    let column = |j: usize| (0..3).map(|i| counts[3 * i + j]).sum::<u64>() as f64;
    let expected: Vec<f64> = (0..9).map(|k| row(k / 3) * column(k % 3) / total).collect();
    let (chi, degrees) = chi_square(&counts, &expected);
    // A generous count of degrees: the margins were fitted.
    assert!(chi < limit(degrees), "{what}: chi-square {chi:.1}");
}

#[test]
fn neighbours_members_tensors_fields_and_runs_are_independent() {
    const INTEGERS: usize = 1 << 20;
    for of in [(0.3, 1), (1.0, 4), (0.6, 1)] {
        let noise = noise(of);
        let u = perturbation(&noise, 100, 0, INTEGERS);
        for lag in [1, 2, 31, 32, BATCH, noise.run_len()] {
            assert_independent(&format!("lag {lag} of {of:?}"), &u[..INTEGERS - lag], &u[lag..]);
        }
        for (what, other) in [
            ("the next member", perturbation(&noise, 101, 0, INTEGERS)),
            ("a far member", perturbation(&noise, u64::MAX, 0, INTEGERS)),
            ("the next tensor", perturbation(&noise, 100, 1, INTEGERS)),
            ("another field", perturbation_of(&noise, 100, 0, Field::Scales, INTEGERS)),
            ("a third field", perturbation_of(&noise, 100, 0, Field::Mins, INTEGERS)),
        ] {
            assert_independent(&format!("{what} of {of:?}"), &u, &other);
        }
    }
}

#[test]
fn a_run_does_not_depend_on_its_length_or_on_other_runs() {
    for of in NOISES {
        let noise = noise(of);
        let run = noise.run_len();
        let whole = perturbation(&noise, 9, 2, 4 * run);
        let cut = perturbation(&noise, 9, 2, 3 * run + run / 2);
        assert_eq!(cut[..], whole[..cut.len()], "{of:?}");
    }
}

#[test]
fn runs_hold_128_to_256_hits_or_are_as_short_or_long_as_they_may_be() {
    for of in NOISES {
        let noise = noise(of);
        let hits = noise.probability() * noise.run_len() as f64;
        let is_usual = (HITS_PER_RUN / 2.0..=HITS_PER_RUN).contains(&hits);
        let bits = noise.run_len().ilog2();
        assert!(is_usual || [RUN_BITS.start(), RUN_BITS.end()].contains(&&bits), "{of:?}: {hits}, 2^{bits}");
    }
}

#[test]
fn nonsense_is_refused() {
    for sigma in [0.0, -0.1, f64::NAN, f64::INFINITY, 1e-9, 1e5] {
        let message = Noise::new(sigma, 1).unwrap_err().to_string();
        assert!(message.contains("sigma is"), "{message}");
    }
    assert_eq!(Noise::new(0.1, 0).unwrap_err(), NoiseError::Hit(0));
    assert_eq!(Noise::new(0.1, MAX_HIT + 1).unwrap_err(), NoiseError::Hit(MAX_HIT + 1));
    let message = Noise::new(1.5, 1).unwrap_err().to_string();
    assert!(message.contains("use larger hits"), "{message}");
}

#[test]
fn the_extremes_work() {
    for of in [(*SIGMA_RANGE.start(), 1), (*SIGMA_RANGE.end(), MAX_HIT), (1.0, 1)] {
        let noise = noise(of);
        let u = perturbation(&noise, 1, 0, 1 << 24);
        // The rarest hits once in ten billion integers.
        assert_eq!(u.iter().any(|&u| u != 0), of.0 > 1e-5, "{of:?}");
    }
    assert!(perturbation(&noise((1.0, 1)), 1, 0, 1 << 12).iter().all(|u| u.abs() == 1), "every integer");
}

/// The first hits of a run, as `position:value`.
fn hits(of: (f64, u16), seed: u64, address: RunAddress) -> String {
    let noise = noise(of);
    let mut drawn = OneByOne(vec![0; noise.run_len()]);
    noise.draw(&mut NoiseSeed::new(seed).batches(), address, 0..noise.run_len(), &mut drawn);
    let hits = drawn.0.iter().enumerate().filter(|(_, u)| **u != 0);
    hits.take(6).map(|(position, u)| format!("{position}:{u}")).collect::<Vec<_>>().join(" ")
}

/// These pin the draws: a change here means that old logs no longer replay, and that the log's format version rises.
#[test]
fn golden_hits() {
    let far = RunAddress { tensor: 5, field: Field::Mins, run: (1 << 38) - 1 };
    let drawn = [
        hits((0.01, 1), 0, address(0, 0)),
        hits((0.106, 1), 1, address(2, 3)),
        hits((40.0, 160), u64::MAX, far),
        hits((3.2, 16), 42, address(0, 1)),
    ];
    let golden = [
        "2246:1 29447:1 34729:-1 44072:1 46113:-1 62504:-1",
        "1:-1 94:1 97:1 158:-1 483:-1 579:-1",
        "44:160 59:160 85:160 88:-160 90:160 97:160",
        "6:16 7:-16 92:16 113:-16 120:-16 128:-16",
    ];
    assert_eq!(drawn, golden);
}

#[test]
fn golden_table_digests() {
    let digest = |of| {
        let digest = noise(of).digest();
        digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let golden = ["ba9914225ebd253b", "804b3bcffc8988b6", "5e2af400e6c5abe9", "3bfaaf35d1682294"];
    assert_eq!([(0.01, 1), (0.106, 1), (40.0, 160), (3.2, 16)].map(digest), golden);
}

/// The definition of the draws, one word at a time.
fn word_by_word(noise: &Noise, seed: &NoiseSeed, address: RunAddress, len: usize) -> Vec<i16> {
    let mut stream = seed.0.stream(address.stream());
    let (mut u, mut position) = (vec![0; len], 0);
    while position < len {
        let word = stream.next_u32();
        let [gap] = noise.hits.0.draw(&[word]);
        position += usize::from(gap);
        if gap != super::hits::NO_HIT && position < len {
            u[position] = noise.hit as i16 * if word & 1 == 1 { -1 } else { 1 };
            position += 1;
        }
    }
    u
}

#[test]
fn batches_draw_what_single_words_would() {
    let seed = NoiseSeed::new(77);
    for of in NOISES {
        let noise = noise(of);
        let run = noise.run_len();
        for (number, len) in [run, run, run / 2, 96, 32].into_iter().enumerate() {
            let address = address(3, number as u64);
            let mut drawn = OneByOne(vec![0; len]);
            noise.draw(&mut seed.batches(), address, 0..len, &mut drawn);
            assert!(drawn.0 == word_by_word(&noise, &seed, address, len), "{of:?}, {len} integers");
        }
    }
}
