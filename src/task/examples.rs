//! A task of the user's own examples.
//!
//! Training problems of a generation are the next examples of an endless sequence of shuffles: every example is seen once
//! before any is seen twice, in an order drawn from the run's seed. Held-out examples keep their order.

use super::{Problem, Task, Verdict};
use crate::rng::{Domain, Source};

/// Default limit on the new tokens of a reply.
const REPLY_TOKENS: usize = 128;

/// Function that checks a reply to a problem.
pub type IsRight = fn(&Problem, &str) -> bool;

/// The user's examples, split permanently.
#[derive(Clone, Debug)]
pub struct Examples {
    training: Vec<Problem>,
    held_out: Vec<Problem>,
    judge: Option<IsRight>,
}

impl Examples {
    /// Creates a task of training examples, at least one, and held-out examples. `is_right` is `None` if replies are
    /// not right or wrong.
    pub fn new(training: Vec<Problem>, held_out: Vec<Problem>, is_right: Option<IsRight>) -> Self {
        Self { training, held_out, judge: is_right }
    }

    /// Returns the order of the examples in one pass over all of them.
    fn shuffle(&self, seed: u64, pass: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.training.len()).collect();
        let mut stream = Source::new(seed, Domain::Problems).stream(pass);
        stream.shuffle(&mut order);
        order
    }
}

/// Returns whether a reply is the wanted one, except for white space around it.
pub fn is_wanted(problem: &Problem, reply: &str) -> bool {
    problem.wanted.as_deref().is_some_and(|wanted| wanted.trim() == reply.trim())
}

impl Task for Examples {
    fn training(&self, seed: u64, generation: u64, count: usize) -> Vec<Problem> {
        let len = self.training.len() as u64;
        let mut problems = Vec::with_capacity(count);
        let mut next = generation.saturating_mul(count as u64);
        while problems.len() < count && len > 0 {
            let order = self.shuffle(seed, next / len);
            let rest = order.iter().skip((next % len) as usize).take(count - problems.len());
            problems.extend(rest.map(|&example| self.training[example].clone()));
            next = (next / len + 1) * len;
        }
        problems
    }

    fn held_out(&self, count: usize) -> Vec<Problem> {
        self.held_out.iter().take(count).cloned().collect()
    }

    fn given(&self) -> Vec<&Problem> {
        self.training.iter().chain(&self.held_out).collect()
    }

    fn leave_out(&mut self, is_out: &mut dyn FnMut(&Problem) -> bool) {
        self.training.retain(|problem| !is_out(problem));
        self.held_out.retain(|problem| !is_out(problem));
    }

    fn judge(&self, problem: &Problem, reply: &str) -> Verdict {
        Verdict::of(self.judge.is_some_and(|is_right| is_right(problem, reply)))
    }

    fn has_right_replies(&self) -> bool {
        self.judge.is_some()
    }

    fn reply_tokens(&self) -> usize {
        REPLY_TOKENS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(training: usize) -> Examples {
        let problem = |number: usize| Problem { wanted: Some(number.to_string()), ..Problem::default() };
        Examples::new(
            (0..training).map(problem).collect(),
            (100..110).map(problem).collect(),
            Some(is_wanted),
        )
    }

    fn wanted(problems: Vec<Problem>) -> Vec<usize> {
        problems.into_iter().map(|problem| problem.wanted.unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn every_example_is_seen_once_before_any_is_seen_twice() {
        let examples = examples(10);
        let mut seen = Vec::new();
        for generation in 0..10 {
            seen.extend(wanted(examples.training(3, generation, 4)));
        }
        for pass in seen.chunks(10) {
            let mut pass = pass.to_vec();
            pass.sort_unstable();
            assert_eq!(pass, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(seen[..10], seen[10..20], "each pass has an order of its own");
        assert_ne!(seen[..4], wanted(examples.training(4, 0, 4)), "and so has each seed");
    }

    #[test]
    fn few_examples_are_repeated() {
        let drawn = wanted(examples(3).training(0, 2, 8));
        assert_eq!(drawn.len(), 8);
        assert_eq!(wanted(examples(1).training(0, 0, 3)), [0, 0, 0]);
    }

    #[test]
    fn held_out_examples_keep_their_order() {
        assert_eq!(wanted(examples(3).held_out(4)), [100, 101, 102, 103]);
        assert_eq!(examples(3).held_out(99).len(), 10);
    }

    #[test]
    fn what_is_left_out_is_neither_tuned_on_nor_evaluated() {
        let mut examples = examples(4);
        examples.leave_out(&mut |problem| ["1", "102"].contains(&problem.wanted.as_deref().unwrap()));
        assert_eq!(wanted(examples.held_out(99)), [100, 101, 103, 104, 105, 106, 107, 108, 109]);
        let mut drawn = wanted(examples.training(0, 0, 3));
        drawn.sort_unstable();
        assert_eq!(drawn, [0, 2, 3]);
    }

    #[test]
    fn white_space_around_a_reply_counts_for_nothing() {
        let problem = Problem { wanted: Some("yes\n".to_owned()), ..Problem::default() };
        assert!(is_wanted(&problem, " yes") && !is_wanted(&problem, "yes.") && !is_wanted(&problem, ""));
        assert!(!is_wanted(&Problem::default(), ""));
    }
}
