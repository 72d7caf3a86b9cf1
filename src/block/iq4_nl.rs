//! IQ4_NL (`block_iq4_nl` in ggml-common.h): 32 codes of 4 bits into a table.
//!
//! f16 `d`, then 16 bytes `qs` as in Q4_0. A value is `d` times an entry of a table of 16 integers, which rise with the
//! code, but not evenly: one more in a code is the neighbouring entry.

use super::CodeBlock;
use super::plane::{Plane, Planes};
use crate::tensor_type::TensorType;

/// Bytes before `qs`.
const SCALES: usize = 2;

/// The field `qs`.
const CODES: Planes = Planes::one(Plane { start: SCALES, bits: 4, stride: 16, below: 0 });

/// The IQ4_NL layout.
#[derive(Clone, Copy, Debug)]
pub struct Iq4Nl;

const _: () = assert!(Iq4Nl::BYTES == SCALES + CODES.bytes(Iq4Nl::LEN));

impl CodeBlock for Iq4Nl {
    const TYPE: TensorType = TensorType::IQ4_NL;
    const LEN: usize = 32;
    const BYTES: usize = 18;
    const LO: i16 = 0;
    const HI: i16 = 15;
    const CODES: Planes = CODES;
    const FLOATS: &'static [usize] = &[0];
}
