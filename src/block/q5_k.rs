//! Q5_K (`block_q5_K` in ggml-common.h): 256 codes of 5 bits.
//!
//! f16 `d`, f16 `dmin`, 12 bytes of 6-bit sub-block scales and minimums, 32 bytes `qh`, 128 bytes `qs`. `qh` holds the
//! highest bits, those of the codes 32c..32c+31 in bit c of its bytes; `qs` the lower four as in Q4_K.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qh`.
const SCALES: usize = 16;

/// The fields `qs` and `qh`.
const CODES: Planes = Planes::two(
    Plane { start: SCALES + 32, bits: 4, stride: 32, below: 0 },
    Plane { start: SCALES, bits: 1, stride: 32, below: 4 },
);

/// The Q5_K layout.
#[derive(Clone, Copy, Debug)]
pub struct Q5K;

const _: () = assert!(Q5K::BYTES == SCALES + CODES.bytes(Q5K::LEN));

impl CodeBlock for Q5K {
    const TYPE: TensorType = TensorType::Q5_K;
    const LEN: usize = 256;
    const BYTES: usize = 176;
    const LO: i16 = 0;
    const HI: i16 = 31;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0, 2];
}
