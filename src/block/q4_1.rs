//! Q4_1 (`block_q4_1` in ggml-common.h): 32 codes of 4 bits.
//!
//! f16 `d`, f16 `m`, then 16 bytes `qs` as in Q4_0. A value is `d * code + m`.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qs`.
const SCALES: usize = 4;

/// The field `qs`.
const CODES: Planes = Planes::one(Plane { start: SCALES, bits: 4, stride: 16, below: 0 });

/// The Q4_1 layout.
#[derive(Clone, Copy, Debug)]
pub struct Q4_1;

const _: () = assert!(Q4_1::BYTES == SCALES + CODES.bytes(Q4_1::LEN));

impl CodeBlock for Q4_1 {
    const TYPE: TensorType = TensorType::Q4_1;
    const LEN: usize = 32;
    const BYTES: usize = 20;
    const LO: i16 = 0;
    const HI: i16 = 15;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0, 2];
}
