//! What a model said to an exam, asked once, and the rewards that look at it.

use super::{Exam, ExamError};
use crate::engine::{Decoding, Engine, Score};
use crate::judge::{Asked, Judge};
use crate::task::{Problem, RewardKind};

/// What a model said, as far as it has been asked.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) wanted: Option<Vec<Score>>,
    /// How the model rates own replies, where some are scored with the wanted ones.
    pub(super) own: Option<Vec<Score>>,
    replies: Option<Vec<String>>,
}

impl Answers {
    /// These replies, whoever made them.
    pub(super) fn of_replies(replies: Vec<String>) -> Self {
        Self { replies: Some(replies), ..Self::default() }
    }

    /// How the model rates the wanted replies.
    pub(super) fn scores<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
    ) -> Result<&[Score], ExamError> {
        if self.wanted.is_none() {
            let mut scores = engine.score(&exam.wanted)?;
            let own = scores.split_off(exam.problems.len().min(scores.len()));
            (self.wanted, self.own) = (Some(scores), Some(own));
        }
        Ok(self.wanted.get_or_insert_default())
    }

    /// By how much it likes the wanted replies better than the rejected ones.
    pub(super) fn margins<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
    ) -> Result<Vec<f64>, ExamError> {
        let rejected = exam.rejected.as_ref().map_or_else(|| Ok(Vec::new()), |batch| engine.score(batch))?;
        let margin = |(wanted, rejected): (&Score, &Score)| wanted.log_likelihood - rejected.log_likelihood;
        Ok(self.scores(engine, exam)?.iter().zip(&rejected).map(margin).collect())
    }

    /// What it replies.
    pub(super) fn replies<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
        how: &Decoding,
    ) -> Result<&[String], ExamError> {
        if self.replies.is_none() {
            let mut how = Decoding { seed: exam.seed, ..how.clone() };
            how.stop.extend(exam.stop.clone());
            let mut replies = engine.complete(&exam.wanted, &how)?;
            for reply in
                replies.iter_mut().filter(|reply| !exam.lead.is_empty() && reply.starts_with(&exam.lead))
            {
                reply.drain(..exam.lead.len());
            }
            self.replies = Some(replies);
        }
        Ok(self.replies.get_or_insert_default())
    }
}

/// One of the rewards that count.
pub(super) struct Grader {
    pub(super) weight: f64,
    pub(super) kind: RewardKind,
    /// Who judges replies where neither the task nor the engine does.
    pub(super) judge: Option<Box<dyn Judge>>,
}

impl Grader {
    /// Whether a problem with this reward is solved; `None` where that cannot be told.
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

    /// Refuses a problem without what this looks at. Cheap, so that it can be asked of every problem that is put.
    pub(super) fn check(&self, problem: &Problem) -> Result<(), ExamError> {
        let (kind, place) = (self.kind.name(), &problem.place);
        let lacks = |needs| Err(ExamError::Lacks { kind, needs, place: place.to_string() });
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

    /// The same, and refuses one that the judge cannot judge replies to, which may take it a while to find out.
    pub(super) fn check_thoroughly(&self, problem: &Problem) -> Result<(), ExamError> {
        self.check(problem)?;
        let checked = self.judge.as_ref().map(|judge| judge.check(problem.wanted.as_deref(), None));
        let unjudgeable = |source| ExamError::Unjudgeable { place: problem.place.to_string(), source };
        checked.unwrap_or(Ok(())).map_err(unjudgeable)
    }

    /// The rewards of replies.
    pub(super) fn judge<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
        replies: &[String],
    ) -> Result<Vec<f64>, ExamError> {
        if let Some(grammar) = self.grammar() {
            return Ok(engine.follow(grammar, replies)?.into_iter().map(f64::from).collect());
        }
        let kind = self.kind.name();
        let judge = self.judge.as_mut().ok_or(ExamError::NoJudge { kind })?;
        let asked =
            exam.problems.iter().zip(&exam.prompts).zip(replies).map(|((problem, prompt), reply)| Asked {
                prompt,
                reply,
                wanted: problem.wanted.as_deref(),
                line: problem.place.line,
                example: Some(&problem.facts),
            });
        let asked: Vec<Asked<'_>> = asked.collect();
        let rewards = judge.judge(&asked).map_err(|source| ExamError::Judge { kind, source })?;
        if rewards.len() != asked.len() {
            return Err(ExamError::Count { kind, given: rewards.len(), asked: asked.len() });
        }
        match rewards.iter().find(|reward| !reward.is_finite()) {
            Some(&reward) => Err(ExamError::NotFinite { kind, reward }),
            None => Ok(rewards),
        }
    }
}
