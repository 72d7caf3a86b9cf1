//! Record of a perturbation of a tile until it is reverted: for each hit, whether it was applied.

/// One bit for each hit of a member's perturbation of a tile, in drawing order. Reused from member to member.
#[derive(Clone, Debug, Default)]
pub struct Applied(pub(super) Vec<u64>);

/// Reads the bits of one edit and writes those of the next, hit by hit.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    words: &'a mut Vec<u64>,
    /// Number of hits passed.
    hits: usize,
}

impl<'a> Bits<'a> {
    /// Starts at the first hit.
    pub(super) fn new(words: &'a mut Vec<u64>) -> Self {
        Self { words, hits: 0 }
    }

    /// Returns the bit of the current hit; `false` if there is none.
    #[inline]
    pub(super) fn was(&self) -> bool {
        self.words.get(self.hits / 64).is_some_and(|word| word >> (self.hits % 64) & 1 == 1)
    }

    /// Sets the bit of the current hit and moves on to the next.
    #[inline]
    pub(super) fn pass(&mut self, bit: bool) {
        let (word, place) = (self.hits / 64, self.hits % 64);
        if word == self.words.len() {
            self.words.push(0);
        }
        self.words[word] = self.words[word] & !(1 << place) | u64::from(bit) << place;
        self.hits += 1;
    }
}
