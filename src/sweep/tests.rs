mod methods;

use super::*;
use crate::block::{CodeBlock, CodeLayout};
use crate::noise::NoiseSeed;
use crate::perturb::Sign;
use crate::seed_log::{GenerationRecord, Header, test_log};
use crate::tensor_type::TensorType;
use crate::with_layout;

/// Rows of three blocks: neither they nor the interleaved ones divide a tile, and the last tile is short.
const ROW_BLOCKS: usize = 3;
const ROWS: usize = 40;

fn header() -> Header {
    let mut header = test_log::header(test_log::settings());
    for tensor in &mut header.tensors {
        tensor.codes = (ROWS * ROW_BLOCKS) as u64 * tensor.tensor_type.block_len();
    }
    // More than a tile of the short blocks too, and of their scales.
    header.tensors[1].codes *= 100;
    header
}

/// A model in memory, each tensor in some arrangement, and in the file's.
struct Memory {
    tensors: Vec<(Vec<u8>, Arrangement)>,
    base: Vec<Vec<u8>>,
}

impl Memory {
    fn lend(&mut self) -> Vec<TensorBytes<'_>> {
        let mut tensors = Vec::new();
        for (index, ((bytes, arrangement), base)) in self.tensors.iter_mut().zip(&self.base).enumerate() {
            tensors.push(TensorBytes { index, bytes, arrangement: *arrangement, base });
        }
        tensors
    }

    /// Random-looking codes in the arrangement that `arrange` gives a type.
    fn new(header: &Header, arrange: impl Fn(&TensorSpec) -> Arrangement) -> Self {
        let tensor = |spec: &TensorSpec, arrangement: Arrangement| {
            let mut bytes = vec![0; spec.tensor_type.bytes_of(spec.codes).unwrap() as usize];
            let fields = [Field::Scales, Field::Mins].into_iter().filter(|field| spec.integers(*field) > 0);
            for field in fields {
                with_integers!(arrangement, field, I => {
                    let mut blocks = Codes::new(&mut bytes, arrangement.row_blocks, 0);
                    for index in 0..spec.integers(field) as usize {
                        I::write(&mut blocks, index, 0x1c00 + (index as i16 & 0x3ff));
                    }
                });
            }
            with_layout!(arrangement, L => {
                let mut codes = Codes::<L>::new(&mut bytes, arrangement.row_blocks, 0);
                for index in 0..spec.codes as usize {
                    let (lo, hi) = (<L as CodeLayout>::Block::LO, <L as CodeLayout>::Block::HI);
                    let scrambled = (index as u32).wrapping_mul(2_654_435_761) >> 16;
                    let (group, row, index) = codes.at(index);
                    L::write_row(group, row, index, lo + (scrambled as i16).rem_euclid(hi - lo + 1));
                }
            });
            (bytes, arrangement)
        };
        let base = |spec: &TensorSpec| tensor(spec, Arrangement::plain(spec.tensor_type)).0;
        Self {
            tensors: header.tensors.iter().map(|spec| tensor(spec, arrange(spec))).collect(),
            base: header.tensors.iter().map(base).collect(),
        }
    }

    /// The tuned integers: of each tensor's fields, one after the other.
    fn integers(&mut self, header: &Header) -> Vec<Vec<i16>> {
        let mut all = Vec::new();
        for ((bytes, arrangement), spec) in self.tensors.iter_mut().zip(&header.tensors) {
            let of_type = header.settings.types.iter().filter(|of| of.tensor_type == spec.tensor_type);
            for field in of_type.map(|of| of.field) {
                all.push(with_integers!(*arrangement, field, I => {
                    let mut blocks = Codes::new(bytes, arrangement.row_blocks, 0);
                    (0..spec.integers(field) as usize).map(|index| I::read(&mut blocks, index)).collect()
                }));
            }
        }
        all
    }
}

fn arranged(spec: &TensorSpec, number: usize) -> Arrangement {
    Arrangement::interleaved(spec.tensor_type, ROW_BLOCKS).nth(number).unwrap()
}

#[test]
fn no_result_depends_on_the_layout() {
    let header = header();
    let mut history = History::new(&header).unwrap();
    (0..5).for_each(|generation| history.push(&test_log::generation(&header, generation)));
    let traces = |mut memory: Memory| {
        let mut traces = vec![memory.integers(&header)];
        let member = Member { seed: &NoiseSeed::new(3), sign: Sign::Plus };
        let applied = &mut per_tile(&history);
        for what in [Edit::Perturb, Edit::Mirror] {
            edit_all(&[(what, member)], &history, applied).over(&mut memory.lend());
            traces.push(memory.integers(&header));
        }
        let member = Member { sign: Sign::Minus, ..member };
        edit_all(&[(Edit::Restore, member)], &history, applied).over(&mut memory.lend());
        traces.push(memory.integers(&header));
        let mut moves = vec![update_all(&history, &mut ResidualStore::Replay).over(&mut memory.lend())];
        traces.push(memory.integers(&header));
        let mut stored = ResidualStore::Stored(per_tile(&history));
        moves.push(rebuild_all(&history, &mut stored).over(&mut memory.lend()));
        moves.push(update_all(&history, &mut stored).over(&mut memory.lend()));
        traces.push(memory.integers(&header));
        (traces, moves)
    };
    let (plain, moves) = traces(Memory::new(&header, |spec| Arrangement::plain(spec.tensor_type)));
    assert_eq!(plain[0], plain[3], "restored");
    assert!(plain[0] != plain[1] && plain[1] != plain[2] && moves.iter().all(|moves| moves.moved > 0));
    for number in 0..2 {
        let interleaved = traces(Memory::new(&header, |spec| arranged(spec, number)));
        assert!(interleaved == (plain.clone(), moves.clone()), "layout {number}");
    }
}

