//! Q8_0 (`block_q8_0` in ggml-common.h): 32 codes of 8 bits.
//!
//! f16 `d`, then 32 signed bytes `qs`. ggml never writes -128, and neither do we: the range is -127..=127. A -128 in a
//! foreign file is read as it is and can only move upwards.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qs`.
const SCALES: usize = 2;

/// The field `qs`.
const CODES: Planes = Planes::one(Plane { start: SCALES, bits: 8, stride: 32, below: 0 });

/// The Q8_0 layout.
#[derive(Clone, Copy, Debug)]
pub struct Q8_0;

const _: () = assert!(Q8_0::BYTES == SCALES + CODES.bytes(Q8_0::LEN));

impl CodeBlock for Q8_0 {
    const TYPE: TensorType = TensorType::Q8_0;
    const LEN: usize = 32;
    const BYTES: usize = 34;
    const LO: i16 = -127;
    const HI: i16 = 127;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0];
}
