//! Replies that are judged in part, and imitated as far as they are right.

use super::*;

/// Gives 1 to replies of one word.
struct OneWord;

impl Judge for OneWord {
    fn judge(&mut self, asked: &[Asked<'_>]) -> Result<Vec<f64>, JudgeError> {
        let is_one = |asked: &Asked<'_>| f64::from(asked.reply.split_whitespace().count() == 1);
        Ok(asked.iter().map(is_one).collect())
    }
}

/// Returns an evaluator of problems with these prompts, whose replies are to be one word.
fn one_word(prompts: &[&str]) -> Evaluator {
    let problems = prompts.iter().map(|text| problem(text, None, None)).collect();
    let data = Problems::Data(DataOptions { held_out: 0.5, ..DataOptions::new("data.jsonl") });
    let by_words = rewards(&[(RewardKind::Regex { pattern: None }, 1.0)]);
    let definition = Definition { rewards: by_words, ..Definition::new("test", data, RewardKind::Exact) };
    let judge = |_: &Reward| -> Result<Option<Box<dyn Judge>>, JudgeError> { Ok(Some(Box::new(OneWord))) };
    Evaluator::new(Box::new(same(problems)), &definition, 0, judge).unwrap()
}

/// Makes all replies that are imitated.
fn imitate<E: Engine>(
    evaluator: &mut Evaluator,
    engine: &mut E,
    everyday: &[FreePrompt],
) -> Result<(), EvaluationError> {
    while !evaluator.imitate_more(engine, |_| Ok(everyday.to_vec()))?.are_all() {}
    Ok(())
}

#[test]
fn replies_are_judged_as_they_are_and_ended_sooner() {
    let mut evaluator = one_word(&["yes", "yes it is", "no I am not", "yes it is"]);
    assert!(evaluator.judges_replies_alone());
    let worth = evaluator.worth_of_replies(&mut parrot(false), 4).unwrap();
    assert_eq!((worth.replies, worth.ended_sooner, worth.most), (3, 1.0, 1.0));
    assert!((worth.reward - 1.0 / 3.0).abs() < 1e-12, "{worth:?}");
    assert!(!self::evaluator(same(Vec::new()), rewards(&[(command(), 1.0)])).judges_replies_alone());
}

#[test]
fn right_replies_are_imitated_up_to_where_they_are_right() {
    let mut evaluator = one_word(&["yes", " ", "no I\n am"]);
    let mut engine = parrot(false);
    imitate(&mut evaluator, &mut engine, &[]).unwrap();
    let example = evaluator.example(&engine, false).unwrap().unwrap();
    assert_eq!((&*example.prompt, example.scored.as_deref()), ("no I\n amNO", Some("")));
    assert_eq!(evaluator.example(&engine, true).unwrap().unwrap().scored, None, "replies are judged there");
    let wanted = |prompt: &str, reply: &str| [(prompt.to_owned(), reply.to_owned())];
    // Nothing can be learnt of the second, and of the third where it ends.
    for (generation, wanted) in
        [(0, wanted("no I\n amNO", "")), (1, wanted("yes", "YES")), (2, wanted("no I\n amNO", ""))]
    {
        assert_eq!(put(&evaluator, &engine, generation), wanted, "generation {generation}");
    }
    let batch = evaluator.training(&engine, 0, 3).unwrap();
    assert_eq!(evaluator.rewards(&mut engine, &batch).unwrap(), [0.0, -3.0, 0.0], "as likely as they are");
    let ends = batch.wanted.iter().map(|request| request.goes_on).collect::<Vec<_>>();
    assert_eq!(ends, [false; 3]);
    // Evaluations judge what the model replies.
    let held_out = evaluator.held_out(&engine, 3).unwrap();
    assert_eq!(evaluator.rewards(&mut engine, &held_out).unwrap(), [1.0, 0.0, 0.0]);
}

#[test]
fn beginnings_of_everyday_replies_count_by_what_they_have_lost() {
    let mut evaluator = one_word(&["yes", "no I\n am"]);
    let mut engine = parrot(false);
    let everyday = ["hello", "good day"]
        .map(|text| FreePrompt { request: Request::new(text, ""), shown: text.to_owned() });
    imitate(&mut evaluator, &mut engine, &everyday).unwrap();
    let batch = evaluator.training(&engine, 0, 2).unwrap();
    let scored: Vec<&str> = batch.wanted.iter().map(|request| &*request.completion).collect();
    assert_eq!(scored, ["", "YES", "HELLO", "GOOD DAY"]);
    assert_eq!(evaluator.rewards(&mut engine, &batch).unwrap(), [0.0, -3.0], "nothing is lost");
    engine.dislike = 0.5;
    assert_eq!(evaluator.rewards(&mut engine, &batch).unwrap(), [-1.0, -4.0], "of either kind 0.5");
}

#[test]
fn imitated_replies_are_made_in_parts() {
    let prompts: Vec<String> = (0..20).map(|number| format!("yes{number} it is")).collect();
    let mut evaluator = one_word(&prompts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut engine = parrot(false);
    let made = |done| RepliesMade { done, of: 20 };
    assert_eq!(evaluator.imitate_more(&mut engine, |_| Ok(Vec::new())).unwrap(), made(16));
    assert_eq!(evaluator.imitate_more(&mut engine, |_| Ok(Vec::new())).unwrap(), made(20));
    assert_eq!(evaluator.imitate_more(&mut engine, |_| Ok(Vec::new())).unwrap(), made(20));
    let prompts: Vec<String> = (0..20)
        .flat_map(|generation| put(&evaluator, &engine, generation))
        .map(|(prompt, _)| prompt)
        .collect();
    let expected: Vec<String> = (0..20).map(|number| format!("yes{number} it isYES{number}")).collect();
    assert_eq!(prompts, expected, "each of them once");
}

#[test]
fn if_none_of_all_replies_is_right_there_is_nothing_to_imitate() {
    let error = |prompt| imitate(&mut one_word(&[prompt]), &mut parrot(false), &[]).unwrap_err();
    assert!(matches!(error(" "), EvaluationError::NoRightReply { count: 1 }));
    assert!(matches!(error("yes"), EvaluationError::NoEnd { count: 1 }), "there is nothing to end");
}

/// Its replies are cut off, and its tokens are pairs of letters.
#[derive(Default)]
struct Cut(Parrot);

impl Engine for Cut {
    type Batch = Vec<Request>;

    fn vocabulary(&self) -> &Vocabulary {
        self.0.vocabulary()
    }

    fn prepare(&self, requests: &[Request]) -> Result<Self::Batch, EngineError> {
        self.0.prepare(requests)
    }

    fn check_room(&self, _: &Self::Batch, _: usize) -> Result<(), EngineError> {
        Ok(())
    }

    fn score(&mut self, batch: &Self::Batch) -> Result<Vec<Score>, EngineError> {
        self.0.score(batch)
    }

    fn scored_tokens(&self, batch: &Self::Batch, request: usize) -> Vec<usize> {
        let pair = |pair: &[u8]| pair.iter().fold(0, |token, &letter| 256 * token + usize::from(letter));
        batch[request].completion.as_bytes().chunks(2).map(pair).collect()
    }

    fn complete(&mut self, batch: &Self::Batch, how: &Decoding) -> Result<Vec<String>, EngineError> {
        self.0.complete(batch, how)
    }

    fn reply(&mut self, batch: &Self::Batch, how: &Decoding) -> Result<Vec<Reply>, EngineError> {
        let cut = |text| Reply { text, ended: false };
        Ok(self.complete(batch, how)?.into_iter().map(cut).collect())
    }

    fn follow(&self, grammar: &str, texts: &[String]) -> Result<Vec<bool>, EngineError> {
        self.0.follow(grammar, texts)
    }

    fn edit_codes(&mut self, edit: &TensorEdit<'_>) -> Result<(), EngineError> {
        self.0.edit_codes(edit)
    }

    fn read_tensors(&mut self, read: &mut dyn FnMut(&[u8])) -> Result<(), EngineError> {
        self.0.read_tensors(read)
    }
}

#[test]
fn imitated_replies_end_where_tokens_do_and_the_limit_on_tokens_ends_none() {
    let mut evaluator = one_word(&["yes", "no\nI am", "yes it is", "it\n\nis"]);
    let mut engine = Cut::default();
    imitate(&mut evaluator, &mut engine, &[]).unwrap();
    let batch = evaluator.training(&engine, 0, 3).unwrap();
    let put = |request: &Request| (format!("{}{}", request.prompt, request.completion), request.goes_on);
    let put: Vec<(String, bool)> = batch.wanted.iter().map(put).collect();
    // A line end is in a token with what follows; "YES" ends within one, so the third reply is left out.
    let expected = [("no\nI amNO", false), ("yesYES", true), ("it\n\nisIT\n\n", false)]
        .map(|(text, goes_on)| (text.to_owned(), goes_on));
    assert_eq!(put, expected);
}
