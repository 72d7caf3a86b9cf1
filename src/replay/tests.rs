use super::*;
use crate::block::Arrangement;
use crate::block::{Codes, OfCodes, OfScales, Q4K, Q8_0};
use crate::noise::OneByOne;
use crate::perturb::draw_tile;
use crate::seed_log::test_log;
use crate::settings::Settings;
use crate::with_integers;

/// Random-looking blocks for a tensor of the test header.
fn base_bytes(header: &Header, tensor: usize) -> Vec<u8> {
    let spec = &header.tensors[tensor];
    let len = spec.tensor_type.bytes_of(spec.codes).unwrap();
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8).collect()
}

fn header_with(window: Window) -> Header {
    test_log::header(Settings { window, ..test_log::settings() })
}

/// Tuned fields of the test header: codes of both tensors, and the scales of the second.
const PARTS: [(u32, Field); 3] = [(0, Field::Codes), (1, Field::Codes), (1, Field::Scales)];

/// A tile in the middle of the tensor, or its last one.
fn tile(history: &History, header: &Header, (tensor, field): (u32, Field)) -> Tile {
    let tile_len = history.tile_len(tensor, field).unwrap() as u64;
    let integers = header.tensors[tensor as usize].integers(field);
    let first = if integers > tile_len { tile_len } else { 0 };
    Tile { tensor, field, first, len: (integers - first).min(tile_len) as usize }
}

fn tile_bytes(header: &Header, tile: &Tile) -> Vec<u8> {
    let spec = &header.tensors[tile.tensor as usize];
    let bytes_of = |integers: u64| {
        let blocks = integers / crate::block::integers_of_block(spec.tensor_type, tile.field);
        (blocks * spec.tensor_type.block_bytes()) as usize
    };
    base_bytes(header, tile.tensor as usize)[bytes_of(tile.first)..][..bytes_of(tile.len as u64)].to_vec()
}

fn in_file<'a, I: Integers>(bytes: &'a mut [u8], base: &'a [u8]) -> TileOfBase<'a, I> {
    TileOfBase { blocks: Codes::new(bytes, 1, 0), base }
}

#[test]
fn replayed_stored_and_rebuilt_codes_are_the_same_bytes() {
    for window in [Window::Last(1), Window::Last(2), Window::Last(3), Window::Last(50), Window::All] {
        let header = header_with(window);
        let mut history = History::new(&header).unwrap();
        for part in PARTS {
            let tile = tile(&history, &header, part);
            let arrangement = Arrangement::plain(header.tensors[part.0 as usize].tensor_type);
            let base = tile_bytes(&header, &tile);
            let (mut replayed, mut stored) = (base.clone(), base.clone());
            let (mut residual, mut scratch) = (Residual::default(), Scratch::default());
            history.steps.clear();
            with_integers!(arrangement, tile.field, I => {
                for generation in 0..11 {
                    history.push(&test_log::generation(&header, generation));
                    let tuned = &mut in_file::<I>(&mut replayed, &base);
                    let moves = history.update_replayed(tuned, &tile, &mut scratch);
                    let tuned_again = &mut in_file::<I>(&mut stored, &base);
                    let again = history.update_stored(tuned_again, &tile, &mut residual, &mut scratch);
                    assert_eq!(moves, again);
                    assert!(moves.moved > 0, "generation {generation} moved nothing");
                    let mut rebuilt = base.clone();
                    let mut rebuilt_residual = Residual::default();
                    history.rebuild(&mut in_file::<I>(&mut rebuilt, &base), &tile, &mut rebuilt_residual, &mut scratch);
                    assert!(replayed == stored && stored == rebuilt, "{window:?}, {part:?}, generation {generation}");
                    assert_eq!(residual.current, rebuilt_residual.current);
                    assert_eq!(residual.next, rebuilt_residual.next);
                }
            });
        }
    }
}

#[test]
fn a_window_longer_than_the_run_is_the_whole_log() {
    let run = |window| {
        let header = header_with(window);
        let mut history = History::new(&header).unwrap();
        (0..7).for_each(|generation| history.push(&test_log::generation(&header, generation)));
        let tile = tile(&history, &header, PARTS[0]);
        let base = tile_bytes(&header, &tile);
        let mut bytes = base.clone();
        let tuned = &mut in_file::<OfCodes<Q4K>>(&mut bytes, &base);
        history.rebuild(tuned, &tile, &mut Residual::default(), &mut Scratch::default());
        bytes
    };
    assert_eq!(run(Window::Last(7)), run(Window::All));
    assert_ne!(run(Window::Last(1)), run(Window::All), "a short window does truncate");
}

/// The residual written out plainly, one integer at a time, as the documentation defines it.
#[test]
fn the_residual_is_what_the_definition_says() {
    let header = header_with(Window::Last(3));
    let mut history = History::new(&header).unwrap();
    (0..8).for_each(|generation| history.push(&test_log::generation(&header, generation)));
    let tile = tile(&history, &header, PARTS[2]);
    let mut residual = Residual::default();
    let base = tile_bytes(&header, &tile);
    let mut bytes = base.clone();
    let tuned = &mut in_file::<OfScales<Q8_0, false>>(&mut bytes, &base);
    history.rebuild(tuned, &tile, &mut residual, &mut Scratch::default());
    // Generation 7 lies in 6..9, so its residual starts from zero at generation 3.
    let mut plain = vec![0.0_f32; tile.len];
    for generation in 3..8 {
        let record = test_log::generation(&header, generation);
        let mut g = vec![0.0_f32; tile.len];
        for (seed, weight) in history.seeds_of(generation).iter().zip(&record.weights) {
            let mut u = OneByOne(vec![0; tile.len]);
            draw_tile(history.noise(1, Field::Scales).unwrap(), seed, &tile, &mut u);
            g.iter_mut().zip(u.0).for_each(|(g, u)| *g += weight * f32::from(u));
        }
        for (e, g) in plain.iter_mut().zip(&g) {
            let v = (record.alpha[2] / header.settings.types[2].sigma) as f32 * g + 0.9_f32 * *e;
            *e = v - v.round_ties_even();
        }
    }
    assert_eq!(residual.current, plain);
}

#[test]
fn a_residual_takes_no_more_memory_than_its_method_needs() {
    let bytes = |settings| History::new(&test_log::header(settings)).unwrap().residual_bytes();
    let by_method: Vec<u64> = test_log::by_each_method(&[0.0]).into_iter().map(bytes).collect();
    assert_eq!(by_method, [8, 8, 4, 4, 4, 4, 0, 0, 0, 0]);
    assert_eq!(bytes(Settings { window: Window::All, ..test_log::settings() }), STORED_BYTES);
}

#[test]
#[should_panic(expected = "codes that are gone")]
fn a_residual_that_depends_on_the_codes_is_not_replayed() {
    let header = test_log::header(test_log::by_each_method(&[0.0])[4].clone());
    let history = History::new(&header).unwrap();
    let tile = tile(&history, &header, PARTS[0]);
    let base = tile_bytes(&header, &tile);
    let mut bytes = base.clone();
    history.update_replayed(&mut in_file::<OfCodes<Q4K>>(&mut bytes, &base), &tile, &mut Scratch::default());
}
