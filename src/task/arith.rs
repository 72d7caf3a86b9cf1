//! Arithmetic: `12+34=` and `56-78=`, both operands from 10 to 99, unless the options ask for more.
//!
//! A fifth of the problems is held out, chosen by a hash of the text without the equals sign (see `split.rs`).
//! `scripts/train_tiny_model.py` leaves the same fifth out, so the bundled models have never seen it either.

mod options;
mod said;

pub use options::{ArithOptions, ArithOptionsError, Operation};

use super::number::Number;
use super::{Message, Problem, Prompt, Task, Verdict, split};
use crate::rng::Stream;

/// Most problems that are all listed, with the held-out ones shuffled; of more, held-out ones are drawn.
const MAX_LISTED: u64 = 200_000;

/// Arithmetic with certain options.
#[derive(Clone, Debug, Default)]
pub struct Arith {
    options: ArithOptions,
}

fn problem(text: &str, answer: i64) -> Problem {
    let question = format!("What is {text}? Reply with the number only.");
    Problem {
        prompt: Prompt { plain: format!("{text}="), chat: vec![Message::user(question)] },
        wanted: Some(answer.to_string()),
        ..Problem::default()
    }
}

impl Arith {
    /// Returns the task with these options.
    ///
    /// # Errors
    /// When they are invalid.
    pub fn new(options: ArithOptions) -> Result<Self, ArithOptionsError> {
        options.validate()?;
        Ok(Self { options })
    }

    /// Returns the smallest operand.
    fn low(&self) -> u32 {
        10_u32.pow(self.options.digits - 1)
    }

    /// Returns the number of different problems, or `u64::MAX` for more than that.
    fn size(&self) -> u64 {
        let operands = u64::from(9 * self.low()).saturating_pow(self.options.operands);
        let operations = self.options.operations.len() as u64;
        operands.saturating_mul(operations.pow(self.options.operands - 1))
    }

    /// Returns a problem's text without the equals sign, and the problem. `choose` gets a number of choices and picks
    /// one: for each operand first, then for each operation.
    fn compose(&self, mut choose: impl FnMut(u32) -> u32) -> (String, Problem) {
        let low = self.low();
        let operands: Vec<u32> = (0..self.options.operands).map(|_| low + choose(9 * low)).collect();
        let operations: Vec<Operation> = self.options.operations.iter().copied().collect();
        let mut text = operands[0].to_string();
        // What is complete, and the product that a `*` may still extend; `validate` keeps both within i64.
        let (mut sum, mut product) = (0, i64::from(operands[0]));
        for &operand in &operands[1..] {
            let operation = operations[choose(operations.len() as u32) as usize];
            text.push(operation.sign());
            text += &operand.to_string();
            let operand = i64::from(operand);
            (sum, product) = match operation {
                Operation::Add => (sum + product, operand),
                Operation::Subtract => (sum + product, -operand),
                Operation::Multiply => (sum, product * operand),
            };
        }
        let problem = problem(&text, sum + product);
        (text, problem)
    }

    /// Draws one of all problems, each equally likely.
    fn draw(&self, stream: &mut Stream) -> (String, Problem) {
        self.compose(|choices| stream.below(choices))
    }

    /// Returns the problem with this number, of `size` in all.
    fn nth(&self, mut number: u64, mut size: u64) -> (String, Problem) {
        self.compose(|choices| {
            size /= u64::from(choices);
            let chosen = number / size;
            number %= size;
            chosen as u32
        })
    }

    /// Returns all held-out problems, always in the same shuffled order.
    fn all_held_out(&self, size: u64) -> Vec<Problem> {
        let all = (0..size).map(|number| self.nth(number, size));
        let held_out = all.filter(|(text, _)| split::is_held_out(text));
        let mut problems: Vec<Problem> = held_out.map(|(_, problem)| problem).collect();
        split::held_out_stream(split::ARITH_ORDER).shuffle(&mut problems);
        problems
    }
}

