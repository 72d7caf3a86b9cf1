//! Imitation of the model's own right replies.
//!
//! A rule says of a reply that it is right or wrong, which is one bit for some hundred tokens, and members that differ little get the
//! same. Where the base model's replies are right, or would be had they ended sooner, there is more to learn from: they are made and
//! judged once, before a run, and members are scored on the log-likelihood of those that are right, and of ends where others would be. So
//! rejection sampling makes examples for fine-tuning; here the model goes on saying what it says, and learns where to stop.

use super::beginnings::Beginnings;
use super::sooner::JudgedReply;
use super::{EvaluationError, Evaluator, FreePrompt, ProblemBatch, PromptedExample};
use crate::engine::{Engine, Request, Score, Spelled};
use crate::task::Problem;

/// Problems that the base model replies to.
const PROBLEMS: usize = 64;

/// Problems that it replies to at a time, so that a run can be interrupted meanwhile. Other numbers would be other replies, as the number
/// of sequences in a forward pass changes the last bits of logits.
const PART: usize = 16;

/// A problem, and the request that scores a right reply to it.
type RightReply = (Problem, Request);

/// Right replies of the base model's own, ready to be scored.
///
/// Where there are both kinds, every other reply is one that the model would have gone on with, as only these have something to teach;
/// the others hold in place where it does not end.
pub(super) struct RightReplies {
    /// Those that are right because they are ended sooner than the model's own reply.
    ended_sooner: Vec<RightReply>,
    /// Those that are right as the model made them.
    whole: Vec<RightReply>,
    /// Beginnings of the model's replies to everyday prompts.
    everyday: Beginnings,
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

impl RepliesMade {
    /// Returns whether the model has replied to all problems.
    pub fn are_all(self) -> bool {
        self.done >= self.of
    }
}

impl Evaluator {
    /// Has the base model, which `engine` must hold, reply to some more of the first problems that the run is tuned on, and returns how far
    /// it is. When it has replied to all, members are scored on the log-likelihood of its right replies, and of the beginnings of its
    /// replies to the prompts that `everyday` returns, which is called the first time alone.
    ///
    /// # Errors
    /// When inference or a judge fails, or there is nothing to learn from all replies.
    pub fn imitate_more<E: Engine>(
        &mut self,
        engine: &mut E,
        everyday: impl FnOnce(&mut E) -> Result<Vec<FreePrompt>, EvaluationError>,
    ) -> Result<RepliesMade, EvaluationError> {
        let problems = self.distinct(PROBLEMS);
        let (of, done) = (problems.len(), self.imitated.as_ref().map_or(0, |imitated| imitated.judged));
        let part: Vec<Problem> = problems.into_iter().skip(done).take(PART).collect();
        // Each part has random numbers of its own, if replies are drawn.
        let stream = (done / PART) as u64;
        let done = done + part.len();
        let [ended_sooner, whole] = self.right_of(engine, part, stream)?;
        let imitated = match &mut self.imitated {
            Some(imitated) => imitated,
            none => {
                let prompts = everyday(engine)?;
                none.insert(RightReplies::new(Beginnings::of(engine, prompts)?))
            }
        };
        imitated.ended_sooner.extend(ended_sooner);
        imitated.whole.extend(whole);
        imitated.judged = done;
        if done >= of && imitated.ended_sooner.is_empty() {
            return Err(match imitated.whole.is_empty() {
                true => EvaluationError::NoRightReply { count: of },
                false => EvaluationError::NoEnd { count: of },
            });
        }
        Ok(RepliesMade { done, of })
    }

    /// Returns the rewards of a batch of imitated replies.
    ///
    /// # Errors
    /// When inference fails.
    pub(super) fn rewards_of_imitation<E: Engine>(
        &self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
    ) -> Result<Vec<f64>, EvaluationError> {
        let scores = engine.score(&batch.wanted)?;
        let (replies, everyday) = scores.split_at(batch.problems.len().min(scores.len()));
        let kept = self.imitated.as_ref().map_or(0.0, |imitated| imitated.everyday.kept(everyday));
        let reward = |(score, problem): (&Score, &Problem)| self.most(problem) * score.log_likelihood + kept;
        Ok(replies.iter().zip(&batch.problems).map(reward).collect())
    }

