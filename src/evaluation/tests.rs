//! Evaluations of a fake model whose replies and likelihoods are known.

use std::cell::RefCell;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::engine::{Reply, Request, Score, Spelled, TensorEdit, Vocabulary};
use crate::judge::Asked;
use crate::task::{DataOptions, Message, Place, Problems, Prompt};

mod replies;

/// Replies with its prompt in capitals; likes short completions.
#[derive(Default)]
struct Parrot {
    vocabulary: Vocabulary,
    asked: RefCell<Vec<&'static str>>,
    /// By how much it likes every completion less, however short.
    dislike: f64,
}

impl Engine for Parrot {
    type Batch = Vec<Request>;

    fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    fn prepare(&self, requests: &[Request]) -> Result<Self::Batch, EngineError> {
        match requests.iter().find(|request| request.completion.len() > 50) {
            Some(_) => Err(EngineError::new("preparing", "too long")),
            None => Ok(requests.to_vec()),
        }
    }

    fn check_room(&self, batch: &Self::Batch, new_tokens: usize) -> Result<(), EngineError> {
        match batch.iter().find(|request| request.prompt.len() + new_tokens > 20) {
            Some(_) => Err(EngineError::new("completing", "no room")),
            None => Ok(()),
        }
    }

    fn score(&mut self, batch: &Self::Batch) -> Result<Vec<Score>, EngineError> {
        self.asked.borrow_mut().push("score");
        let score = |request: &Request| Score {
            log_likelihood: -(request.completion.len().min(request.first.unwrap_or(usize::MAX)) as f64)
                - self.dislike,
            is_greedy: request.completion == request.prompt.to_uppercase(),
            tokens: request.completion.len(),
        };
        Ok(batch.iter().map(score).collect())
    }

    /// Its tokens are the letters.
    fn scored_tokens(&self, batch: &Self::Batch, request: usize) -> Vec<usize> {
        self.spelled(batch, request)
            .unwrap_or_default()
            .scored
            .chars()
            .map(|letter| letter as usize)
            .collect()
    }

    fn spelled(&self, batch: &Self::Batch, request: usize) -> Option<Spelled> {
        let Request { prompt, completion, first, .. } = batch.get(request)?;
        let scored = completion.chars().take(first.unwrap_or(usize::MAX)).collect();
        Some(Spelled { prompt: prompt.clone(), scored })
    }

    fn complete(&mut self, batch: &Self::Batch, _: &Decoding) -> Result<Vec<String>, EngineError> {
        self.asked.borrow_mut().push("complete");
        Ok(batch.iter().map(|request| request.prompt.to_uppercase()).collect())
    }

    fn follow(&self, grammar: &str, texts: &[String]) -> Result<Vec<bool>, EngineError> {
        Ok(texts.iter().map(|text| text.starts_with(grammar)).collect())
    }

    fn edit_codes(&mut self, _: &TensorEdit<'_>) -> Result<(), EngineError> {
        Ok(())
    }

    fn read_tensors(&mut self, _: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        Ok(())
    }
}

/// A parrot with a chat template that joins messages, where it has one.
fn parrot(template: bool) -> Parrot {
    let text =
        "{% for m in messages %}{{ m.role }}:{{ m.content }}{{ '' if loop.last else '|' }}{% endfor %}";
    let chat_template = template.then(|| text.to_owned());
    Parrot { vocabulary: Vocabulary { chat_template, ..Vocabulary::default() }, ..Parrot::default() }
}

/// Always the same problems; a reply is right when it is the wanted one.
struct Same {
    problems: Vec<Problem>,
    has_right: bool,
    exact_in_plain: bool,
    is_given: bool,
}

impl Task for Same {
    fn training(&self, _: u64, _: u64, count: usize) -> Vec<Problem> {
        self.held_out(count)
    }

    fn held_out(&self, count: usize) -> Vec<Problem> {
        self.problems.iter().take(count).cloned().collect()
    }

    fn given(&self) -> Vec<&Problem> {
        if self.is_given { self.problems.iter().collect() } else { Vec::new() }
    }

    fn judge(&self, problem: &Problem, reply: &str) -> Verdict {
        Verdict { right: Some(reply) == problem.wanted.as_deref(), reward: reply.len() as f64 / 10.0 }
    }

    fn has_right_replies(&self) -> bool {
        self.has_right
    }

    fn is_exact_in_plain(&self) -> bool {
        self.exact_in_plain
    }

    fn reply_tokens(&self) -> usize {
        8
    }
}

