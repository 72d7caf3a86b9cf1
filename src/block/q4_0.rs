//! Q4_0 (`block_q4_0` in ggml-common.h): 32 codes of 4 bits.
//!
//! f16 `d`, then 16 bytes `qs`: the codes 0..15 in their low halves, 16..31 in their high halves. A value is
//! `d * (code - 8)`; `d` is often negative, and then a higher code is a lower value.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qs`.
const SCALES: usize = 2;

/// The field `qs`.
const CODES: Planes = Planes::one(Plane { start: SCALES, bits: 4, stride: 16, below: 0 });

/// The Q4_0 layout.
#[derive(Clone, Copy, Debug)]
pub struct Q4_0;

const _: () = assert!(Q4_0::BYTES == SCALES + CODES.bytes(Q4_0::LEN));

impl CodeBlock for Q4_0 {
    const TYPE: TensorType = TensorType::Q4_0;
    const LEN: usize = 32;
    const BYTES: usize = 18;
    const LO: i16 = 0;
    const HI: i16 = 15;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0];
}
