//! Measurement of a tuned model's drift from the base model, besides the reward.
//!
//! A reward looks at the task alone: a model can gain on it and lose all else. A [`DriftMeter`] therefore measures the
//! base model once, and then the tuned one as often as it is asked: the perplexity of plain texts and of the base
//! model's own replies to everyday prompts (teacher-forced), and free replies to those prompts and to held-out ones.
//! The number of replies that loop ([`is_loop`]), or do not end, is what degrades first.

mod loops;
mod neutral;

use std::f64::consts::LN_2;

use thiserror::Error;

pub use loops::is_loop;
pub use neutral::{BUILT_IN_NAME, Neutral, NeutralError};

use crate::engine::{Decoding, Engine, EngineError, Reply, Request, Score, TokenTally};
use crate::evaluation::FreePrompt;
use crate::seed_log::{DriftRecord, RepliesRecord};

/// Prompts of each kind for free replies in an evaluation.
pub const FREE_REPLIES: usize = 8;

/// Most new tokens of a free reply, if the context has room for them.
const NEW_TOKENS: usize = 48;

/// Numbers of new tokens to try for held-out prompts in smaller contexts.
const FEWER_NEW_TOKENS: [usize; 4] = [NEW_TOKENS, 32, 16, 8];

/// Bits per byte of plain English above which a model does not know English: the frequencies of letters alone take about 4.
const FOREIGN_BITS: f64 = 4.0;

/// Cap on drift, so that it is finite even if a model gives a text no probability at all.
const MOST: f64 = 1e9;

/// Reasons for which drift cannot be measured.
#[derive(Debug, Error)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum DriftError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the neutral set does not fit: {0}; shorten what is too long, or leave it out (--neutral none)")]
    NoRoom(EngineError),
}

/// Source of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The neutral set.
    Neutral,
    /// The task.
    HeldOut,
}

/// A prompt, and a free reply to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeReply {
    /// Source of the prompt.
    pub kind: Kind,
    /// The prompt, without the chat template.
    pub prompt: String,
    /// The reply.
    pub text: String,
}

/// Drift of a model from the base, and its free replies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// The figures.
    pub record: DriftRecord,
    /// The replies that are counted in them.
    pub replies: Vec<FreeReply>,
}

/// Texts to be scored, and the base model's scores of them.
#[derive(Debug)]
struct Rated<B> {
    batch: B,
    texts: u64,
    /// The base's mean log-likelihood of a token.
    base: f64,
}

impl<B> Rated<B> {
    /// Returns the relative increase of the model's perplexity over the base's.
    fn drift<E: Engine<Batch = B>>(&self, engine: &mut E) -> Result<f64, EngineError> {
        let now = per_token(&engine.score(&self.batch)?);
        Ok((libm::exp(self.base - now) - 1.0).min(MOST))
    }
}

/// Prompts for free replies.
#[derive(Debug)]
struct PromptSet<B> {
    kind: Kind,
    batch: B,
    shown: Vec<String>,
    how: Decoding,
}

impl<B> PromptSet<B> {
    fn replies<E: Engine<Batch = B>>(&self, engine: &mut E) -> Result<Vec<Reply>, EngineError> {
        engine.reply(&self.batch, &self.how)
    }

    fn told(&self, replies: &[Reply]) -> (RepliesRecord, Vec<FreeReply>) {
        let count = |of: &dyn Fn(&Reply) -> bool| replies.iter().filter(|reply| of(reply)).count() as u64;
        let record = RepliesRecord {
            replies: replies.len() as u64,
            loops: count(&|reply| is_loop(&reply.text)),
            endless: count(&|reply| !reply.ended),
        };
        let free = |(prompt, reply): (&String, &Reply)| FreeReply {
            kind: self.kind,
            prompt: prompt.clone(),
            text: reply.text.clone(),
        };
        (record, self.shown.iter().zip(replies).map(free).collect())
    }
}

/// Measures the drift from the base model of the model that an engine holds.
#[derive(Debug)]
pub struct DriftMeter<B> {
    texts: Option<Rated<B>>,
    own: Option<Rated<B>>,
    neutral: Option<PromptSet<B>>,
    held_out: Option<PromptSet<B>>,
    base: Drift,
    note: Option<String>,
}

