//! The base model's own replies, after the openings of wanted replies.
//!
//! A run that tunes a few tokens' rows teaches how replies begin. Nothing in the examples says that the same tokens
//! are wrong in the middle of the model's own replies, which have other words, lists and paragraphs. So the base
//! model's own reply to a problem, put after the opening of the wanted reply, is part of the fitness: the likelier a
//! member would begin again there, the lower its fitness.

use super::{EvaluationError, Evaluator};
use crate::engine::{Decoding, Engine, Length, Request};
use crate::task::Problem;

/// Problems whose own replies are used.
const PROBLEMS: usize = 32;

/// Most new tokens of an own reply.
const NEW_TOKENS: usize = 24;

/// Returns whether the token with a number is tuned; tuned tokens make up an opening.
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
    /// The weight of their log-likelihood besides the reward.
    weight: f64,
}

impl OwnReplies {
    /// Returns the numbers of the own replies that go with a generation's `count` problems.
    fn places(&self, generation: u64, count: usize) -> impl Iterator<Item = usize> {
        in_turn(self.requests.len(), generation, count)
    }

    /// Limits the scored tokens of wanted replies to their openings, if they have one: own replies cover what follows.
    /// Without own replies, whole wanted replies are scored.
    pub(super) fn cut<E: Engine>(&self, engine: &E, wanted: &mut [Request]) -> Result<(), EvaluationError> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let whole: Vec<Request> =
            wanted.iter().map(|request| Request { first: None, ..request.clone() }).collect();
        let batch = engine.prepare(&whole)?;
        for (number, request) in wanted.iter_mut().enumerate() {
            let opening = opening_tokens(&engine.scored_tokens(&batch, number), &self.is_tuned, self.most);
            request.first = opening.into_iter().chain(request.first).min();
        }
        Ok(())
    }

    /// Returns the requests of a generation, which follow those of its problems.
    pub(super) fn requests(&self, generation: u64, count: usize) -> Vec<Request> {
        self.places(generation, count).filter_map(|place| self.requests.get(place).cloned()).collect()
    }

    /// Returns the weighted change of the log-likelihood of each of these own replies: 0 for the base model, less if
    /// it is worse.
    pub(super) fn rewards(&self, generation: u64, scores: impl ExactSizeIterator<Item = f64>) -> Vec<f64> {
        let count = scores.len();
        let reward = |(place, score): (usize, f64)| self.weight * (score - self.base[place]);
        self.places(generation, count).zip(scores).map(reward).collect()
    }
}

impl Evaluator {
    /// Lets the base model, which `engine` must hold, reply to the first training problems, and adds these replies to
    /// the fitness by `weight` from now on, after the openings of wanted replies. An opening ends with the last tuned
    /// token among the first `most`. There are none if wanted replies do not begin so, or a template writes something
    /// before them. A second call does nothing.
    ///
    /// # Errors
    /// When inference fails.
    pub fn learn_own_replies<E: Engine>(
        &mut self,
        engine: &mut E,
        is_tuned: IsTuned,
        most: usize,
        weight: f64,
    ) -> Result<(), EvaluationError> {
        if self.own.is_some() {
            return Ok(());
        }
        let openings = self.openings(engine, &is_tuned, most)?;
        let requests = self.own_replies(engine, openings)?;
        let requests = fitting(engine, requests, 0)?;
        let scores =
            if requests.is_empty() { Vec::new() } else { engine.score(&engine.prepare(&requests)?)? };
        let base = scores.iter().map(|score| score.log_likelihood).collect();
        self.own = Some(OwnReplies { is_tuned, most, requests, base, weight });
        Ok(())
    }

    /// Lets the model reply to the problems of these openings. Returns the requests that score the replies after them.
    fn own_replies<E: Engine>(
        &self,
        engine: &mut E,
        openings: Vec<Opening>,
    ) -> Result<Vec<Request>, EvaluationError> {
        let prompts: Vec<Request> = openings.iter().map(|opening| opening.prompt.clone()).collect();
        let mut how = Decoding { stop: self.decoding.stop.clone(), ..Decoding::greedy(NEW_TOKENS) };
        how.stop.extend(openings.iter().find_map(|opening| opening.stop.clone()));
        // A reply that such a text has ended may not be one that the model would end there.
        let may_end = how.stop.is_empty();
        let replies = engine.reply(&engine.prepare(&prompts)?, &how)?;
        let said = openings.into_iter().zip(replies).filter(|(_, reply)| !reply.text.trim().is_empty());
        Ok(said.map(|(opening, reply)| opening.with_reply(&reply.text, may_end && reply.ended)).collect())
    }

