//! Edits the codes that a perturbation hits while it is drawn, and remembers one bit a hit.

use super::applied::Bits;
use super::hits::Hits;
use super::{Edit, Member, RUN, draw_tile, shift};
use crate::block::{BATCH, CodeLayout, Codes};
use crate::noise::{Noise, Sink};
use crate::tile::Tile;

/// Of [`RUN`] codes, those whose bits are: half a word of them, since a tensor may end there.
const PIECE: usize = 32;

/// Edits the codes of a tile by the perturbation of a member, with the bits of its last edit.
pub(super) fn edit<L: CodeLayout>(
    what: Edit,
    codes: &mut Codes<'_, L>,
    tile: &Tile,
    noise: &Noise,
    member: Member<'_>,
    bits: &mut Vec<u64>,
) {
    let moved = shift::<L::Block>;
    match what {
        Edit::Perturb => {
            bits.clear();
            draw(codes, tile, noise, member, bits, |code, delta, _| moved(code, delta));
        }
        Edit::Mirror => draw(codes, tile, noise, member, bits, |code, delta, was| {
            moved(unshift(code, delta, was), -delta)
        }),
        Edit::Restore => {
            draw(codes, tile, noise, member, bits, |code, delta, was| (unshift(code, delta, was), false))
        }
    }
}

fn draw<L: CodeLayout>(
    codes: &mut Codes<'_, L>,
    tile: &Tile,
    noise: &Noise,
    Member { pair, sign }: Member<'_>,
    bits: &mut Vec<u64>,
    change: impl Fn(i16, i16, bool) -> (i16, bool),
) {
    let mut editor = Editor { codes, sign: sign.factor(), hits: Hits::new(), bits: Bits::new(bits), change };
    draw_tile(noise, pair, tile, &mut editor);
    editor.work();
    editor.bits.finish();
}

#[inline]
fn unshift(code: i16, delta: i16, was_shifted: bool) -> i16 {
    if was_shifted { code - delta } else { code }
}

/// Passes every hit through `change`: (code, `sign` times its perturbation, the hit's bit) to (code, bit).
struct Editor<'a, 'b, L, F> {
    codes: &'a mut Codes<'b, L>,
    sign: i16,
    hits: Hits,
    bits: Bits<'a>,
    change: F,
}

impl<L: CodeLayout, F: Fn(i16, i16, bool) -> (i16, bool)> Editor<'_, '_, L, F> {
    /// Works on the hits that wait.
    #[inline(always)]
    fn work(&mut self) {
        let Self { codes, sign, hits, bits, change } = self;
        if hits.count == 0 {
            return;
        }
        let batch = codes.find(&hits.codes, hits.count);
        let mut masks = codes.read_batch(&batch);
        let (was, mut now) = (bits.was(), 0);
        for (k, (codes, values)) in
            masks.as_chunks_mut().0.iter_mut().zip(hits.values.as_chunks().0).enumerate()
        {
            now |= u64::from(each(codes, values, *sign, (was >> (k * PIECE)) as u32, change)) << (k * PIECE);
        }
        codes.flip_batch(&batch, &[masks], |_, _| ());
        bits.pass(hits.count, now & u64::MAX >> (BATCH - hits.count));
        hits.count = 0;
    }
}

/// Passes codes through `change`, with their bits, and leaves in their place what that turns over. Returns their new bits.
#[inline(always)]
fn each(
    codes: &mut [i16; PIECE],
    values: &[i16; PIECE],
    sign: i16,
    was: u32,
    change: &impl Fn(i16, i16, bool) -> (i16, bool),
) -> u32 {
    let mut now = 0;
    for (k, (code, &u)) in codes.iter_mut().zip(values).enumerate() {
        let (changed, bit) = change(*code, sign * u, was >> k & 1 == 1);
        *code ^= changed;
        now |= u32::from(bit) << k;
    }
    now
}

impl<L: CodeLayout, F: Fn(i16, i16, bool) -> (i16, bool)> Sink for Editor<'_, '_, L, F> {
    #[inline(always)]
    fn hit(&mut self, index: usize, u: i16) {
        if self.hits.push(index, u) {
            self.work();
        }
    }

    #[inline(always)]
    fn values(&mut self, first: usize, values: &[i16]) {
        let Self { codes, sign, bits, change, .. } = self;
        for (number, values) in values.chunks(RUN).enumerate() {
            let first = first + number * RUN;
            let (mut read, mut masks) = ([0; RUN], [0; RUN]);
            let (read, masks) = (&mut read[..values.len()], &mut masks[..values.len()]);
            codes.read_run(first, read);
            for (codes, values) in read.as_chunks_mut::<PIECE>().0.iter_mut().zip(values.as_chunks().0) {
                let now = each(codes, values, *sign, bits.was() as u32, change);
                bits.pass(PIECE, now.into());
            }
            masks.iter_mut().zip(read).for_each(|(mask, &mut of_code)| *mask = of_code as u8);
            codes.flip_run(first, masks);
        }
    }
}
