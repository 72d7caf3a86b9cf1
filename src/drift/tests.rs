//! Drift of a fake model whose likelihoods and replies are known.

use std::sync::LazyLock;

use super::*;
use crate::engine::{TensorEdit, Vocabulary};

/// Takes so many nats for a byte, and loops on the first prompts of a batch.
struct Talker {
    template: bool,
    nats: f64,
    looping: usize,
    /// Most bytes of a prompt and its completion, and new tokens.
    context: usize,
    asked: Vec<(&'static str, usize)>,
}

impl Talker {
    fn new() -> Self {
        Self { template: true, nats: 0.5, looping: 0, context: 1000, asked: Vec::new() }
    }
}

impl Engine for Talker {
    type Batch = Vec<Request>;

    fn vocabulary(&self) -> &Vocabulary {
        static NOTHING: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::default);
        &NOTHING
    }

    fn prepare(&self, requests: &[Request]) -> Result<Self::Batch, EngineError> {
        let longest = requests.iter().map(|request| request.prompt.len() + request.completion.len()).max();
        if longest > Some(self.context) {
            Err(EngineError::new("preparing", "too long"))
        } else {
            Ok(requests.to_vec())
        }
    }

    fn check_room(&self, batch: &Self::Batch, new_tokens: usize) -> Result<(), EngineError> {
        let is_long = |request: &Request| request.prompt.len() + new_tokens > self.context;
        if batch.iter().any(is_long) { Err(EngineError::new("making room", "too long")) } else { Ok(()) }
    }

    fn score(&mut self, batch: &Self::Batch) -> Result<Vec<Score>, EngineError> {
        self.asked.push(("score", batch.len()));
        let score = |request: &Request| Score {
            log_likelihood: -self.nats * request.completion.len() as f64,
            is_greedy: false,
            tokens: request.completion.len(),
        };
        Ok(batch.iter().map(score).collect())
    }

    fn complete(&mut self, batch: &Self::Batch, how: &Decoding) -> Result<Vec<String>, EngineError> {
        Ok(self.reply(batch, how)?.into_iter().map(|reply| reply.text).collect())
    }

    fn reply(&mut self, batch: &Self::Batch, how: &Decoding) -> Result<Vec<Reply>, EngineError> {
        self.asked.push(("reply", batch.len()));
        assert_eq!(how.temp, 0.0);
        let reply = |number: usize| match number < self.looping {
            true => Reply { text: "la ".repeat(how.max_new_tokens), ended: false },
            false => Reply { text: format!("Reply {number}."), ended: true },
        };
        Ok((0..batch.len()).map(reply).collect())
    }

    fn follow(&self, _: &str, texts: &[String]) -> Result<Vec<bool>, EngineError> {
        Ok(vec![true; texts.len()])
    }

    fn edit_codes(&mut self, _: &TensorEdit<'_>) -> Result<(), EngineError> {
        Ok(())
    }

    fn read_tensors(&mut self, _: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        Ok(())
    }
}

fn prompts(count: usize) -> Vec<FreePrompt> {
    let prompt = |number| FreePrompt {
        request: Request::new(format!("<{number}+1>"), ""),
        shown: format!("{number}+1"),
    };
    (0..count).map(prompt).collect()
}

/// The neutral set's prompts in the fake's template.
fn everyday(engine: &Talker, set: &Neutral) -> Vec<FreePrompt> {
    let in_template = |prompt: &String| FreePrompt {
        request: Request::new(format!("<{prompt}>"), ""),
        shown: prompt.clone(),
    };
    if engine.template { set.prompts().iter().map(in_template).collect() } else { set.openings() }
}

fn begin(
    engine: &mut Talker,
    set: Option<&Neutral>,
    held_out: Vec<FreePrompt>,
) -> Result<DriftMeter<Vec<Request>>, DriftError> {
    let neutral = set.map(|set| (set, everyday(engine, set)));
    DriftMeter::new(engine, neutral, held_out, &[])
}

fn near(a: Option<f64>, b: f64) -> bool {
    a.is_some_and(|a| (a - b).abs() < 1e-9)
}

