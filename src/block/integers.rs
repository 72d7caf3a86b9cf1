//! Integers of one field in one layout, addressed by their number, for perturbation and updates.
//!
//! An integer outside its range is never changed: a code of -128 in Q8_0, which files may hold but ggml's quantizer
//! does not write, and a scale that is zero, infinite or not a number.

use std::marker::PhantomData;

use super::{CodeBlock, CodeLayout, Codes, read_code};

/// One field of a type in one layout.
pub trait Integers: 'static {
    /// The layout in which the blocks lie.
    type Layout: CodeLayout;
    /// Integers in a block.
    const PER_BLOCK: usize;
    /// Lowest integer.
    const LO: i16;
    /// Highest integer.
    const HI: i16;

    /// Returns the integer at `index`.
    fn read(blocks: &mut Codes<'_, Self::Layout>, index: usize) -> i16;

    /// Sets the integer at `index`, which must lie in `LO..=HI`.
    fn write(blocks: &mut Codes<'_, Self::Layout>, index: usize, value: i16);

    /// Returns the integer at `index` of blocks in the file's layout.
    fn read_file(bytes: &[u8], index: usize) -> i16;

    /// Returns whether an integer lies in the range.
    #[inline]
    fn holds(value: i16) -> bool {
        (Self::LO..=Self::HI).contains(&value)
    }

    /// Adds `delta` to the integer at `index`. If it would leave its range, or is outside it, leaves it unchanged (it
    /// is *gated*) and returns `false`.
    #[inline]
    fn nudge(blocks: &mut Codes<'_, Self::Layout>, index: usize, delta: i16) -> bool {
        let value = Self::read(blocks, index);
        let moved = value.saturating_add(delta);
        let fits = Self::holds(value) && Self::holds(moved);
        if fits {
            Self::write(blocks, index, moved);
        }
        fits
    }
}

/// The codes of blocks in a layout.
#[derive(Clone, Copy, Debug)]
pub struct OfCodes<L>(PhantomData<L>);

impl<L: CodeLayout> Integers for OfCodes<L> {
    type Layout = L;
    const PER_BLOCK: usize = L::Block::LEN;
    const LO: i16 = L::Block::LO;
    const HI: i16 = L::Block::HI;

    #[inline]
    fn read(blocks: &mut Codes<'_, L>, index: usize) -> i16 {
        blocks.read(index)
    }

    #[inline]
    fn write(blocks: &mut Codes<'_, L>, index: usize, value: i16) {
        let (group, row, index) = blocks.at(index);
        L::write_row(group, row, index, value);
    }

    #[inline]
    fn read_file(bytes: &[u8], index: usize) -> i16 {
        read_code::<L::Block>(bytes, index)
    }
}

/// The bits, without the sign, of one of a block's 16-bit floating-point numbers: the scale, or, if `MIN`, that of the
/// minimums.
#[derive(Clone, Copy, Debug)]
pub struct OfScales<L, const MIN: bool>(PhantomData<L>);

/// The sign of a 16-bit floating-point number.
const SIGN: u16 = 0x8000;

impl<L: CodeLayout, const MIN: bool> OfScales<L, MIN> {
    /// Its number among those of a block.
    const NUMBER: usize = MIN as usize;
}

/// Returns the bits of the number at `place`.
#[inline]
fn bits(bytes: &[u8], place: usize) -> u16 {
    u16::from_le_bytes([bytes[place], bytes[place + 1]])
}

impl<L: CodeLayout, const MIN: bool> Integers for OfScales<L, MIN> {
    type Layout = L;
    const PER_BLOCK: usize = 1;
    /// The smallest number above zero, so that steps never reach or cross it.
    const LO: i16 = 1;
    /// The largest finite number.
    const HI: i16 = 0x7bff;

    #[inline]
    fn read(blocks: &mut Codes<'_, L>, index: usize) -> i16 {
        let (group, row, _) = blocks.at(index * L::Block::LEN);
        (bits(group, L::scale_place(Self::NUMBER, row)) & !SIGN) as i16
    }

    #[inline]
    fn write(blocks: &mut Codes<'_, L>, index: usize, value: i16) {
        let (group, row, _) = blocks.at(index * L::Block::LEN);
        let place = L::scale_place(Self::NUMBER, row);
        let changed = bits(group, place) & SIGN | value as u16;
        group[place..place + 2].copy_from_slice(&changed.to_le_bytes());
    }

    #[inline]
    fn read_file(bytes: &[u8], index: usize) -> i16 {
        let place = index * L::Block::BYTES + L::Block::scale_offset(Self::NUMBER);
        (self::bits(bytes, place) & !SIGN) as i16
    }
}

/// Runs an expression with `$integers` standing for the [`Integers`] of a [`Field`](crate::block::Field) in an
/// [`Arrangement`](crate::block::Arrangement) of a tunable type that has it.
#[doc(hidden)]
#[macro_export]
macro_rules! with_integers {
    ($arrangement:expr, $field:expr, $integers:ident => $body:expr) => {
        $crate::with_layout!($arrangement, Laid => match $field {
            $crate::block::Field::Codes => {
                type $integers = $crate::block::OfCodes<Laid>;
                $body
            }
            $crate::block::Field::Scales => {
                type $integers = $crate::block::OfScales<Laid, false>;
                $body
            }
            $crate::block::Field::Mins => {
                type $integers = $crate::block::OfScales<Laid, true>;
                $body
            }
        })
    };
}
