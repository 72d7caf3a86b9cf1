//! Counter-based random words: every draw is a pure function of (seed, domain, stream, position).
//!
//! A [`Source`] is a ChaCha8 key made from a 64-bit seed and a [`Domain`]; a [`Stream`] of it is one of 2^64
//! independent sequences of 32-bit words, reached in constant time. So any part of a perturbation can be drawn again
//! alone, in any order, on any thread and on any machine. `rand_chacha` guarantees the same words on every platform.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

/// Words that a stream generates at once: four ChaCha blocks, side by side in vector registers.
pub const BATCH: usize = 64;

/// Purpose of draws. Two domains never share a word, whatever their seeds and streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Seeds of the antithetic pairs; the seed is the run's, the stream the generation.
    NoiseSeeds,
    /// Integer perturbations; the seed is the pair's, the stream a run of a tensor.
    Perturbation,
    /// Problems that a task draws for tuning; the seed is the run's, the stream the generation.
    Problems,
    /// Problems that a task draws for evaluation; the seed is 0, the stream the task's own.
    HeldOut,
    /// Tokens of replies sampled at a temperature; the seed is the batch's, the stream a prompt and a position.
    Replies,
    /// Stochastic rounding; the seed is the run's, with the generation, the stream a run of a tensor.
    Rounding,
    /// The codes that the anchor pulls; the seed is the run's, with the generation, the stream a run of a tensor.
    Pull,
}

impl Domain {
    const fn tag(self) -> &'static [u8; 24] {
        match self {
            Self::NoiseSeeds => b"qes-gguf 1 noise seeds  ",
            Self::Perturbation => b"qes-gguf 1 perturbation ",
            Self::Problems => b"qes-gguf 1 problems     ",
            Self::HeldOut => b"qes-gguf 1 held out     ",
            Self::Replies => b"qes-gguf 1 replies      ",
            Self::Rounding => b"qes-gguf 1 round        ",
            Self::Pull => b"qes-gguf 1 pull         ",
        }
    }
}

/// A keyed family of streams: the ChaCha key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source([u8; 32]);

impl Source {
    /// Returns the family of `seed` in `domain`: the ChaCha key is the seed's 8 little-endian bytes and the domain's tag.
    pub fn new(seed: u64, domain: Domain) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..].copy_from_slice(domain.tag());
        Self(key)
    }

    /// Returns the family of one generation of the run with this seed: as [`Source::new`], but with the generation's
    /// number in the last 8 bytes of the tag, in which domains do not differ.
    pub fn of_generation(seed: u64, generation: u64, domain: Domain) -> Self {
        let mut source = Self::new(seed, domain);
        source.0[24..].copy_from_slice(&generation.to_le_bytes());
        source
    }

    /// Returns all streams of the family, for words in batches.
    pub fn batches(&self) -> Batches {
        Batches(ChaCha8Rng::from_seed(self.0))
    }

    /// Returns the stream with this number, at its first word.
    pub fn stream(&self, number: u64) -> Stream {
        let mut rng = ChaCha8Rng::from_seed(self.0);
        rng.set_stream(number);
        Stream(rng)
    }
}

/// A sequence of random words.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Returns the next 32-bit word.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Returns the next two words as one number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a number in `0..bound`, each equally likely. `bound` must not be 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // Words past the last whole multiple of the bound are drawn again, so that no remainder is favoured.
        let limit = u32::MAX - (u32::MAX % bound + 1) % bound;
        loop {
            let word = self.next_u32();
            if word <= limit {
                return word % bound;
            }
        }
    }

    /// Shuffles fewer than 2^32 items, each order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }

    /// Returns a number from 0 to just below 1, with 32 bits.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.next_u32()) / 4_294_967_296.0
    }
}

/// Streams of a family one after another, read a batch of words at a time. The words are those of [`Stream`].
#[derive(Clone, Debug)]
pub struct Batches(ChaCha8Rng);

impl Batches {
    /// Moves to the first word of the stream with this number.
    #[inline]
    pub fn start(&mut self, number: u64) {
        self.0.set_stream(number);
        self.0.set_word_pos(0);
    }

    /// Returns the next [`BATCH`] words.
    #[inline]
    pub fn next_batch(&mut self) -> [u32; BATCH] {
        let mut bytes = [0; 4 * BATCH];
        self.0.fill_bytes(&mut bytes);
        let mut words = [0; BATCH];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_words() {
        let mut stream = Source::new(0, Domain::Perturbation).stream(0);
        let words: Vec<u32> = (0..4).map(|_| stream.next_u32()).collect();
        assert_eq!(words, [2_273_146_541, 4_291_831_529, 344_310_160, 844_235_111]);
        let mut stream = Source::new(42, Domain::NoiseSeeds).stream(7);
        assert_eq!(stream.next_u64(), 12_321_962_348_390_026_036);
        let first = |domain| Source::of_generation(42, 7, domain).stream(3).next_u64();
        assert_eq!(
            [first(Domain::Rounding), first(Domain::Pull)],
            [2_926_053_626_371_485_847, 9_168_239_680_502_627_657]
        );
    }

    #[test]
    fn streams_start_at_their_first_word_in_any_order() {
        let source = Source::new(3, Domain::Perturbation);
        let late = source.stream(9).next_u64();
        let mut other = source.stream(8);
        other.next_u64();
        assert_eq!(source.stream(9).next_u64(), late);
        assert_ne!(source.stream(8).next_u64(), late);
    }

    #[test]
    fn batches_hold_the_words_of_their_stream() {
        let source = Source::new(5, Domain::Perturbation);
        let mut batches = source.batches();
        for number in [7, 0, u64::MAX, 7] {
            batches.start(number);
            let mut stream = source.stream(number);
            for _ in 0..3 {
                assert_eq!(batches.next_batch(), std::array::from_fn(|_| stream.next_u32()));
            }
        }
    }

    #[test]
    fn seeds_and_domains_do_not_meet() {
        let first = |seed, domain| Source::new(seed, domain).stream(0).next_u64();
        assert_ne!(first(0, Domain::Perturbation), first(1, Domain::Perturbation));
        assert_ne!(first(0, Domain::Perturbation), first(0, Domain::NoiseSeeds));
        assert_ne!(first(0, Domain::Problems), first(0, Domain::NoiseSeeds));
    }

    #[test]
    fn families_of_generations_are_no_others() {
        let all = [
            Domain::NoiseSeeds,
            Domain::Perturbation,
            Domain::Problems,
            Domain::HeldOut,
            Domain::Rounding,
            Domain::Pull,
        ];
        let mut keys = Vec::new();
        for domain in all {
            keys.push(Source::new(5, domain).0);
            keys.extend([0, 1, 1 << 24].map(|generation| Source::of_generation(5, generation, domain).0));
            keys.push(Source::of_generation(6, 0, domain).0);
        }
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn below_is_even() {
        let mut stream = Source::new(1, Domain::Problems).stream(0);
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        // Chi-square with 6 degrees of freedom exceeds 22.5 once in a thousand.
        let chi: f64 = counts.iter().map(|&n| (f64::from(n) - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 22.5, "chi-square {chi}, counts {counts:?}");
    }
}
