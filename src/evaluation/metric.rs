//! A model's outputs for a batch, computed on demand and once, and the metrics that read them.

use super::{EvaluationError, ProblemBatch};
use crate::engine::{Decoding, Engine, Score};
use crate::judge::{Asked, Judge};
use crate::task::{Problem, RewardKind};

/// A model's outputs for a batch, as far as they have been computed.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) wanted: Option<Vec<Score>>,
    /// The scores of own replies, if some are scored with the wanted ones.
    pub(super) own: Option<Vec<Score>>,
    replies: Option<Vec<String>>,
    /// Facts about each reply, if they are of the engine.
    pub(super) facts: Vec<ReplyFacts>,
}

impl Outputs {
    /// Outputs with these replies, whatever their source.
    pub(super) fn of_replies(replies: Vec<String>) -> Self {
        Self { replies: Some(replies), ..Self::default() }
    }

    /// Returns the scores of the wanted replies, computed on first use.
    pub(super) fn scores<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
    ) -> Result<&[Score], EvaluationError> {
        if self.wanted.is_none() {
            let mut scores = engine.score(&batch.wanted)?;
            let own = scores.split_off(batch.problems.len().min(scores.len()));
            (self.wanted, self.own) = (Some(scores), Some(own));
        }
        Ok(self.wanted.get_or_insert_default())
    }

    /// Returns the differences between the log-likelihoods of wanted and of rejected replies.
    pub(super) fn margins<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
    ) -> Result<Vec<f64>, EvaluationError> {
        let rejected = batch.rejected.as_ref().map_or_else(|| Ok(Vec::new()), |batch| engine.score(batch))?;
        let margin = |(wanted, rejected): (&Score, &Score)| wanted.log_likelihood - rejected.log_likelihood;
        Ok(self.scores(engine, batch)?.iter().zip(&rejected).map(margin).collect())
    }

    /// Returns the model's replies, generated on first use.
    pub(super) fn replies<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
        how: &Decoding,
    ) -> Result<&[String], EvaluationError> {
        if self.replies.is_none() {
            let mut how = Decoding { seed: batch.seed, ..how.clone() };
            how.stop.extend(batch.stop.clone());
            let replies = engine.reply(&batch.wanted, &how)?.into_iter().map(|reply| {
                let bare = reply.text.strip_prefix(&batch.lead).filter(|_| !batch.lead.is_empty());
                let facts = ReplyFacts { ended: reply.ended, has_lead: bare.is_some() };
                (bare.map(str::to_owned).unwrap_or(reply.text), facts)
            });
            let (replies, facts) = replies.unzip();
            (self.replies, self.facts) = (Some(replies), facts);
        }
        Ok(self.replies.get_or_insert_default())
    }
}

/// Facts about a reply that its text does not tell.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReplyFacts {
    /// `true` if the model ended it, and no limit on its tokens.
    pub(super) ended: bool,
    /// `true` if the model wrote the white space that the template has before replies.
    pub(super) has_lead: bool,
}

/// One reward of the task.
pub(super) struct Metric {
    pub(super) weight: f64,
    pub(super) kind: RewardKind,
    /// Judge of replies, if neither the task nor the engine judges them.
    pub(super) judge: Option<Box<dyn Judge>>,
}

impl Metric {
    /// Returns whether a problem with this reward is solved; `None` if that cannot be told.
    pub(super) fn solves(&self, reward: f64) -> Option<bool> {
        match &self.kind {
            RewardKind::Margin => Some(reward > 0.0),
            // What a program calls right, only its author knows.
            kind => kind.is_rule().then_some(reward >= 1.0),
        }
    }

    /// Returns the grammar that the engine judges replies by.
    pub(super) fn grammar(&self) -> Option<&str> {
        match &self.kind {
            RewardKind::Grammar { grammar } => Some(grammar),
            _ => None,
        }
    }

    /// Refuses a problem that lacks what this metric reads. Cheap, for every problem that is used.
    pub(super) fn check(&self, problem: &Problem) -> Result<(), EvaluationError> {
        let (kind, place) = (self.kind.name(), &problem.place);
        let lacks = |needs| Err(EvaluationError::Lacks { kind, needs, place: place.to_string() });
        match self.kind {
            RewardKind::Loglik | RewardKind::SoftLoglik if problem.wanted.is_none() => {
                lacks("a wanted reply")
            }
            RewardKind::Margin if problem.wanted.is_none() || problem.rejected.is_none() => {
                lacks("a chosen and a rejected reply")
            }
            _ => Ok(()),
        }
    }

    /// As [`check`](Self::check), and refuses a problem whose replies the judge cannot judge, which may take a while.
    pub(super) fn check_thoroughly(&self, problem: &Problem) -> Result<(), EvaluationError> {
        self.check(problem)?;
        let checked = self.judge.as_ref().map(|judge| judge.check(problem.wanted.as_deref(), None));
        let unjudgeable = |source| EvaluationError::Unjudgeable { place: problem.place.to_string(), source };
        checked.unwrap_or(Ok(())).map_err(unjudgeable)
    }

    /// Returns the rewards of replies.
    pub(super) fn judge<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
        replies: &[String],
    ) -> Result<Vec<f64>, EvaluationError> {
        if let Some(grammar) = self.grammar() {
            return Ok(engine.follow(grammar, replies)?.into_iter().map(f64::from).collect());
        }
        let kind = self.kind.name();
        let judge = self.judge.as_mut().ok_or(EvaluationError::NoJudge { kind })?;
        let asked =
            batch.problems.iter().zip(&batch.prompts).zip(replies).map(|((problem, prompt), reply)| Asked {
                prompt,
                reply,
                wanted: problem.wanted.as_deref(),
                line: problem.place.line,
                example: Some(&problem.facts),
            });
        let asked: Vec<Asked<'_>> = asked.collect();
        let rewards = judge.judge(&asked).map_err(|source| EvaluationError::Judge { kind, source })?;
        if rewards.len() != asked.len() {
            return Err(EvaluationError::Count { kind, given: rewards.len(), asked: asked.len() });
        }
        match rewards.iter().find(|reward| !reward.is_finite()) {
            Some(&reward) => Err(EvaluationError::NotFinite { kind, reward }),
            None => Ok(rewards),
        }
    }
}
