//! Imitation of the model's own right replies.
//!
//! A rule says of a reply that it is right or wrong, which is one bit for some hundred tokens, and members that differ little get the
//! same. Where the base model's replies are right, or would be had they ended sooner, there is more to learn from: they are made and
//! judged once, before a run, and members are scored on the log-likelihood of those that are right, with the end after them. So
//! rejection sampling makes examples for fine-tuning; here the model goes on saying what it says, and learns where to stop.

use super::own_replies::in_turn;
use super::sooner::JudgedReply;
use super::{EvaluationError, Evaluator, ProblemBatch, PromptedExample};
use crate::engine::{Engine, Request, Spelled};
use crate::task::Problem;

/// Problems that the base model replies to.
const PROBLEMS: usize = 64;

/// Problems that it replies to at a time, so that a run can be interrupted meanwhile. Other numbers would be other replies, as the number
/// of sequences in a forward pass changes the last bits of logits.
const PART: usize = 16;

/// Right replies of the base model's own, ready to be scored.
#[derive(Default)]
pub(super) struct RightReplies {
    right: Vec<(Problem, Request)>,
    /// Problems that the model has replied to.
    judged: usize,
}

/// Progress of the replies before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepliesMade {
    /// Problems that the model has replied to.
    pub done: usize,
    /// Problems in all.
    pub of: usize,
}

impl Evaluator {
    /// Has the base model, which `engine` must hold, reply to the first problems that the run is tuned on. From now on members are scored
    /// on the log-likelihood of its right replies, and on nothing else. Does nothing the second time.
    ///
    /// # Errors
    /// When inference or a judge fails, or none of the replies is right.
    pub fn imitate_right_replies<E: Engine>(&mut self, engine: &mut E) -> Result<(), EvaluationError> {
        loop {
            let RepliesMade { done, of } = self.imitate_more(engine)?;
            if done >= of {
                return Ok(());
            }
        }
    }

    /// Does a part of [`imitate_right_replies`](Self::imitate_right_replies), and returns how far it is.
    ///
    /// # Errors
    /// When inference or a judge fails, or none of all replies is right.
    pub fn imitate_more<E: Engine>(&mut self, engine: &mut E) -> Result<RepliesMade, EvaluationError> {
        let problems = self.distinct(PROBLEMS);
        let (of, done) = (problems.len(), self.imitated.as_ref().map_or(0, |imitated| imitated.judged));
        let part: Vec<Problem> = problems.into_iter().skip(done).take(PART).collect();
        let done = done + part.len();
        let right = self.right_of(engine, part)?;
        let imitated = self.imitated.get_or_insert_default();
        imitated.right.extend(right);
        imitated.judged = done;
        if done >= of && imitated.right.is_empty() {
            return Err(EvaluationError::NoRightReply { count: of });
        }
        Ok(RepliesMade { done, of })
    }

    /// Returns the problems to which the model replies rightly, and the requests that score these replies.
    fn right_of<E: Engine>(
        &mut self,
        engine: &mut E,
        problems: Vec<Problem>,
    ) -> Result<Vec<(Problem, Request)>, EvaluationError> {
        if problems.is_empty() {
            return Ok(Vec::new());
        }
        let prompter = self.prompter(engine)?;
        let prompt = |problem: &Problem| Ok(prompter.ask(problem, None)?.request);
        let prompts = problems.iter().map(prompt).collect::<Result<Vec<_>, EvaluationError>>()?;
        let batch = self.batch(engine, problems, 0, Vec::new())?;
        let judged = self.judge_parts(engine, &batch)?;
        let end = self.end_token(engine)?.map(|token| engine.spelled_token(token)).unwrap_or_default();
        let mut right = Vec::new();
        for ((problem, prompt), reply) in batch.problems.into_iter().zip(prompts).zip(judged) {
            let lead = if reply.facts.has_lead { &*batch.lead } else { "" };
            let request = ended_where_right(engine, &prompt, [lead, &end], &reply);
            right.extend(request.map(|request| (problem, request)));
        }
        Ok(right)
    }
}

impl RightReplies {
    /// Returns the first reply as the model sees it.
    ///
    /// # Errors
    /// When it cannot be put to the engine.
    pub(super) fn example<E: Engine>(&self, engine: &E) -> Result<Option<PromptedExample>, EvaluationError> {
        let Some((problem, request)) = self.right.first() else { return Ok(None) };
        let spelled = engine.spelled(&engine.prepare(std::slice::from_ref(request))?, 0);
        let place = problem.place.to_string();
        Ok(spelled.map(|Spelled { prompt, scored }| PromptedExample { place, prompt, scored: Some(scored) }))
    }

    /// Returns the replies of a generation, taken in turn, each the wanted one of its problem.
    ///
    /// # Errors
    /// When they cannot be put to the engine.
    pub(super) fn batch<E: Engine>(
        &self,
        engine: &E,
        generation: u64,
        count: usize,
    ) -> Result<ProblemBatch<E::Batch>, EvaluationError> {
        let (problems, requests): (Vec<Problem>, Vec<Request>) =
            in_turn(self.right.len(), generation, count).map(|place| self.right[place].clone()).unzip();
        Ok(ProblemBatch {
            prompts: requests.iter().map(|request| request.prompt.clone()).collect(),
            problems,
            stream: generation,
            wanted: engine.prepare_for_members(&requests)?,
            rejected: None,
            chat: false,
            seed: 0,
            lead: String::new(),
            stop: None,
            imitates: true,
        })
    }
}

/// Returns the request that scores a reply as far as it is right, with the name of the token that ends replies after it: whole where it
/// is right so, else its longest right beginning. A reply has the lead that the model wrote before it. `None` where there is none that
/// the model would have come to by the tokens of the whole reply, or where these cannot be told from its text.
fn ended_where_right<E: Engine>(
    engine: &E,
    prompt: &Request,
    [lead, end]: [&str; 2],
    reply: &JudgedReply,
) -> Option<Request> {
    let up_to = |place: usize, end: Option<&str>| Request {
        completion: format!("{lead}{}{}", &reply.text[..place], end.unwrap_or_default()),
        goes_on: end.is_none(),
        ..prompt.clone()
    };
    // What does not fit into the context by its text cannot be scored.
    let tokens = |request: Request| Some(engine.scored_tokens(&engine.prepare(&[request]).ok()?, 0));
    if reply.text.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let whole = tokens(up_to(reply.text.len(), None))?;
    reply.right_ends.iter().rev().find_map(|&place| {
        let is_whole = place == reply.text.len();
        let is_on_the_way = is_whole || whole.starts_with(&tokens(up_to(place, None))?);
        let end = (!is_whole || reply.facts.ended).then_some(end);
        is_on_the_way.then(|| up_to(place, end)).filter(|request| tokens(request.clone()).is_some())
    })
}
