//! Q8_0 (`block_q8_0` in ggml-common.h): 32 codes of 8 bits.
//!
//! f16 `d`, then 32 signed bytes `qs`. ggml never writes -128, and neither do we: the range is -127..=127. A foreign
//! file's -128 is read as it is and can only move upwards.

use super::CodeBlock;
use crate::tensor_type::TensorType;

/// Bytes before `qs`.
const SCALES: usize = 2;

/// The Q8_0 layout.
#[derive(Clone, Copy, Debug)]
pub struct Q8_0;

const _: () = assert!(Q8_0::BYTES == SCALES + Q8_0::LEN);

impl CodeBlock for Q8_0 {
    const TYPE: TensorType = TensorType::Q8_0;
    const LEN: usize = 32;
    const BYTES: usize = 34;
    const LO: i16 = -127;
    const HI: i16 = 127;

    #[inline]
    fn read_at(bytes: &[u8], place: impl Fn(usize) -> usize + Copy, index: usize) -> i16 {
        i16::from(bytes[place(SCALES + index)] as i8)
    }

    #[inline]
    fn write_at(bytes: &mut [u8], place: impl Fn(usize) -> usize + Copy, index: usize, code: i16) {
        bytes[place(SCALES + index)] = code as i8 as u8;
    }
}
