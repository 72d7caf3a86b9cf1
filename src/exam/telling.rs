//! Which problems tell members apart.
//!
//! A problem that the model solves almost surely gives each member the same reward, and so does one that is far out of its reach;
//! evaluating members on either tells nothing. Those in between can be found before any member is evaluated, by what the model
//! itself makes of the wanted replies.

use crate::task::SOFT_FLOOR;

/// How much a problem tells: by how much ln(p + [`SOFT_FLOOR`]) changes with the logit of the wanted reply, whose probability p is.
/// 0 at both ends, and largest at p = 0.23.
fn telling(log_likelihood: f64) -> f64 {
    let p = libm::exp(log_likelihood);
    // Of what is no number, nothing is known.
    (p * (1.0 - p) / (p + SOFT_FLOOR)).max(0.0)
}

/// The places of the `count` problems that tell most, in ascending order, by the log-likelihoods of their wanted replies; of
/// those that tell the same, the first.
pub(super) fn most_telling(log_likelihoods: &[f64], count: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..log_likelihoods.len()).collect();
    places.sort_by(|a, b| telling(log_likelihoods[*b]).total_cmp(&telling(log_likelihoods[*a])));
    places.truncate(count);
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_sure_nor_out_of_reach_tells_most() {
        let of = |p: f64| telling(libm::log(p));
        for lower in [0.001, 0.9, 0.999] {
            assert!(of(lower) < 0.7 * of(0.23), "{lower}: {}", of(lower));
        }
        assert!(of(0.2) < of(0.23) && of(0.27) < of(0.23));
        assert_eq!([0.0, f64::NEG_INFINITY, f64::NAN, 1e-9].map(telling), [0.0; 4]);
    }

    #[test]
    fn those_that_tell_most_keep_their_order() {
        let log_likelihoods = [0.99, 0.3, 1e-6, 0.2, 0.5].map(libm::log);
        assert_eq!(most_telling(&log_likelihoods, 3), [1, 3, 4]);
        assert_eq!(most_telling(&log_likelihoods, 9), [0, 1, 2, 3, 4]);
        assert_eq!(most_telling(&[-1.0; 4], 2), [0, 1], "of equal ones the first");
        assert_eq!(most_telling(&[f64::NAN, -1.0, f64::NAN], 1), [1]);
    }
}
