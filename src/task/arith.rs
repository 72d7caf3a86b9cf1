//! Two-digit addition and subtraction: `12+34=` and `56-78=`, both operands from 10 to 99.
//!
//! A fifth of the 16,200 problems is held out, chosen by a hash of the problem: SHA-256 of its text without the equals
//! sign, the first 8 bytes as a big-endian number, held out when divisible by 5. `scripts/train_tiny_model.py` leaves the
//! same fifth out, so the bundled models have never seen it either.

use sha2::{Digest, Sha256};

use super::{Message, Problem, Prompt, Task, Verdict};
use crate::rng::{Domain, Source, Stream};

/// The task's name.
pub const NAME: &str = "arith";

/// The operands are LOW..LOW + COUNT.
const LOW: u32 = 10;
const COUNT: u32 = 90;

/// One problem in this many is held out.
const HELD_OUT_SHARE: u64 = 5;

/// The stream of [`Domain::HeldOut`] that orders the held-out problems.
const ORDER_STREAM: u64 = 0;

/// Two-digit addition and subtraction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arith;

fn problem(text: &str, answer: i64) -> Problem {
    let question = format!("What is {text}? Reply with the number only.");
    Problem {
        prompt: Prompt { plain: format!("{text}="), chat: vec![Message::user(question)] },
        wanted: Some(answer.to_string()),
        ..Problem::default()
    }
}

fn is_held_out(text: &str) -> bool {
    let digest = Sha256::digest(text);
    let number = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    number.is_multiple_of(HELD_OUT_SHARE)
}

/// One of all problems, each equally likely: its text without the equals sign, and the answer.
fn draw(stream: &mut Stream) -> (String, i64) {
    let (a, b) = (LOW + stream.below(COUNT), LOW + stream.below(COUNT));
    compose(a, b, stream.below(2) == 0)
}

fn compose(a: u32, b: u32, add: bool) -> (String, i64) {
    let (x, y) = (i64::from(a), i64::from(b));
    if add { (format!("{a}+{b}"), x + y) } else { (format!("{a}-{b}"), x - y) }
}

/// All held-out problems, shuffled once and for all.
fn all_held_out() -> Vec<Problem> {
    let operands = || LOW..LOW + COUNT;
    let all = operands().flat_map(|a| operands().flat_map(move |b| [(a, b, true), (a, b, false)]));
    let mut problems: Vec<Problem> = all
        .map(|(a, b, add)| compose(a, b, add))
        .filter(|(text, _)| is_held_out(text))
        .map(|(text, answer)| problem(&text, answer))
        .collect();
    Source::new(0, Domain::HeldOut).stream(ORDER_STREAM).shuffle(&mut problems);
    problems
}

/// The first whole number of a text, with a minus sign right before it.
fn first_number(text: &str) -> Option<i64> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let digits = text[start..].split(|c: char| !c.is_ascii_digit()).next()?;
    let negative = text[..start].ends_with(['-', '\u{2212}']);
    digits.parse::<i64>().ok().map(|number| if negative { -number } else { number })
}

impl Task for Arith {
    fn training(&self, seed: u64, generation: u64, count: usize) -> Vec<Problem> {
        let mut stream = Source::new(seed, Domain::Problems).stream(generation);
        let mut problems = Vec::with_capacity(count);
        while problems.len() < count {
            let (text, answer) = draw(&mut stream);
            if !is_held_out(&text) {
                problems.push(problem(&text, answer));
            }
        }
        problems
    }

    fn held_out(&self, count: usize) -> Vec<Problem> {
        all_held_out().into_iter().take(count).collect()
    }

    fn judge(&self, problem: &Problem, reply: &str) -> Verdict {
        let number = first_number(reply).map(|number| number.to_string());
        Verdict::of(number.is_some() && number == problem.wanted)
    }

    fn is_exact_in_plain(&self) -> bool {
        true
    }

    fn reply_tokens(&self) -> usize {
        16
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_fifth_is_held_out_and_never_trained_on() {
        let held_out: HashSet<String> =
            Arith.held_out(usize::MAX).into_iter().map(|problem| problem.prompt.plain).collect();
        // scripts/train_tiny_model.py counts the same number.
        assert_eq!(held_out.len(), 3196);
        for generation in 0..50 {
            for problem in Arith.training(1, generation, 128) {
                assert!(!held_out.contains(&problem.prompt.plain), "{problem:?}");
            }
        }
    }

    #[test]
    fn problems_are_drawn_from_seed_and_generation() {
        let drawn = Arith.training(3, 4, 20);
        assert_eq!(drawn, Arith.training(3, 4, 20));
        assert_eq!(drawn[..5], Arith.training(3, 4, 5));
        assert_ne!(drawn, Arith.training(3, 5, 20));
        assert_ne!(drawn, Arith.training(4, 4, 20));
    }

    #[test]
    fn answers_are_right() {
        for problem in Arith.held_out(500) {
            let text = problem.prompt.plain.trim_end_matches('=');
            let (a, b, sign) = match text.split_once('+') {
                Some((a, b)) => (a, b, 1),
                None => text.split_once('-').map(|(a, b)| (a, b, -1)).unwrap(),
            };
            let expected = a.parse::<i64>().unwrap() + sign * b.parse::<i64>().unwrap();
            assert_eq!(problem.wanted, Some(expected.to_string()), "{text}");
        }
    }

    #[test]
    fn the_first_number_of_a_reply_counts() {
        let problem = problem("12-34", -22);
        for reply in ["-22", " -22\n", "The answer is -22.", "\u{2212}22", "-22 because 12 is less than 34"] {
            assert!(Arith.judge(&problem, reply).right, "{reply:?}");
        }
        for reply in ["", "22", "- 22", "-221", "I think 12-34 is -22", "99999999999999999999"] {
            assert!(!Arith.judge(&problem, reply).right, "{reply:?}");
        }
    }
}