#[test]
fn the_base_has_no_drift_and_a_worse_model_has_some() {
    let mut engine = Talker::new();
    let meter = begin(&mut engine, Some(&Neutral::built_in()), prompts(8)).unwrap();
    let of_8 = |loops| Some(RepliesRecord { replies: 8, loops, endless: loops });
    let expected = DriftRecord {
        texts: Some(0.0),
        own_replies: Some(0.0),
        neutral: of_8(0),
        held_out: of_8(0),
        evaluations: 8 + 12 + 16,
    };
    assert_eq!(meter.base().record, expected);
    // Whether it knows English, the texts, replies to all prompts, these rated, held-out prompts.
    assert_eq!(
        engine.asked,
        [("score", 1), ("score", 8), ("reply", 8), ("reply", 4), ("score", 12), ("reply", 8)]
    );

    let same = meter.measure(&mut engine).unwrap();
    assert_eq!(&same, meter.base());

    (engine.nats, engine.looping) = (0.6, 5);
    engine.asked.clear();
    let worse = meter.measure(&mut engine).unwrap();
    let more = libm::exp(0.1) - 1.0;
    assert!(near(worse.record.texts, more) && near(worse.record.own_replies, more), "{worse:?}");
    assert_eq!((worse.record.neutral, worse.record.held_out), (of_8(5), of_8(5)));
    assert_eq!(engine.asked, [("score", 8), ("score", 12), ("reply", 8), ("reply", 8)]);
    let (first, last) = (&worse.replies[0], &worse.replies[15]);
    assert_eq!((first.kind, &*first.prompt), (Kind::Neutral, "What is the capital of France?"));
    assert_eq!((last.kind, &*last.prompt, &*last.text), (Kind::HeldOut, "7+1", "Reply 7."));
}

#[test]
fn a_model_that_gives_texts_no_chance_has_a_drift_that_is_a_number() {
    let mut engine = Talker::new();
    let meter = begin(&mut engine, Some(&Neutral::built_in()), Vec::new()).unwrap();
    engine.nats = f64::INFINITY;
    assert_eq!(meter.measure(&mut engine).unwrap().record.texts, Some(MOST));
}

#[test]
fn the_built_in_set_is_left_out_where_it_means_nothing_and_the_users_own_is_not() {
    let mut engine = Talker { nats: 4.1 * LN_2, ..Talker::new() };
    let meter = begin(&mut engine, Some(&Neutral::built_in()), prompts(3)).unwrap();
    assert!(meter.note().unwrap().contains("4.1 bits for a byte of plain English"), "{:?}", meter.note());
    let only_held_out = DriftRecord {
        held_out: Some(RepliesRecord { replies: 3, loops: 0, endless: 0 }),
        evaluations: 3,
        ..DriftRecord::default()
    };
    assert_eq!(meter.base().record, only_held_out);
    assert_eq!(meter.measure(&mut engine).unwrap().record, only_held_out);
    let own = Neutral::parse("{\"text\":\"12+34=46 and 17-5=12\"}\n{\"prompt\":\"1+1\"}").unwrap();
    let meter = begin(&mut engine, Some(&own), prompts(3)).unwrap();
    assert_eq!((meter.note(), meter.base().record.texts), (None, Some(0.0)));
    let none = begin(&mut engine, None, prompts(3)).unwrap();
    assert_eq!((none.note(), &none.base().record), (None, &only_held_out));
}

#[test]
fn a_set_that_does_not_fit_is_left_out_or_refused() {
    let mut engine = Talker { context: 70, ..Talker::new() };
    let meter = begin(&mut engine, Some(&Neutral::built_in()), prompts(3)).unwrap();
    assert!(meter.note().unwrap().contains("does not fit"), "{:?}", meter.note());
    assert_eq!((meter.base().record.texts, meter.base().record.neutral), (None, None));
    let long = Neutral::parse("{\"prompt\":\"Say something about the sea.\"}").unwrap();
    let refusals = [
        long.rehearse(&engine, everyday(&engine, &long)).map_err(|e| e.to_string()),
        begin(&mut engine, Some(&long), prompts(3)).map(drop).map_err(|e| e.to_string()),
    ];
    for refusal in refusals {
        assert!(refusal.clone().unwrap_err().contains("leave it out (--neutral none)"), "{refusal:?}");
    }
    assert!(Neutral::built_in().rehearse(&engine, Vec::new()).is_ok(), "left out then");
}

#[test]
fn held_out_replies_are_as_long_as_there_is_room_for() {
    for (context, tokens) in [(1000, 48), (40, 32), (20, 8)] {
        let mut engine = Talker { context, looping: 1, ..Talker::new() };
        let meter = begin(&mut engine, None, prompts(1)).unwrap();
        assert_eq!(meter.base().replies[0].text, "la ".repeat(tokens), "a context of {context}");
    }
    let mut engine = Talker { context: 10, ..Talker::new() };
    let meter = begin(&mut engine, None, prompts(1)).unwrap();
    assert_eq!(meter.base(), &Drift::default());
}

#[test]
fn a_model_without_a_template_continues_texts() {
    let mut engine = Talker { template: false, ..Talker::new() };
    let meter = begin(&mut engine, Some(&Neutral::built_in()), Vec::new()).unwrap();
    let replies = &meter.base().replies;
    assert_eq!(replies.len(), FREE_REPLIES);
    assert_eq!(replies[0].prompt, "The town lies on the east bank of the river, about forty");
    engine.template = true;
    let texts = Neutral::parse("{\"text\":\"One two three.\"}").unwrap();
    let meter = begin(&mut engine, Some(&texts), Vec::new()).unwrap();
    assert_eq!((meter.base().record.texts, meter.base().record.neutral), (Some(0.0), None));
}
