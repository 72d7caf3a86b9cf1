//! Bit planes: how ggml packs codes of less than a byte.
//!
//! All its layouts put `stride` codes side by side, into the lowest bits of as many bytes; the next `stride` codes go into
//! the next higher bits of the same bytes, and when these are full, the codes that follow into the next bytes. Codes of
//! 3, 5 and 6 bits are split between two such planes. Codes of 8 bits are a plane too.
//!
//! Everything is inlined always: only where the plane is a constant do its divisions become shifts. Calls that a compiler
//! left standing made perturbing a code of Q6_K take 20 ns in place of 3.5.

/// A few bits of every code of a block.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    /// The plane's first byte in the block.
    pub start: usize,
    /// Bits of each code: 1, 2, 4 or 8.
    pub bits: u32,
    /// Codes side by side.
    pub stride: usize,
    /// Bits of each code that are below these, in the other plane.
    pub below: u32,
}

impl Plane {
    /// Bytes that the bits of `codes` codes take.
    pub(super) const fn bytes(self, codes: usize) -> usize {
        codes * self.bits as usize / 8
    }

    /// Returns the byte that holds the code's bits, and by how many bits they are shifted there.
    #[inline(always)]
    pub(super) fn find(self, index: usize) -> (usize, u8) {
        let in_a_byte = 8 / self.bits as usize;
        let row = index / self.stride;
        let byte = self.start + row / in_a_byte * self.stride + index % self.stride;
        (byte, (row % in_a_byte) as u8 * self.bits as u8)
    }

    /// Returns a code of which `byte` holds the bits that are in this plane, shifted by so many; all others are 0.
    #[inline(always)]
    pub(super) fn bits_in(self, byte: u8, shift: u8) -> i16 {
        i16::from(byte >> shift & self.mask()) << self.below
    }

    /// Returns the bits of a code that are in this plane, shifted by so many.
    #[inline(always)]
    pub(super) fn bits_of(self, code: i16, shift: u8) -> u8 {
        ((code >> self.below) as u8 & self.mask()) << shift
    }

    #[inline(always)]
    const fn mask(self) -> u8 {
        u8::MAX >> (8 - self.bits)
    }
}

/// Where the bits of a block's codes are: in one plane, in two, or in none if they cannot be addressed.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub(super) low: Option<Plane>,
    pub(super) high: Option<Plane>,
}

/// Does the same for each of [`Planes`], with its number. Not a function that takes a closure, since a compiler need not inline
/// that.
macro_rules! each_plane {
    ($planes:expr, |$number:pat_param, $plane:ident| $body:block) => {{
        let planes: $crate::block::Planes = $planes;
        if let Some($plane) = planes.low {
            let $number = 0;
            $body
        }
        if let Some($plane) = planes.high {
            let $number = 1;
            $body
        }
    }};
}

impl Planes {
    /// Planes that a type has at most.
    pub const MOST: usize = 2;
    /// No codes that can be addressed.
    pub const NONE: Self = Self { low: None, high: None };

    /// Whole codes in one plane.
    pub const fn one(plane: Plane) -> Self {
        assert!(plane.below == 0);
        Self { low: Some(plane), high: None }
    }

    /// Returns the lower bits of the codes in one plane, those above in another.
    pub const fn two(low: Plane, high: Plane) -> Self {
        assert!(low.below == 0 && high.below == low.bits);
        Self { low: Some(low), high: Some(high) }
    }

    /// How many there are.
    pub fn count(self) -> u64 {
        u64::from(self.low.is_some()) + u64::from(self.high.is_some())
    }

    /// Bytes that `codes` codes take.
    pub const fn bytes(self, codes: usize) -> usize {
        bytes_of(self.low, codes) + bytes_of(self.high, codes)
    }

    /// Returns the code at `index`, its bits read as a number; byte `b` of the block is `bytes[place(b)]`.
    #[inline(always)]
    pub(super) fn read(self, bytes: &[u8], place: impl Fn(usize) -> usize, index: usize) -> i16 {
        let mut code = 0;
        each_plane!(self, |_, plane| {
            let (byte, shift) = plane.find(index);
            code |= plane.bits_in(bytes[place(byte)], shift);
        });
        code
    }

    /// Turns over those bits of the code at `index` that `mask` has.
    #[inline(always)]
    pub(super) fn flip(self, bytes: &mut [u8], place: impl Fn(usize) -> usize, index: usize, mask: i16) {
        each_plane!(self, |_, plane| {
            let (byte, shift) = plane.find(index);
            bytes[place(byte)] ^= plane.bits_of(mask, shift);
        });
    }
}

/// Returns the bytes that the bits of `codes` codes take in a plane that may be missing.
const fn bytes_of(plane: Option<Plane>, codes: usize) -> usize {
    match plane {
        Some(plane) => plane.bytes(codes),
        None => 0,
    }
}
