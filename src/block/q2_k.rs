//! Q2_K (`block_q2_K` in ggml-common.h): 256 codes of 2 bits.
//!
//! 16 bytes of 4-bit sub-block scales and minimums, 64 bytes `qs`, f16 `d`, f16 `dmin`. Bytes 32c..32c+31 of `qs` hold the
//! codes 128c..128c+127, 32 of them in each pair of bits from the lowest up.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// The field `qs`.
const CODES: Planes = Planes::one(Plane { start: 16, bits: 2, stride: 32, below: 0 });

/// Bytes besides `qs`: 16 before it and 4 after it.
const SCALES: usize = 20;

/// The Q2_K layout.
#[derive(Clone, Copy, Debug)]
pub struct Q2K;

const _: () = assert!(Q2K::BYTES == SCALES + CODES.bytes(Q2K::LEN));

impl CodeBlock for Q2K {
    const TYPE: TensorType = TensorType::Q2_K;
    const LEN: usize = 256;
    const BYTES: usize = 84;
    const LO: i16 = 0;
    const HI: i16 = 3;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[80, 82];
}
