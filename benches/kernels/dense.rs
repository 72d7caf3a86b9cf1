//! What the sparse draws are compared with: a Gaussian and a Bernoulli for every code, as the definition has it
//! (QES, arXiv 2602.03120, section 3), from the same generator and written so that it becomes vector instructions.

use qes_gguf::rng::{BATCH, Batches};

/// Adds `factor` times a perturbation of scale `sigma`, drawn code by code, to `sum`, whose length is a multiple of
/// [`BATCH`].
pub fn add(sum: &mut [f32], batches: &mut Batches, sigma: f32, factor: f32) {
    for sum in sum.as_chunks_mut::<BATCH>().0 {
        let (radii, rest) = halves(batches.next_batch());
        let (angles, coins) = (rest, batches.next_batch());
        let mut normals = [0.0; BATCH];
        let (cosines, sines) = normals.split_at_mut(BATCH / 2);
        for (((cosine, sine), radius), angle) in cosines.iter_mut().zip(sines).zip(radii).zip(angles) {
            let radius = (-2.0 * ln(unit(radius))).sqrt();
            let (sin, cos) = sin_cos(angle);
            (*cosine, *sine) = (radius * cos, radius * sin);
        }
        for ((sum, normal), coin) in sum.iter_mut().zip(normals).zip(coins) {
            let s = sigma * normal;
            let floor = s.floor();
            let up = if unit(coin) <= s - floor { 1.0 } else { 0.0 };
            *sum += factor * (floor + up);
        }
    }
}

fn halves(words: [u32; BATCH]) -> ([u32; BATCH / 2], [u32; BATCH / 2]) {
    (std::array::from_fn(|i| words[i]), std::array::from_fn(|i| words[BATCH / 2 + i]))
}

/// A number in (0, 1].
#[inline]
fn unit(word: u32) -> f32 {
    ((word >> 8) + 1) as f32 * (1.0 / (1 << 24) as f32)
}

/// The natural logarithm of a number in (0, 1]: the exponent, and a series for the mantissa m in [2/3, 4/3) in
/// (m - 1) / (m + 1).
#[inline]
fn ln(x: f32) -> f32 {
    let bits = x.to_bits().wrapping_sub(0x3f2a_aaab);
    let exponent = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff) + 0x3f2a_aaab);
    let t = (m - 1.0) / (m + 1.0);
    let t2 = t * t;
    exponent * std::f32::consts::LN_2 + 2.0 * t * (1.0 + t2 * (1.0 / 3.0 + t2 * (0.2 + t2 * (1.0 / 7.0))))
}

/// Sine and cosine of a random angle: series within an eighth of a turn of an axis, and the axis from the upper bits.
#[inline]
fn sin_cos(word: u32) -> (f32, f32) {
    let eighth = (word << 2) as i32 as f32 * (std::f32::consts::FRAC_PI_4 / 2_147_483_648.0);
    let square = eighth * eighth;
    let sin = eighth * (1.0 - square * (1.0 / 6.0 - square * (1.0 / 120.0 - square / 5040.0)));
    let cos = 1.0 - square * (0.5 - square * (1.0 / 24.0 - square / 720.0));
    let (sin, cos) = if word >> 30 & 1 == 1 { (cos, -sin) } else { (sin, cos) };
    if word >> 31 == 1 { (-sin, -cos) } else { (sin, cos) }
}