fn problem(plain: &str, wanted: Option<&str>, rejected: Option<&str>) -> Problem {
    Problem {
        prompt: Prompt { plain: plain.to_owned(), chat: vec![Message::user(plain)] },
        wanted: wanted.map(str::to_owned),
        rejected: rejected.map(str::to_owned),
        place: Place { file: "data.jsonl".into(), line: Some(plain.len() as u64) },
        facts: Arc::new(json!({"note": plain}).as_object().cloned().unwrap_or_default()),
        ..Problem::default()
    }
}

/// Gives the length of the note in each problem's facts, times a number.
struct NoteLength(f64);

impl Judge for NoteLength {
    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        let length = |asked: &Asked<'_>| Some(asked.example?.get("note")?.as_str()?.len() as f64);
        let reward = |asked: &Asked<'_>| {
            length(asked).map(|length| self.0 * length).ok_or(JudgeError::NothingWanted { line: None })
        };
        asked.iter().map(reward).collect()
    }
}

fn evaluator(task: Same, rewards: Vec<Reward>) -> Evaluator {
    let problems = Problems::Data(DataOptions { held_out: 0.5, ..DataOptions::new("data.jsonl") });
    let definition = Definition { rewards, ..Definition::new("test", problems, RewardKind::Loglik) };
    let judge = |reward: &Reward| {
        let judge: Option<Box<dyn Judge>> = match reward.kind {
            RewardKind::Command { .. } => Some(Box::new(NoteLength(1.0))),
            RewardKind::Json { .. } => Some(Box::new(NoteLength(f64::NAN))),
            _ => None,
        };
        Ok(judge)
    };
    Evaluator::new(Box::new(task), &definition, 0, judge).unwrap()
}

fn same(problems: Vec<Problem>) -> Same {
    Same { problems, has_right: true, exact_in_plain: false, is_given: false }
}

fn rewards(kinds: &[(RewardKind, f64)]) -> Vec<Reward> {
    kinds.iter().map(|(kind, weight)| Reward { weight: *weight, kind: kind.clone() }).collect()
}

fn grammar() -> RewardKind {
    RewardKind::Grammar { grammar: "AB".to_owned() }
}

fn command() -> RewardKind {
    RewardKind::Command { command: "x".to_owned(), timeout: None, on_timeout: None }
}

fn json() -> RewardKind {
    RewardKind::Json { schema: None, equal: false }
}

fn outcomes_of(
    task: Same,
    kinds: &[(RewardKind, f64)],
) -> Result<(Vec<ProblemOutcome>, Vec<&'static str>), EvaluationError> {
    let mut engine = Parrot::default();
    let mut evaluator = evaluator(task, rewards(kinds));
    let batch = evaluator.held_out(&engine, 9)?;
    let outcomes = evaluator.outcomes(&mut engine, &batch)?;
    let of_run: Vec<f64> = outcomes.iter().map(|outcome| outcome.reward).collect();
    assert_eq!(evaluator.rewards(&mut Parrot::default(), &batch)?, of_run);
    Ok((outcomes, engine.asked.into_inner()))
}