#[test]
fn tiles_whose_bytes_are_interleaved_are_worked_on_together() {
    let history = History::new(&header()).unwrap();
    let together = |field, rows, row_blocks| {
        let arrangement = Arrangement { rows, piece: 8, row_blocks, ..Arrangement::plain(TensorType::Q8_0) };
        Cut::new(&history, 1, field, arrangement).unwrap().together
    };
    // A tile has 256 blocks of codes, and 8,192 blocks where it has one integer of each.
    assert_eq!(together(Field::Codes, 1, 1), 1);
    assert_eq!(together(Field::Codes, 4, 64), 1);
    assert_eq!(together(Field::Codes, 4, 3), 3);
    assert_eq!(together(Field::Scales, 4, 3), 3);
    assert_eq!(together(Field::Scales, 8, 19), 19);
    assert!(Cut::new(&history, 0, Field::Scales, Arrangement::plain(TensorType::Q4_K)).is_none());
}

#[test]
fn moves_are_counted_for_each_tensor_and_span() {
    let header = header();
    let plain = || Memory::new(&header, |spec| Arrangement::plain(spec.tensor_type));
    let history = |generations: u64| {
        let mut history = History::new(&header).unwrap();
        (0..generations).for_each(|generation| history.push(&test_log::generation(&header, generation)));
        history
    };
    // What the generations moved one by one, all tensors together.
    let mut live = plain();
    let each: Vec<Moves> = (1..=5)
        .map(|generations| {
            update_all(&history(generations), &mut ResidualStore::Replay).over(&mut live.lend())
        })
        .collect();
    let mut rebuilt = plain();
    let counted = rebuild_counting(&mut rebuilt.lend(), &history(5), 1);
    assert_eq!(counted.len(), header.tensors.len());
    let of_all = |generation: usize| counted.iter().fold(Moves::default(), |sum, of| sum + of[generation]);
    assert_eq!((0..5).map(of_all).collect::<Vec<_>>(), each);
    assert!(counted.iter().all(|of_tensor| of_tensor.iter().any(|moves| moves.moved > 0)));
    assert!(rebuilt.integers(&header) == live.integers(&header), "the codes are the run's");
    let in_twos = rebuild_counting(&mut plain().lend(), &history(5), 2);
    for (twos, ones) in in_twos.iter().zip(&counted) {
        assert_eq!(*twos, [ones[0] + ones[1], ones[2] + ones[3], ones[4]]);
    }
}

#[test]
fn bytes_change_only_where_a_sweep_says_so() {
    let header = header();
    let arranged = |spec: &TensorSpec| arranged(spec, 0);
    let plain = |spec: &TensorSpec| Arrangement::plain(spec.tensor_type);
    let member = [(Edit::Perturb, Member { seed: &NoiseSeed::new(3), sign: Sign::Plus })];
    for arrange in [&plain as &dyn Fn(&TensorSpec) -> Arrangement, &arranged] {
        let mut memory = Memory::new(&header, arrange);
        let mut history = History::new(&header).unwrap();
        let mut changed_by = |sweep: Sweep<'_>| {
            let mut changed = 0;
            for tensor in &mut memory.lend() {
                let before = tensor.bytes.to_vec();
                let told = sweep.tensor(tensor);
                let is_told = |at: &usize| told.ranges().iter().any(|range| range.contains(at));
                let differs = |at: &usize| before[*at] != tensor.bytes[*at];
                let all: Vec<usize> = (0..before.len()).filter(differs).collect();
                assert!(all.iter().all(is_told));
                assert!(told.ranges().last().is_none_or(|last| last.end <= before.len()));
                changed += told.len();
            }
            changed
        };
        let bytes: usize = changed_by(edit_all(&member, &history, &mut per_tile(&history)));
        assert_eq!(changed_by(edit_all(&[], &history, &mut per_tile(&history))), 0);
        history.push(&test_log::generation(&header, 0));
        let moved = changed_by(update_all(&history, &mut ResidualStore::Replay));
        assert!((1..=bytes).contains(&moved), "{moved} of {bytes}");
        let still = test_log::generation(&header, 1);
        let weights = vec![0.0; still.weights.len()];
        let mut settled = History::new(&header).unwrap();
        settled.push(&GenerationRecord { weights, ..still });
        assert_eq!(changed_by(update_all(&settled, &mut ResidualStore::Replay)), 0);
    }
}
