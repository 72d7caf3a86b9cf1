//! Puts problems to a model and grades it.
//!
//! An [`Examiner`] knows the task and the rewards that count, an [`Exam`] is a set of problems ready to be put to an engine
//! again and again. Rewards that look at likelihoods need one forward pass over prompts and wanted replies; those that look
//! at replies let the model reply. A model without a chat template is asked in the plain form; where that demands exactly
//! the wanted text and then an end, the same forward pass tells whether greedy decoding gives it.

mod asking;
mod example;
mod fit;
mod free;
mod grade;
mod grader;
mod own;
mod putting;
mod sooner;
mod telling;

use thiserror::Error;

pub use example::Example;
pub use free::{FreePrompt, opening};
pub use grade::{Difference, Grade, Mark};
pub use sooner::Worth;

use asking::Asking;
use grader::{Answers, Grader};
use own::OwnReplies;

use crate::chat::{ChatSettings, TemplateError};
use crate::engine::{Decoding, Engine, EngineError, Score};
use crate::judge::{Judge, JudgeError};
use crate::task::{Definition, Problem, Reward, RewardKind, SOFT_FLOOR, Task, Verdict};

/// Why an exam cannot be held.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum ExamError {
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
    #[error("the reward {kind} has nobody who judges replies")]
    NoJudge { kind: &'static str },
    #[error("the reward {kind} gave {given} rewards for {asked} replies")]
    Count { kind: &'static str, given: usize, asked: usize },
    #[error("the reward {kind} of a reply is {reward}, which is no finite number")]
    NotFinite { kind: &'static str, reward: f64 },
}

/// Problems, ready to be put to an engine again and again.
#[derive(Debug)]
pub struct Exam<B> {
    problems: Vec<Problem>,
    /// Prompts as the engine gets them.
    prompts: Vec<String>,
    /// The generation whose problems these are; held-out ones have the highest number.
    stream: u64,
    /// Prompts with the wanted replies, and after these what own replies are to be scored.
    wanted: B,
    /// Prompts with the rejected replies, where the rewards look at them.
    rejected: Option<B>,
    chat: bool,
    seed: u64,
    /// What a template writes before replies, which is no part of them.
    lead: String,
    /// What a template ends replies with, where no token does.
    stop: Option<String>,
}

impl<B> Exam<B> {
    /// What is asked, as the engine gets it, and the wanted reply, where one is known.
    pub fn asked(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.prompts
            .iter()
            .zip(&self.problems)
            .map(|(prompt, problem)| (&**prompt, problem.wanted.as_deref()))
    }
}

/// Knows the task and what counts.
pub struct Examiner {
    task: Box<dyn Task>,
    graders: Vec<Grader>,
    system: Option<String>,
    /// Tokens of an example at most, others being left out.
    longest: Option<usize>,
    chat: ChatSettings,
    /// Tokens of wanted and rejected replies that are scored at most.
    score_first: Option<usize>,
    decoding: Decoding,
    seed: u64,
    /// What the base model itself says after openings, where that counts in a member's fitness.
    own: Option<OwnReplies>,
}

impl Examiner {
    /// An examiner of `task` by a definition that has been validated. `seed` is the run's. `judge_of` makes the judges of
    /// the rewards that neither the task nor the engine judges. All problems that are given are checked.
    ///
    /// # Errors
    /// When a judge cannot be made, or a problem lacks what a reward looks at.
    pub fn new(
        task: Box<dyn Task>,
        definition: &Definition,
        seed: u64,
        mut judge_of: impl FnMut(&Reward) -> Result<Option<Box<dyn Judge>>, JudgeError>,
    ) -> Result<Self, ExamError> {
        let grader = |reward: &Reward| {
            let (weight, kind) = (reward.weight, reward.kind.clone());
            let judge = judge_of(reward).map_err(|source| ExamError::Judge { kind: kind.name(), source })?;
            Ok(Grader { weight, kind, judge })
        };
        let decoding = Decoding {
            max_new_tokens: definition.predict.unwrap_or_else(|| task.reply_tokens()),
            temp: definition.temp,
            seed: 0,
            stop: definition.stop.clone(),
        };
        let graders = definition.rewards.iter().map(grader).collect::<Result<_, ExamError>>()?;
        let longest = definition.problems.data().and_then(|options| options.longest);
        let longest = longest.map(|tokens| tokens as usize);
        let examiner = Self {
            task,
            graders,
            system: definition.system.clone(),
            longest,
            chat: definition.chat.clone(),
            score_first: definition.score_first,
            decoding,
            seed,
            own: None,
        };
        examiner.check(examiner.task.given(), Grader::check_thoroughly)?;
        Ok(examiner)
    }

    /// Returns what writes the model's prompts and replies.
    fn asking<'a, E: Engine>(&'a self, engine: &'a E) -> Result<Asking<'a>, ExamError> {
        Asking::new(engine.vocabulary(), &self.chat, self.system.as_deref())
    }

    /// New tokens that the model replies with to an exam, where a reward has it reply.
    fn new_tokens(&self, chat: bool) -> Option<usize> {
        let told_by_scores = |kind: &RewardKind| *kind == RewardKind::Exact && self.scores_tell(chat);
        let replies = |grader: &Grader| grader.kind.reads_replies() && !told_by_scores(&grader.kind);
        self.graders.iter().any(replies).then_some(self.decoding.max_new_tokens)
    }

    /// Whether one forward pass over the wanted replies tells what greedy decoding would reply.
    fn scores_tell(&self, chat: bool) -> bool {
        !chat && self.task.is_exact_in_plain() && self.decoding.temp == 0.0 && self.score_first.is_none()
    }

    /// Checks problems for every reward.
    fn check<'a>(
        &self,
        problems: impl IntoIterator<Item = &'a Problem> + Clone,
        check: fn(&Grader, &Problem) -> Result<(), ExamError>,
    ) -> Result<(), ExamError> {
        for grader in &self.graders {
            problems.clone().into_iter().try_for_each(|problem| check(grader, problem))?;
        }
        Ok(())
    }

    /// The reward of each problem, with what an own reply has lost, where these count.
    ///
    /// # Errors
    /// When inference or a judge fails.
    pub fn rewards<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
    ) -> Result<Vec<f64>, ExamError> {
        let mut answers = Answers::default();
        let marks = self.grade(engine, exam, &mut answers)?;
        let mut rewards: Vec<f64> = marks.into_iter().map(|mark| mark.reward).collect();
        if let (Some(own), Some(scores)) = (&self.own, &answers.own) {
            let lost = own.rewards(exam.stream, scores.iter().map(|score| score.log_likelihood));
            rewards.iter_mut().zip(lost).for_each(|(reward, lost)| *reward += lost);
        }
        Ok(rewards)
    }

    /// What the model says to each problem, whether or not a reward looks at it, and all marks.
    ///
    /// # Errors
    /// When inference or a judge fails, or the context has no room for replies.
    pub fn replies<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
    ) -> Result<Vec<(String, Mark)>, ExamError> {
        let mut answers = Answers::default();
        let marks = self.mark(engine, exam, &mut answers)?;
        let replies = answers.replies(engine, exam, &self.decoding)?;
        Ok(replies.iter().cloned().zip(marks).collect())
    }

    /// Returns what the judges have to say of the replies so far, beside rewards.
    pub fn hints(&self) -> Vec<String> {
        self.graders.iter().filter_map(|grader| grader.judge.as_ref()?.hint()).collect()
    }

    /// All marks of each problem.
    ///
    /// # Errors
    /// When inference or a judge fails.
    pub fn marks<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
    ) -> Result<Vec<Mark>, ExamError> {
        self.mark(engine, exam, &mut Answers::default())
    }

    fn mark<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
        answers: &mut Answers,
    ) -> Result<Vec<Mark>, ExamError> {
        if exam.problems.iter().all(|problem| problem.wanted.is_some()) {
            answers.scores(engine, exam)?;
        }
        let mut marks = self.grade(engine, exam, answers)?;
        if self.task.has_right_replies() && marks.iter().all(|mark| mark.right.is_none()) {
            let verdicts = self.verdicts(engine, exam, answers)?;
            marks.iter_mut().zip(verdicts).for_each(|(mark, verdict)| mark.right = Some(verdict.right));
        }
        for (mark, score) in marks.iter_mut().zip(answers.wanted.iter().flatten()) {
            mark.log_likelihood = Some(score.log_likelihood);
        }
        Ok(marks)
    }

    /// Rewards, and whether problems are solved by the first of the graders that can tell.
    fn grade<E: Engine>(
        &mut self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
        answers: &mut Answers,
    ) -> Result<Vec<Mark>, ExamError> {
        let unmarked = Mark { reward: 0.0, right: None, log_likelihood: None };
        let mut marks = vec![unmarked; exam.problems.len()];
        let mut graders = std::mem::take(&mut self.graders);
        let graded = graders.iter_mut().try_for_each(|grader| {
            let rewards = self.values(grader, engine, exam, answers)?;
            for ((mark, problem), reward) in marks.iter_mut().zip(&exam.problems).zip(rewards) {
                mark.reward += grader.weight * problem.weight.unwrap_or(1.0) * reward;
                mark.right = mark.right.or(grader.solves(reward));
            }
            Ok(())
        });
        self.graders = graders;
        graded.map(|()| marks)
    }

    /// What one grader says of each problem.
    fn values<E: Engine>(
        &self,
        grader: &mut Grader,
        engine: &mut E,
        exam: &Exam<E::Batch>,
        answers: &mut Answers,
    ) -> Result<Vec<f64>, ExamError> {
        match grader.kind {
            RewardKind::Loglik => {
                Ok(answers.scores(engine, exam)?.iter().map(|score| score.log_likelihood).collect())
            }
            RewardKind::SoftLoglik => {
                let soft = |score: &Score| libm::log(libm::exp(score.log_likelihood) + SOFT_FLOOR);
                Ok(answers.scores(engine, exam)?.iter().map(soft).collect())
            }
            RewardKind::Margin => answers.margins(engine, exam),
            RewardKind::Exact => {
                Ok(self.verdicts(engine, exam, answers)?.into_iter().map(|verdict| verdict.reward).collect())
            }
            _ => {
                let replies = answers.replies(engine, exam, &self.decoding)?;
                grader.judge(engine, exam, replies)
            }
        }
    }

    /// What the task says of each reply.
    fn verdicts<E: Engine>(
        &self,
        engine: &mut E,
        exam: &Exam<E::Batch>,
        answers: &mut Answers,
    ) -> Result<Vec<Verdict>, ExamError> {
        if self.scores_tell(exam.chat) {
            return Ok(answers
                .scores(engine, exam)?
                .iter()
                .map(|score| Verdict::of(score.is_greedy))
                .collect());
        }
        let replies = answers.replies(engine, exam, &self.decoding)?;
        Ok(exam
            .problems
            .iter()
            .zip(replies)
            .map(|(problem, reply)| self.task.judge(problem, reply))
            .collect())
    }
}

#[cfg(test)]
mod tests;
