//! Q3_K (`block_q3_K` in ggml-common.h): 256 codes of 3 bits.
//!
//! 32 bytes `hmask`, 64 bytes `qs`, 12 bytes of 6-bit sub-block scales, f16 `d`. `hmask` holds the highest bits, those of
//! the codes 32c..32c+31 in bit c of its bytes; `qs` the lower two as in Q2_K. A value is its scale times `code - 4`.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// The fields `qs` and `hmask`.
const CODES: Planes = Planes::two(
    Plane { start: 32, bits: 2, stride: 32, below: 0 },
    Plane { start: 0, bits: 1, stride: 32, below: 2 },
);

/// Bytes of the scales, after `qs`.
const SCALES: usize = 14;

/// The Q3_K layout.
#[derive(Clone, Copy, Debug)]
pub struct Q3K;

const _: () = assert!(Q3K::BYTES == SCALES + CODES.bytes(Q3K::LEN));

impl CodeBlock for Q3K {
    const TYPE: TensorType = TensorType::Q3_K;
    const LEN: usize = 256;
    const BYTES: usize = 110;
    const LO: i16 = 0;
    const HI: i16 = 7;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[108];
}
