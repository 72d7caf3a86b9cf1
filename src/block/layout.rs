//! Layouts of the blocks of a tensor in memory: one row after the other as in a file, or several rows interleaved.
//!
//! llama.cpp may keep weights in layouts of its own, in which the blocks of several rows in the same column lie
//! together: first all their scales, then their codes, in pieces of a few bytes that take turns by row
//! (`make_block_q4_Kx8` and its like in ggml's `repack.cpp`). The bits of a code are those in the file, at another
//! place. So codes can be changed there too, and inference runs at llama.cpp's full speed.

use std::marker::PhantomData;
use std::ops::Range;

use super::CodeBlock;
use crate::tensor_type::TensorType;

/// A layout of blocks in memory.
pub trait CodeLayout: 'static {
    /// Type of a block in a file.
    type Block: CodeBlock;
    /// Rows that are interleaved: their blocks in one column form a group of `ROWS * Block::BYTES` bytes.
    const ROWS: usize;
    /// Bytes of a piece, by which these rows take turns in the part of the group that holds codes.
    const PIECE: usize = Self::Block::BYTES;
    /// Mask of the exclusive or that converts the bits of every code between a file and this layout, in both directions.
    const FLIPPED: i16 = 0;

    /// Returns the offset in a group of a row's scale (number 0) or of its minimums' scale (number 1).
    fn scale_place(number: usize, row: usize) -> usize;

    /// Returns the offset in a group of a byte with codes of the first row's block. The same bytes of the other rows
    /// follow, each `PIECE` bytes after the one before.
    fn place(byte: usize) -> usize;

    /// Returns the code with these bits in this layout.
    #[inline(always)]
    fn code(bits: i16) -> i16 {
        Self::Block::of_bits(bits ^ Self::FLIPPED)
    }

    /// Returns the code at `index` (below `Block::LEN`) of a row's block (row below `ROWS`) in a group.
    #[inline]
    fn read_row(group: &[u8], row: usize, index: usize) -> i16 {
        let place = |byte| Self::place(byte) + row * Self::PIECE;
        Self::code(Self::Block::CODES.read(group, place, index))
    }

    /// Sets that code; `code` must lie in the block's range.
    #[inline]
    fn write_row(group: &mut [u8], row: usize, index: usize, code: i16) {
        let mask = Self::read_row(group, row, index) ^ code;
        let place = |byte| Self::place(byte) + row * Self::PIECE;
        Self::Block::CODES.flip(group, place, index, mask);
    }

    /// Copies the tunable integers of a row's block into `block`, which has the file's layout; the rest of `block` is
    /// unchanged.
    fn unpack(group: &[u8], row: usize, block: &mut [u8]) {
        for index in 0..Self::Block::LEN {
            Self::Block::write(block, index, Self::read_row(group, row, index));
        }
    }

    /// Copies the tunable integers of a row's block from `block`, which has the file's layout; the rest of the group
    /// is unchanged.
    fn pack(group: &mut [u8], row: usize, block: &[u8]) {
        for index in 0..Self::Block::LEN {
            Self::write_row(group, row, index, Self::Block::read(block, index));
        }
    }
}

impl<B: CodeBlock> CodeLayout for B {
    type Block = B;
    const ROWS: usize = 1;

    #[inline(always)]
    fn place(byte: usize) -> usize {
        byte
    }

    #[inline(always)]
    fn scale_place(number: usize, _: usize) -> usize {
        Self::scale_offset(number)
    }
}

/// A block whose codes have consecutive bytes to themselves, so that llama.cpp can interleave it.
pub trait PackedBlock: CodeBlock {
    /// The bytes with the codes, in a file's block.
    const QS: Range<usize>;
    /// Mask of the exclusive or that converts each of those bytes between a file and an interleaved layout, in both
    /// directions.
    const FLIPPED: u8 = 0;
}

/// `ROWS` rows of blocks, interleaved in pieces of `PIECE` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Interleaved<B, const ROWS: usize, const PIECE: usize>(PhantomData<B>);

impl<B: PackedBlock, const ROWS: usize, const PIECE: usize> Interleaved<B, ROWS, PIECE> {
    /// Returns the offset in a group of a piece of a row's codes: after the scales of all rows and the pieces before it.
    #[inline(always)]
    fn start(row: usize, piece: usize) -> usize {
        ROWS * (B::BYTES - B::QS.end + B::QS.start) + (piece * ROWS + row % ROWS) * PIECE
    }
}

impl<B: PackedBlock, const ROWS: usize, const PIECE: usize> CodeLayout for Interleaved<B, ROWS, PIECE> {
    type Block = B;
    const ROWS: usize = ROWS;
    const PIECE: usize = PIECE;
    /// Only codes of four bits are flipped.
    const FLIPPED: i16 = (B::FLIPPED & 0xf) as i16;

    #[inline(always)]
    fn place(byte: usize) -> usize {
        let byte = byte - B::QS.start;
        Self::start(0, byte / PIECE) + byte % PIECE
    }

    /// All these layouts begin with the scales of all rows, followed by those of the minimums.
    #[inline(always)]
    fn scale_place(number: usize, row: usize) -> usize {
        2 * (number * ROWS + row)
    }

    fn unpack(group: &[u8], row: usize, block: &mut [u8]) {
        for (piece, codes) in block[B::QS].chunks_exact_mut(PIECE).enumerate() {
            let held = &group[Self::start(row, piece)..][..PIECE];
            codes.iter_mut().zip(held).for_each(|(code, held)| *code = held ^ B::FLIPPED);
        }
        for (number, &offset) in B::FLOATS.iter().enumerate() {
            block[offset..offset + 2].copy_from_slice(&group[Self::scale_place(number, row)..][..2]);
        }
    }