    /// Returns the model's right replies to these problems: those that are right because they are ended sooner, and whole ones.
    fn right_of<E: Engine>(
        &mut self,
        engine: &mut E,
        problems: Vec<Problem>,
        stream: u64,
    ) -> Result<[Vec<RightReply>; 2], EvaluationError> {
        let mut right = [Vec::new(), Vec::new()];
        if problems.is_empty() {
            return Ok(right);
        }
        let prompter = self.prompter(engine)?;
        let prompt = |problem: &Problem| Ok(prompter.ask(problem, None)?.request);
        let prompts = problems.iter().map(prompt).collect::<Result<Vec<_>, EvaluationError>>()?;
        let batch = self.batch(engine, problems, stream, Vec::new())?;
        let judged = self.judge_parts(engine, &batch)?;
        let end = self.end_token(engine)?.map(|token| engine.spelled_token(token)).unwrap_or_default();
        for ((problem, prompt), reply) in batch.problems.into_iter().zip(prompts).zip(judged) {
            let lead = if reply.facts.has_lead { &*batch.lead } else { "" };
            if let Some((request, is_whole)) = ended_where_right(engine, &prompt, [lead, &end], &reply) {
                right[usize::from(is_whole)].push((problem, request));
            }
        }
        Ok(right)
    }
}

impl RightReplies {
    /// Returns none yet, with these beginnings to be held.
    fn new(everyday: Beginnings) -> Self {
        Self { ended_sooner: Vec::new(), whole: Vec::new(), everyday, judged: 0 }
    }

    /// Returns the first reply as the model sees it.
    ///
    /// # Errors
    /// When it cannot be put to the engine.
    pub(super) fn example<E: Engine>(&self, engine: &E) -> Result<Option<PromptedExample>, EvaluationError> {
        let Some((problem, request)) = self.of_generation(0, 1).next() else { return Ok(None) };
        let spelled = engine.spelled(&engine.prepare(std::slice::from_ref(request))?, 0);
        let place = problem.place.to_string();
        Ok(spelled.map(|Spelled { prompt, scored }| PromptedExample { place, prompt, scored: Some(scored) }))
    }

    /// Returns the replies of a generation, of the one and the other kind by turns.
    fn of_generation(&self, generation: u64, count: usize) -> impl Iterator<Item = &RightReply> {
        let Self { ended_sooner, whole, .. } = self;
        let first = generation.wrapping_mul(count as u64);
        (0..count as u64).filter_map(move |number| {
            let number = first.wrapping_add(number);
            let (kind, turn) = match (ended_sooner.is_empty(), whole.is_empty()) {
                (false, false) if number.is_multiple_of(2) => (ended_sooner, number / 2),
                (false, false) => (whole, number / 2),
                (false, true) => (ended_sooner, number),
                (true, _) => (whole, number),
            };
            kind.get((turn % kind.len().max(1) as u64) as usize)
        })
    }

    /// Returns the replies of a generation, each the wanted one of its problem.
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
            self.of_generation(generation, count).cloned().unzip();
        let scored: Vec<Request> = requests.iter().chain(self.everyday.requests()).cloned().collect();
        Ok(ProblemBatch {
            prompts: requests.iter().map(|request| request.prompt.clone()).collect(),
            problems,
            stream: generation,
            wanted: engine.prepare_for_members(&scored)?,
            rejected: None,
            chat: false,
            seed: 0,
            lead: String::new(),
            stop: None,
            imitates: true,
        })
    }
}

/// Returns the request that scores a right reply, and `true` if the model made it so. Where it is right as a whole, all of it is scored;
/// else the end after its longest right beginning is, by the `end` token's name: what the model says before it is its own already, and
/// would only blur what members differ by. A reply has the lead that the model wrote before it. `None` where there is no right beginning
/// that the model would have come to by the tokens of the whole reply, or where these cannot be told from its text.
fn ended_where_right<E: Engine>(
    engine: &E,
    prompt: &Request,
    [lead, end]: [&str; 2],
    reply: &JudgedReply,
) -> Option<(Request, bool)> {
    let up_to = |place: usize, end: Option<&str>| Request {
        completion: format!("{lead}{}{}", &reply.text[..place], end.unwrap_or_default()),
        goes_on: end.is_none(),
        ..prompt.clone()
    };
    // What does not fit into the context by its text cannot be scored.
    let tokens = |request: &Request| {
        Some(engine.scored_tokens(&engine.prepare(std::slice::from_ref(request)).ok()?, 0))
    };
    if reply.text.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let all = up_to(reply.text.len(), None);
    let of_all = tokens(&all)?;
    reply.right_ends.iter().rev().find_map(|&place| {
        if place == reply.text.len() {
            let whole = up_to(place, reply.facts.ended.then_some(end));
            return tokens(&whole).map(|_| (whole, true));
        }
        let begun = up_to(place, None);
        let is_on_the_way = of_all.starts_with(&tokens(&begun)?);
        let ending = Request {
            prompt: format!("{}{}", begun.prompt, begun.completion),
            completion: end.to_owned(),
            goes_on: false,
            ..begun
        };
        (is_on_the_way && tokens(&ending).is_some()).then_some((ending, false))
    })
}
