//! Reads and writes the codes of quantized blocks in place; scales are never touched.
//!
//! Each tunable type is one [`CodeBlock`] in a file of its own. Inference may keep a tensor's blocks in another order than
//! the file, which is a [`CodeLayout`]. Code that works on [`Codes`] is generic over it, so that type and layout are chosen
//! once per tensor by [`with_layout!`](crate::with_layout) and never inside a loop.

mod codes;
mod layout;
mod q4_k;
mod q8_0;

pub use codes::Codes;
pub use layout::{Arrangement, CodeLayout, Interleaved, PackedBlock};
pub use q4_k::Q4K;
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
    ($tensor_type:expr, $block:ident => $body:expr) => {{
        use $crate::block::{Q4K, Q8_0};
        use $crate::tensor_type::TensorType;
        match $tensor_type {
            TensorType::Q4_K => {
                type $block = Q4K;
                $body
            }
            TensorType::Q8_0 => {
                type $block = Q8_0;
                $body
            }
            other => unreachable!("tensors of type {other} are never selected for tuning"),
        }
    }};
}

/// The code at `index` of a sequence of whole blocks.
#[inline]
pub fn read_code<B: CodeBlock>(bytes: &[u8], index: usize) -> i16 {
    let start = index / B::LEN * B::BYTES;
    B::read(&bytes[start..start + B::BYTES], index % B::LEN)
}

#[cfg(test)]
mod tests;
