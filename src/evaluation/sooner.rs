//! The worth of a model's replies if they had ended sooner.

use serde::Serialize;

use super::metric::{Outputs, ReplyFacts};
use super::{EvaluationError, Evaluator, ProblemBatch, ProblemOutcome};
use crate::engine::Engine;
use crate::fitness;
use crate::task::{Problem, RewardKind};

/// Worth of replies.
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

/// A reply of the model's, and how rules judge it and its beginnings.
#[derive(Debug)]
pub(super) struct JudgedReply {
    pub(super) text: String,
    pub(super) facts: ReplyFacts,
    /// Its reward as it is.
    pub(super) reward: f64,
    /// The most that it could be worth.
    pub(super) most: f64,
    /// Places, in bytes and in rising order, after which it is right by every reward.
    pub(super) right_ends: Vec<usize>,
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
        let judged = self.judge_parts(engine, &batch)?;
        let mean = |of: fn(&JudgedReply) -> f64| fitness::mean(&judged.iter().map(of).collect::<Vec<_>>());
        Ok(Worth {
            replies: judged.len(),
            reward: mean(|reply| reply.reward),
            ended_sooner: mean(|reply| if reply.right_ends.is_empty() { reply.reward } else { reply.most }),
            most: mean(|reply| reply.most),
        })
    }

    /// Has the model reply to the problems of a batch, and judges each reply whole and ended after each of its words.
    pub(super) fn judge_parts<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
    ) -> Result<Vec<JudgedReply>, EvaluationError> {
        let mut outputs = Outputs::default();
        let replies = outputs.replies(engine, batch, &self.decoding)?.to_vec();
        let whole = self.apply_metrics(engine, batch, &mut outputs)?;
        let reply =
            |(((text, facts), outcome), problem): (((String, ReplyFacts), ProblemOutcome), &Problem)| {
                let most = self.most(problem);
                JudgedReply { text, facts, reward: outcome.reward, most, right_ends: Vec::new() }
            };
        let facts = std::mem::take(&mut outputs.facts);
        let judged = replies.into_iter().zip(facts).zip(whole).zip(&batch.problems).map(reply);
        let mut judged: Vec<JudgedReply> = judged.collect();
        let ends: Vec<Vec<usize>> = judged.iter().map(|reply| possible_ends(&reply.text)).collect();
        for place in 0..ends.iter().map(Vec::len).max().unwrap_or(0) {
            let end = |(reply, ends): (&JudgedReply, &Vec<usize>)| {
                ends.get(place).copied().unwrap_or(reply.text.len())
            };
            let ends: Vec<usize> = judged.iter().zip(&ends).map(end).collect();
            let part = |(reply, end): (&JudgedReply, &usize)| reply.text[..*end].to_owned();
            let mut parts = Outputs::of_replies(judged.iter().zip(&ends).map(part).collect());
            let outcomes = self.apply_metrics(engine, batch, &mut parts)?;
            for ((reply, end), outcome) in judged.iter_mut().zip(ends).zip(outcomes) {
                if outcome.reward >= reply.most && reply.right_ends.last() != Some(&end) {
                    reply.right_ends.push(end);
                }
            }
        }
        self.metrics.iter_mut().filter_map(|metric| metric.judge.as_mut()).for_each(|judge| judge.forget());
        Ok(judged)
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

/// Returns the places where a reply could end, in bytes and in rising order: after each word, and after the line ends that
/// follow it, as one token often has both. The last one is the end of the text.
fn possible_ends(text: &str) -> Vec<usize> {
    let words = text.split_whitespace().map(|word| word.as_ptr().addr() - text.as_ptr().addr() + word.len());
    let lines_after = |end: usize| end + text[end..].find(|c| c != '\n').unwrap_or(text.len() - end);
    let mut ends: Vec<usize> = words.flat_map(|end| [end, lines_after(end)]).chain([text.len()]).collect();
    ends.dedup();
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_could_end_after_words_and_lines() {
        assert_eq!(possible_ends(" {\"a\": 1}\n\nThat is it."), [6, 9, 11, 15, 18, 22]);
        assert_eq!(possible_ends("einß zwei "), [5, 10, 11]);
        assert_eq!((possible_ends(""), possible_ends("one\n")), (vec![0], vec![3, 4]));
    }
}
