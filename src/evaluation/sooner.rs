//! The worth of a model's replies if they had ended sooner.

use serde::Serialize;

use super::metric::Outputs;
use super::{EvaluationError, Evaluator};
use crate::engine::Engine;
use crate::task::{Problem, RewardKind};

/// What replies are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "worth"))]
pub struct Worth {
    /// Replies that were judged.
    pub replies: usize,
    /// Their mean reward as they are.
    pub reward: f64,
    /// Their mean reward were those ended sooner that are worth the most then.
    pub ended_sooner: f64,
    /// The most that they can be worth, on average.
    pub most: f64,
}

impl Evaluator {
    /// Returns whether replies are judged in this process and by themselves, so that parts of them can be judged as
    /// well: not by a program, which takes its own time, not by likelihood, and not by the last number, which any
    /// intermediate step may be.
    pub fn judges_replies_alone(&self) -> bool {
        let judges = |kind: &RewardKind| kind.is_rule() && *kind != RewardKind::Numeric;
        self.metrics.iter().all(|metric| metric.weight > 0.0 && judges(&metric.kind))
    }

    /// Returns the worth of the replies to the first `count` training problems: as they are, and if a reply counts as
    /// right when some part of it that ends with a word is right by every reward. Repeated problems count once.
    ///
    /// # Errors
    /// When inference or a judge fails.
    pub fn worth_of_replies<E: Engine>(
        &mut self,
        engine: &mut E,
        count: usize,
    ) -> Result<Worth, EvaluationError> {
        let batch = self.batch(engine, self.distinct(count), 0, Vec::new())?;
        let mut outputs = Outputs::default();
        let replies = outputs.replies(engine, &batch, &self.decoding)?.to_vec();
        let weight: f64 = self.metrics.iter().map(|metric| metric.weight).sum();
        let most: Vec<f64> =
            batch.problems.iter().map(|problem| weight * problem.weight.unwrap_or(1.0)).collect();
        let mut rewards = |outputs: &mut Outputs| -> Result<Vec<f64>, EvaluationError> {
            Ok(self
                .apply_metrics(engine, &batch, outputs)?
                .into_iter()
                .map(|outcome| outcome.reward)
                .collect())
        };
        let whole = rewards(&mut outputs)?;
        let mut best = whole.clone();
        let ends: Vec<Vec<usize>> = replies.iter().map(|reply| ends_of_words(reply)).collect();
        for word in 0..ends.iter().map(Vec::len).max().unwrap_or(0) {
            let part = |(reply, ends): (&String, &Vec<usize>)| {
                ends.get(word).map_or_else(|| reply.clone(), |&end| reply[..end].to_owned())
            };
            let mut parts = Outputs::of_replies(replies.iter().zip(&ends).map(part).collect());
            for ((best, most), reward) in best.iter_mut().zip(&most).zip(rewards(&mut parts)?) {
                if reward >= *most {
                    *best = reward;
                }
            }
        }
        self.metrics.iter_mut().filter_map(|metric| metric.judge.as_mut()).for_each(|judge| judge.forget());
        let mean = |rewards: &[f64]| rewards.iter().sum::<f64>() / rewards.len().max(1) as f64;
        Ok(Worth {
            replies: replies.len(),
            reward: mean(&whole),
            ended_sooner: mean(&best),
            most: mean(&most),
        })
    }

    /// Returns the number of the token that ends the model's replies; `None` if a text does.
    ///
    /// # Errors
    /// When the first training problem cannot be prepared for the engine.
    pub fn end_token<E: Engine>(&self, engine: &E) -> Result<Option<usize>, EvaluationError> {
        let problems: Vec<Problem> = self.task.training(self.seed, 0, 1);
        let Some(problem) = problems.first() else { return Ok(None) };
        let asked = self.prompter(engine)?.ask(problem, Some("."))?;
        if asked.stop.is_some() || asked.request.goes_on {
            return Ok(None);
        }
        let batch = engine.prepare(&[asked.request])?;
        Ok(engine.scored_tokens(&batch, 0).last().copied())
    }
}

/// Returns the ends of the words of a text except the last one.
fn ends_of_words(text: &str) -> Vec<usize> {
    let words = text.split_whitespace().map(|word| word.as_ptr().addr() - text.as_ptr().addr() + word.len());
    let mut ends: Vec<usize> = words.collect();
    ends.pop();
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_before_white_space() {
        assert_eq!(ends_of_words(" {\"a\": 1}\n\nThat is it."), [6, 9, 15, 18]);
        assert_eq!(ends_of_words("einß zwei"), [5]);
        assert!(ends_of_words("").is_empty() && ends_of_words("one").is_empty());
    }
}
