//! The base model's own replies, after the openings that wanted replies have.
//!
//! A run that tunes a few tokens' rows teaches how replies begin. Nothing in the examples says that the same tokens are wrong where
//! a reply of the model's own goes on: these have other words, lists and paragraphs. So what the base model itself says to a
//! problem counts in the fitness, put after the opening of the wanted reply: the more a member would begin again there, the less
//! it is worth.

use super::{ExamError, Examiner};
use crate::engine::{Decoding, Engine, Length, Reply, Request, ScoredToken};
use crate::task::Problem;

/// Problems whose own replies are used.
const PROBLEMS: usize = 32;

/// Most new tokens of an own reply.
const NEW_TOKENS: usize = 24;

/// Which tokens make an opening: returns whether a token, by its number, is one of those that are tuned.
type IsTuned = Box<dyn Fn(usize) -> bool + Send>;

/// Own replies, ready to be scored.
pub(super) struct OwnReplies {
    is_tuned: IsTuned,
    /// Most tokens of an opening.
    most: usize,
    /// Each a prompt with an opening, and the base model's reply.
    requests: Vec<Request>,
    /// The log-likelihood of each by the base model.
    base: Vec<f64>,
    /// What they count beside the reward.
    weight: f64,
}

impl OwnReplies {
    /// Returns the places of the own replies that a generation's `count` problems are put with.
    fn places(&self, generation: u64, count: usize) -> impl Iterator<Item = usize> {
        let all = self.requests.len().max(1) as u64;
        let first = (generation % all) * (count as u64 % all);
        (0..count as u64).map(move |number| ((first + number) % all) as usize)
    }

    /// Has only the openings of wanted replies scored, where they have one: what follows is for the own replies to say.
    pub(super) fn cut<E: Engine>(&self, engine: &E, wanted: &mut [Request]) -> Result<(), ExamError> {
        let batch = engine.prepare(wanted)?;
        for (number, request) in wanted.iter_mut().enumerate() {
            let opening = opening_tokens(&engine.scored_tokens(&batch, number), &self.is_tuned, self.most);
            request.first = opening.into_iter().chain(request.first).min();
        }
        Ok(())
    }

    /// Returns the requests of a generation, after its problems' own.
    pub(super) fn requests(&self, generation: u64, count: usize) -> Vec<Request> {
        self.places(generation, count).filter_map(|place| self.requests.get(place).cloned()).collect()
    }

    /// Returns by how much less likely these own replies have become, each by its weight: 0 for the base model, less for worse.
    pub(super) fn rewards(&self, generation: u64, scores: impl ExactSizeIterator<Item = f64>) -> Vec<f64> {
        let count = scores.len();
        let reward = |(place, score): (usize, f64)| self.weight * (score - self.base[place]);
        self.places(generation, count).zip(scores).map(reward).collect()
    }
}

impl Examiner {
    /// Has the base model, which `engine` must hold, reply to the first problems that the run is tuned on, and lets these replies
    /// count by `weight` from now on; none where wanted replies do not begin with tokens that are
    /// tuned. Of wanted replies only such openings, of `most` tokens, count from then on. Does nothing the second time.
    ///
    /// # Errors
    /// When inference fails.
    pub fn learn_own_replies<E: Engine>(
        &mut self,
        engine: &mut E,
        is_tuned: IsTuned,
        most: usize,
        weight: f64,
    ) -> Result<(), ExamError> {
        if self.own.is_some() {
            return Ok(());
        }
        let openings = fitting(engine, self.openings(engine, &is_tuned, most)?)?;
        let prompts: Vec<Request> = openings.iter().map(|opening| opening.prompt.clone()).collect();
        let how = Decoding { stop: self.decoding.stop.clone(), ..Decoding::greedy(NEW_TOKENS) };
        let replies = engine.reply(&engine.prepare(&prompts)?, &how)?;
        let said = |reply: &Reply| !reply.text.trim().is_empty();
        let requests: Vec<Request> = openings
            .into_iter()
            .zip(replies)
            .filter(|(_, reply)| said(reply))
            .map(|(opening, reply)| opening.with_reply(&reply.text, reply.ended))
            .collect();
        let scores =
            if requests.is_empty() { Vec::new() } else { engine.score(&engine.prepare(&requests)?)? };
        let base = scores.iter().map(|score| score.log_likelihood).collect();
        self.own = Some(OwnReplies { is_tuned, most, requests, base, weight });
        Ok(())
    }

