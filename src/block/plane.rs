//! Bit planes, in which ggml packs codes of less than a byte.
//!
//! All its layouts put `stride` codes side by side, into the lowest bits of as many bytes; the next `stride` codes go into
//! the next higher bits of the same bytes, and when these are full, the codes that follow into the next bytes. Codes of
//! 3, 5 and 6 bits are split between two such planes. Codes of 8 bits are a plane too.
//!
//! Everything is `inline(always)`: divisions become shifts only if the plane is a constant. With calls that the
//! compiler had not inlined, perturbing a code of Q6_K took 20 ns instead of 3.5.

/// A few bits of every code of a block.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    /// Offset of the plane's first byte in the block.
    pub start: usize,
    /// Bits of each code: 1, 2, 4 or 8.
    pub bits: u32,
    /// Codes side by side.
    pub stride: usize,
    /// Bits of each code that are below these, in the other plane.
    pub below: u32,
}

impl Plane {
    /// Returns the bytes that the bits of `codes` codes take.
    pub(super) const fn bytes(self, codes: usize) -> usize {
        codes * self.bits as usize / 8
    }

    /// Returns the byte that holds the code's bits, and their shift in it.
    #[inline(always)]
    pub(super) fn find(self, index: usize) -> (usize, u8) {
        let in_a_byte = 8 / self.bits as usize;
        let row = index / self.stride;
        let byte = self.start + row / in_a_byte * self.stride + index % self.stride;
        (byte, (row % in_a_byte) as u8 * self.bits as u8)
    }

    /// Returns the code whose bits in this plane are those in `byte` at `shift`; its other bits are 0.
    #[inline(always)]
    pub(super) fn bits_in(self, byte: u8, shift: u8) -> i16 {
        i16::from(byte >> shift & self.mask()) << self.below
    }

    /// Returns the bits of a code that are in this plane, at `shift`.
    #[inline(always)]
    pub(super) fn bits_of(self, code: i16, shift: u8) -> u8 {
        ((code >> self.below) as u8 & self.mask()) << shift
    }

    #[inline(always)]
    const fn mask(self) -> u8 {
        u8::MAX >> (8 - self.bits)
    }
}

/// The planes of a block's codes: one, two, or none if the codes cannot be addressed.
#[derive(Clone, Copy, Debug)]
pub struct Planes {
    pub(super) low: Option<Plane>,
    pub(super) high: Option<Plane>,
}

/// Expands a block for each of [`Planes`], with its number. It is not a function with a closure, since a compiler need
/// not inline that.
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
    /// The most planes that a type has.
    pub const MOST: usize = 2;
    /// No codes that can be addressed.
    pub const NONE: Self = Self { low: None, high: None };

    /// Returns one plane with whole codes.
    pub const fn one(plane: Plane) -> Self {
        assert!(plane.below == 0);
        Self { low: Some(plane), high: None }
    }

    /// Returns two planes: one with the lower bits of the codes, one with the bits above.
    pub const fn two(low: Plane, high: Plane) -> Self {
        assert!(low.below == 0 && high.below == low.bits);
        Self { low: Some(low), high: Some(high) }
    }

    /// Returns the number of planes.
    pub fn count(self) -> u64 {
        u64::from(self.low.is_some()) + u64::from(self.high.is_some())
    }

    /// Returns the bytes that `codes` codes take.
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

    /// Inverts the bits in `mask` of the code at `index`.
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
