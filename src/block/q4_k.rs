//! Q4_K (`block_q4_K` in ggml-common.h): 256 codes of 4 bits.
//!
//! f16 `d`, f16 `dmin`, 12 bytes of 6-bit sub-block scales and minimums, then 128 bytes `qs`. Bytes 32c..32c+31 of
//! `qs` hold the codes 64c..64c+31 in their low halves and 64c+32..64c+63 in their high halves.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qs`.
const SCALES: usize = 16;

/// The field `qs`.
const CODES: Planes = Planes::one(Plane { start: SCALES, bits: 4, stride: 32, below: 0 });

/// The Q4_K layout.
#[derive(Clone, Copy, Debug)]
pub struct Q4K;

const _: () = assert!(Q4K::BYTES == SCALES + CODES.bytes(Q4K::LEN));

impl CodeBlock for Q4K {
    const TYPE: TensorType = TensorType::Q4_K;
    const LEN: usize = 256;
    const BYTES: usize = 144;
    const LO: i16 = 0;
    const HI: i16 = 15;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0, 2];
}
