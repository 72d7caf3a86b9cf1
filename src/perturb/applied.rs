//! What is remembered of a perturbation of a tile until it is taken back: for each hit, whether the integer took it.

/// One bit for each hit of a member's perturbation of a tile, in drawing order. Reused from member to member.
#[derive(Clone, Debug, Default)]
pub struct Applied(pub(super) Vec<u64>);

/// Goes from hit to hit, reading the bits of one edit and writing those of the next.
#[derive(Debug)]
pub(super) struct Bits<'a> {
    words: &'a mut Vec<u64>,
    /// Hits passed.
    hits: usize,
}

impl<'a> Bits<'a> {
    /// Returns the bits from the first hit on.
    pub(super) fn new(words: &'a mut Vec<u64>) -> Self {
        Self { words, hits: 0 }
    }

    /// Returns the bit of the hit at hand; false if there is none.
    #[inline]
    pub(super) fn was(&self) -> bool {
        self.words.get(self.hits / 64).is_some_and(|word| word >> (self.hits % 64) & 1 == 1)
    }

    /// Sets the bit of the hit at hand and goes on to the next.
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
