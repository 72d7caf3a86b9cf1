//! Evaluation of a model on problems: prompts, outputs, metrics, and their summary.
//!
//! An [`Evaluator`] knows the task and its rewards; a [`ProblemBatch`] is a set of problems prepared for an engine, to
//! be evaluated any number of times. Rewards of likelihoods need one forward pass over prompts and wanted replies;
//! rewards of replies let the model reply. A model without a chat template gets the plain form of a prompt; if that
//! requires exactly the wanted text and then an end, the same forward pass tells whether greedy decoding gives it.

mod batch;
mod beginnings;
mod example;
mod fit;
mod free;
mod imitation;
mod informative;
mod metric;
mod own_replies;
mod prompter;
mod sooner;
mod summary;

use thiserror::Error;

pub use example::PromptedExample;
pub use free::{FreePrompt, opening};
pub use imitation::RepliesMade;
pub use sooner::Worth;
pub use summary::{Difference, EvaluationSummary, ProblemOutcome};

use imitation::RightReplies;
use metric::{Metric, Outputs};
use own_replies::OwnReplies;
use prompter::Prompter;

use crate::chat::{ChatSettings, TemplateError};
use crate::engine::{Decoding, Engine, EngineError, Score};
use crate::judge::{Judge, JudgeError};
use crate::task::{Definition, Problem, Reward, RewardKind, SOFT_FLOOR, Task, Verdict};

