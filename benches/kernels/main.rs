//! The optimizer's kernels on one thread: what perturbing, restoring and replaying cost an integer.
//!
//! `cargo bench --bench kernels`; figures and what they mean: docs/PERFORMANCE.md.

use std::ops::Range;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use qes_gguf::block::{Arrangement, Codes, Field, integers_of_block};
use qes_gguf::noise::{Noise, NoiseSeed};
use qes_gguf::perturb::{Applied, Edit, Member, Sign, edit};
use qes_gguf::recipe::{Effort, Scope, type_settings};
use qes_gguf::tensor_type::TensorType;
use qes_gguf::tile::{Tile, tile_len};
use qes_gguf::update::{Method, StepRule, Update};
use qes_gguf::with_integers;

/// Codes of the blocks that a kernel works through: 128 MiB of Q8_0, far more than caches hold, as in a real model.
const CODES: u64 = 1 << 24;

/// Blocks with codes in the middle of their range and at its ends.
fn blocks(tensor_type: TensorType) -> Vec<u8> {
    let bytes = CODES / tensor_type.block_len() * tensor_type.block_bytes();
    (0..bytes as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// All tiles of a field, each with its bytes.
fn tiles(tensor_type: TensorType, field: Field, noise: &Noise) -> impl Iterator<Item = (Tile, Range<usize>)> {
    let (len, of_block) = (tile_len(noise.run_len()), integers_of_block(tensor_type, field));
    let integers = CODES / tensor_type.block_len() * of_block;
    let bytes = len / of_block as usize * tensor_type.block_bytes() as usize;
    (0..integers as usize / len).map(move |i| {
        let tile = Tile { tensor: 0, field, first: (i * len) as u64, len };
        (tile, i * bytes..(i + 1) * bytes)
    })
}

/// What is measured: fields with their default noise.
const FIELDS: [(TensorType, Field); 5] = [
    (TensorType::Q4_K, Field::Codes),
    (TensorType::Q8_0, Field::Codes),
    (TensorType::Q4_0, Field::Scales),
    (TensorType::Q4_1, Field::Mins),
    (TensorType::Q4_K, Field::Scales),
];

fn noise(tensor_type: TensorType, field: Field) -> Noise {
    let scope = Scope::of(tensor_type, &[(tensor_type, field)], Effort::of(CODES, None), false);
    type_settings(tensor_type, field, scope).noise().expect("usable noise")
}

/// One member: perturbed and restored.
fn members(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("perturb and restore");
    group.sample_size(10);
    for (tensor_type, field) in FIELDS {
        let noise = noise(tensor_type, field);
        let mut bytes = blocks(tensor_type);
        let mut applied: Vec<Applied> =
            tiles(tensor_type, field, &noise).map(|_| Applied::default()).collect();
        group.throughput(Throughput::Elements(CODES));
        let mut seed = 0;
        group.bench_function(BenchmarkId::new(tensor_type.to_string(), field), |bencher| {
            bencher.iter(|| {
                seed += 1;
                let member = Member { seed: &NoiseSeed::new(seed), sign: Sign::Plus };
                for what in [Edit::Perturb, Edit::Restore] {
                    for ((tile, range), applied) in tiles(tensor_type, field, &noise).zip(&mut applied) {
                        with_integers!(Arrangement::plain(tensor_type), field, I => {
                            let blocks = &mut Codes::new(&mut bytes[range], 1, 0);
                            edit::<I>(what, blocks, &tile, &noise, member, applied);
                        });
                    }
                }
            });
        });
    }
    group.finish();
}

/// The weighted sum over 16 members: what replay repeats for every generation.
fn sums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replay of 16 members");
    group.sample_size(10);
    for (tensor_type, field) in FIELDS {
        let noise = noise(tensor_type, field);
        let weights: Vec<f32> = (0..16).map(|i| i as f32 / 8.0 - 0.9).collect();
        let update = Update {
            method: Method::Qes,
            seed: 0,
            generation: 0,
            mirror: false,
            noise: &noise,
            seeds: (0..16).map(NoiseSeed::new).collect(),
            weights: &weights,
            rule: StepRule::new(0.1, noise.sigma(), 1.0),
            anchor: None,
        };
        let mut sum = Vec::new();
        group.throughput(Throughput::Elements(16 * CODES));
        group.bench_function(BenchmarkId::new(tensor_type.to_string(), field), |bencher| {
            bencher.iter(|| {
                tiles(tensor_type, field, &noise).for_each(|(tile, _)| update.weigh_blindly(&tile, &mut sum))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, members, sums);
criterion_main!(benches);
