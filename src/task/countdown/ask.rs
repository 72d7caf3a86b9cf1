//! Countdown puzzles as problems of a task.

use serde_json::json;

use super::{Countdown, Puzzle};
use crate::task::{Message, Problem, Prompt, Task, Verdict};

/// Default limit on the new tokens of a reply: room for thoughts.
const REPLY_TOKENS: usize = 512;

impl Puzzle {
    fn problem(self) -> Problem {
        let question = self.prompt();
        let facts = json!({ "numbers": self.numbers, "target": self.target });
        Problem {
            prompt: Prompt { plain: format!("{question}\n"), chat: vec![Message::user(question)] },
            wanted: Some(self.wanted_reply()),
            facts: facts.as_object().cloned().unwrap_or_default().into(),
            ..Problem::default()
        }
    }

    /// Returns the puzzle of a problem that was made from one; its solution is not kept.
    fn of(problem: &Problem) -> Option<Self> {
        let number = |value: &serde_json::Value| u32::try_from(value.as_u64()?).ok();
        let numbers = problem.facts.get("numbers")?.as_array()?;
        Some(Self {
            numbers: numbers.iter().map(number).collect::<Option<_>>()?,
            target: number(problem.facts.get("target")?)?,
            solution: String::new(),
            steps: Vec::new(),
        })
    }
}

impl Task for Countdown {
    fn training(&self, seed: u64, generation: u64, count: usize) -> Vec<Problem> {
        self.puzzles(seed, generation, count).into_iter().map(Puzzle::problem).collect()
    }

    fn held_out(&self, count: usize) -> Vec<Problem> {
        self.held_out_puzzles(count).into_iter().map(Puzzle::problem).collect()
    }

    fn judge(&self, problem: &Problem, reply: &str) -> Verdict {
        Puzzle::of(problem).map_or(Verdict::of(false), |puzzle| puzzle.judge(reply))
    }

    fn reply_tokens(&self) -> usize {
        REPLY_TOKENS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_replies_are_worth_most() {
        let countdown = Countdown::new(Default::default()).unwrap();
        for problem in countdown.held_out(20).into_iter().chain(countdown.training(0, 3, 20)) {
            let wanted = problem.wanted.clone().unwrap();
            assert_eq!(countdown.judge(&problem, &wanted), Verdict { right: true, reward: 1.1 });
            let other = wanted.replace("<answer>", "<answer>1+");
            assert_eq!(countdown.judge(&problem, &other), Verdict { right: false, reward: 0.1 });
        }
    }
}
