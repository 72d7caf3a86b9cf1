//! Q4_K (`block_q4_K` in ggml-common.h): 256 codes of 4 bits.
//!
//! f16 `d`, f16 `dmin`, 12 bytes of 6-bit sub-block scales and minimums, then 128 bytes `qs`. Bytes 32c..32c+31 of
//! `qs` hold the codes 64c..64c+31 in their low halves and 64c+32..64c+63 in their high halves.

use std::ops::Range;

use super::{CodeBlock, PackedBlock};
use crate::tensor_type::TensorType;

/// Bytes before `qs`.
const SCALES: usize = 16;

/// The Q4_K layout.
#[derive(Clone, Copy, Debug)]
pub struct Q4K;

const _: () = assert!(Q4K::BYTES == SCALES + Q4K::LEN / 2);

/// Byte of the code in the block, and by how many bits it is shifted there.
#[inline]
fn place(index: usize) -> (usize, u32) {
    let byte = SCALES + index / 64 * 32 + index % 32;
    (byte, (index as u32 / 32 % 2) * 4)
}

impl CodeBlock for Q4K {
    const TYPE: TensorType = TensorType::Q4_K;
    const LEN: usize = 256;
    const BYTES: usize = 144;
    const LO: i16 = 0;
    const HI: i16 = 15;

    #[inline]
    fn read(block: &[u8], index: usize) -> i16 {
        let (byte, shift) = place(index);
        // In whole registers, which processors shift faster than bytes.
        (u32::from(block[byte]) >> shift & 0xf) as i16
    }

    #[inline]
    fn write(block: &mut [u8], index: usize, code: i16) {
        let (byte, shift) = place(index);
        block[byte] = (u32::from(block[byte]) & !(0xf << shift) | (code as u32) << shift) as u8;
    }
}

impl PackedBlock for Q4K {
    const QS: Range<usize> = SCALES..Self::BYTES;
    const BITS: u32 = 4;

    #[inline]
    fn place(index: usize) -> (usize, u32) {
        let (byte, shift) = place(index);
        (byte - SCALES, shift)
    }
}
