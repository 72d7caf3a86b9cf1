//! Reads and writes the integers of quantized blocks in place: their codes, and the bits of their scales.
//!
//! Each tunable type is one [`CodeBlock`] in its own file. Inference may keep a tensor's blocks in another order than
//! the file, which is a [`CodeLayout`]. Code that works on [`Codes`] is generic over it, so that type and layout are chosen
//! once per tensor by [`with_layout!`](crate::with_layout) and never inside a loop.

mod codes;
mod field;
mod integers;
mod iq4_nl;
mod iq4_xs;
mod layout;
mod plane;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod scaled;
mod tq2_0;

pub use codes::Codes;
pub use field::{Field, UnknownField};
pub use integers::{Integers, OfCodes, OfScales};
pub use iq4_nl::Iq4Nl;
pub use iq4_xs::Iq4Xs;
pub use layout::{Arrangement, CodeLayout, Interleaved, PackedBlock};
pub use plane::{Plane, Planes};
pub use q2_k::Q2K;
pub use q3_k::Q3K;
pub use q4_0::Q4_0;
pub use q4_1::Q4_1;
pub use q4_k::Q4K;
pub use q5_0::Q5_0;
pub use q5_1::Q5_1;
pub use q5_k::Q5K;
pub use q6_k::Q6K;
pub use q8_0::Q8_0;
pub use scaled::{Iq1S, Iq2S, Iq2Xs, Iq2Xxs, Iq3S, Iq3Xxs, Tq1_0};
pub use tq2_0::Tq2_0;

use crate::tensor_type::TensorType;

/// One quantized block layout whose codes, or at least scales, can be addressed.
pub trait CodeBlock: 'static {
    /// The ggml type with this layout.
    const TYPE: TensorType;
    /// Weights in a block.
    const LEN: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Lowest code.
    const LO: i16;
    /// Highest code; the lowest where codes cannot be addressed.
    const HI: i16;

    /// Bit planes that hold the codes.
    const CODES: Planes;
    /// Offsets in bytes of the 16-bit floating-point numbers: the scale, and in some types that of the minimums.
    const FLOATS: &'static [usize];

    /// Returns whether blocks of this type have integers of this field.
    fn has(field: Field) -> bool {
        match field {
            Field::Codes => Self::LO < Self::HI,
            Field::Scales => !Self::FLOATS.is_empty(),
            Field::Mins => Self::FLOATS.len() > 1,
        }
    }

    /// Returns the number of integers of this field in a block; 0 if it has none.
    fn count(field: Field) -> usize {
        match field {
            Field::Codes => {
                if Self::has(field) {
                    Self::LEN
                } else {
                    0
                }
            }
            Field::Scales | Field::Mins => usize::from(Self::has(field)),
        }
    }

    /// Returns the offset in bytes of the scale, number 0, or of that of the minimums, number 1.
    #[inline]
    fn scale_offset(number: usize) -> usize {
        Self::FLOATS.get(number).copied().unwrap_or_default()
    }

    /// Returns the code with these bits. Only codes that fill a byte have a sign.
    #[inline(always)]
    fn of_bits(bits: i16) -> i16 {
        if Self::LO < 0 { (bits as i8).into() } else { bits }
    }

    /// Returns the code at `index` (below `LEN`) of a block of `BYTES` bytes.
    #[inline]
    fn read(block: &[u8], index: usize) -> i16 {
        Self::of_bits(Self::CODES.read(block, |byte| byte, index))
    }

    /// Sets the code at `index` (below `LEN`) of a block of `BYTES` bytes; `code` must lie in `LO..=HI`.
    #[inline]
    fn write(block: &mut [u8], index: usize, code: i16) {
        let mask = Self::read(block, index) ^ code;
        Self::CODES.flip(block, |byte| byte, index, mask);
    }
}

/// Runs an expression with `$block` standing for the [`CodeBlock`] of a tunable [`TensorType`].
///
/// Panics for a type that is not tunable; [`TensorType::is_tunable`] has been checked long before.
#[doc(hidden)]
#[macro_export]
macro_rules! with_block {
    ($tensor_type:expr, $block:ident => $body:expr) => {
        $crate::with_block!(
            $tensor_type, $block => $body,
            Q4_0: Q4_0, Q4_1: Q4_1, Q5_0: Q5_0, Q5_1: Q5_1, Q8_0: Q8_0,
            Q2_K: Q2K, Q3_K: Q3K, Q4_K: Q4K, Q5_K: Q5K, Q6_K: Q6K,
            IQ2_XXS: Iq2Xxs, IQ2_XS: Iq2Xs, IQ3_XXS: Iq3Xxs, IQ1_S: Iq1S, IQ4_NL: Iq4Nl,
            IQ3_S: Iq3S, IQ2_S: Iq2S, IQ4_XS: Iq4Xs, TQ1_0: Tq1_0, TQ2_0: Tq2_0
        )
    };
    ($tensor_type:expr, $block:ident => $body:expr, $($constant:ident: $layout:ident),+) => {
        match $tensor_type {
            $($crate::tensor_type::TensorType::$constant => {
                type $block = $crate::block::$layout;
                $body
            })+
            other => unreachable!("tensors of type {other} are never selected for tuning"),
        }
    };
}

/// Returns the integers of a field in a block of a tunable type; 0 if it has none.
pub fn integers_of_block(tensor_type: TensorType, field: Field) -> u64 {
    with_block!(tensor_type, B => B::count(field) as u64)
}

/// Returns the code at `index` of a sequence of whole blocks.
#[inline]
pub fn read_code<B: CodeBlock>(bytes: &[u8], index: usize) -> i16 {
    let start = index / B::LEN * B::BYTES;
    B::read(&bytes[start..start + B::BYTES], index % B::LEN)
}

/// Returns all codes of a tensor, from its bytes in a file; `None` for a type whose codes cannot be tuned. Bytes after
/// the last whole block are ignored.
pub fn read_codes(tensor_type: TensorType, bytes: &[u8]) -> Option<Vec<i16>> {
    tensor_type.code_range().map(|_| {
        with_block!(tensor_type, B => {
            let of_block = |block| (0..B::LEN).map(move |index| B::read(block, index));
            bytes.chunks_exact(B::BYTES).flat_map(of_block).collect()
        })
    })
}

#[cfg(test)]
mod tests;
