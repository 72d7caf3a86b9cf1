//! The codes of a part of a tensor by their number, wherever the layout has put them.

use std::marker::PhantomData;
use std::ops::Range;

use super::{BATCH, CodeBlock, CodeLayout};

/// Codes of whole blocks, numbered in the order of a file: row by row. `bytes` hold those blocks, and whatever blocks of
/// other rows are interleaved with them.
#[derive(Debug)]
pub struct Codes<'a, L> {
    pub(super) bytes: &'a mut [u8],
    /// Blocks in a row of the tensor.
    row_blocks: usize,
    /// The block of code 0, counted from the beginning of `bytes` in the order of a file.
    first: usize,
    /// The row that was asked for last, its blocks, and where its first group begins. Work goes through codes in rising
    /// order, so a division is rarely needed.
    row: usize,
    blocks: Range<usize>,
    start: usize,
    layout: PhantomData<L>,
}

impl<'a, L: CodeLayout> Codes<'a, L> {
    /// Codes in one block.
    const LEN: usize = L::Block::LEN;
    /// Bytes of the blocks that lie together.
    const GROUP: usize = L::ROWS * L::Block::BYTES;

    /// The codes from block `first` on of a part of a tensor with rows of `row_blocks` blocks (at least 1). The part begins
    /// with a row, or in the file's layout anywhere.
    pub fn new(bytes: &'a mut [u8], row_blocks: usize, first: usize) -> Self {
        Self { bytes, row_blocks, first, row: 0, blocks: 0..0, start: 0, layout: PhantomData }
    }

    /// The codes of whole blocks in the file's layout.
    pub fn of_file(bytes: &'a mut [u8]) -> Self
    where
        L: CodeBlock,
    {
        Self::new(bytes, 1, 0)
    }

    /// The group with the block of the code at `index`, the number of the block's row in it, and the code's number in the
    /// block.
    #[inline]
    pub fn at(&mut self, index: usize) -> (&mut [u8], usize, usize) {
        let block = self.first + index / Self::LEN;
        let start = if L::ROWS == 1 { block * Self::GROUP } else { self.group_of(block) };
        (&mut self.bytes[start..start + Self::GROUP], self.row % L::ROWS, index % Self::LEN)
    }

    /// Where the group of a block begins; also finds the block's row.
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

    /// What to add to [`CodeLayout::place`] for each of the codes with these numbers, of which the first `count` (at least 1)
    /// count and rise.
    #[inline(always)]
    pub(super) fn starts(&mut self, numbers: &[u32; BATCH], count: usize) -> [u32; BATCH] {
        let mut starts = self.skipped(numbers, count);
        for (start, number) in starts.iter_mut().zip(numbers) {
            *start = start.wrapping_add(number / Self::LEN as u32 * Self::GROUP as u32);
        }
        starts
    }

    /// The part of [`Codes::starts`] that is the same for all codes of a row, which it would be for all codes if rows followed
    /// each other. Goes from row to row, and so without a branch or a division for each code.
    #[inline(always)]
    fn skipped(&mut self, numbers: &[u32; BATCH], count: usize) -> [u32; BATCH] {
        if L::ROWS == 1 {
            return [(self.first * Self::GROUP) as u32; BATCH];
        }
        self.group_of(self.first + numbers[0] as usize / Self::LEN);
        let mut of_row = self.skipped_of_row();
        let mut skipped = [of_row; BATCH];
        loop {
            let end = ((self.blocks.end - self.first) * Self::LEN) as u32;
            if end > numbers[count - 1] {
                return skipped;
            }
            self.go_to(self.row + 1);
            let before = std::mem::replace(&mut of_row, self.skipped_of_row());
            let more = of_row.wrapping_sub(before);
            for (skipped, &number) in skipped.iter_mut().zip(numbers) {
                *skipped = skipped.wrapping_add(if number >= end { more } else { 0 });
            }
        }
    }

    /// The same for the row that was gone to last.
    #[inline]
    fn skipped_of_row(&self) -> u32 {
        let start = self.start + self.row % L::ROWS * L::PIECE;
        let blocks = self.blocks.start.wrapping_sub(self.first);
        start.wrapping_sub(blocks.wrapping_mul(Self::GROUP)) as u32
    }

    /// All bytes, whatever they hold.
    pub fn bytes(&mut self) -> &mut [u8] {
        self.bytes
    }

    /// The code at `index`.
    #[inline]
    pub fn read(&mut self, index: usize) -> i16 {
        let (group, row, index) = self.at(index);
        L::read_row(group, row, index)
    }

    /// Adds `delta` to the code at `index`. A code that would leave its range stays as it is (it is *gated*) and the
    /// answer is `false`.
    #[inline]
    pub fn nudge(&mut self, index: usize, delta: i16) -> bool {
        let (group, row, index) = self.at(index);
        let code = L::read_row(group, row, index).saturating_add(delta);
        if code < L::Block::LO || code > L::Block::HI {
            return false;
        }
        L::write_row(group, row, index, code);
        true
    }
}
