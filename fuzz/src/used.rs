//! What is done with a log that was accepted, however it came about: it is shown, and replayed in each of the three ways there
//! are, which must agree.

use qes_gguf::block::{Arrangement, CodeBlock, CodeLayout, Codes, Integers};
use qes_gguf::replay::{History, Residual, Scratch};
use qes_gguf::report::{Run, Subject, events, figures, page};
use qes_gguf::seed_log::SeedLog;
use qes_gguf::tile::Tile;
use qes_gguf::update::TileOfBase;
use qes_gguf::with_integers;

/// Most codes of a model that is replayed, and most of (perturbations times generations).
const CODES: u64 = 1 << 14;
const DRAWS: usize = 24;

/// Checks what an accepted log promises, then shows and replays it.
pub fn accepted(log: &SeedLog, len: usize) {
    assert_eq!(log.whole_bytes + log.torn_bytes, len as u64);
    let header = &log.header;
    assert!(SeedLog::start(header.clone()).is_ok_and(|(fresh, _)| fresh.header == *header));
    let perturbations = header.settings.perturbations();
    assert!(log.generations.iter().all(|record| record.weights.len() == perturbations));
    assert!(
        log.chosen() <= log.generations.len() as u64 && log.planned() <= qes_gguf::settings::MAX_GENERATIONS
    );
    assert!(header.codes() >= header.tensors.iter().map(|tensor| tensor.codes).max().unwrap_or(0));
    let _ = log.is_out_of_patience();
    // Drawing takes longer than all else.
    if len.is_multiple_of(4) {
        let runs = [Run::of("fuzzed", log)];
        assert!(!page(Subject(&runs)).is_empty() && !events(log).is_empty());
        let _ = figures(Subject(&runs));
    }
    replay(log);
}

/// Replays a log whose replay is short.
fn replay(log: &SeedLog) {
    let codes = log.header.tensors.iter().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.codes));
    if codes > CODES || log.header.settings.perturbations() * log.generations.len() > DRAWS {
        return;
    }
    let whole = History::of_log(log, u64::MAX).expect("the history of a log that was accepted");
    for (index, tensor) in (0..).zip(&log.header.tensors) {
        for &field in whole.fields() {
            let Some(tile_len) = whole.tile_len(index, field) else { continue };
            let integers = tensor.integers(field);
            for first in (0..integers).step_by(tile_len) {
                let len = (integers - first).min(tile_len as u64) as usize;
                let (tile, arrangement) =
                    (Tile { tensor: index, field, first, len }, Arrangement::plain(tensor.tensor_type));
                with_integers!(arrangement, field, I => replay_tile::<I>(log, &whole, &tile));
            }
        }
    }
}

fn replay_tile<I: Integers>(log: &SeedLog, whole: &History, tile: &Tile) {
    let bytes = tile.len / I::PER_BLOCK * <I::Layout as CodeLayout>::Block::BYTES;
    let base: Vec<u8> = (0..bytes as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut scratch = Scratch::default();
    let mut rebuilt = base.clone();
    let tuned = &mut TileOfBase::<I> { blocks: Codes::new(&mut rebuilt, 1, 0), base: &base };
    let moves = whole.rebuild(tuned, tile, &mut Residual::default(), &mut scratch);
    let mut history = History::new(&log.header).expect("the history of a header that was accepted");
    let (mut stored, mut replayed) = (base.clone(), base.clone());
    let mut residual = Residual::default();
    let mut moved = 0;
    for record in &log.generations {
        history.push(record);
        let tuned = &mut TileOfBase::<I> { blocks: Codes::new(&mut stored, 1, 0), base: &base };
        moved += history.update_stored(tuned, tile, &mut residual, &mut scratch).moved;
        if !history.must_store() {
            let tuned = &mut TileOfBase::<I> { blocks: Codes::new(&mut replayed, 1, 0), base: &base };
            history.update_replayed(tuned, tile, &mut scratch);
            assert!(replayed == stored, "generation {}", record.generation);
        }
    }
    assert!(rebuilt == stored && moves.moved == moved);
}
