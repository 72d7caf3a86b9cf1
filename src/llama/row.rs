//! One row of logits, the distribution of the next token.

use super::Failure;

/// The distribution of the next token, as logits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    logits: &'a [f32],
    max: f32,
    /// Logarithm of the sum of the exponentials of `logits - max`.
    log_sum: f64,
}

impl<'a> Row<'a> {
    /// Computes the normalization of a row.
    ///
    /// # Errors
    /// When the logits are not finite numbers.
    pub(super) fn new(logits: &'a [f32]) -> Result<Self, Failure> {
        let max = maximum(logits);
        let sum: f64 = logits.iter().map(|&logit| f64::from((logit - max).exp())).sum();
        if !sum.is_finite() {
            return Err("the model's output is not a number; its file is damaged or was never trained".into());
        }
        Ok(Self { logits, max, log_sum: sum.ln() })
    }

    /// Returns the natural logarithm of a token's probability.
    pub(super) fn log_likelihood(&self, token: usize) -> f64 {
        f64::from(self.logits[token]) - f64::from(self.max) - self.log_sum
    }

    /// Returns the natural logarithm of the probability of each token, in their order.
    pub(super) fn log_likelihoods(&self) -> impl Iterator<Item = f64> {
        (0..self.logits.len()).map(|token| self.log_likelihood(token))
    }

    /// Returns whether greedy decoding takes this token: the first of those with the highest logit.
    pub(super) fn is_greedy(&self, token: usize) -> bool {
        self.logits[token] == self.max && self.logits[..token].iter().all(|&logit| logit < self.max)
    }
}

/// Returns the token sampled by a number from 0 to below 1 at a temperature above 0: the tokens in their order divide
/// that range by their probabilities. Members whose logits are close mostly sample the same token from the same
/// number.
pub(super) fn drawn(logits: &[f32], temp: f64, number: f64) -> usize {
    let max = maximum(logits);
    let share = |&logit: &f32| (f64::from(logit - max) / temp).exp();
    let wanted = number * logits.iter().map(share).sum::<f64>();
    let mut sum = 0.0;
    let reaches = |logit| {
        sum += share(logit);
        sum > wanted
    };
    logits.iter().position(reaches).unwrap_or_else(|| greedy(logits))
}

/// Returns the token that greedy decoding takes: the first of those with the highest logit.
pub(super) fn greedy(logits: &[f32]) -> usize {
    let max = maximum(logits);
    logits.iter().position(|&logit| logit == max).unwrap_or(0)
}

/// Returns the highest logit, found in independent lanes so that the compiler can use vector registers.
fn maximum(logits: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (groups, rest) = logits.as_chunks::<16>();
    for group in groups {
        for (lane, &logit) in lanes.iter_mut().zip(group) {
            *lane = lane.max(logit);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_softmax() {
        let logits: Vec<f32> = (1..=40).map(|i| (i as f32).ln() + 100.0).collect();
        let row = Row::new(&logits).unwrap();
        let total: f64 = (1..=40).map(f64::from).sum();
        for token in 0..40 {
            let expected = (f64::from(token as u32 + 1) / total).ln();
            assert!((row.log_likelihood(token) - expected).abs() < 1e-5, "token {token}");
        }
    }

    #[test]
    fn the_first_of_equal_maxima_is_greedy() {
        let mut logits = vec![0.0; 50];
        logits[17] = 2.0;
        logits[41] = 2.0;
        let row = Row::new(&logits).unwrap();
        assert_eq!(greedy(&logits), 17);
        assert!(row.is_greedy(17) && !row.is_greedy(41) && !row.is_greedy(0));
    }

    #[test]
    fn tokens_are_drawn_by_their_probabilities() {
        // Probabilities 1/6, 2/6 and 3/6 at temperature 1; their squares' shares, 1/14, 4/14 and 9/14, at one half.
        let logits: Vec<f32> = (1..=3).map(|i| (i as f32).ln() + 100.0).collect();
        for (temp, first, second) in [(1.0, 1.0 / 6.0, 3.0 / 6.0), (0.5, 1.0 / 14.0, 5.0 / 14.0)] {
            let near = 1e-5;
            assert_eq!(drawn(&logits, temp, 0.0), 0);
            assert_eq!(drawn(&logits, temp, first - near), 0);
            assert_eq!(drawn(&logits, temp, first + near), 1);
            assert_eq!(drawn(&logits, temp, second - near), 1);
            assert_eq!(drawn(&logits, temp, second + near), 2);
            assert_eq!(drawn(&logits, temp, 1.0 - 1e-12), 2);
        }
    }

    #[test]
    fn logits_that_are_no_numbers_are_refused() {
        assert!(Row::new(&[f32::NAN; 20]).is_err());
        assert!(Row::new(&[0.0, f32::INFINITY]).is_err());
    }
}
