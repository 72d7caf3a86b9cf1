//! Access to the codes in a part of a tensor by their number, in any layout of its blocks.

use std::marker::PhantomData;
use std::ops::Range;

use super::{CodeBlock, CodeLayout};

/// Codes of whole blocks, numbered in the order of a file: row by row. `bytes` hold those blocks, and the blocks of
/// other rows that are interleaved with them.
#[derive(Debug)]
pub struct Codes<'a, L> {
    pub(super) bytes: &'a mut [u8],
    /// Blocks in a row of the tensor.
    row_blocks: usize,
    /// The block of code 0, counted from the start of `bytes` in the order of a file.
    first: usize,
    /// The row that was accessed last, its blocks, and the offset of its first group. Codes are accessed in rising
    /// order, so a division is rarely needed.
    row: usize,
    blocks: Range<usize>,
    start: usize,
    layout: PhantomData<L>,
}

impl<'a, L: CodeLayout> Codes<'a, L> {
    /// Codes in one block.
    const LEN: usize = L::Block::LEN;
    /// Bytes of a group: the blocks that lie together.
    const GROUP: usize = L::ROWS * L::Block::BYTES;

    /// Returns the codes from block `first` on in a part of a tensor with rows of `row_blocks` blocks (at least 1).
    /// The part begins with a row, or, in the file's layout, anywhere.
    pub fn new(bytes: &'a mut [u8], row_blocks: usize, first: usize) -> Self {
        Self { bytes, row_blocks, first, row: 0, blocks: 0..0, start: 0, layout: PhantomData }
    }

    /// Returns the codes of whole blocks in the file's layout.
    pub fn of_file(bytes: &'a mut [u8]) -> Self
    where
        L: CodeBlock,
    {
        Self::new(bytes, 1, 0)
    }

    /// Returns the group with the block of the code at `index`, the number of the block's row in it, and the code's number in the
    /// block.
    #[inline]
    pub fn at(&mut self, index: usize) -> (&mut [u8], usize, usize) {
        let block = self.first + index / Self::LEN;
        let start = if L::ROWS == 1 { block * Self::GROUP } else { self.group_of(block) };
        (&mut self.bytes[start..start + Self::GROUP], self.row % L::ROWS, index % Self::LEN)
    }

    /// Returns the offset of the group of a block; also finds the block's row.
    #[inline]
    fn group_of(&mut self, block: usize) -> usize {
        if !self.blocks.contains(&block) {
            self.go_to(block / self.row_blocks);
        }
        self.start + (block - self.blocks.start) * Self::GROUP
    }

    fn go_to(&mut self, row: usize) {
        self.row = row;
        self.blocks = row * self.row_blocks..(row + 1) * self.row_blocks;
        self.start = row / L::ROWS * self.row_blocks * Self::GROUP;
    }

    /// Returns the code at `index`.
    #[inline]
    pub fn read(&mut self, index: usize) -> i16 {
        let (group, row, index) = self.at(index);
        L::read_row(group, row, index)
    }
}
