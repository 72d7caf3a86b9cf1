//! The user's data as the problems of a task.

use std::rc::Rc;

use anyhow::{Context, Result};

use crate::dataset::{self, Content, Dataset, Example, Message, Shape};
use crate::store::{DataFile, read_data};
use crate::task::gsm8k::WordProblem;
use crate::task::number::final_number;
use crate::task::{Definition, Examples, Place, Problem, Problems, Prompt, Reward, RewardKind, is_wanted};

/// Bytes of a plain text's pieces: a hundred tokens or so of most vocabularies, so that many fit side by side.
const PIECE_BYTES: usize = 512;

/// The task of the user's examples at `path`, a share of which is held out where there is no file for that, and the SHA-256
/// over their files.
///
/// # Errors
/// When the data cannot be read, or an example is not what the task needs.
pub fn examples(definition: &Definition, path: &str, share: f64) -> Result<(Examples, String)> {
    let is_gsm8k = matches!(definition.problems, Problems::Gsm8k { .. });
    let shapes = if is_gsm8k { vec![Shape::Question] } else { shapes(&definition.rewards) };
    let data = read_data(path.as_ref())?;
    let parse = |file: &DataFile| -> Result<Dataset> {
        Ok(dataset::parse(&file.path.display().to_string(), &file.bytes, &shapes, PIECE_BYTES)?)
    };
    let training = parse(&data.training)?.examples;
    let (training, held_out) = match &data.held_out {
        Some(file) => (training, problems(file, parse(file)?.examples, is_gsm8k)?),
        None => {
            let path = data.training.path.display().to_string();
            let split = dataset::split(training, share).context(path)?;
            (split.training, problems(&data.training, split.held_out, is_gsm8k)?)
        }
    };
    let training = problems(&data.training, training, is_gsm8k)?;
    let has_exact = definition.rewards.iter().any(|reward| reward.kind == RewardKind::Exact);
    let is_right: Option<fn(&Problem, &str) -> bool> = match (is_gsm8k, has_exact) {
        // Every wanted answer has been found to end with a number.
        (true, _) => Some(|problem, reply| same_number(reply, problem.wanted.as_deref().unwrap_or_default())),
        (false, true) => Some(is_wanted),
        (false, false) => None,
    };
    Ok((Examples::new(training, held_out, is_right), data.sha256))
}

/// The shapes that examples may have for these rewards, those that hold most first.
fn shapes(rewards: &[Reward]) -> Vec<Shape> {
    let any = |of: &dyn Fn(&Reward) -> bool| rewards.iter().any(of);
    if any(&|reward| reward.kind == RewardKind::Margin) {
        return vec![Shape::Preference];
    }
    let needs_wanted = any(&|reward| match reward.kind {
        RewardKind::Loglik | RewardKind::SoftLoglik | RewardKind::Exact | RewardKind::Numeric => true,
        RewardKind::Regex => reward.pattern.is_none(),
        _ => false,
    });
    let only_likelihoods = !any(&|reward| reward.kind.reads_replies());
    let fits = |shape: &Shape| match shape {
        Shape::Preference => false,
        Shape::Chat | Shape::Completion | Shape::Question | Shape::Answer => true,
        Shape::Text => only_likelihoods,
        Shape::Prompt => !needs_wanted,
    };
    Shape::ALL.into_iter().filter(fits).collect()
}

fn problems(file: &DataFile, examples: Vec<Example>, is_gsm8k: bool) -> Result<Vec<Problem>> {
    let name: Rc<str> = file.path.display().to_string().into();
    let problem = |example: Example| {
        let place = Place { file: Rc::clone(&name), line: example.line };
        let problem = Problem { place, facts: Rc::new(example.object), ..of_content(example.content) };
        if is_gsm8k { word_problem(problem) } else { Ok(problem) }
    };
    examples.into_iter().map(problem).collect()
}

fn of_content(content: Content) -> Problem {
    match content {
        Content::Reply { prompt: asked, reply } => {
            Problem { prompt: prompt(asked), wanted: Some(reply), ..Problem::default() }
        }
        Content::Preference { prompt: asked, chosen, rejected } => Problem {
            prompt: prompt(asked),
            wanted: Some(chosen),
            rejected: Some(rejected),
            ..Problem::default()
        },
        Content::Text { text, ends } => Problem { wanted: Some(text), goes_on: !ends, ..Problem::default() },
        Content::Prompt(asked) => Problem { prompt: prompt(asked), ..Problem::default() },
    }
}

/// A prompt in both forms. Without a template, a conversation is its messages, a line each.
fn prompt(asked: dataset::Prompt) -> Prompt {
    match asked {
        dataset::Prompt::Text(text) => Prompt { chat: vec![Message::user(text.clone())], plain: text },
        dataset::Prompt::Messages(chat) => {
            let plain = chat.iter().map(|message| format!("{}\n", message.content)).collect();
            Prompt { plain, chat }
        }
    }
}

/// Asks for the number at the end, and makes sure that the wanted answer has one.
fn word_problem(problem: Problem) -> Result<Problem> {
    let asked = WordProblem::new(&problem.prompt.plain, problem.wanted.as_deref().unwrap_or_default());
    let WordProblem { prompt, answer, .. } = asked.with_context(|| problem.place.to_string())?;
    let prompt = Prompt { plain: format!("{prompt}\n"), chat: vec![Message::user(prompt)] };
    Ok(Problem { prompt, wanted: Some(answer), ..problem })
}

/// Whether two texts end up with the same number.
pub fn same_number(reply: &str, wanted: &str) -> bool {
    let wanted = final_number(wanted);
    wanted.is_some() && final_number(reply) == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_decide_what_examples_must_hold() {
        let shapes_of =
            |kinds: &[RewardKind]| shapes(&kinds.iter().map(|&kind| kind.into()).collect::<Vec<_>>());
        use Shape::{Answer, Chat, Completion, Preference, Question, Text};
        assert_eq!(shapes_of(&[RewardKind::Margin, RewardKind::Loglik]), [Preference]);
        assert_eq!(shapes_of(&[RewardKind::Loglik]), [Chat, Completion, Question, Answer, Text]);
        assert_eq!(shapes_of(&[RewardKind::Exact]), [Chat, Completion, Question, Answer]);
        assert_eq!(
            shapes_of(&[RewardKind::Loglik, RewardKind::Command]),
            [Chat, Completion, Question, Answer]
        );
        let any = [Chat, Completion, Question, Answer, Shape::Prompt];
        assert_eq!(shapes_of(&[RewardKind::Command]), any);
        assert_eq!(shapes_of(&[RewardKind::Regex]), any[..4]);
        let pattern = Reward { pattern: Some("x".to_owned()), ..RewardKind::Regex.into() };
        assert_eq!(shapes(&[pattern]), any);
    }

    #[test]
    fn numbers_are_compared_and_not_texts() {
        assert!(same_number("So it is 1,200.", "#### 1200"));
        assert!(!same_number("none", "none"));
        assert!(!same_number("12", "13"));
    }
}
