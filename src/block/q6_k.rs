//! Q6_K (`block_q6_K` in ggml-common.h): 256 codes of 6 bits.
//!
//! 128 bytes `ql`, 64 bytes `qh`, 16 signed bytes of sub-block scales, f16 `d`. Bytes 64c..64c+63 of `ql` hold the lower
//! four bits of the codes 128c..128c+63 in their low halves, of 128c+64..128c+127 in their high halves; `qh` the higher two,
//! in the order of Q2_K. A value is its scale times `code - 32`.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// The fields `ql` and `qh`.
const CODES: Planes = Planes::two(
    Plane { start: 0, bits: 4, stride: 64, below: 0 },
    Plane { start: 128, bits: 2, stride: 32, below: 4 },
);

/// Bytes of the scales, after `qh`.
const SCALES: usize = 18;

/// The Q6_K layout.
#[derive(Clone, Copy, Debug)]
pub struct Q6K;

const _: () = assert!(Q6K::BYTES == SCALES + CODES.bytes(Q6K::LEN));

impl CodeBlock for Q6K {
    const TYPE: TensorType = TensorType::Q6_K;
    const LEN: usize = 256;
    const BYTES: usize = 210;
    const LO: i16 = 0;
    const HI: i16 = 63;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[208];
}
