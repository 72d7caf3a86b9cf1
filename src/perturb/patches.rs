//! What a pair's perturbation of a tile changes, bit by bit. That leads from one member to the other, and back to the codes as
//! they were, with neither a draw nor a look at the codes.

use super::hits::Hits;
use super::{Member, RUN, Sign, draw_tile, shift};
use crate::block::{BATCH, CodeLayout, Codes};
use crate::noise::{Noise, Sink};
use crate::tile::Tile;

/// The bits in which each member differs from the unperturbed codes: none where a code was gated.
#[derive(Clone, Debug, Default)]
pub(super) struct Patches {
    /// Of sparse noise: the bytes with bits of the codes that it hits; the masks are for these. Of dense noise nothing: the
    /// masks are for the codes, one by one.
    places: Vec<u32>,
    plus: Vec<u8>,
    minus: Vec<u8>,
}

impl Patches {
    /// Perturbs the codes of a tile as a member does, and remembers what that changes.
    pub(super) fn perturb<L: CodeLayout>(
        &mut self,
        codes: &mut Codes<'_, L>,
        tile: &Tile,
        noise: &Noise,
        Member { pair, sign }: Member<'_>,
    ) {
        self.places.clear();
        self.plus.clear();
        self.minus.clear();
        let (own, other) = match sign {
            Sign::Plus => (&mut self.plus, &mut self.minus),
            Sign::Minus => (&mut self.minus, &mut self.plus),
        };
        let places = &mut self.places;
        let mut patcher = Patcher { codes, sign: sign.factor(), hits: Hits::new(), places, own, other };
        draw_tile(noise, pair, tile, &mut patcher);
        patcher.work();
    }

    /// Goes from one member to the other.
    pub(super) fn mirror<L: CodeLayout>(&self, codes: &mut Codes<'_, L>) {
        let Self { places, plus, minus } = self;
        let bytes = codes.bytes();
        for ((&place, plus), minus) in places.iter().zip(plus).zip(minus) {
            bytes[place as usize] ^= plus ^ minus;
        }
        if self.are_of_codes() {
            for (number, (plus, minus)) in plus.chunks(RUN).zip(minus.chunks(RUN)).enumerate() {
                let mut masks = [0; RUN];
                for ((mask, plus), minus) in masks.iter_mut().zip(plus).zip(minus) {
                    *mask = plus ^ minus;
                }
                codes.flip_run(number * RUN, &masks[..plus.len()]);
            }
        }
    }

    /// Goes from the member with this sign to the unperturbed codes.
    pub(super) fn restore<L: CodeLayout>(&self, codes: &mut Codes<'_, L>, sign: Sign) {
        let masks = match sign {
            Sign::Plus => &self.plus,
            Sign::Minus => &self.minus,
        };
        let bytes = codes.bytes();
        self.places.iter().zip(masks).for_each(|(&place, mask)| bytes[place as usize] ^= mask);
        if self.are_of_codes() {
            codes.flip_run(0, masks);
        }
    }

    fn are_of_codes(&self) -> bool {
        self.places.is_empty()
    }
}

/// Perturbs codes, and remembers what that changes for its own member and for the other.
struct Patcher<'a, 'b, L> {
    codes: &'a mut Codes<'b, L>,
    sign: i16,
    hits: Hits,
    places: &'a mut Vec<u32>,
    own: &'a mut Vec<u8>,
    other: &'a mut Vec<u8>,
}

impl<L: CodeLayout> Patcher<'_, '_, L> {
    /// Works on the hits that wait.
    #[inline(always)]
    fn work(&mut self) {
        let Self { codes, sign, hits, places, own, other } = self;
        if hits.count == 0 {
            return;
        }
        let batch = codes.find(&hits.codes, hits.count);
        let read = codes.read_batch(&batch);
        let mut masks = [[0; BATCH]; 2];
        let [of_own, of_other] = &mut masks;
        for (((of_own, of_other), &code), &u) in of_own.iter_mut().zip(of_other).zip(&read).zip(&hits.values)
        {
            *of_own = code ^ shift::<L::Block>(code, *sign * u).0;
            *of_other = code ^ shift::<L::Block>(code, -*sign * u).0;
        }
        codes.flip_batch(&batch, &masks, |of_batch, [of_own, of_other]| {
            places.extend_from_slice(of_batch);
            own.extend_from_slice(of_own);
            other.extend_from_slice(of_other);
        });
        hits.count = 0;
    }
}

impl<L: CodeLayout> Sink for Patcher<'_, '_, L> {
    #[inline(always)]
    fn hit(&mut self, index: usize, u: i16) {
        if self.hits.push(index, u) {
            self.work();
        }
    }

    #[inline(always)]
    fn values(&mut self, first: usize, values: &[i16]) {
        let Self { codes, sign, own, other, .. } = self;
        for (number, values) in values.chunks(RUN).enumerate() {
            let first = first + number * RUN;
            let mut read = [0; RUN];
            let read = &mut read[..values.len()];
            codes.read_run(first, read);
            let masks = |sign| {
                let both = read.iter().zip(values);
                both.map(move |(&code, &u)| (code ^ shift::<L::Block>(code, sign * u).0) as u8)
            };
            own.extend(masks(*sign));
            other.extend(masks(-*sign));
            codes.flip_run(first, &own[own.len() - values.len()..]);
        }
    }
}