    /// Returns the openings of wanted replies, each of another problem, that leave room for a reply.
    fn openings<E: Engine>(
        &self,
        engine: &E,
        is_tuned: &IsTuned,
        most: usize,
    ) -> Result<Vec<Opening>, EvaluationError> {
        let prompter = self.prompter(engine)?;
        let problems = self.distinct(PROBLEMS);
        let ask = |problem: &Problem| prompter.ask(problem, problem.wanted.as_deref());
        let mut asked = problems.iter().map(ask).collect::<Result<Vec<_>, _>>()?;
        // The base model would not be asked after what a template writes before replies.
        let mut wanted =
            problems.iter().map(|problem| problem.wanted.as_deref().unwrap_or_default().trim_start());
        asked.retain(|asked| {
            wanted.next().is_some_and(|wanted| asked.request.completion.trim_start().starts_with(wanted))
        });
        let stop = asked.iter().find_map(|asked| asked.stop.clone());
        let requests = asked.into_iter().map(|asked| asked.request).collect();
        let requests: Vec<Request> = fitting(engine, requests, NEW_TOKENS)?;
        let tokens = engine.prepare(&requests)?;
        let first = |number| opening_tokens(&engine.scored_tokens(&tokens, number), is_tuned, most);
        let begun = requests.into_iter().enumerate();
        let begun: Vec<Request> = begun
            .filter_map(|(number, request)| Some(Request { first: Some(first(number)?), ..request }))
            .collect();
        let texts = engine.prepare(&begun)?;
        let opening = |(number, request): (usize, Request)| {
            Opening::of(request, &engine.spelled(&texts, number)?.scored, stop.clone())
        };
        Ok(begun.into_iter().enumerate().filter_map(opening).collect())
    }
}

/// The opening of a wanted reply.
#[derive(Debug)]
struct Opening {
    /// The prompt, without a completion.
    prompt: Request,
    /// The opening, and the white space after it.
    text: String,
    space: String,
    /// A text that ends replies, if no token does.
    stop: Option<String>,
}

impl Opening {
    /// Cuts the opening out of a request; `None` if the request does not begin with this text, as when a token of it
    /// includes letters of the prompt, or a part of a character.
    fn of(request: Request, text: &str, stop: Option<String>) -> Option<Self> {
        let rest = request.completion.strip_prefix(text)?;
        let space = rest[..rest.len() - rest.trim_start().len()].to_owned();
        let prompt = Request { completion: String::new(), first: None, ..request };
        Some(Self { prompt, text: text.to_owned(), space, stop })
    }

    /// Returns the request that scores a reply after the opening, but not the opening.
    fn with_reply(self, reply: &str, ends: bool) -> Request {
        let prompt = format!("{}{}", self.prompt.prompt, self.text);
        let literal = self.prompt.literal.iter().copied().filter(|&place| place < prompt.len()).collect();
        let completion = format!("{}{}", self.space, reply.trim());
        Request { completion, goes_on: !ends, literal, prompt, first: None }
    }
}

/// Removes requests that do not fit into the context with this many additional tokens.
pub(super) fn fitting<E: Engine>(
    engine: &E,
    requests: Vec<Request>,
    more: usize,
) -> Result<Vec<Request>, EvaluationError> {
    let lengths = engine.measure(&requests)?;
    let fits = |length: &Length| length.both.saturating_add(more) <= engine.room();
    Ok(requests
        .into_iter()
        .zip(&lengths)
        .filter(|(_, length)| fits(length))
        .map(|(request, _)| request)
        .collect())
}

/// Returns the number of tokens in a reply's opening: up to the last tuned one among the first `most`, half of all at
/// most. `None` if none of them is tuned.
fn opening_tokens(scored: &[usize], is_tuned: &IsTuned, most: usize) -> Option<usize> {
    let most = (scored.len() / 2).clamp(1, most);
    scored.iter().take(most).rposition(|&token| is_tuned(token)).map(|last| last + 1)
}

/// Returns the places of `count` of `all` replies that a generation's members are scored on: generations take them in turn.
pub(super) fn in_turn(all: usize, generation: u64, count: usize) -> impl Iterator<Item = usize> {
    let all = all.max(1) as u64;
    let first = (generation % all) * (count as u64 % all);
    (0..count as u64).map(move |number| ((first + number) % all) as usize)
}