    fn pack(group: &mut [u8], row: usize, block: &[u8]) {
        for (piece, codes) in block[B::QS].chunks_exact(PIECE).enumerate() {
            let held = &mut group[Self::start(row, piece)..][..PIECE];
            held.iter_mut().zip(codes).for_each(|(held, code)| *held = code ^ B::FLIPPED);
        }
        for (number, &offset) in B::FLOATS.iter().enumerate() {
            group[Self::scale_place(number, row)..][..2].copy_from_slice(&block[offset..offset + 2]);
        }
    }
}

/// The blocks that are interleaved, each as `make_block_...x8` or `x4` in ggml's `repack.cpp` does it.
mod packed {
    use super::{PackedBlock, Range};
    use crate::block::{Iq4Nl, Q2K, Q4_0, Q4K, Q5K, Q6K, Q8_0};

    macro_rules! packed {
        ($($block:ident: $codes:expr $(, $flipped:expr)?;)+) => {
            $(impl PackedBlock for $block {
                const QS: Range<usize> = $codes;
                $(const FLIPPED: u8 = $flipped;)?
            })+
        };
    }

    packed! {
        // Signed there, so that the upper bit of each code is turned over.
        Q4_0: 2..18, 0x88;
        Q8_0: 2..34;
        Iq4Nl: 2..18;
        Q2K: 16..80;
        Q4K: 16..144;
        Q5K: 16..176;
        Q6K: 0..192;
    }
}

/// The layout of one tensor in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrangement {
    /// The tensor's type.
    pub tensor_type: TensorType,
    /// Rows that are interleaved; 1 in a file.
    pub rows: usize,
    /// Bytes of a piece of codes, by which the rows take turns; 0 in a file.
    pub piece: usize,
    /// Blocks in a row of the tensor; meaningless in a file's layout, where rows follow each other.
    pub row_blocks: usize,
}

/// Runs an expression with `$layout` standing for the [`CodeLayout`] of an [`Arrangement`] of a tunable type.
///
/// Its list has all interleaved layouts in which codes can be addressed: type, rows, bytes of a piece.
/// `ggml_repack_get_optimal_repack_type` in ggml's `repack.cpp` decides which processor uses which.
#[doc(hidden)]
#[macro_export]
macro_rules! with_layout {
    ($arrangement:expr, $layout:ident => $body:expr) => {
        $crate::with_layout!(@list choose, $arrangement, $layout => $body)
    };
    (@list $($what:tt)+) => {
        $crate::with_layout!(@make [
            (Q4_0, Q4_0, 8, 8) (Q4_0, Q4_0, 4, 8) (Q4_0, Q4_0, 4, 4)
            (Q8_0, Q8_0, 4, 8) (Q8_0, Q8_0, 4, 4)
            (Q2_K, Q2K, 8, 8)
            (Q4_K, Q4K, 8, 8) (Q4_K, Q4K, 8, 4)
            (Q5_K, Q5K, 8, 8) (Q5_K, Q5K, 8, 4)
            (Q6_K, Q6K, 8, 8) (Q6_K, Q6K, 8, 4)
            (IQ4_NL, Iq4Nl, 8, 8) (IQ4_NL, Iq4Nl, 4, 4)
        ] $($what)+)
    };
    (@make [$(($constant:ident, $block:ident, $rows:literal, $piece:literal))+] table) => {
        &[$(($crate::tensor_type::TensorType::$constant, $rows, $piece)),+]
    };
    (
        @make [$(($constant:ident, $block:ident, $rows:literal, $piece:literal))+]
        choose, $arrangement:expr, $layout:ident => $body:expr
    ) => {
        match $arrangement {
            $($crate::block::Arrangement {
                tensor_type: $crate::tensor_type::TensorType::$constant, rows: $rows, piece: $piece, ..
            } => {
                type $layout = $crate::block::Interleaved<$crate::block::$block, $rows, $piece>;
                $body
            })+
            $crate::block::Arrangement { tensor_type, rows: 1, .. } => {
                $crate::with_block!(tensor_type, $layout => $body)
            }
            other => unreachable!("{other:?} is in no list of layouts"),
        }
    };
}

/// Type, rows, and bytes of a piece of every interleaved layout.
const INTERLEAVED: &[(TensorType, usize, usize)] = crate::with_layout!(@list table);

/// Blocks of the longest rows that may be interleaved, a million codes and more; no model has such rows. It keeps the
/// tiles that are processed together, and so the bytes in which a code is searched, below 2^32 bytes.
const LONGEST_ROW: usize = 1 << 15;

impl Arrangement {
    /// Returns the file's layout.
    pub fn plain(tensor_type: TensorType) -> Self {
        Self { tensor_type, rows: 1, piece: 0, row_blocks: 1 }
    }

    /// Returns every interleaved layout in which codes of this type can be addressed, for rows of `row_blocks` blocks (at least 1).
    pub fn interleaved(tensor_type: TensorType, row_blocks: usize) -> impl Iterator<Item = Self> {
        let fits = move |of| of == tensor_type && row_blocks <= LONGEST_ROW;
        let of_type = INTERLEAVED.iter().filter(move |(of, ..)| fits(*of));
        of_type.map(move |&(_, rows, piece)| Self { tensor_type, rows, piece, row_blocks })
    }

    /// Returns the codes in the smallest part of the tensor whose bytes are separate from all others: a block, or the
    /// interleaved rows.
    pub fn apart(&self) -> usize {
        let blocks = if self.rows == 1 { 1 } else { self.rows * self.row_blocks };
        blocks * self.tensor_type.block_len() as usize
    }
}