impl Task for Arith {
    fn training(&self, seed: u64, generation: u64, count: usize) -> Vec<Problem> {
        split::training((seed, generation), count, |stream| self.draw(stream))
    }

    fn held_out(&self, count: usize) -> Vec<Problem> {
        let size = self.size();
        if size > MAX_LISTED {
            return split::held_out(split::ARITH_DRAWS, count, |stream| self.draw(stream));
        }
        let mut problems = self.all_held_out(size);
        problems.truncate(count);
        problems
    }

    fn judge(&self, problem: &Problem, reply: &str) -> Verdict {
        let wanted = problem.wanted.as_ref().and_then(|wanted| wanted.parse().ok());
        let wanted = wanted.map(Number::from_integer);
        let text = problem.prompt.plain.trim_end_matches('=');
        Verdict::of(wanted.is_some() && said::number(reply, text) == wanted)
    }

    fn is_exact_in_plain(&self) -> bool {
        true
    }

    fn reply_tokens(&self) -> usize {
        // A few words, and every digit that the answer may have.
        (12 + self.options.digits * self.options.operands) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::task::expression;

    fn arith(signs: &str, digits: u32, operands: u32) -> Result<Arith, ArithOptionsError> {
        Arith::new(ArithOptions { operations: Operation::set(signs)?, digits, operands })
    }

    #[test]
    fn a_fifth_is_held_out_and_never_trained_on() {
        let held_out: HashSet<String> =
            Arith::default().held_out(usize::MAX).into_iter().map(|problem| problem.prompt.plain).collect();
        // scripts/train_tiny_model.py counts the same number.
        assert_eq!(held_out.len(), 3196);
        for generation in 0..50 {
            for problem in Arith::default().training(1, generation, 128) {
                assert!(!held_out.contains(&problem.prompt.plain), "{}", problem.prompt.plain);
            }
        }
    }

    #[test]
    fn problems_are_drawn_from_seed_and_generation() {
        let drawn = Arith::default().training(3, 4, 20);
        assert_eq!(drawn, Arith::default().training(3, 4, 20));
        assert_eq!(drawn[..5], Arith::default().training(3, 4, 5));
        assert_ne!(drawn, Arith::default().training(3, 5, 20));
        assert_ne!(drawn, Arith::default().training(4, 4, 20));
    }

    #[test]
    fn answers_are_right() {
        for problem in Arith::default().held_out(500) {
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
    fn replies_may_show_their_work() {
        let sum = problem("71+71", 142);
        for reply in [
            "142",
            " 142\n",
            "142.",
            "**142**",
            "71 + 71 = 142",
            "71+71=142.",
            "71 + 71 = 142. To do so, add 1 to 1 and 7 to 7.",
            "The sum of 71 and 71 is 142.",
            "The answer is 142.",
            "The answer is 142, as 70 + 70 is 140 and 1 + 1 is 2.",
            "To add 71 and 71:\n\n1. 1 + 1 = 2\n2. 7 + 7 = 14\n\nSo the result is 142.",
            "142\n12+13=25\n30+40=70",
            "\\[ 71 + 71 = \\boxed{142} \\]",
            "Sure! 71 \u{ff0b} 71 makes 142.",
            "$$71 + 71 = 142$$ I hope this helps!",
        ] {
            assert!(Arith::default().judge(&sum, reply).right, "{reply:?}");
        }
        for reply in [
            "",
            "71",
            "71 + 71",
            "143",
            "71 + 71 = 132",
            "1420",
            "The answer is 71.",
            "142 is wrong. 71 + 71 = 132",
        ] {
            assert!(!Arith::default().judge(&sum, reply).right, "{reply:?}");
        }
        let difference = problem("12-34", -22);
        for reply in [
            "-22",
            " -22\n",
            "The answer is -22.",
            "\u{2212}22",
            "-22 because 12 is less than 34",
            "I think 12-34 is -22",
            "12 \u{2212} 34 = \u{2212}22. Indeed 34 - 12 = 22.",
        ] {
            assert!(Arith::default().judge(&difference, reply).right, "{reply:?}");
        }
        for reply in ["", "22", "- 22", "-221", "112-34=-22, but 12-34=22", "99999999999999999999"] {
            assert!(!Arith::default().judge(&difference, reply).right, "{reply:?}");
        }
    }

    #[test]
    fn the_default_asks_what_bundled_models_and_logs_were_made_with() {
        let hash = |problems: &[Problem]| {
            let texts: Vec<String> = problems
                .iter()
                .map(|problem| format!("{}{}", problem.prompt.plain, problem.wanted.as_ref().unwrap()))
                .collect();
            format!("{:x}", Sha256::digest(texts.join("\n")))
        };
        let arith = Arith::default();
        assert_eq!(
            hash(&arith.held_out(usize::MAX)),
            "3d27b44814d10e7bc09718bcedadf4692cea2d07f974b45065d60c7f90c30f64"
        );
        assert_eq!(
            hash(&arith.training(3, 4, 1000)),
            "71a2ebf6e4ec93582d428e608e996495d2b053bba8fc66449226adcbdd585790"
        );
        assert_eq!(arith.reply_tokens(), 16);
        let empty: ArithOptions = serde_json::from_str("{}").unwrap();
        assert_eq!(empty, ArithOptions::default());
    }

    #[test]
    fn the_smallest_tasks_have_both_kinds_of_problems() {
        for signs in ["+", "-", "*", "+-", "+*", "-*", "+-*"] {
            let arith = arith(signs, 1, 2).unwrap();
            let held_out = arith.held_out(usize::MAX);
            let trained = arith.training(0, 0, 10_000);
            let texts = |problems: &[Problem]| -> HashSet<String> {
                problems.iter().map(|problem| problem.prompt.plain.clone()).collect()
            };
            let (held_out_texts, trained_texts) = (texts(&held_out), texts(&trained));
            assert_eq!(held_out_texts.len(), held_out.len(), "{signs}");
            assert!(!held_out.is_empty() && held_out_texts.is_disjoint(&trained_texts), "{signs}");
            assert_eq!(held_out_texts.len() + trained_texts.len(), 81 * signs.len(), "{signs}");
        }
    }

    #[test]
    fn held_out_problems_of_large_tasks_are_drawn_in_one_order() {
        let arith = arith("+-*", 3, 3).unwrap();
        let problems = arith.held_out(2000);
        assert_eq!(problems.len(), 2000);
        assert_eq!(arith.held_out(100), problems[..100]);
        let texts: HashSet<&str> = problems.iter().map(|problem| problem.prompt.plain.as_str()).collect();
        assert_eq!(texts.len(), 2000);
        assert!(
            arith.training(0, 0, 20_000).iter().all(|problem| !texts.contains(problem.prompt.plain.as_str()))
        );
    }

    proptest! {
        #[test]
        fn answers_are_what_the_problems_come_to(
            signs in prop::sample::select(vec!["+", "-", "*", "+-", "+*", "-*", "+-*"]),
            digits in 1_u32..=9,
            operands in 2_u32..=8,
            seed: u64,
        ) {
            let arith = arith(signs, digits, operands);
            prop_assume!(arith.is_ok());
            let arith = arith.unwrap();
            for problem in arith.training(seed, 0, 20) {
                let found = expression::evaluate(problem.prompt.plain.trim_end_matches('=')).unwrap();
                let wanted = problem.wanted.clone().unwrap();
                prop_assert_eq!(found.value.to_string(), &wanted[..]);
                prop_assert_eq!(found.literals.len() as u32, operands);
                prop_assert!(found.literals.iter().all(|n| n.to_string().len() as u32 == digits));
                prop_assert!(arith.judge(&problem, &wanted).right);
            }
        }
    }
}
