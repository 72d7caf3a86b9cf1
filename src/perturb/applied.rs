//! What is remembered of a perturbation of a tile until it is taken back.

use super::draw_tile;
use crate::noise::{Noise, Pair, Sink};
use crate::tile::Tile;

/// Kept values that are handed on at once.
const PIECE: usize = 256;

/// One bit for each hit of a tile, in drawing order: whether the code took the perturbation. With dense noise every code
/// counts as a hit. Reused from member to member.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    bits: Vec<u64>,
    kept: Option<Kept>,
}

/// The perturbation that was drawn last.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    /// Of sparse noise: where the hits are, and in the lowest bit whether they are negative.
    hits: Vec<u32>,
    /// Of dense noise: all values.
    values: Vec<i8>,
}

impl Applied {
    /// One that also keeps what is drawn, four bytes a hit or a byte a code, so that it is drawn once for a pair and not three
    /// times.
    pub fn keeping() -> Self {
        Self { kept: Some(Kept::default()), ..Self::default() }
    }

    /// The bits from the first hit on.
    pub(super) fn bits(&mut self) -> Bits<'_> {
        let was = self.bits.first().copied().unwrap_or(0);
        Bits { bits: &mut self.bits, hits: 0, was, now: 0 }
    }

    /// Forgets the hits of the last perturbation.
    pub(super) fn clear(&mut self) {
        self.bits.clear();
    }

    /// Takes out what was kept, for as long as bits are written.
    pub(super) fn lend_kept(&mut self) -> Option<Kept> {
        self.kept.take()
    }

    /// Puts back what [`Applied::lend_kept`] gave.
    pub(super) fn return_kept(&mut self, kept: Option<Kept>) {
        self.kept = kept;
    }
}

/// Goes from hit to hit, reading the bits of one pass and writing those of the next. The word at hand stays in registers:
/// bits that go to memory one by one would each wait for the one before.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    bits: &'a mut Vec<u64>,
    /// Hits passed.
    hits: usize,
    was: u64,
    now: u64,
}

impl Bits<'_> {
    /// The bits of the hits from this one on, as many as its word holds.
    #[inline]
    pub(super) fn was(&self) -> u64 {
        self.was >> (self.hits % u64::BITS as usize)
    }

    /// Passes `count` hits, whose bits are now those. They must not reach into another word.
    #[inline]
    pub(super) fn pass(&mut self, count: usize, now: u64) {
        self.now |= now << (self.hits % u64::BITS as usize);
        self.hits += count;
        if self.hits.is_multiple_of(u64::BITS as usize) {
            self.turn();
        }
    }

    /// Writes the word at hand, and goes on to the next.
    fn turn(&mut self) {
        let next = self.hits.div_ceil(u64::BITS as usize);
        match self.bits.get_mut(next - 1) {
            Some(word) => *word = self.now,
            None => self.bits.push(self.now),
        }
        self.was = self.bits.get(next).copied().unwrap_or(0);
        self.now = 0;
    }

    /// Writes what has not been written.
    pub(super) fn finish(mut self) {
        if !self.hits.is_multiple_of(u64::BITS as usize) {
            self.turn();
        }
    }
}

impl Kept {
    /// Draws the pair's perturbation of a tile into `sink`, and keeps it unless its values are too large for that.
    #[inline]
    pub(super) fn draw(&mut self, noise: &Noise, pair: &Pair, tile: &Tile, sink: &mut impl Sink) {
        self.hits.clear();
        self.values.clear();
        if noise.largest() <= i8::MAX.unsigned_abs().into() {
            draw_tile(noise, pair, tile, &mut Keeping { kept: self, sink });
        } else {
            draw_tile(noise, pair, tile, sink);
        }
    }

    /// Hands what was kept of the tile to `sink`; false when nothing was.
    #[inline]
    pub(super) fn repeat(&self, sink: &mut impl Sink) -> bool {
        for &hit in &self.hits {
            sink.hit(hit as usize >> 1, if hit & 1 == 0 { 1 } else { -1 });
        }
        for (number, kept) in self.values.chunks(PIECE).enumerate() {
            let mut values = [0; PIECE];
            values.iter_mut().zip(kept).for_each(|(value, &kept)| *value = kept.into());
            sink.values(number * PIECE, &values[..kept.len()]);
        }
        !(self.hits.is_empty() && self.values.is_empty())
    }
}

/// Keeps what passes through.
struct Keeping<'a, S> {
    kept: &'a mut Kept,
    sink: &'a mut S,
}

impl<S: Sink> Sink for Keeping<'_, S> {
    #[inline]
    fn hit(&mut self, index: usize, u: i16) {
        // Sparse noise has no other magnitude than 1, and a tile far fewer codes than 2^31.
        self.kept.hits.push((index as u32) << 1 | u32::from(u < 0));
        self.sink.hit(index, u);
    }

    #[inline]
    fn values(&mut self, first: usize, values: &[i16]) {
        debug_assert_eq!(first, self.kept.values.len());
        self.kept.values.extend(values.iter().map(|&value| value as i8));
        self.sink.values(first, values);
    }
}
