//! How the blocks of a tensor lie in memory: one row after the other as in a file, or several rows interleaved.
//!
//! llama.cpp may keep weights in layouts of its own, in which the blocks that several rows have in the same column lie
//! together: first the scales of all of them, then their codes, in pieces of a few bytes that take turns by row
//! (`make_block_q4_Kx8` and its like in ggml's `repack.cpp`). The bits of a code are the file's, only their place is
//! another. So codes can be changed there too, and inference be as fast as llama.cpp is.

use std::marker::PhantomData;
use std::ops::Range;

use super::CodeBlock;
use crate::tensor_type::TensorType;

/// A layout of blocks in memory.
pub trait CodeLayout: 'static {
    /// What a block is in a file.
    type Block: CodeBlock;
    /// Rows that are interleaved: the blocks that so many rows have in a column form a group of `ROWS * Block::BYTES` bytes.
    const ROWS: usize;

    /// The code at `index` (below `Block::LEN`) of the block that a row (below `ROWS`) has in a group.
    fn read_row(group: &[u8], row: usize, index: usize) -> i16;

    /// Sets that code; `code` must lie in the block's range.
    fn write_row(group: &mut [u8], row: usize, index: usize, code: i16);

    /// Brings the codes of a row's block into `block`, which has the file's layout; its scales stay.
    fn unpack(group: &[u8], row: usize, block: &mut [u8]) {
        for index in 0..Self::Block::LEN {
            Self::Block::write(block, index, Self::read_row(group, row, index));
        }
    }

    /// Takes the codes of a row's block from `block`, which has the file's layout; the group's scales stay.
    fn pack(group: &mut [u8], row: usize, block: &[u8]) {
        for index in 0..Self::Block::LEN {
            Self::write_row(group, row, index, Self::Block::read(block, index));
        }
    }
}

impl<B: CodeBlock> CodeLayout for B {
    type Block = B;
    const ROWS: usize = 1;

    #[inline]
    fn read_row(group: &[u8], _: usize, index: usize) -> i16 {
        B::read(group, index)
    }

    #[inline]
    fn write_row(group: &mut [u8], _: usize, index: usize, code: i16) {
        B::write(group, index, code);
    }
}

/// A block whose codes are bit fields of consecutive bytes that hold nothing else: what llama.cpp can interleave.
pub trait PackedBlock: CodeBlock {
    /// The bytes with the codes, in a file's block.
    const QS: Range<usize>;
    /// Bits of a code; as a signed number where the range is.
    const BITS: u32;
    /// What each of the bytes is combined with (exclusive or) on its way into an interleaved layout and back.
    const FLIPPED: u8 = 0;

    /// The byte of `QS` that holds the code at `index`, counted from the first of them, and the code's lowest bit there.
    fn place(index: usize) -> (usize, u32);
}

/// `ROWS` rows of blocks, interleaved in pieces of `PIECE` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Interleaved<B, const ROWS: usize, const PIECE: usize>(PhantomData<B>);

impl<B: PackedBlock, const ROWS: usize, const PIECE: usize> Interleaved<B, ROWS, PIECE> {
    /// Bits of a code at their lowest place.
    const MASK: u32 = (1 << B::BITS) - 1;

    /// Where a piece of a row's codes begins in a group: after everyone's scales, and after the pieces before it.
    #[inline]
    fn start(row: usize, piece: usize) -> usize {
        ROWS * (B::BYTES - B::QS.end + B::QS.start) + (piece * ROWS + row % ROWS) * PIECE
    }

    /// Where in a group the code at `index` of a row is: byte and lowest bit.
    #[inline]
    fn place(row: usize, index: usize) -> (usize, u32) {
        let (byte, bit) = B::place(index);
        (Self::start(row, byte / PIECE) + byte % PIECE, bit)
    }
}

impl<B: PackedBlock, const ROWS: usize, const PIECE: usize> CodeLayout for Interleaved<B, ROWS, PIECE> {
    type Block = B;
    const ROWS: usize = ROWS;

    #[inline]
    fn read_row(group: &[u8], row: usize, index: usize) -> i16 {
        let (byte, bit) = Self::place(row, index);
        let bits = u32::from(group[byte] ^ B::FLIPPED) >> bit & Self::MASK;
        if B::LO < 0 { i16::from(bits as i8) } else { bits as i16 }
    }