#[test]
fn rewards_add_up_by_their_weights_and_the_model_is_asked_once() {
    let problems = vec![problem("ab", Some("AB"), Some("ABCD")), problem("xyz", Some("x"), Some(""))];
    let kinds = [
        (RewardKind::Loglik, 1.0),
        (grammar(), 10.0),
        (command(), 100.0),
        (RewardKind::Exact, 1000.0),
        (RewardKind::Margin, 10_000.0),
    ];
    let (outcomes, asked) = outcomes_of(same(problems), &kinds).unwrap();
    let rewards: Vec<f64> = outcomes.iter().map(|outcome| outcome.reward).collect();
    assert_eq!(rewards, [-2.0 + 10.0 + 200.0 + 200.0 + 20_000.0, -1.0 + 300.0 + 300.0 - 10_000.0]);
    // The first reward that can tell is the grammar's.
    assert_eq!(outcomes.iter().map(|outcome| outcome.right).collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert_eq!(outcomes[0].log_likelihood, Some(-2.0));
    assert_eq!(asked, ["score", "complete", "score"], "wanted, replies, rejected");
}

#[test]
fn softly_a_problem_out_of_reach_counts_less() {
    let problems = vec![problem("a", Some("A"), None), problem("abcdefghi", Some("ABCDEFGHI"), None)];
    let (outcomes, asked) = outcomes_of(same(problems), &[(RewardKind::SoftLoglik, 1.0)]).unwrap();
    assert_eq!((outcomes[0].log_likelihood, outcomes[1].log_likelihood), (Some(-1.0), Some(-9.0)));
    let near = |reward: f64, probability: f64| (reward - probability.ln()).abs() < 1e-12;
    assert!(near(outcomes[0].reward, 0.1 + (-1.0_f64).exp()), "{outcomes:?}");
    assert!(near(outcomes[1].reward, 0.1 + (-9.0_f64).exp()), "{outcomes:?}");
    assert_eq!(outcomes[1].right, Some(true), "by the reply");
    assert_eq!(asked, ["score", "complete"]);
    let lacking = outcomes_of(same(vec![problem("a", None, None)]), &[(RewardKind::SoftLoglik, 1.0)]);
    let message = lacking.unwrap_err().to_string();
    assert!(message.contains("soft-loglik") && message.contains("a wanted reply"), "{message}");
}

#[test]
fn problems_are_chosen_by_their_wanted_replies() {
    let problems = [("a", ""), ("bc", "x"), ("def", "0123456789"), ("ghij", "xy")];
    let problems = problems.map(|(prompt, wanted)| problem(prompt, Some(wanted), None)).to_vec();
    let evaluator = evaluator(same(problems), rewards(&[(RewardKind::Numeric, 1.0)]));
    let mut engine = Parrot::default();
    let drawn = evaluator.training(&engine, 3, 4).unwrap();
    let seed = drawn.seed;
    let chosen = evaluator.most_informative(&mut engine, drawn, 3, 2).unwrap();
    assert_eq!(chosen.prompts, ["bc", "ghij"], "neither what is sure nor what is out of reach");
    assert_eq!(chosen.wanted.iter().map(|request| &*request.completion).collect::<Vec<_>>(), ["x", "xy"]);
    assert_eq!((chosen.seed, engine.asked.into_inner()), (seed, vec!["score"]), "one evaluation of each");
}

#[test]
fn nothing_is_chosen_of_problems_without_a_wanted_reply() {
    let problems = vec![problem("ab", Some("x"), None), problem("abc", None, None)];
    let evaluator = evaluator(same(problems), rewards(&[(RewardKind::Numeric, 1.0)]));
    let mut engine = Parrot::default();
    let drawn = evaluator.training(&engine, 0, 2).unwrap();
    let error = evaluator.most_informative(&mut engine, drawn, 0, 1).unwrap_err().to_string();
    assert!(error.contains("data.jsonl, line 3 has none; leave --candidates out"), "{error}");
}

#[test]
fn likelihoods_alone_ask_for_replies_only_where_some_are_right() {
    let problems = || vec![problem("ab", Some("AB"), None)];
    let (outcomes, asked) = outcomes_of(same(problems()), &[(RewardKind::Loglik, 1.0)]).unwrap();
    assert_eq!((outcomes[0].right, asked), (Some(true), vec!["score", "complete"]));
    let told_by_scores = Same { exact_in_plain: true, ..same(problems()) };
    let (outcomes, asked) = outcomes_of(told_by_scores, &[(RewardKind::Exact, 1.0)]).unwrap();
    assert_eq!((outcomes[0].reward, outcomes[0].right, asked), (1.0, Some(true), vec!["score"]));
    let without_right = Same { has_right: false, ..same(problems()) };
    let (outcomes, asked) = outcomes_of(without_right, &[(RewardKind::Loglik, 1.0)]).unwrap();
    assert_eq!((outcomes[0].right, asked), (None, vec!["score"]));
}

#[test]
fn problems_without_a_wanted_reply_are_judged_by_what_needs_none() {
    let (outcomes, asked) =
        outcomes_of(Same { has_right: false, ..same(vec![problem("ab", None, None)]) }, &[(command(), 1.0)])
            .unwrap();
    assert_eq!(outcomes, [ProblemOutcome { reward: 2.0, right: None, log_likelihood: None }]);
    assert_eq!(asked, ["complete"]);
}

#[test]
fn a_problem_that_lacks_what_a_reward_needs_is_named() {
    let cases = [
        (problem("ab", None, None), RewardKind::Loglik, "data.jsonl, line 2 has none"),
        (problem("abc", Some("x"), None), RewardKind::Margin, "a chosen and a rejected reply"),
        (problem("ab", Some("x"), None), json(), "json of a reply is NaN"),
        (problem("ab", Some("x"), None), RewardKind::Numeric, "has no judge of replies"),
        (problem("abcd", Some(&"x".repeat(60)), None), RewardKind::Loglik, "data.jsonl, line 4: preparing"),
    ];
    for (problem, kind, part) in cases {
        let error = outcomes_of(same(vec![problem]), &[(kind, 1.0)]).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_system_message_needs_a_template() {
    let with = |template, system: Option<&str>| {
        let mut evaluator =
            evaluator(same(vec![problem("ab", Some("AB"), None)]), rewards(&[(RewardKind::Loglik, 1.0)]));
        evaluator.system = system.map(str::to_owned);
        let engine = parrot(template);
        evaluator.held_out(&engine, 1).map(|batch| batch.prompts).map_err(|e| e.to_string())
    };
    assert_eq!(with(true, Some("be brief")).unwrap(), ["system:be brief|user:ab"]);
    assert_eq!(with(true, None).unwrap(), ["user:ab"]);
    assert_eq!(with(false, None).unwrap(), ["ab"]);
    assert!(with(false, Some("be brief")).unwrap_err().contains("no chat template"));
}

#[test]
fn a_system_message_needs_a_conversation() {
    let text = Problem {
        wanted: Some("AB".to_owned()),
        place: problem("ab", None, None).place,
        ..Problem::default()
    };
    let mut evaluator = evaluator(same(vec![text]), rewards(&[(RewardKind::Loglik, 1.0)]));
    let engine = parrot(true);
    assert!(evaluator.held_out(&engine, 1).is_ok());
    evaluator.system = Some("be brief".to_owned());
    let error = evaluator.held_out(&engine, 1).unwrap_err().to_string();
    assert!(error.contains("data.jsonl, line 2 is a text and no conversation"), "{error}");
}

/// The held-out batch looks at the first problem alone.
#[test]
fn every_given_problem_is_tried_before_a_run() {
    let fine = || problem("ab", Some("AB"), Some("A"));
    let (long, rejected) = ("x".repeat(60), Some("A"));
    let cases = [
        (problem("abc", Some(&long), rejected), RewardKind::Loglik, "data.jsonl, line 3: preparing"),
        (problem("abc", Some("A"), Some(&long)), RewardKind::Margin, "data.jsonl, line 3: preparing"),
        (problem("0123456789abc", Some("A"), None), grammar(), "data.jsonl, line 13: completing"),
        (problem("0123456789abc", Some("A"), None), RewardKind::Loglik, ""),
    ];
    for (other, kind, part) in cases {
        let problems = (0..100).map(|_| fine()).chain([other]).collect();
        let evaluator = evaluator(Same { is_given: true, ..same(problems) }, rewards(&[(kind, 1.0)]));
        assert!(evaluator.held_out(&Parrot::default(), 1).is_ok(), "{part}");
        let error = evaluator.rehearse(&Parrot::default()).map_err(|e| e.to_string());
        assert!(error.clone().err().unwrap_or_default().starts_with(part), "{part}: {error:?}");
        assert_eq!(error.is_ok(), part.is_empty(), "{error:?}");
    }
}

/// The requests that a generation's members are scored on, as prompts and completions.
fn put(evaluator: &Evaluator, engine: &Parrot, generation: u64) -> Vec<(String, String)> {
    let batch = evaluator.training(engine, generation, 1).unwrap();
    batch.wanted.into_iter().map(|request| (request.prompt, request.completion)).collect()
}

#[test]
fn own_replies_follow_the_openings_of_wanted_ones_and_count_by_what_they_have_lost() {
    let problems = vec![
        problem("ab", Some("Aye! No, not that."), None),
        problem("cd", Some("Nothing of the kind"), None),
    ];
    let mut evaluator = evaluator(same(problems), rewards(&[(RewardKind::Loglik, 1.0)]));
    let mut engine = Parrot::default();
    let of_opening = |token: usize| ['A', '!', '.'].map(|letter| letter as usize).contains(&token);
    let wanted = ("ab".to_owned(), "Aye! No, not that.".to_owned());
    assert_eq!(put(&evaluator, &engine, 0), std::slice::from_ref(&wanted));
    evaluator.learn_own_replies(&mut engine, Box::new(of_opening), 8, 2.0).unwrap();
    // The second problem's reply has no such token where it begins, and the last one of the first is not in its opening.
    let own = ("abAye!".to_owned(), " AB".to_owned());
    assert_eq!(put(&evaluator, &engine, 0), [wanted.clone(), own.clone()]);
    assert_eq!(put(&evaluator, &engine, 7), [wanted, own]);
    let batch = evaluator.training(&engine, 0, 1).unwrap();
    // Of the wanted reply the opening alone counts.
    assert_eq!(evaluator.rewards(&mut engine, &batch).unwrap(), [-4.0]);
    engine.dislike = 1.5;
    assert_eq!(evaluator.rewards(&mut engine, &batch).unwrap(), [-4.0 - 1.5 - 2.0 * 1.5]);
    // Evaluations know nothing of it.
    let held_out = evaluator.held_out(&engine, 1).unwrap();
    assert_eq!((held_out.wanted.len(), evaluator.rewards(&mut engine, &held_out).unwrap()), (1, vec![-19.5]));
}
