//! The optimizer's kernels on one thread: what perturbing, restoring and replaying cost a code.
//!
//! `cargo bench --bench kernels`; figures and what they mean: docs/PERFORMANCE.md.

mod dense;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use qes_gguf::block::Codes;
use qes_gguf::noise::{Noise, Pair};
use qes_gguf::perturb::{Applied, Edit, Member, Sign, edit};
use qes_gguf::tensor_type::TensorType;
use qes_gguf::tile::{Tile, tile_len};
use qes_gguf::update::weighted_sum;
use qes_gguf::with_block;

/// Codes that a kernel works through: 128 MiB of Q8_0, far more than caches hold, as in a real model.
const CODES: usize = 1 << 24;

/// Blocks with codes in the middle of their range and at its ends.
fn blocks(tensor_type: TensorType, codes: usize) -> Vec<u8> {
    let bytes = codes as u64 / tensor_type.block_len() * tensor_type.block_bytes();
    (0..bytes as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn tiles(
    tensor_type: TensorType,
    noise: &Noise,
    codes: usize,
) -> impl Iterator<Item = (Tile, std::ops::Range<usize>)> {
    let len = tile_len(noise.run_len());
    let bytes = len / tensor_type.block_len() as usize * tensor_type.block_bytes() as usize;
    (0..codes / len)
        .map(move |i| (Tile { tensor: 0, first: (i * len) as u64, len }, i * bytes..(i + 1) * bytes))
}

/// One member: perturbed and restored, and half a mirroring, as in a generation.
fn members(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("perturb and restore");
    group.sample_size(10);
    for (tensor_type, sigma) in
        [(TensorType::Q4_K, 0.01), (TensorType::Q4_K, 0.1), (TensorType::Q8_0, 0.16), (TensorType::Q8_0, 3.2)]
    {
        let noise = Noise::new(sigma).expect("a usable sigma");
        let mut bytes = blocks(tensor_type, CODES);
        let mut applied: Vec<Applied> =
            tiles(tensor_type, &noise, CODES).map(|_| Applied::keeping()).collect();
        group.throughput(Throughput::Elements(2 * CODES as u64));
        let mut seed = 0;
        group.bench_function(BenchmarkId::new(tensor_type.to_string(), sigma), |bencher| {
            bencher.iter(|| {
                seed += 1;
                let pair = Pair::new(seed);
                for (what, sign) in
                    [(Edit::Perturb, Sign::Plus), (Edit::Mirror, Sign::Plus), (Edit::Restore, Sign::Minus)]
                {
                    for ((tile, range), applied) in tiles(tensor_type, &noise, CODES).zip(&mut applied) {
                        with_block!(tensor_type, B => {
                            let codes = &mut Codes::<B>::of_file(&mut bytes[range]);
                            edit(what, codes, &tile, &noise, Member { pair: &pair, sign }, applied);
                        });
                    }
                }
            });
        });
    }
    group.finish();
}

/// The weighted sum over 16 pairs: what replay repeats for every generation of the window; and the same drawn densely.
fn sums(criterion: &mut Criterion) {
    const CODES: usize = 1 << 20;
    let mut group = criterion.benchmark_group("replay of 16 pairs");
    group.sample_size(10);
    for sigma in [0.01, 0.1, 0.3, 3.2] {
        let noise = Noise::new(sigma).expect("a usable sigma");
        let pairs: Vec<Pair> = (0..16).map(Pair::new).collect();
        let weights: Vec<f32> = (0..16).map(|i| i as f32 / 8.0 - 0.9).collect();
        let mut sum = vec![0.0; tile_len(noise.run_len())];
        group.throughput(Throughput::Elements(16 * CODES as u64));
        group.bench_function(BenchmarkId::from_parameter(sigma), |bencher| {
            bencher.iter(|| {
                for (tile, _) in tiles(TensorType::Q4_K, &noise, CODES) {
                    weighted_sum(&mut sum, &tile, &noise, &pairs, &weights);
                }
            });
        });
    }
    let mut sum = vec![0.0; 8192];
    group.bench_function("drawn code by code", |bencher| {
        bencher.iter(|| {
            for tile in 0..CODES / sum.len() {
                for pair in 0..16 {
                    let mut batches = Pair::new(pair).batches();
                    batches.start(tile as u64);
                    dense::add(&mut sum, &mut batches, 0.01, 0.5);
                }
            }
        });
    });
    group.finish();
    check_dense();
}

/// Fails unless the dense draws have the moments that they should have: what is compared with must be the real thing.
fn check_dense() {
    const SIGMA: f32 = 0.6;
    let mut u = vec![0.0; 1 << 20];
    dense::add(&mut u, &mut Pair::new(7).batches(), SIGMA, 1.0);
    let exact = Noise::new(f64::from(SIGMA)).expect("a usable sigma").hit_probability();
    let hits = u.iter().filter(|&&u| u != 0.0).count() as f64 / u.len() as f64;
    let mean = u.iter().sum::<f32>() / u.len() as f32;
    assert!((hits - exact).abs() < 0.003, "{hits} of the codes are hit, {exact} should be");
    assert!(mean.abs() < 0.003, "the mean is {mean}");
}

criterion_group!(benches, members, sums);
criterion_main!(benches);
