//! Reads and writes the codes of quantized blocks in place; scales are never touched.
//!
//! Each tunable type is one [`CodeBlock`] in a file of its own. Inference may keep a tensor's blocks in another order than
//! the file, which is a [`CodeLayout`]. Code that works on [`Codes`] is generic over it, so that type and layout are chosen
//! once per tensor by [`with_layout!`](crate::with_layout) and never inside a loop.

mod codes;
mod flip;
mod iq4_nl;
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

pub use codes::Codes;
pub use flip::Batch;
pub use iq4_nl::Iq4Nl;
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

use crate::tensor_type::TensorType;

/// Codes of a batch.
pub const BATCH: usize = 64;

/// One quantized block layout whose codes can be addressed.
pub trait CodeBlock: 'static {
    /// The ggml type with this layout.
    const TYPE: TensorType;
    /// Codes in a block.
    const LEN: usize;
    /// Bytes of a block.
    const BYTES: usize;
    /// Lowest code.
    const LO: i16;
    /// Highest code.
    const HI: i16;

    /// Where the codes are.
    const CODES: Planes;

    /// The code whose bits these are. Only codes that fill a byte have a sign.
    #[inline(always)]
    fn of_bits(bits: i16) -> i16 {
        if Self::LO < 0 { (bits as i8).into() } else { bits }
    }

    /// The code at `index` (below `LEN`) of a block of `BYTES` bytes.
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
/// Panics for a type that is not tunable: tensors are chosen by [`TensorType::is_tunable`] long before.
#[doc(hidden)]
#[macro_export]
macro_rules! with_block {
    ($tensor_type:expr, $block:ident => $body:expr) => {
        $crate::with_block!(
            $tensor_type, $block => $body,
            Q4_0: Q4_0, Q4_1: Q4_1, Q5_0: Q5_0, Q5_1: Q5_1, Q8_0: Q8_0,
            Q2_K: Q2K, Q3_K: Q3K, Q4_K: Q4K, Q5_K: Q5K, Q6_K: Q6K, IQ4_NL: Iq4Nl
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

/// The code at `index` of a sequence of whole blocks.
#[inline]
pub fn read_code<B: CodeBlock>(bytes: &[u8], index: usize) -> i16 {
    let start = index / B::LEN * B::BYTES;
    B::read(&bytes[start..start + B::BYTES], index % B::LEN)
}

/// All codes of a tensor, from its bytes in a file; `None` for a type whose codes cannot be tuned. Bytes behind the last
/// whole block are passed over.
pub fn read_codes(tensor_type: TensorType, bytes: &[u8]) -> Option<Vec<i16>> {
    tensor_type.is_tunable().then(|| {
        with_block!(tensor_type, B => {
            let of_block = |block| (0..B::LEN).map(move |index| B::read(block, index));
            bytes.chunks_exact(B::BYTES).flat_map(of_block).collect()
        })
    })
}

#[cfg(test)]
mod tests;
