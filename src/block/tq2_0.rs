//! TQ2_0 (`block_tq2_0` in ggml-common.h): 256 codes of 2 bits; ggml writes only three of the four values.
//!
//! 64 bytes `qs`, then f16 `d`. Bytes 32c..32c+31 of `qs` hold the codes 128c..128c+31 in their lowest two bits, the
//! next 32 in the next two, and so on. A value is `d * (code - 1)`: the codes 0 to 2 are -1, 0 and 1.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// The field `qs`.
const CODES: Planes = Planes::one(Plane { start: 0, bits: 2, stride: 32, below: 0 });

/// The TQ2_0 layout.
#[derive(Clone, Copy, Debug)]
pub struct Tq2_0;

const _: () = assert!(Tq2_0::BYTES == CODES.bytes(Tq2_0::LEN) + 2);

impl CodeBlock for Tq2_0 {
    const TYPE: TensorType = TensorType::TQ2_0;
    const LEN: usize = 256;
    const BYTES: usize = 66;
    const LO: i16 = 0;
    const HI: i16 = 2;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[64];
}