impl<B> DriftMeter<B> {
    /// Creates a meter that has measured the base model, which `engine` must hold. The prompts of the `neutral` set
    /// come in this model's form. Without such a set, and if the built-in one means nothing to the model or does not
    /// fit into the context, only the replies to `held_out` prompts are measured. These replies also end at the texts
    /// of `stop`.
    ///
    /// # Errors
    /// When inference fails, or a set of the user's own does not fit into the context.
    pub fn new<E: Engine<Batch = B>>(
        engine: &mut E,
        neutral: Option<(&Neutral, Vec<FreePrompt>)>,
        held_out: Vec<FreePrompt>,
        stop: &[String],
    ) -> Result<Self, DriftError> {
        let mut meter = Self {
            texts: None,
            own: None,
            neutral: None,
            held_out: asked_held_out(engine, held_out, stop),
            base: Drift::default(),
            note: None,
        };
        let mut base_replies = Vec::new();
        if let Some((set, prompts)) = neutral {
            match meter.measure_neutral(engine, set, prompts) {
                Ok(replies) => base_replies = replies,
                Err(DriftError::NoRoom(error)) if set.is_built_in() => {
                    (meter.texts, meter.own, meter.neutral) = (None, None, None);
                    meter.note = Some(format!("the neutral set does not fit, so it is left out: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        let zero = |rated: &Option<Rated<B>>| rated.as_ref().map(|_| 0.0);
        let mut base = Drift::default();
        (base.record.texts, base.record.own_replies) = (zero(&meter.texts), zero(&meter.own));
        base_replies.truncate(FREE_REPLIES);
        meter.add(&mut base, engine, (!base_replies.is_empty()).then_some(base_replies))?;
        meter.base = base;
        Ok(meter)
    }

    /// Returns the base model's figures and replies.
    pub fn base(&self) -> &Drift {
        &self.base
    }

    /// Returns a note for the user on how drift is measured, if there is one.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Measures the model that the engine holds.
    ///
    /// # Errors
    /// When inference fails.
    pub fn measure<E: Engine<Batch = B>>(&self, engine: &mut E) -> Result<Drift, DriftError> {
        let mut drift = Drift::default();
        [drift.record.texts, drift.record.own_replies] = self.perplexity(engine)?;
        self.add(&mut drift, engine, None)?;
        Ok(drift)
    }

    /// Returns the relative increase over the base of the perplexity of plain texts, and of the base's own replies;
    /// `None` for what is not measured. Takes a forward pass over both and generates nothing.
    ///
    /// # Errors
    /// When inference fails.
    pub fn perplexity<E: Engine<Batch = B>>(&self, engine: &mut E) -> Result<[Option<f64>; 2], EngineError> {
        let mut rate = |rated: &Option<Rated<B>>| rated.as_ref().map(|rated| rated.drift(engine)).transpose();
        Ok([rate(&self.texts)?, rate(&self.own)?])
    }

    /// Adds free replies and their counts; some replies to neutral prompts may exist already.
    fn add<E: Engine<Batch = B>>(
        &self,
        drift: &mut Drift,
        engine: &mut E,
        neutral: Option<Vec<Reply>>,
    ) -> Result<(), EngineError> {
        if let Some(asked) = &self.neutral {
            let replies = neutral.map_or_else(|| asked.replies(engine), Ok)?;
            let (record, free) = asked.told(&replies);
            drift.record.neutral = Some(record);
            drift.replies.extend(free);
        }
        if let Some(asked) = &self.held_out {
            let (record, free) = asked.told(&asked.replies(engine)?);
            drift.record.held_out = Some(record);
            drift.replies.extend(free);
        }
        let rated = |rated: &Option<Rated<B>>| rated.as_ref().map_or(0, |rated| rated.texts);
        drift.record.evaluations = rated(&self.texts) + rated(&self.own) + drift.record.replies().replies;
        Ok(())
    }

    /// Measures the base model on a set, and returns its replies to all of the prompts.
    fn measure_neutral<E: Engine<Batch = B>>(
        &mut self,
        engine: &mut E,
        set: &Neutral,
        prompts: Vec<FreePrompt>,
    ) -> Result<Vec<Reply>, DriftError> {
        let texts: Vec<Request> = set.texts.iter().map(|text| text_request(text)).collect();
        if let (true, Some(first)) = (set.is_built_in(), texts.first())
            && let Some(bits) = bits_per_byte(engine, first)?.filter(|bits| *bits > FOREIGN_BITS)
        {
            self.note = Some(format!(
                "the neutral set means nothing to this model, which takes {bits:.1} bits for a byte of plain English, so it is \
                 left out"
            ));
            return Ok(Vec::new());
        }
        self.texts = rated(engine, &texts)?;
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        // Side by side with as many others as later: their number changes the last bits of logits.
        let mut asked = prompts
            .chunks(FREE_REPLIES)
            .map(|part| asked(engine, Kind::Neutral, part.to_vec(), Decoding::greedy(NEW_TOKENS)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(DriftError::NoRoom)?;
        let mut replies = Vec::new();
        for part in &asked {
            replies.extend(part.replies(engine)?);
        }
        let own = |(prompt, reply): (&FreePrompt, &Reply)| Request {
            completion: reply.text.clone(),
            goes_on: !reply.ended,
            ..prompt.request.clone()
        };
        self.own = rated(engine, &prompts.iter().zip(&replies).map(own).collect::<Vec<_>>())?;
        self.neutral = Some(asked.swap_remove(0));
        Ok(replies)
    }
}

impl Neutral {
    /// Returns the tally of each token of the vocabulary in the set's texts; empty if there are none, they do not fit
    /// into the context, or the built-in ones mean nothing to the model.
    ///
    /// # Errors
    /// When inference fails.
    pub fn tally<E: Engine>(&self, engine: &mut E) -> Result<Vec<TokenTally>, EngineError> {
        let texts: Vec<Request> = self.texts.iter().map(|text| text_request(text)).collect();
        let Some(first) = texts.first() else { return Ok(Vec::new()) };
        let Ok(batch) = engine.prepare(&texts) else { return Ok(Vec::new()) };
        if self.is_foreign_by(engine, first)? { Ok(Vec::new()) } else { engine.tally(&batch) }
    }

    /// Returns whether the set is the built-in one and means nothing to the model.
    ///
    /// # Errors
    /// When inference fails.
    pub fn is_foreign<E: Engine>(&self, engine: &mut E) -> Result<bool, EngineError> {
        let Some(first) = self.texts.first() else { return Ok(false) };
        self.is_foreign_by(engine, &text_request(first))
    }

    fn is_foreign_by<E: Engine>(&self, engine: &mut E, text: &Request) -> Result<bool, EngineError> {
        let is_foreign = |bits| bits > FOREIGN_BITS;
        Ok(self.is_built_in() && bits_per_byte(engine, text)?.is_some_and(is_foreign))
    }

    /// Checks before a run begins that a set of the user's own fits into the context.
    ///
    /// # Errors
    /// When a prompt, with room for a reply, or a text does not.
    pub fn rehearse<E: Engine>(&self, engine: &E, prompts: Vec<FreePrompt>) -> Result<(), DriftError> {
        if self.is_built_in() {
            return Ok(());
        }
        let texts: Vec<Request> = self.texts.iter().map(|text| text_request(text)).collect();
        engine.prepare(&texts).map_err(DriftError::NoRoom)?;
        asked(engine, Kind::Neutral, prompts, Decoding::greedy(NEW_TOKENS)).map_err(DriftError::NoRoom)?;
        Ok(())
    }
}

/// Returns the request that scores a text from its second word on, since not every model has a token that begins a text.
fn text_request(text: &str) -> Request {
    let text = text.trim();
    let (first, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    Request { goes_on: true, ..Request::new(first, rest) }
}

/// Returns the bits per byte that a model needs for a text; `None` if it does not fit into the context.
fn bits_per_byte<E: Engine>(engine: &mut E, text: &Request) -> Result<Option<f64>, EngineError> {
    let Ok(batch) = engine.prepare(std::slice::from_ref(text)) else { return Ok(None) };
    let scores = engine.score(&batch)?;
    let bytes = text.completion.len().max(1) as f64;
    Ok(scores.first().map(|score| -score.log_likelihood / LN_2 / bytes))
}

/// Scores texts by the base model; `None` if there are none.
fn rated<E: Engine>(engine: &mut E, texts: &[Request]) -> Result<Option<Rated<E::Batch>>, DriftError> {
    if texts.is_empty() {
        return Ok(None);
    }
    let batch = engine.prepare(texts).map_err(DriftError::NoRoom)?;
    let base = per_token(&engine.score(&batch)?);
    Ok(Some(Rated { batch, texts: texts.len() as u64, base }))
}

/// Returns the mean log-likelihood of a token.
fn per_token(scores: &[Score]) -> f64 {
    let tokens: usize = scores.iter().map(|score| score.tokens).sum();
    scores.iter().map(|score| score.log_likelihood).sum::<f64>() / tokens.max(1) as f64
}

/// Returns prompts with room for replies.
fn asked<E: Engine>(
    engine: &E,
    kind: Kind,
    prompts: Vec<FreePrompt>,
    how: Decoding,
) -> Result<PromptSet<E::Batch>, EngineError> {
    let (requests, shown): (Vec<Request>, Vec<String>) =
        prompts.into_iter().map(|prompt| (prompt.request, prompt.shown)).unzip();
    let batch = engine.prepare(&requests)?;
    engine.check_room(&batch, how.max_new_tokens)?;
    Ok(PromptSet { kind, batch, shown, how })
}

/// Returns the held-out prompts with the longest replies that there is room for; `None` if there is no room, or no prompt.
fn asked_held_out<E: Engine>(
    engine: &E,
    prompts: Vec<FreePrompt>,
    stop: &[String],
) -> Option<PromptSet<E::Batch>> {
    let how = |max_new_tokens| Decoding { stop: stop.to_vec(), ..Decoding::greedy(max_new_tokens) };
    let fits = |tokens| asked(engine, Kind::HeldOut, prompts.clone(), how(tokens)).ok();
    if prompts.is_empty() { None } else { FEWER_NEW_TOKENS.into_iter().find_map(fits) }
}

#[cfg(test)]
mod tests;