/// Reasons for which problems cannot be evaluated.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum EvaluationError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{place}: {source}")]
    Problem { place: String, source: EngineError },
    #[error("{place}: {source}")]
    Unjudgeable { place: String, source: JudgeError },
    #[error("the reward {kind}: {source}")]
    Judge { kind: &'static str, source: JudgeError },
    #[error("the reward {kind} needs {needs} of every problem, but {place} has none")]
    Lacks { kind: &'static str, needs: &'static str, place: String },
    #[error(
        "a system message is given, but there is no chat template that it could be put into; leave it out, put it into the \
         prompts, or name a template with --chat-template"
    )]
    NoTemplate,
    #[error(transparent)]
    ChatTemplate(#[from] TemplateError),
    #[error("{place}: {source}")]
    Template { place: String, source: TemplateError },
    #[error(
        "{place}: {what} names the control token {name}, which --special refuse does not allow; take it out, or say --special \
         text for its letters or --special parse for the token"
    )]
    ControlToken { place: String, what: String, name: String },
    #[error(
        "{place}: a message has {turn:?}, as if it were in the chat template already, which would be put around it once more; \
         give messages without a template, or take prompts as they stand with --chat-template none"
    )]
    Written { place: String, turn: String },
    #[error(
        "a system message is given, but {place} is a text and no conversation; leave the system message out"
    )]
    NoConversation { place: String },
    #[error(
        "problems are to be chosen by how likely their wanted replies are, but {place} has none; leave --candidates out"
    )]
    Unchoosable { place: String },
    #[error(
        "{count} of {of} examples are too long for the context of {room} tokens{replies}: {places}; make the context larger (-c {context}, \
         and a larger --mem-budget where there is one), or leave them out with --skip-long"
    )]
    TooLong { count: usize, of: usize, room: usize, context: usize, replies: String, places: String },
    #[error(
        "with examples of more than {longest} tokens left out there are none to tune on, or none to hold out; make the context \
         larger (-c), or give shorter ones"
    )]
    AllTooLong { longest: usize },
    #[error(
        "none of the model's replies to {count} problems is right, whole or in part, so there is nothing to imitate; tune on the \
         members' own replies with --tokens all"
    )]
    NoRightReply { count: usize },
    #[error(
        "of the model's replies to {count} problems none would be right if it ended at a token before its end, so no end can be taught; \
         tune on the members' own replies with --tokens all"
    )]
    NoEnd { count: usize },
    #[error("the reward {kind} has no judge of replies")]
    NoJudge { kind: &'static str },
    #[error("the reward {kind} gave {given} rewards for {asked} replies")]
    Count { kind: &'static str, given: usize, asked: usize },
    #[error("the reward {kind} of a reply is {reward}, which is no finite number")]
    NotFinite { kind: &'static str, reward: f64 },
}

/// Problems prepared for an engine, to be evaluated any number of times.
#[derive(Debug)]
pub struct ProblemBatch<B> {
    problems: Vec<Problem>,
    /// Prompts in the engine's form.
    prompts: Vec<String>,
    /// The generation whose problems these are; held-out ones have the highest number.
    stream: u64,
    /// Prompts with the wanted replies, followed by the own replies that are scored.
    wanted: B,
    /// Prompts with the rejected replies, if the rewards need them.
    rejected: Option<B>,
    chat: bool,
    seed: u64,
    /// Text that a template writes before replies, and that is not part of them.
    lead: String,
    /// Text with which a template ends replies, if no token does.
    stop: Option<String>,
    /// `true` if the wanted replies are right ones of the model's own, whose likelihood is the reward.
    imitates: bool,
}

impl<B> ProblemBatch<B> {
    /// Returns the prompts in the engine's form, each with the wanted reply, if there is one.
    pub fn asked(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.prompts
            .iter()
            .zip(&self.problems)
            .map(|(prompt, problem)| (&**prompt, problem.wanted.as_deref()))
    }
}

/// Evaluates a model on a task by the rewards of its definition.
pub struct Evaluator {
    task: Box<dyn Task>,
    metrics: Vec<Metric>,
    system: Option<String>,
    /// Most tokens of an example; longer ones are left out.
    longest: Option<usize>,
    chat: ChatSettings,
    /// Most tokens of wanted and rejected replies that are scored.
    score_first: Option<usize>,
    decoding: Decoding,
    seed: u64,
    /// The base model's own replies after openings, if they are part of a member's fitness.
    own: Option<OwnReplies>,
    /// The base model's own right replies, where members are scored on their likelihood.
    imitated: Option<RightReplies>,
}

impl Evaluator {
    /// Creates an evaluator of `task` by a definition that has been validated. `seed` is the run's. `judge_of` creates
    /// the judges of the rewards that neither the task nor the engine judges. All given problems are checked.
    ///
    /// # Errors
    /// When a judge cannot be created, or a problem lacks what a reward needs.
    pub fn new(
        task: Box<dyn Task>,
        definition: &Definition,
        seed: u64,
        mut judge_of: impl FnMut(&Reward) -> Result<Option<Box<dyn Judge>>, JudgeError>,
    ) -> Result<Self, EvaluationError> {
        let metric = |reward: &Reward| {
            let (weight, kind) = (reward.weight, reward.kind.clone());
            let judge =
                judge_of(reward).map_err(|source| EvaluationError::Judge { kind: kind.name(), source })?;
            Ok(Metric { weight, kind, judge })
        };
        let decoding = Decoding {
            max_new_tokens: definition.predict.unwrap_or_else(|| task.reply_tokens()),
            temp: definition.temp,
            seed: 0,
            stop: definition.stop.clone(),
        };
        let metrics = definition.rewards.iter().map(metric).collect::<Result<_, EvaluationError>>()?;
        let longest = definition.problems.data().and_then(|options| options.longest);
        let longest = longest.map(|tokens| tokens as usize);
        let evaluator = Self {
            task,
            metrics,
            system: definition.system.clone(),
            longest,
            chat: definition.chat.clone(),
            score_first: definition.score_first,
            decoding,
            seed,
            own: None,
            imitated: None,
        };
        evaluator.check(evaluator.task.given(), Metric::check_thoroughly)?;
        Ok(evaluator)
    }

    /// Returns the prompter that writes the model's prompts and replies.
    fn prompter<'a, E: Engine>(&'a self, engine: &'a E) -> Result<Prompter<'a>, EvaluationError> {
        Prompter::new(engine.vocabulary(), &self.chat, self.system.as_deref())
    }

    /// Returns the most new tokens of a reply, if a reward needs replies.
    fn new_tokens(&self, chat: bool) -> Option<usize> {
        let told_by_scores = |kind: &RewardKind| *kind == RewardKind::Exact && self.scores_tell(chat);
        let replies = |metric: &Metric| metric.kind.reads_replies() && !told_by_scores(&metric.kind);
        self.metrics.iter().any(replies).then_some(self.decoding.max_new_tokens)
    }

    /// Returns whether one forward pass over the wanted replies tells what greedy decoding would reply.
    fn scores_tell(&self, chat: bool) -> bool {
        !chat && self.task.is_exact_in_plain() && self.decoding.temp == 0.0 && self.score_first.is_none()
    }

    /// Checks problems for every reward.
    fn check<'a>(
        &self,
        problems: impl IntoIterator<Item = &'a Problem> + Clone,
        check: fn(&Metric, &Problem) -> Result<(), EvaluationError>,
    ) -> Result<(), EvaluationError> {
        for metric in &self.metrics {
            problems.clone().into_iter().try_for_each(|problem| check(metric, problem))?;
        }
        Ok(())
    }

    /// Returns the reward of each problem, including the loss on own replies, if these count; or the log-likelihood of the
    /// model's own right reply, if that is imitated.
    ///
    /// # Errors
    /// When inference or a judge fails.
    pub fn rewards<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
    ) -> Result<Vec<f64>, EvaluationError> {
        if batch.imitates {
            return self.rewards_of_imitation(engine, batch);
        }
        let mut outputs = Outputs::default();
        let outcomes = self.apply_metrics(engine, batch, &mut outputs)?;
        let mut rewards: Vec<f64> = outcomes.into_iter().map(|outcome| outcome.reward).collect();
        if let (Some(own), Some(scores)) = (&self.own, &outputs.own) {
            let lost = own.rewards(batch.stream, scores.iter().map(|score| score.log_likelihood));
            rewards.iter_mut().zip(lost).for_each(|(reward, lost)| *reward += lost);
        }
        Ok(rewards)
    }

    /// Returns the reward of a reply that every metric gives 1.
    fn most(&self, problem: &Problem) -> f64 {
        self.metrics.iter().map(|metric| metric.weight).sum::<f64>() * problem.weight.unwrap_or(1.0)
    }

    /// Returns the model's reply to each problem, even if no reward reads it, and the outcome.
    ///
    /// # Errors
    /// When inference or a judge fails, or the context has no room for replies.
    pub fn replies<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
    ) -> Result<Vec<(String, ProblemOutcome)>, EvaluationError> {
        let mut outputs = Outputs::default();
        let outcomes = self.evaluate(engine, batch, &mut outputs)?;
        let replies = outputs.replies(engine, batch, &self.decoding)?;
        Ok(replies.iter().cloned().zip(outcomes).collect())
    }

    /// Returns the judges' hints about the replies so far.
    pub fn hints(&self) -> Vec<String> {
        self.metrics.iter().filter_map(|metric| metric.judge.as_ref()?.hint()).collect()
    }

    /// Returns the outcome of each problem: reward, whether it is solved, and log-likelihood, as far as they are known.
    ///
    /// # Errors
    /// When inference or a judge fails.
    pub fn outcomes<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
    ) -> Result<Vec<ProblemOutcome>, EvaluationError> {
        self.evaluate(engine, batch, &mut Outputs::default())
    }

    fn evaluate<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
        outputs: &mut Outputs,
    ) -> Result<Vec<ProblemOutcome>, EvaluationError> {
        if batch.problems.iter().all(|problem| problem.wanted.is_some()) {
            outputs.scores(engine, batch)?;
        }
        let mut outcomes = self.apply_metrics(engine, batch, outputs)?;
        if self.task.has_right_replies() && outcomes.iter().all(|outcome| outcome.right.is_none()) {
            let verdicts = self.verdicts(engine, batch, outputs)?;
            outcomes
                .iter_mut()
                .zip(verdicts)
                .for_each(|(outcome, verdict)| outcome.right = Some(verdict.right));
        }
        for (outcome, score) in outcomes.iter_mut().zip(outputs.wanted.iter().flatten()) {
            outcome.log_likelihood = Some(score.log_likelihood);
        }
        Ok(outcomes)
    }

    /// Returns rewards, and whether problems are solved by the first metric that can tell.
    fn apply_metrics<E: Engine>(
        &mut self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
        outputs: &mut Outputs,
    ) -> Result<Vec<ProblemOutcome>, EvaluationError> {
        let empty = ProblemOutcome { reward: 0.0, right: None, log_likelihood: None };
        let mut outcomes = vec![empty; batch.problems.len()];
        let mut metrics = std::mem::take(&mut self.metrics);
        let evaluated = metrics.iter_mut().try_for_each(|metric| {
            let rewards = self.values(metric, engine, batch, outputs)?;
            for ((outcome, problem), reward) in outcomes.iter_mut().zip(&batch.problems).zip(rewards) {
                outcome.reward += metric.weight * problem.weight.unwrap_or(1.0) * reward;
                outcome.right = outcome.right.or(metric.solves(reward));
            }
            Ok(())
        });
        self.metrics = metrics;
        evaluated.map(|()| outcomes)
    }

    /// Returns one metric's value for each problem.
    fn values<E: Engine>(
        &self,
        metric: &mut Metric,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
        outputs: &mut Outputs,
    ) -> Result<Vec<f64>, EvaluationError> {
        match metric.kind {
            RewardKind::Loglik => {
                Ok(outputs.scores(engine, batch)?.iter().map(|score| score.log_likelihood).collect())
            }
            RewardKind::SoftLoglik => {
                let soft = |score: &Score| libm::log(libm::exp(score.log_likelihood) + SOFT_FLOOR);
                Ok(outputs.scores(engine, batch)?.iter().map(soft).collect())
            }
            RewardKind::Margin => outputs.margins(engine, batch),
            RewardKind::Exact => {
                Ok(self.verdicts(engine, batch, outputs)?.into_iter().map(|verdict| verdict.reward).collect())
            }
            _ => {
                let replies = outputs.replies(engine, batch, &self.decoding)?;
                metric.judge(engine, batch, replies)
            }
        }
    }

    /// Returns the task's verdict on each reply.
    fn verdicts<E: Engine>(
        &self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
        outputs: &mut Outputs,
    ) -> Result<Vec<Verdict>, EvaluationError> {
        if self.scores_tell(batch.chat) {
            return Ok(outputs
                .scores(engine, batch)?
                .iter()
                .map(|score| Verdict::of(score.is_greedy))
                .collect());
        }
        let replies = outputs.replies(engine, batch, &self.decoding)?;
        Ok(batch
            .problems
            .iter()
            .zip(replies)
            .map(|(problem, reply)| self.task.judge(problem, reply))
            .collect())
    }
}

#[cfg(test)]
mod tests;
