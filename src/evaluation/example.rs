//! One example as the model sees it, and remarks on the user's examples.

use super::{EvaluationError, Evaluator};
use crate::chat::Special;
use crate::engine::{Engine, Spelled};
use crate::task::{Problem, RewardKind};

/// An example as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptedExample {
    /// Its place in the user's data; empty for a generated one.
    pub place: String,
    /// The tokens before those that are scored or replied, with the names of control tokens.
    pub prompt: String,
    /// The tokens that are scored; `None` if only replies count.
    pub scored: Option<String>,
}

impl Evaluator {
    /// Returns the first training example, or the first held-out one, as the model sees it; `None` if there is none. If right replies
    /// are imitated, the first of these is the training example.
    ///
    /// # Errors
    /// When it cannot be prepared for the engine.
    pub fn example<E: Engine>(
        &self,
        engine: &E,
        held_out: bool,
    ) -> Result<Option<PromptedExample>, EvaluationError> {
        if let Some(imitated) = self.imitated.as_ref().filter(|_| !held_out) {
            return imitated.example(engine);
        }
        let problem = if held_out {
            self.task.held_out(1).into_iter().next()
        } else {
            let given = self.task.given().first().map(|&problem| problem.clone());
            given.or_else(|| self.task.training(self.seed, 0, 1).into_iter().next())
        };
        problem.map_or(Ok(None), |problem| self.as_seen(engine, problem))
    }

    /// Returns one of the given examples as the model sees it, by its number in [`crate::task::Task::given`]; `None`
    /// beyond the last.
    ///
    /// # Errors
    /// When it cannot be prepared for the engine.
    pub fn example_of<E: Engine>(
        &self,
        engine: &E,
        number: usize,
    ) -> Result<Option<PromptedExample>, EvaluationError> {
        let problem = self.task.given().get(number).map(|&problem| problem.clone());
        problem.map_or(Ok(None), |problem| self.as_seen(engine, problem))
    }

    fn as_seen<E: Engine>(
        &self,
        engine: &E,
        problem: Problem,
    ) -> Result<Option<PromptedExample>, EvaluationError> {
        let place = problem.place.to_string();
        let scores = |kind: &RewardKind| {
            matches!(kind, RewardKind::Loglik | RewardKind::SoftLoglik | RewardKind::Margin)
        };
        let is_scored = problem.wanted.is_some() && self.metrics.iter().any(|metric| scores(&metric.kind));
        let batch = self.batch(engine, vec![problem], super::batch::HELD_OUT, Vec::new())?;
        let spelled = engine.spelled(&batch.wanted, 0);
        Ok(spelled.map(|Spelled { prompt, scored }| PromptedExample {
            place,
            prompt,
            scored: is_scored.then_some(scored),
        }))
    }

    /// Returns notes on the examples for the user before a run: names of control tokens that are parsed as these.
    ///
    /// # Errors
    /// When the chat template cannot be read.
    pub fn notes<E: Engine>(&self, engine: &E) -> Result<Vec<String>, EvaluationError> {
        let prompter = self.prompter(engine)?;
        if prompter.special() != Special::Parse {
            return Ok(Vec::new());
        }
        let given = self.task.given();
        let has_name = |problem: &&&Problem| prompter.control_token(problem).is_some();
        let mut with_names = given.iter().filter(has_name);
        let Some((first, (name, what))) = with_names
            .next()
            .and_then(|problem| prompter.control_token(problem).map(|found| (problem, found)))
        else {
            return Ok(Vec::new());
        };
        let count = 1 + with_names.count();
        let (of, s) = (given.len(), if count == 1 { "" } else { "s" });
        Ok(vec![format!(
            "{count} of {of} example{s} name control tokens, first {}: {name} in {what}; such a name becomes the token, as in \
             llama.cpp's server (--special text takes its letters, --special refuse none at all)",
            first.place
        )])
    }
}
