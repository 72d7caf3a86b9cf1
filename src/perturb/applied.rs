//! What is remembered of a perturbation of a tile until it is taken back.

use super::patches::Patches;

/// What a member changed in a tile. Reused from member to member.
#[derive(Clone, Debug)]
pub struct Applied(pub(super) Memory);

/// How it is remembered.
#[derive(Clone, Debug)]
pub(super) enum Memory {
    /// One bit for each hit, in drawing order: whether the code took the perturbation. With dense noise every code counts as
    /// a hit. The perturbation is drawn again.
    Bits(Vec<u64>),
    /// The changes themselves.
    Patches(Patches),
}

impl Default for Applied {
    /// One that takes little memory: a bit a hit.
    fn default() -> Self {
        Self(Memory::Bits(Vec::new()))
    }
}

impl Applied {
    /// One that keeps what it takes to draw a pair once and not three times: six bytes a hit, twelve where codes are split
    /// between two bytes, or with dense noise two bytes a code.
    pub fn keeping() -> Self {
        Self(Memory::Patches(Patches::default()))
    }
}

/// Goes from hit to hit, reading the bits of one pass and writing those of the next, a word at a time.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    bits: &'a mut Vec<u64>,
    /// Hits passed.
    hits: usize,
    was: u64,
    now: u64,
}

impl<'a> Bits<'a> {
    /// The bits from the first hit on.
    pub(super) fn new(bits: &'a mut Vec<u64>) -> Self {
        let was = bits.first().copied().unwrap_or(0);
        Self { bits, hits: 0, was, now: 0 }
    }

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
