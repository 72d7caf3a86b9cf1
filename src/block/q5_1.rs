//! Q5_1 (`block_q5_1` in ggml-common.h): 32 codes of 5 bits.
//!
//! f16 `d`, f16 `m`, then `qh` and `qs` as in Q5_0. A value is `d * code + m`.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qh`.
const SCALES: usize = 4;

/// The fields `qs` and `qh`.
const CODES: Planes = Planes::two(
    Plane { start: SCALES + 4, bits: 4, stride: 16, below: 0 },
    Plane { start: SCALES, bits: 1, stride: 1, below: 4 },
);

/// The Q5_1 layout.
#[derive(Clone, Copy, Debug)]
pub struct Q5_1;

const _: () = assert!(Q5_1::BYTES == SCALES + CODES.bytes(Q5_1::LEN));

impl CodeBlock for Q5_1 {
    const TYPE: TensorType = TensorType::Q5_1;
    const LEN: usize = 32;
    const BYTES: usize = 24;
    const LO: i16 = 0;
    const HI: i16 = 31;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0, 2];
}
