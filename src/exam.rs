//! Puts problems to a model and marks its replies.
//!
//! A model without a chat template is asked in the plain form, where the reply must be exactly the answer and then end:
//! one forward pass over prompt and answer tells both its log-likelihood and whether greedy decoding gives it. A chat
//! model is asked through its template, and its greedy reply is read by the task.

use crate::engine::{Engine, EngineError};
use crate::seed_log::RewardKind;
use crate::task::{Problem, Task};

/// Marks of one problem.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Whether greedy decoding solves it.
    pub right: bool,
    /// Log-likelihood of the wanted reply.
    pub log_likelihood: f64,
}

/// Problems, ready to be put to an engine again and again.
#[derive(Debug)]
pub struct Exam<B> {
    problems: Vec<Problem>,
    batch: B,
    chat: bool,
}

impl<B> Exam<B> {
    /// Prepares problems for an engine.
    ///
    /// # Errors
    /// When the chat template cannot be applied or a problem is too long.
    pub fn new<E: Engine<Batch = B>>(engine: &E, problems: Vec<Problem>) -> Result<Self, EngineError> {
        let mut chat = false;
        let mut requests = Vec::with_capacity(problems.len());
        for problem in &problems {
            let chat_prompt = engine.chat_prompt(&problem.question)?;
            chat = chat_prompt.is_some();
            requests.push(problem.request(chat_prompt));
        }
        Ok(Self { batch: engine.prepare(&requests)?, problems, chat })
    }

    /// Number of problems.
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// Whether there are no problems.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The reward of each problem.
    ///
    /// # Errors
    /// When inference fails.
    pub fn rewards<E: Engine<Batch = B>>(
        &self,
        engine: &mut E,
        task: &dyn Task,
        kind: RewardKind,
    ) -> Result<Vec<f64>, EngineError> {
        match kind {
            RewardKind::Loglik => {
                Ok(engine.score(&self.batch)?.iter().map(|score| score.log_likelihood).collect())
            }
            RewardKind::Exact => Ok(self.right(engine, task)?.into_iter().map(f64::from).collect()),
        }
    }

    /// Both marks of each problem.
    ///
    /// # Errors
    /// When inference fails.
    pub fn marks<E: Engine<Batch = B>>(
        &self,
        engine: &mut E,
        task: &dyn Task,
    ) -> Result<Vec<Mark>, EngineError> {
        let scores = engine.score(&self.batch)?;
        let right = if self.chat {
            self.right(engine, task)?
        } else {
            scores.iter().map(|score| score.is_greedy).collect()
        };
        let mark = |(score, right): (&crate::engine::Score, bool)| Mark {
            right,
            log_likelihood: score.log_likelihood,
        };
        Ok(scores.iter().zip(right).map(mark).collect())
    }

    fn right<E: Engine<Batch = B>>(&self, engine: &mut E, task: &dyn Task) -> Result<Vec<bool>, EngineError> {
        if !self.chat {
            return Ok(engine.score(&self.batch)?.iter().map(|score| score.is_greedy).collect());
        }
        let replies = engine.complete(&self.batch, task.reply_tokens())?;
        Ok(self.problems.iter().zip(&replies).map(|(problem, reply)| task.is_right(problem, reply)).collect())
    }
}

/// Summary of an exam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grade {
    /// Problems put.
    pub problems: u64,
    /// Problems solved.
    pub correct: u64,
    /// Mean log-likelihood of the wanted replies.
    pub mean_loglik: f64,
}

impl Grade {
    /// Adds up marks.
    pub fn of(marks: &[Mark]) -> Self {
        let logliks: Vec<f64> = marks.iter().map(|mark| mark.log_likelihood).collect();
        Self {
            problems: marks.len() as u64,
            correct: marks.iter().filter(|mark| mark.right).count() as u64,
            mean_loglik: crate::fitness::mean(&logliks),
        }
    }

    /// Share of the problems solved, 0.0..=1.0; 0 for no problems.
    pub fn accuracy(&self) -> f64 {
        crate::fitness::share(self.correct, self.problems)
    }

    /// The accuracy's 95% interval.
    pub fn interval(&self) -> (f64, f64) {
        wilson(self.correct, self.problems)
    }
}

/// Wilson's 95% score interval of a proportion; the whole range for no trials.
fn wilson(successes: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    // The 97.5% quantile of the standard normal distribution.
    let z = 1.959_964;
    let n = trials as f64;
    let p = successes as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let margin = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((centre - margin) / scale).max(0.0), ((centre + margin) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_of_known_cases() {
        // Values from the formula's textbook example: 5 of 10, and the ends.
        let (low, high) = wilson(5, 10);
        assert!((low - 0.2366).abs() < 1e-4 && (high - 0.7634).abs() < 1e-4, "{low} {high}");
        assert_eq!(wilson(0, 10).0, 0.0);
        assert!(wilson(10, 10).1 > 0.999_999);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
    }

    #[test]
    fn grades_add_up() {
        let mark = |right, log_likelihood| Mark { right, log_likelihood };
        let grade = Grade::of(&[mark(true, -1.0), mark(false, -3.0), mark(true, -0.5), mark(false, -3.5)]);
        assert_eq!(grade, Grade { problems: 4, correct: 2, mean_loglik: -2.0 });
        assert_eq!(grade.accuracy(), 0.5);
    }
}
