//! Types of which only the scales can be tuned: their codes are indices into tables of whole vectors (`iq2xxs_grid`
//! and its like in ggml-common.h), or five ternary digits in a byte, and one step of such a code is no small step of a
//! weight.
//!
//! Each has blocks of 256 weights, and an f16 `d` that multiplies all of them.

use super::CodeBlock;
use super::plane::Planes;
use crate::tensor_type::TensorType;

macro_rules! scaled {
    ($($(#[$doc:meta])+ $block:ident: $constant:ident, $bytes:literal bytes, d at $d:literal;)+) => {
        $(
            $(#[$doc])+
            #[derive(Clone, Copy, Debug)]
            pub struct $block;

            const _: () = assert!($d + 2 <= $block::BYTES);

            impl CodeBlock for $block {
                const TYPE: TensorType = TensorType::$constant;
                const LEN: usize = 256;
                const BYTES: usize = $bytes;
                const LO: i16 = 0;
                const HI: i16 = 0;
                const CODES: Planes = Planes::NONE;
                const FLOATS: &'static [usize] = &[$d];
            }
        )+
    };
}

scaled! {
    /// IQ2_XXS (`block_iq2_xxs`).
    Iq2Xxs: IQ2_XXS, 66 bytes, d at 0;
    /// IQ2_XS (`block_iq2_xs`).
    Iq2Xs: IQ2_XS, 74 bytes, d at 0;
    /// IQ3_XXS (`block_iq3_xxs`).
    Iq3Xxs: IQ3_XXS, 98 bytes, d at 0;
    /// IQ1_S (`block_iq1_s`).
    Iq1S: IQ1_S, 50 bytes, d at 0;
    /// IQ3_S (`block_iq3_s`).
    Iq3S: IQ3_S, 110 bytes, d at 0;
    /// IQ2_S (`block_iq2_s`).
    Iq2S: IQ2_S, 82 bytes, d at 0;
    /// TQ1_0 (`block_tq1_0`).
    Tq1_0: TQ1_0, 54 bytes, d at 52;
}