    #[inline]
    fn write_row(group: &mut [u8], row: usize, index: usize, code: i16) {
        let (byte, bit) = Self::place(row, index);
        let others = u32::from(group[byte] ^ B::FLIPPED) & !(Self::MASK << bit);
        group[byte] = (others | (code as u32 & Self::MASK) << bit) as u8 ^ B::FLIPPED;
    }

    fn unpack(group: &[u8], row: usize, block: &mut [u8]) {
        for (piece, codes) in block[B::QS].chunks_exact_mut(PIECE).enumerate() {
            let held = &group[Self::start(row, piece)..][..PIECE];
            codes.iter_mut().zip(held).for_each(|(code, held)| *code = held ^ B::FLIPPED);
        }
    }

    fn pack(group: &mut [u8], row: usize, block: &[u8]) {
        for (piece, codes) in block[B::QS].chunks_exact(PIECE).enumerate() {
            let held = &mut group[Self::start(row, piece)..][..PIECE];
            held.iter_mut().zip(codes).for_each(|(held, code)| *held = code ^ B::FLIPPED);
        }
    }
}

/// The layout of one tensor in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrangement {
    /// The tensor's type.
    pub tensor_type: TensorType,
    /// Rows that are interleaved; 1 in a file.
    pub rows: usize,
    /// Bytes of codes that the rows take turns by; 0 in a file.
    pub piece: usize,
    /// Blocks in a row of the tensor; of no meaning in a file, where rows follow each other.
    pub row_blocks: usize,
}

/// The interleaved layouts in which codes can be addressed: type, rows, bytes of a piece. Eight rows by 8 bytes are for AVX2
/// and for Arm with i8mm, by 4 bytes for Arm with dotprod only; the layouts of four rows are Arm's.
const INTERLEAVED: [(TensorType, usize, usize); 4] =
    [(TensorType::Q4_K, 8, 8), (TensorType::Q4_K, 8, 4), (TensorType::Q8_0, 4, 8), (TensorType::Q8_0, 4, 4)];

/// Runs an expression with `$layout` standing for the [`CodeLayout`] of an [`Arrangement`] of a tunable type.
#[macro_export]
macro_rules! with_layout {
    ($arrangement:expr, $layout:ident => $body:expr) => {{
        use $crate::block::{Arrangement, Interleaved, Q4K, Q8_0};
        use $crate::tensor_type::TensorType;
        match $arrangement {
            Arrangement { tensor_type: TensorType::Q4_K, rows: 8, piece: 8, .. } => {
                type $layout = Interleaved<Q4K, 8, 8>;
                $body
            }
            Arrangement { tensor_type: TensorType::Q4_K, rows: 8, piece: 4, .. } => {
                type $layout = Interleaved<Q4K, 8, 4>;
                $body
            }
            Arrangement { tensor_type: TensorType::Q8_0, rows: 4, piece: 8, .. } => {
                type $layout = Interleaved<Q8_0, 4, 8>;
                $body
            }
            Arrangement { tensor_type: TensorType::Q8_0, rows: 4, piece: 4, .. } => {
                type $layout = Interleaved<Q8_0, 4, 4>;
                $body
            }
            Arrangement { tensor_type, rows: 1, .. } => $crate::with_block!(tensor_type, $layout => $body),
            other => unreachable!("{other:?} is in no list of layouts"),
        }
    }};
}

impl Arrangement {
    /// The file's layout.
    pub fn plain(tensor_type: TensorType) -> Self {
        Self { tensor_type, rows: 1, piece: 0, row_blocks: 1 }
    }

    /// Every interleaved layout in which codes of this type can be addressed, for rows of `row_blocks` blocks (at least 1).
    pub fn interleaved(tensor_type: TensorType, row_blocks: usize) -> impl Iterator<Item = Self> {
        let of_type = INTERLEAVED.iter().filter(move |(of, ..)| *of == tensor_type);
        of_type.map(move |&(_, rows, piece)| Self { tensor_type, rows, piece, row_blocks })
    }

    /// Codes in the least part of the tensor whose bytes lie apart from all others: a block, or the rows interleaved.
    pub fn apart(&self) -> usize {
        let blocks = if self.rows == 1 { 1 } else { self.rows * self.row_blocks };
        blocks * self.tensor_type.block_len() as usize
    }
}
