//! What others made takes memory in proportion to its length, whatever it says of itself: populations, windows, generations,
//! counts and lengths are compared with what is there before anything is made for them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;
use qes_gguf::block::Field;
use qes_gguf::model::Model;
use qes_gguf::seed_log::{Line, SeedLog, TensorSpec, pin_noise};
use qes_gguf::select::spec;
use qes_gguf::settings::{MAX_GENERATIONS, MAX_POPULATION, TypeSettings, Window};
// The builder of GGUF files names it so.
use qes_gguf::tensor_type;

#[allow(dead_code)] // What only cargo-fuzz calls.
#[path = "../fuzz/src/lib.rs"]
mod fuzz;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// Measurements are of the whole process, so one is made at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Most memory that this takes beyond what there was before.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let answer = work();
    (MEMORY.peak_usage().saturating_sub(before), answer)
}

/// Compiled expressions and what a page shows take the most; both have limits of their own.
#[test]
fn hostile_inputs_take_little_memory() {
    let _alone = alone();
    for target in fuzz::TARGETS {
        for (name, bytes) in (target.seeds)() {
            let (taken, ()) = peak(|| (target.run)(&bytes));
            let allowed = if target.name == "gguf" { MIB / 4 } else { 48 * MIB };
            assert!(taken <= allowed + 100 * bytes.len(), "target {}, {name}: {taken} bytes", target.name);
        }
    }
}

#[test]
fn a_log_that_promises_much_is_read_in_little_memory() {
    let _alone = alone();
    let text = fuzz::log::text(|header| {
        header.settings.population = 8;
        header.settings.generations = MAX_GENERATIONS;
        header.settings.window = Window::Last(u64::MAX);
        header.tensors[0].codes = 1 << 63;
    });
    let (taken, log) = peak(|| SeedLog::parse(text.as_bytes()).unwrap());
    assert!(taken <= MIB, "{taken} bytes");
    assert_eq!(log.header.settings.window, Window::Last(u64::MAX));
}

#[test]
fn a_record_is_compared_with_the_header_whatever_the_population() {
    let _alone = alone();
    let mut header = fuzz::log::header();
    header.settings.population = MAX_POPULATION;
    let header = pin_noise(header).unwrap();
    let (mut log, _) = SeedLog::start(header.clone()).unwrap();
    let record = Line::Generation(fuzz::log::generation(&header, 0, vec![1.0; 2]));
    let (taken, refused) = peak(|| log.push(record).unwrap_err());
    assert!(refused.to_string().contains("2 weights for 32768 perturbations"), "{refused}");
    assert!(taken <= MIB / 4, "{taken} bytes");
}

/// Digests of thousands of points of a log, in tiles of the longest kind there are.
#[test]
fn checking_a_log_of_many_digests_takes_no_more_memory_than_of_few() {
    const GENERATIONS: u64 = 4000;
    let _alone = alone();
    let mut model = Model::open("models/arith-tiny-q4_k.gguf".as_ref()).unwrap();
    let tensor: TensorSpec =
        model.gguf.tensors().iter().map(spec).find(|tensor| tensor.codes == 65_536).unwrap();
    let mut header = fuzz::log::header();
    header.base = model.identity().clone();
    let tensor_type = tensor.tensor_type;
    header.settings.types = vec![TypeSettings {
        tensor_type,
        field: Field::Codes,
        sigma: 1e-5,
        hit: 1,
        alpha: 0.0,
        alpha_final: 0.0,
    }];
    header.tensors = vec![tensor];
    let header = pin_noise(header).unwrap();
    let (mut log, _) = SeedLog::start(header.clone()).unwrap();
    for number in 0..GENERATIONS {
        log.push(Line::Generation(fuzz::log::generation(&header, number, vec![0.0; 2]))).unwrap();
    }
    let points: Vec<u64> = (0..=GENERATIONS).collect();
    let (taken, digests) = peak(|| model.digests(&log, &points).unwrap());
    assert!(digests.len() == points.len() && digests.iter().all(|digest| *digest == digests[0]));
    // Copies of them all would be 147 MB.
    assert!(taken <= 32 * MIB, "{taken} bytes");
}
