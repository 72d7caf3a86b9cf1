//! Reads many codes at once and turns over bits of them, in loops that compilers make vector instructions of.
//!
//! A mask of bits to be turned over takes a code from one value to another and back, and two masks combined (exclusive or)
//! do what both do. So whoever keeps masks need not look at the codes again.

use super::plane::{Plane, each_plane};
use super::{BATCH, CodeBlock, CodeLayout, Codes, Planes};

/// Codes side by side that are worked on together: the shortest block, and a divisor of every other.
const PIECE: usize = 32;

/// Where the bits of up to [`BATCH`] codes are.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    count: usize,
    /// For each plane and code: the place of the byte.
    places: [[u32; BATCH]; Planes::MOST],
    /// By how many bits the code's are shifted there.
    shifts: [[u8; BATCH]; Planes::MOST],
}

impl<L: CodeLayout> Codes<'_, L> {
    /// Finds the codes with these numbers, of which the first `count` (at least 1) count and rise.
    #[inline(always)]
    pub fn find(&mut self, numbers: &[u32; BATCH], count: usize) -> Batch {
        let starts = self.starts(numbers, count);
        let mut batch =
            Batch { count, places: [[0; BATCH]; Planes::MOST], shifts: [[0; BATCH]; Planes::MOST] };
        each_plane!(L::Block::CODES, |which, plane| {
            let spots = batch.places[which].iter_mut().zip(&mut batch.shifts[which]);
            for (((place, shift), &number), start) in spots.zip(numbers).zip(&starts) {
                let (byte, by) = plane.find(number as usize % L::Block::LEN);
                *place = start.wrapping_add(L::place(byte) as u32);
                *shift = by;
            }
        });
        batch
    }

    /// The codes of a batch; past its end, anything.
    #[inline(always)]
    pub fn read_batch(&self, batch: &Batch) -> [i16; BATCH] {
        let mut codes = [0; BATCH];
        each_plane!(L::Block::CODES, |which, plane| {
            let mut held = [0; BATCH];
            for (held, &place) in held.iter_mut().zip(&batch.places[which][..batch.count]) {
                *held = self.bytes[place as usize];
            }
            for ((code, held), &shift) in codes.iter_mut().zip(held).zip(&batch.shifts[which]) {
                *code |= plane.bits_in(held, shift);
            }
        });
        codes.map(L::code)
    }

    /// Turns over those bits of the codes of a batch that the first of the masks have. Shows which bytes hold bits of the codes,
    /// and what all masks are for these bytes: once for every plane.
    #[inline(always)]
    pub fn flip_batch<const MASKS: usize>(
        &mut self,
        batch: &Batch,
        masks: &[[i16; BATCH]; MASKS],
        mut show: impl FnMut(&[u32], [&[u8]; MASKS]),
    ) {
        each_plane!(L::Block::CODES, |which, plane| {
            let mut parts = [[0; BATCH]; MASKS];
            for (parts, masks) in parts.iter_mut().zip(masks) {
                for ((part, &mask), &shift) in parts.iter_mut().zip(masks).zip(&batch.shifts[which]) {
                    *part = plane.bits_of(mask, shift);
                }
            }
            let places = &batch.places[which][..batch.count];
            places.iter().zip(&parts[0]).for_each(|(&place, part)| self.bytes[place as usize] ^= part);
            show(places, parts.each_ref().map(|parts| &parts[..batch.count]));
        });
    }

    /// Reads codes side by side, from number `first` on. They begin and end a piece of a block.
    #[inline(always)]
    pub fn read_run(&mut self, first: usize, codes: &mut [i16]) {
        for (piece, codes) in codes.as_chunks_mut::<PIECE>().0.iter_mut().enumerate() {
            let (group, row, first) = self.at(first + piece * PIECE);
            // Read apart from where they go, which for all that the compiler knows is in the group.
            let mut read = [0; PIECE];
            each_plane!(L::Block::CODES, |_, plane| {
                let (len, bytes) = stretch::<L>(plane);
                for start in (0..PIECE).step_by(len) {
                    let (place, shift) = place::<L>(plane, row, within(first) + start);
                    plane.unpack(&group[place..place + bytes], shift, &mut read[start..start + len]);
                }
            });
            *codes = read.map(L::code);
        }
    }

    /// Turns over those bits of codes side by side, from number `first` on, that the masks have. They begin and end a piece of
    /// a block.
    #[inline(always)]
    pub fn flip_run(&mut self, first: usize, masks: &[u8]) {
        // Copies, as above.
        for (piece, masks) in masks.as_chunks::<PIECE>().0.iter().copied().enumerate() {
            let (group, row, first) = self.at(first + piece * PIECE);
            each_plane!(L::Block::CODES, |_, plane| {
                let (len, bytes) = stretch::<L>(plane);
                for start in (0..PIECE).step_by(len) {
                    let (place, shift) = place::<L>(plane, row, within(first) + start);
                    plane.flip(&mut group[place..place + bytes], shift, &masks[start..start + len]);
                }
            });
        }
    }
}

/// The number itself, that of a code in its block with which a piece begins: said so that the compiler sees that no code of the
/// piece is outside.
#[inline(always)]
fn within(first: usize) -> usize {
    first / PIECE * PIECE
}

/// Codes side by side whose bits a plane has in consecutive bytes, equally shifted unless they share bytes, and how many
/// bytes.
#[inline(always)]
fn stretch<L: CodeLayout>(plane: Plane) -> (usize, usize) {
    if plane.shares_bytes() {
        return (PIECE, plane.bytes(PIECE));
    }
    let codes = plane.stride.min(L::PIECE).min(PIECE);
    (codes, codes)
}

/// The place in a group of the byte with the bits of a row's code, and by how many bits they are shifted.
#[inline(always)]
fn place<L: CodeLayout>(plane: Plane, row: usize, index: usize) -> (usize, u8) {
    let (byte, shift) = plane.find(index);
    (L::place(byte) + row * L::PIECE, shift)
}