    /// Returns the openings of wanted replies, each of another problem.
    fn openings<E: Engine>(
        &self,
        engine: &E,
        is_tuned: &IsTuned,
        most: usize,
    ) -> Result<Vec<Opening>, ExamError> {
        let asking = self.asking(engine)?;
        let mut problems: Vec<Problem> = Vec::new();
        for problem in self.task.training(self.seed, 0, PROBLEMS) {
            if problems.iter().all(|other| other.prompt != problem.prompt) {
                problems.push(problem);
            }
        }
        let ask = |problem: &Problem| asking.ask(problem, problem.wanted.as_deref());
        let asked = problems.iter().map(ask).collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<Request> = asked.iter().map(|asked| asked.request.clone()).collect();
        let batch = engine.prepare(&requests)?;
        let opening = |(number, asked): (usize, super::asking::Asked)| {
            let scored = engine.scored_tokens(&batch, number);
            let opening = &scored[..opening_tokens(&scored, is_tuned, most)?];
            let length = opening.iter().map(|scored| scored.text.len()).sum();
            Opening::of(asked.request, length, asked.stop.is_some())
        };
        Ok(asked.into_iter().enumerate().filter_map(opening).collect())
    }
}

/// How a wanted reply begins.
#[derive(Debug)]
struct Opening {
    /// The prompt, and no completion.
    prompt: Request,
    /// The opening, and the white space after it.
    text: String,
    space: String,
    /// Whether replies end with a text that is no token.
    goes_on: bool,
}

impl Opening {
    /// Cuts the opening of so many bytes out of a request; `None` where they are not whole characters.
    fn of(request: Request, length: usize, goes_on: bool) -> Option<Self> {
        let (text, rest) = request.completion.split_at_checked(length)?;
        let space = &rest[..rest.len() - rest.trim_start().len()];
        let (text, space) = (text.to_owned(), space.to_owned());
        Some(Self { prompt: Request { completion: String::new(), ..request }, text, space, goes_on })
    }

    /// The request that scores a reply after the opening, and nothing of the opening.
    fn with_reply(self, reply: &str, ended: bool) -> Request {
        let prompt = format!("{}{}", self.prompt.prompt, self.text);
        let literal = self.prompt.literal.iter().copied().filter(|&place| place < prompt.len()).collect();
        Request {
            completion: format!("{}{}", self.space, reply.trim()),
            goes_on: self.goes_on || !ended,
            literal,
            prompt,
            first: None,
        }
    }
}

/// Leaves out openings whose own replies may not fit into the context.
fn fitting<E: Engine>(engine: &E, openings: Vec<Opening>) -> Result<Vec<Opening>, ExamError> {
    let begun: Vec<Request> = openings
        .iter()
        .map(|opening| Request { completion: opening.text.clone(), ..opening.prompt.clone() })
        .collect();
    // The end of a reply is a token too.
    let fits = |length: &Length| length.both.saturating_add(NEW_TOKENS + 1) <= engine.room();
    let lengths = engine.measure(&begun)?;
    Ok(openings
        .into_iter()
        .zip(&lengths)
        .filter(|(_, length)| fits(length))
        .map(|(opening, _)| opening)
        .collect())
}

/// Returns how many tokens a reply's opening has: up to the last of the tuned ones among the first, half of all at most. `None` where
/// none of them is.
fn opening_tokens(scored: &[ScoredToken], is_tuned: &IsTuned, most: usize) -> Option<usize> {
    let most = (scored.len() / 2).clamp(1, most);
    scored.iter().take(most).rposition(|scored| is_tuned(scored.token)).map(|last| last + 1)
}
