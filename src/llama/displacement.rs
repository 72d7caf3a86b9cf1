//! Displacement of a model's weights from the base model's, dequantized by ggml.

use llama_cpp_sys_2::{ggml_get_type_traits, ggml_type};
use rayon::prelude::*;

use crate::tensor_type::TensorType;

/// Weights that a thread processes together, whole blocks of every type.
const PIECE: u64 = 1 << 14;

/// Sums over the weights of some tensors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Displacement {
    /// Sum of the squares of the base's weights.
    base: f64,
    /// Sum of the squares of the changes.
    change: f64,
}

impl Displacement {
    /// Adds whole blocks of a tensor, as they are in the base and at present.
    pub(super) fn add(&mut self, tensor_type: TensorType, base: &[u8], now: &[u8]) {
        let piece = (PIECE / tensor_type.block_len() * tensor_type.block_bytes()) as usize;
        let parts: Vec<Self> = base
            .par_chunks(piece)
            .zip(now.par_chunks(piece))
            .map(|(base, now)| Self::of(tensor_type, base, now))
            .collect();
        // In their order, so that the number of threads changes no bit of the sum.
        for part in parts {
            self.base += part.base;
            self.change += part.change;
        }
    }

    fn of(tensor_type: TensorType, base: &[u8], now: &[u8]) -> Self {
        let weights = dequantized(tensor_type, base);
        let square = |weight: f32| f64::from(weight) * f64::from(weight);
        let of_base = weights.iter().map(|&weight| square(weight)).sum();
        if base == now {
            return Self { base: of_base, change: 0.0 };
        }
        let changed = dequantized(tensor_type, now);
        let change = weights.iter().zip(&changed).map(|(base, now)| square(now - base)).sum();
        Self { base: of_base, change }
    }

    /// Returns the RMS change over the RMS of the base's weights; `None` if all of these are 0.
    pub(super) fn share(self) -> Option<f64> {
        Some((self.change / self.base).sqrt()).filter(|share| share.is_finite())
    }
}

/// Returns the weights of whole blocks; none for a type that ggml cannot dequantize.
fn dequantized(tensor_type: TensorType, bytes: &[u8]) -> Vec<f32> {
    let blocks = bytes.len() as u64 / tensor_type.block_bytes();
    let mut weights = vec![0.0; (blocks * tensor_type.block_len()) as usize];
    // SAFETY: the traits of a known type live as long as the program, and the weights are as many as the blocks hold.
    unsafe {
        let traits = ggml_get_type_traits(tensor_type.ggml_id() as ggml_type);
        if let Some(to_float) = traits.as_ref().and_then(|traits| traits.to_float) {
            to_float(bytes.as_ptr().cast(), weights.as_mut_ptr(), weights.len() as i64);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns two blocks of Q8_0: scale 1 (0x3c00), codes of 2.
    fn twos() -> Vec<u8> {
        let block = [&[0x00, 0x3c][..], &[2; 32]].concat();
        [block.clone(), block].concat()
    }

    #[test]
    fn the_change_is_told_over_the_size_of_the_weights() {
        let share = |now: &[u8]| {
            let mut sums = Displacement::default();
            sums.add(TensorType::Q8_0, &twos(), now);
            sums.share()
        };
        assert_eq!(share(&twos()), Some(0.0));
        let mut now = twos();
        // One code in four a step up: an RMS change of 0.5 for weights of 2.
        (0..16).for_each(|number| now[2 + number + number / 8 * 26] += 1);
        assert_eq!(now.iter().zip(twos()).filter(|(a, b)| **a != *b).count(), 16);
        assert_eq!(share(&now), Some(0.25));
        let mut nothing = Displacement::default();
        nothing.add(TensorType::Q8_0, &[0; 34], &twos()[..34]);
        assert_eq!(nothing.share(), None);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let base: Vec<u8> =
            (0..3000).flat_map(|i: u32| [&[0x00, 0x2c][..], &[(i % 100) as u8; 32]].concat()).collect();
        let now: Vec<u8> =
            (0..3000).flat_map(|i: u32| [&[0x00, 0x2c][..], &[(i % 97) as u8; 32]].concat()).collect();
        let share = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut sums = Displacement::default();
            pool.install(|| sums.add(TensorType::Q8_0, &base, &now));
            sums.share()
        };
        assert_eq!(share(1), share(3));
    }
}
