//! Reads and writes the codes of quantized blocks in place; scales are never touched.
//!
//! Each tunable type is one [`CodeBlock`] in a file of its own. Code that works on codes is generic over it, so that
//! the type is chosen once per tensor by [`with_block!`](crate::with_block) and never inside a loop.

mod iq4_nl;
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

pub use iq4_nl::Iq4Nl;
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

    /// The code at `index` (below `LEN`) of a block of `BYTES` bytes.
    fn read(block: &[u8], index: usize) -> i16;

    /// Sets the code at `index` (below `LEN`) of a block of `BYTES` bytes; `code` must lie in `LO..=HI`.
    fn write(block: &mut [u8], index: usize, code: i16);
}

/// Runs an expression with `$block` standing for the [`CodeBlock`] of a tunable [`TensorType`].
///
/// Panics for a type that is not tunable: tensors are chosen by [`TensorType::is_tunable`] long before.
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

/// Adds `delta` to the code at `index` of a sequence of whole blocks. A code that would leave its range stays as it
/// is (it is *gated*) and the answer is `false`.
#[inline]
pub fn nudge<B: CodeBlock>(bytes: &mut [u8], index: usize, delta: i16) -> bool {
    let start = index / B::LEN * B::BYTES;
    let block = &mut bytes[start..start + B::BYTES];
    let code = B::read(block, index % B::LEN).saturating_add(delta);
    if code < B::LO || code > B::HI {
        return false;
    }
    B::write(block, index % B::LEN, code);
    true
}

#[cfg(test)]
mod tests;
