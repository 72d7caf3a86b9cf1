//! Bit planes: how ggml packs codes of less than a byte.
//!
//! All its layouts put `stride` codes side by side, into the lowest bits of as many bytes; the next `stride` codes go into
//! the next higher bits of the same bytes, and when these are full, the codes that follow into the next bytes. Codes of
//! 3, 5 and 6 bits are split between two such planes.
//!
//! Everything is inlined always: only where the plane is a constant do its divisions become shifts. Calls that a compiler
//! left standing made perturbing a code of Q6_K take 20 ns in place of 3.5.

/// A few bits of every code of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    /// The plane's first byte in the block.
    pub start: usize,
    /// Bits of each code: 1, 2 or 4.
    pub bits: u32,
    /// Codes side by side.
    pub stride: usize,
}

impl Plane {
    /// Bytes that the bits of `codes` codes take.
    pub const fn bytes(self, codes: usize) -> usize {
        codes * self.bits as usize / 8
    }

    /// The byte that holds the code's bits, and by how many bits they are shifted there.
    #[inline(always)]
    fn find(self, index: usize) -> (usize, u32) {
        let in_a_byte = 8 / self.bits as usize;
        let row = index / self.stride;
        let byte = self.start + row / in_a_byte * self.stride + index % self.stride;
        (byte, (row % in_a_byte) as u32 * self.bits)
    }

    #[inline(always)]
    fn mask(self) -> u32 {
        (1 << self.bits) - 1
    }

    /// The code at `index`, as far as it is in this plane; byte `b` of the block is `bytes[place(b)]`.
    #[inline(always)]
    pub fn read(self, bytes: &[u8], place: impl Fn(usize) -> usize, index: usize) -> i16 {
        let (byte, shift) = self.find(index);
        // In whole registers, which processors shift faster than bytes.
        (u32::from(bytes[place(byte)]) >> shift & self.mask()) as i16
    }

    /// Sets the code at `index` to the lowest bits of `code`.
    #[inline(always)]
    pub fn write(self, bytes: &mut [u8], place: impl Fn(usize) -> usize, index: usize, code: i16) {
        let (byte, shift) = self.find(index);
        let byte = &mut bytes[place(byte)];
        *byte = (u32::from(*byte) & !(self.mask() << shift) | (code as u32 & self.mask()) << shift) as u8;
    }
}

/// A code that is split between two planes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Split {
    /// Its lower bits.
    pub low: Plane,
    /// The bits above.
    pub high: Plane,
}

impl Split {
    /// Bytes that `codes` codes take.
    pub const fn bytes(self, codes: usize) -> usize {
        self.low.bytes(codes) + self.high.bytes(codes)
    }

    /// The code at `index`; byte `b` of the block is `bytes[place(b)]`.
    #[inline(always)]
    pub fn read(self, bytes: &[u8], place: impl Fn(usize) -> usize + Copy, index: usize) -> i16 {
        self.low.read(bytes, place, index) | self.high.read(bytes, place, index) << self.low.bits
    }

    /// Sets the code at `index`.
    #[inline(always)]
    pub fn write(self, bytes: &mut [u8], place: impl Fn(usize) -> usize + Copy, index: usize, code: i16) {
        self.low.write(bytes, place, index, code);
        self.high.write(bytes, place, index, code >> self.low.bits);
    }
}

/// The two methods of a [`CodeBlock`](super::CodeBlock) that read and write codes, for codes in a [`Plane`] or a [`Split`].
macro_rules! codes_of {
    ($planes:expr) => {
        #[inline]
        fn read_at(bytes: &[u8], place: impl Fn(usize) -> usize + Copy, index: usize) -> i16 {
            $planes.read(bytes, place, index)
        }

        #[inline]
        fn write_at(bytes: &mut [u8], place: impl Fn(usize) -> usize + Copy, index: usize, code: i16) {
            $planes.write(bytes, place, index, code);
        }
    };
}

pub(super) use codes_of;
