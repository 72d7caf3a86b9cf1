//! Choice of the problems that distinguish members.
//!
//! A problem that the model solves almost surely gives each member the same reward, and so does one that is far out of
//! its reach; evaluating members on either tells nothing. Those in between can be found before any member is
//! evaluated, by the model's likelihood of the wanted replies.

use std::collections::HashMap;
use std::hash::Hash;

use crate::task::SOFT_FLOOR;

/// Returns how informative a problem is: the derivative of ln(p + [`SOFT_FLOOR`]) by the logit of the wanted reply,
/// whose probability is p. 0 at both ends, and largest at p = 0.23.
fn informative(log_likelihood: f64) -> f64 {
    let p = libm::exp(log_likelihood);
    // NaN gives 0.
    (p * (1.0 - p) / (p + SOFT_FLOOR)).max(0.0)
}

/// Returns the places of the `count` most informative candidates, in ascending order, by the log-likelihoods of their
/// wanted replies. A candidate is its prompt and its log-likelihood; one with the prompt of an earlier one comes after
/// all others, since it tells nothing new. Among equals, the first are taken.
pub(super) fn most_informative<K: Hash + Eq>(
    candidates: impl IntoIterator<Item = (K, f64)>,
    count: usize,
) -> Vec<usize> {
    let mut seen: HashMap<K, u32> = HashMap::new();
    let mut ranks: Vec<(u32, f64)> = Vec::new();
    for (asked, log_likelihood) in candidates {
        let times = seen.entry(asked).or_default();
        ranks.push((*times, informative(log_likelihood)));
        *times += 1;
    }
    let mut places: Vec<usize> = (0..ranks.len()).collect();
    places.sort_by(|&a, &b| ranks[a].0.cmp(&ranks[b].0).then(ranks[b].1.total_cmp(&ranks[a].1)));
    places.truncate(count);
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_sure_nor_out_of_reach_tells_most() {
        let of = |p: f64| informative(libm::log(p));
        for lower in [0.001, 0.9, 0.999] {
            assert!(of(lower) < 0.7 * of(0.23), "{lower}: {}", of(lower));
        }
        assert!(of(0.2) < of(0.23) && of(0.27) < of(0.23));
        assert_eq!([0.0, f64::NEG_INFINITY, f64::NAN, 1e-9].map(informative), [0.0; 4]);
    }

    /// Returns the places of the chosen among problems that are all different.
    fn chosen(log_likelihoods: &[f64], count: usize) -> Vec<usize> {
        most_informative(log_likelihoods.iter().copied().enumerate(), count)
    }

    #[test]
    fn those_that_tell_most_keep_their_order() {
        let log_likelihoods = [0.99, 0.3, 1e-6, 0.2, 0.5].map(libm::log);
        assert_eq!(chosen(&log_likelihoods, 3), [1, 3, 4]);
        assert_eq!(chosen(&log_likelihoods, 9), [0, 1, 2, 3, 4]);
        assert_eq!(chosen(&[-1.0; 4], 2), [0, 1], "of equal ones the first");
        assert_eq!(chosen(&[f64::NAN, -1.0, f64::NAN], 1), [1]);
    }

    #[test]
    fn what_is_asked_again_comes_last() {
        let candidates = [("a", -1.5), ("b", -1e-4), ("a", -1.5), ("c", -9.0), ("a", -1.5)];
        assert_eq!(most_informative(candidates, 3), [0, 1, 3]);
        assert_eq!(most_informative(candidates, 4), [0, 1, 2, 3]);
    }
}
