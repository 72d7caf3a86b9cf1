//! The sparse draws against the dense definition, and golden vectors.
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

/// The perturbation of `codes` codes of one tensor, code by code.
fn perturbation(noise: &Noise, seed: u64, tensor: u32, codes: usize) -> Vec<i16> {
    let pair = Pair::new(seed);
    let mut u = CodeByCode(vec![0; codes]);
    let mut batches = pair.batches();
    for (run, first) in (0..codes).step_by(noise.run_len()).enumerate() {
        let address = RunAddress { tensor, run: run as u64 };
        noise.draw(&mut batches, address, first..(first + noise.run_len()).min(codes), &mut u);
    }
    u.0
}

/// A plain dense draw of the definition: a Gaussian by Box and Muller, then stochastic rounding.
fn dense_reference(sigma: f64, seed: u64, codes: usize) -> Vec<i16> {
    let mut stream = Source::new(seed, Domain::Problems).stream(0);
    let mut uniform = || (stream.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let draw = |_| {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        let s = sigma * radius * (2.0 * std::f64::consts::PI * uniform()).cos();
        s.floor() as i16 + i16::from(uniform() < s - s.floor())
    };
    (0..codes).map(draw).collect()
}

fn histogram(u: &[i16], reach: i16) -> Vec<u64> {
    let mut counts = vec![0; 2 * reach as usize + 1];
    for &value in u {
        counts[(value.clamp(-reach, reach) + reach) as usize] += 1;
    }
    counts
}

const SIGMAS: [f64; 8] = [0.003, 0.01, 0.1, 0.25, 0.45, 0.6, 1.6, 7.0];

#[test]
fn values_follow_the_exact_distribution() {
    const CODES: usize = 1 << 21;
    for sigma in SIGMAS {
        let noise = Noise::new(sigma).unwrap();
        let reach = 40;
        let counts = histogram(&perturbation(&noise, 11, 0, CODES), reach);
        let exact = distribution::magnitudes(sigma);
        let expected: Vec<f64> = (-reach..=reach)
            .map(|k: i16| {
                let p = exact.get(usize::from(k.unsigned_abs())).copied().unwrap_or(0.0);
                CODES as f64 * if k == 0 { p } else { p / 2.0 }
            })
            .collect();
        assert_fits(&format!("values at sigma {sigma}"), &counts, &expected);
    }
}

#[test]
fn values_follow_a_dense_draw() {
    const CODES: usize = 1 << 20;
    for sigma in [0.1, 0.45, 1.6] {
        let noise = Noise::new(sigma).unwrap();
        let sparse = histogram(&perturbation(&noise, 5, 0, CODES), 10);
        let dense = histogram(&dense_reference(sigma, 5, CODES), 10);
        // Two samples of the same size: half their sum is the expectation, and the statistic doubles.
        let half: Vec<f64> = sparse.iter().zip(&dense).map(|(a, b)| (a + b) as f64 / 2.0).collect();
        let (chi, degrees) = chi_square(&sparse, &half);
        assert!(2.0 * chi < limit(degrees), "sigma {sigma}: {chi:.1} with {degrees}");
    }
}

#[test]
fn every_position_of_a_run_is_hit_alike() {
    for sigma in [0.02, 0.1, 0.3, 0.6] {
        let noise = Noise::new(sigma).unwrap();
        let run = noise.run_len();
        let u = perturbation(&noise, 2, 7, run << 12);
        let mut counts = vec![0; run];
        for (i, _) in u.iter().enumerate().filter(|(_, u)| **u != 0) {
            counts[i % run] += 1;
        }
        let hits: u64 = counts.iter().sum();
        assert_fits(&format!("positions at sigma {sigma}"), &counts, &vec![hits as f64 / run as f64; run]);
    }
}

#[test]
fn hits_per_run_are_binomial() {
    for sigma in [0.02, 0.1, 0.3] {
        let noise = Noise::new(sigma).unwrap();
        let run = noise.run_len();
        let p: f64 = distribution::magnitudes(sigma)[1..].iter().sum();
        let runs = 20_000;
        let mut counts = vec![0; 400];
        let mut batches = Pair::new(3).batches();
        for number in 0..runs as u64 {
            let mut u = CodeByCode(vec![0; run]);
            noise.draw(&mut batches, RunAddress { tensor: 1, run: number }, 0..run, &mut u);
            counts[u.0.iter().filter(|u| **u != 0).count()] += 1;
        }
        let mut probability = (1.0 - p).powi(run as i32);
        let mut expected = Vec::new();
        for k in 0..400 {
            expected.push(runs as f64 * probability);
            probability *= (run - k.min(run)) as f64 / (k + 1) as f64 * p / (1.0 - p);
        }
        assert_fits(&format!("hits at sigma {sigma}"), &counts, &expected);
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
fn neighbours_pairs_tensors_and_runs_are_independent() {
    const CODES: usize = 1 << 20;
    for sigma in [0.1, 0.3, 0.6] {
        let noise = Noise::new(sigma).unwrap();
        let u = perturbation(&noise, 100, 0, CODES);
        for lag in [1, 2, 31, 32, BATCH, noise.run_len()] {
            assert_independent(&format!("lag {lag} at sigma {sigma}"), &u[..CODES - lag], &u[lag..]);
        }
        for (what, other) in [
            ("the next pair", perturbation(&noise, 101, 0, CODES)),
            ("a far pair", perturbation(&noise, u64::MAX, 0, CODES)),
            ("the next tensor", perturbation(&noise, 100, 1, CODES)),
        ] {
            assert_independent(&format!("{what} at sigma {sigma}"), &u, &other);
        }
    }
}

#[test]
fn a_run_does_not_depend_on_its_length_or_on_other_runs() {
    for sigma in [0.05, 0.3, 0.9] {
        let noise = Noise::new(sigma).unwrap();
        let run = noise.run_len();
        let whole = perturbation(&noise, 9, 2, 4 * run);
        let cut = perturbation(&noise, 9, 2, 3 * run + run / 2);
        assert_eq!(cut[..], whole[..cut.len()], "sigma {sigma}");
    }
}

#[test]
fn sparse_noise_has_no_magnitude_above_one() {
    let sparse =
        (1..1000).map(|i| f64::from(i) * 0.001).filter(|&sigma| !Noise::new(sigma).unwrap().is_dense());
    let sparse: Vec<f64> = sparse.collect();
    assert!(sparse.iter().all(|&sigma| distribution::magnitudes(sigma).len() == 2));
    let last = *sparse.last().unwrap();
    // What is dense for its magnitudes alone would be drawn faster otherwise; there is none.
    let hits: f64 = distribution::magnitudes(last)[1..].iter().sum();
    assert!(hits > 0.9 * DENSE_FROM, "sigma {last} hits {hits}");
}

#[test]
fn sparse_runs_hold_128_to_256_hits() {
    for noise in SIGMAS.map(|sigma| Noise::new(sigma).unwrap()).iter().filter(|noise| !noise.is_dense()) {
        let sigma = noise.sigma();
        let p: f64 = distribution::magnitudes(sigma)[1..].iter().sum();
        let hits = p * noise.run_len() as f64;
        assert!((HITS_PER_RUN / 2.0..=HITS_PER_RUN).contains(&hits), "sigma {sigma}: {hits}");
    }
}

#[test]
fn nonsense_sigma_is_refused() {
    for sigma in [0.0, -0.1, f64::NAN, f64::INFINITY, 1e-9, 1e3] {
        let message = Noise::new(sigma).unwrap_err().to_string();
        assert!(message.contains("sigma is"), "{message}");
    }
}

#[test]
fn the_extreme_sigmas_work() {
    for sigma in [*SIGMA_RANGE.start(), *SIGMA_RANGE.end()] {
        let noise = Noise::new(sigma).unwrap();
        let u = perturbation(&noise, 1, 0, 1 << 22);
        assert!(u.iter().any(|&u| u != 0), "sigma {sigma}");
    }
}

/// The first hits of a run, as `position:value`.
fn hits(sigma: f64, seed: u64, tensor: u32, run: u64) -> String {
    let noise = Noise::new(sigma).unwrap();
    let pair = Pair::new(seed);
    let mut drawn = CodeByCode(vec![0; noise.run_len()]);
    noise.draw(&mut pair.batches(), RunAddress { tensor, run }, 0..noise.run_len(), &mut drawn);
    let hits = drawn.0.iter().enumerate().filter(|(_, u)| **u != 0);
    hits.take(8).map(|(position, u)| format!("{position}:{u}")).collect::<Vec<_>>().join(" ")
}

/// These pin the draws: a change here means that old logs no longer replay, and that the log's format version rises.
#[test]
fn golden_hits() {
    let drawn =
        [hits(0.01, 0, 0, 0), hits(0.1, 1, 2, 3), hits(0.45, u64::MAX, 5, 1 << 39), hits(1.6, 42, 0, 1)];
    let golden = [
        "101:-1 215:-1 416:1 596:-1 782:-1 797:-1 1063:-1 1078:1",
        "2:-1 23:1 27:1 41:-1 45:-1 46:-1 49:1 52:-1",
        "6:1 8:-1 10:1 11:-1 12:-1 13:1 16:-1 20:-1",
        "0:1 1:-2 2:-2 3:-2 5:-1 9:-1 10:-3 11:-1",
    ];
    assert_eq!(drawn, golden);
}

#[test]
fn golden_table_digests() {
    let digest = |sigma| {
        let digest = Noise::new(sigma).unwrap().digest();
        digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let golden = ["8dc68335f06498b7", "ab47ef37f270a220", "207f9760b7d0a3ab", "a5aed13ed02917f0"];
    assert_eq!([0.01, 0.1, 0.45, 1.6].map(digest), golden);
}

/// The definition of the draws, one word at a time.
fn word_by_word(noise: &Noise, pair: &Pair, address: RunAddress, len: usize) -> Vec<i16> {
    let mut stream = pair.0.stream(u64::from(address.tensor) << 40 | address.run);
    let hits = match &noise.draws {
        Draws::Sparse(hits) => hits,
        Draws::Dense(dense) => {
            let words: Vec<u32> = (0..noise.run_len() / 2).map(|_| stream.next_u32()).collect();
            let halves = words.iter().flat_map(|word| [*word as u16, (word >> 16) as u16]);
            return halves.take(len).map(|half| dense.value(half, &mut || stream.next_u32())).collect();
        }
    };
    let mut u = vec![0; len];
    let mut position = 0;
    while position < len {
        let word = stream.next_u32();
        let [gap] = hits.0.draw(&[word]);
        position += usize::from(gap);
        if gap != super::hits::NO_HIT && position < len {
            u[position] = signed(word, 1);
            position += 1;
        }
    }
    u
}

#[test]
fn batches_draw_what_single_words_would() {
    let pair = Pair::new(77);
    for sigma in [1e-4, 0.001, 0.01, 0.1, 0.15, 0.17, 0.45, 3.2, 64.0] {
        let noise = Noise::new(sigma).unwrap();
        let run = noise.run_len();
        for (number, len) in [run, run, run / 2, 96, 32].into_iter().enumerate() {
            let address = RunAddress { tensor: 3, run: number as u64 };
            let mut drawn = CodeByCode(vec![0; len]);
            noise.draw(&mut pair.batches(), address, 0..len, &mut drawn);
            assert!(drawn.0 == word_by_word(&noise, &pair, address, len), "sigma {sigma}, {len} codes");
        }
    }
}
