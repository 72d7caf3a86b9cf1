//! Q5_0 (`block_q5_0` in ggml-common.h): 32 codes of 5 bits.
//!
//! f16 `d`, 4 bytes `qh`, 16 bytes `qs`. Bit i of `qh`, read as a little-endian number, is the highest bit of code i; `qs`
//! holds the lower four as in Q4_0. A value is `d * (code - 16)`.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qh`.
const SCALES: usize = 2;

/// The fields `qs` and `qh`.
const CODES: Planes = Planes::two(
    Plane { start: SCALES + 4, bits: 4, stride: 16, below: 0 },
    Plane { start: SCALES, bits: 1, stride: 1, below: 4 },
);

/// The Q5_0 layout.
#[derive(Clone, Copy, Debug)]
pub struct Q5_0;

const _: () = assert!(Q5_0::BYTES == SCALES + CODES.bytes(Q5_0::LEN));

impl CodeBlock for Q5_0 {
    const TYPE: TensorType = TensorType::Q5_0;
    const LEN: usize = 32;
    const BYTES: usize = 22;
    const LO: i16 = 0;
    const HI: i16 = 31;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0];
}
