//! The distribution of a stochastically rounded Gaussian over the integers.
//!
//! With s = sigma * eps and eps standard normal, u = floor(s) + Bernoulli(s - floor(s)) has
//! P(u = k) = E[max(0, 1 - |s - k|)], the mean of a tent around k. A tent is a second difference of the ramp
//! E[max(0, s - x)], which has a closed form. Only `+ - * /`, `sqrt` and the `libm` crate's portable `exp` and `erfc`
//! are used, so that every machine gets the same bits.

/// Outcomes rarer than this are left out: below the resolution of the tables that draw them.
const NEGLIGIBLE: f64 = 1.0 / (1_u64 << 33) as f64;

/// E[max(0, s - x)] for s normal with standard deviation sigma.
fn ramp(sigma: f64, x: f64) -> f64 {
    let z = x / sigma;
    let density = libm::exp(-0.5 * z * z) / (2.0 * std::f64::consts::PI).sqrt();
    let tail = 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
    sigma * density - x * tail
}

/// P(u = k) for k of at least 1; it equals P(u = -k).
fn probability(sigma: f64, k: u32) -> f64 {
    let k = f64::from(k);
    let tent = ramp(sigma, k - 1.0) - 2.0 * ramp(sigma, k) + ramp(sigma, k + 1.0);
    tent.max(0.0)
}

/// P(|u| = k) for k = 0, 1, 2, ... up to the last magnitude that is not negligible (at least 1).
pub fn magnitudes(sigma: f64) -> Vec<f64> {
    let mut probabilities = vec![0.0, 2.0 * probability(sigma, 1)];
    loop {
        let next = 2.0 * probability(sigma, probabilities.len() as u32);
        // Close to zero the sequence may still rise with k when sigma is large; it never does past sigma.
        if next < NEGLIGIBLE && probabilities.len() as f64 > sigma {
            break;
        }
        probabilities.push(next);
    }
    probabilities[0] = 1.0 - probabilities.iter().sum::<f64>();
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sigma_hits_with_its_first_absolute_moment() {
        let p = magnitudes(0.01);
        assert_eq!(p.len(), 2, "only single steps");
        let expected = 0.01 * (2.0 / std::f64::consts::PI).sqrt();
        assert!((p[1] / expected - 1.0).abs() < 1e-12, "{} against {expected}", p[1]);
    }

    #[test]
    fn large_sigma_has_the_rounded_variance() {
        for sigma in [0.3, 1.0, 1.6, 5.0, 30.0] {
            let p = magnitudes(sigma);
            let total: f64 = p.iter().sum();
            let variance: f64 = p.iter().enumerate().map(|(k, p)| (k * k) as f64 * p).sum();
            assert!((total - 1.0).abs() < 1e-12);
            assert!(p.iter().all(|&p| p >= 0.0), "sigma {sigma}: {p:?}");
            // Stochastic rounding adds E[f (1 - f)], which is 1/6 once the fraction is uniform.
            if sigma >= 1.0 {
                let expected = sigma * sigma + 1.0 / 6.0;
                assert!((variance / expected - 1.0).abs() < 1e-6, "sigma {sigma}: {variance}");
            }
        }
    }
}
