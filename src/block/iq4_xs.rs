//! IQ4_XS (`block_iq4_xs` in ggml-common.h): 256 codes of 4 bits into the table of IQ4_NL.
//!
//! f16 `d`, 2 bytes `scales_h` and 4 bytes `scales_l` with eight 6-bit scales of sub-blocks, then 128 bytes `qs`. Bytes
//! 16c..16c+15 of `qs` hold the codes 32c..32c+15 in their low halves and 32c+16..32c+31 in their high halves.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qs`.
const SCALES: usize = 8;

/// The field `qs`.
const CODES: Planes = Planes::one(Plane { start: SCALES, bits: 4, stride: 16, below: 0 });

/// The IQ4_XS layout.
#[derive(Clone, Copy, Debug)]
pub struct Iq4Xs;

const _: () = assert!(Iq4Xs::BYTES == SCALES + CODES.bytes(Iq4Xs::LEN));

impl CodeBlock for Iq4Xs {
    const TYPE: TensorType = TensorType::IQ4_XS;
    const LEN: usize = 256;
    const BYTES: usize = 136;
    const LO: i16 = 0;
    const HI: i16 = 15;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0];
}
