//! The user's data as the problems of a task.

use std::sync::Arc;

use super::{Facts, WorkloadError};
use crate::dataset::{self, Content, Dataset, Example, Overlap, Shape};
use crate::store::{Data, DataFile, read_data};
use crate::task::gsm8k::{WordProblem, WordProblemError};
use crate::task::number::same_number;
use crate::task::{
    DataOptions, Definition, Examples, Message, Place, Problem, Problems, Prompt, PromptForm, Replies,
    Reward, RewardKind, is_wanted,
};

/// Bytes of a plain text's pieces: a hundred tokens or so of most vocabularies, so that many fit in parallel.
const PIECE_BYTES: usize = 512;

/// The user's examples as a task, and the findings about them.
pub struct LoadedExamples {
    pub task: Examples,
    /// SHA-256 over the files' names and contents.
    pub sha256: String,
    pub facts: Facts,
}

/// Reads the examples of a definition's data, of which a share is held out if there is no file for that.
///
/// # Errors
/// When the data cannot be read, or an example is not what the task needs.
pub fn examples(definition: &Definition, options: &DataOptions) -> Result<LoadedExamples, WorkloadError> {
    let is_gsm8k = matches!(definition.problems, Problems::Gsm8k(_));
    let shapes = if is_gsm8k { vec![Shape::Question] } else { shapes(&definition.rewards) };
    let data = read_data(options.path.as_ref())?;
    let (training, held_out, mut facts) = sides(&data, options, &shapes)?;
    let replies = options.replies.unwrap_or_default();
    let training = counting(training, replies, &mut facts);
    let held_out = counting(held_out, replies, &mut facts);
    if training.is_empty() || held_out.is_empty() {
        return Err(WorkloadError::Weightless { file: facts.file });
    }
    facts.overlap = dataset::overlap(&training, &held_out);
    (facts.training, facts.held_out) = (training.len() as u64, held_out.len() as u64);
    let making = Making { form: options.prompt_form.clone().unwrap_or_default(), is_gsm8k };
    let of_held_out = data.held_out.as_ref().unwrap_or(&data.training);
    let training = making.problems(&data.training, training)?;
    let held_out = making.problems(of_held_out, held_out)?;
    facts.places = training.iter().chain(&held_out).map(|problem| problem.place.to_string()).collect();
    let has_exact = definition.rewards.iter().any(|reward| reward.kind == RewardKind::Exact);
    let is_right: Option<fn(&Problem, &str) -> bool> = match (is_gsm8k, has_exact) {
        // Every wanted answer has been found to end with a number.
        (true, _) => Some(|problem, reply| same_number(reply, problem.wanted.as_deref().unwrap_or_default())),
        (false, true) => Some(is_wanted),
        (false, false) => None,
    };
    Ok(LoadedExamples { task: Examples::new(training, held_out, is_right), sha256: data.sha256, facts })
}

/// Returns the training examples and the held-out ones.
fn sides(
    data: &Data,
    options: &DataOptions,
    shapes: &[Shape],
) -> Result<(Vec<Example>, Vec<Example>, Facts), WorkloadError> {
    let name = |file: &DataFile| file.path.display().to_string();
    let parse = |file: &DataFile| dataset::parse(&name(file), &file.bytes, shapes, PIECE_BYTES);
    let Dataset { shape, examples: training, mut notes } = parse(&data.training)?;
    let mut examples = training.len();
    let (training, held_out) = match &data.held_out {
        Some(file) => {
            let other = parse(file)?;
            examples += other.examples.len();
            notes.line_ends += other.notes.line_ends;
            let more = other.notes.unused.into_iter().filter(|key| !notes.unused.contains(key));
            notes.unused = notes.unused.iter().cloned().chain(more).collect();
            (training, other.examples)
        }
        None => {
            let named = |source| WorkloadError::Split { file: name(&data.training), source };
            let split = dataset::split(training, options.held_out).map_err(named)?;
            (split.training, split.held_out)
        }
    };
    let facts = Facts {
        file: name(&data.training),
        held_out_file: data.held_out.as_ref().map(name),
        unused_files: data.unused.iter().map(|path| path.display().to_string()).collect(),
        shape,
        examples: examples as u64,
        training: 0,
        held_out: 0,
        weightless: 0,
        passed_over: 0,
        overlap: Overlap::default(),
        notes,
        places: Vec::new(),
    };
    Ok((training, held_out, facts))
}

/// Returns an example for each reply that counts.
fn counting(examples: Vec<Example>, replies: Replies, facts: &mut Facts) -> Vec<Example> {
    let mut counting = Vec::with_capacity(examples.len());
    for example in examples {
        let said = replies_of(&example.content);
        let mut all = example.by_reply();
        if replies == Replies::Last {
            all.drain(..all.len() - 1);
        }
        facts.passed_over += said.saturating_sub(all.len() as u64);
        let before = all.len();
        all.retain(|example| example.weight > 0.0);
        facts.weightless += (before - all.len()) as u64;
        counting.append(&mut all);
    }
    counting
}

/// Returns the number of the assistant's replies in an example that is a conversation.
fn replies_of(content: &Content) -> u64 {
    match content {
        Content::Reply { prompt: dataset::DataPrompt::Messages(messages), .. } => {
            1 + messages.iter().filter(|message| message.role == "assistant").count() as u64
        }
        _ => 1,
    }
}

/// Returns the shapes that examples may have for these rewards, those with more contents first.
fn shapes(rewards: &[Reward]) -> Vec<Shape> {
    let any = |of: &dyn Fn(&Reward) -> bool| rewards.iter().any(of);
    if any(&|reward| reward.kind == RewardKind::Margin) {
        return vec![Shape::Preference];
    }
    let needs_wanted = any(&|reward| match &reward.kind {
        RewardKind::Loglik | RewardKind::SoftLoglik | RewardKind::Exact | RewardKind::Numeric => true,
        RewardKind::Regex { pattern } => pattern.is_none(),
        RewardKind::Json { equal, .. } => *equal,
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

/// Conversion of examples to problems.
struct Making {
    form: PromptForm,
    is_gsm8k: bool,
}

impl Making {
    fn problems(&self, file: &DataFile, examples: Vec<Example>) -> Result<Vec<Problem>, WorkloadError> {
        let name: Arc<str> = file.path.display().to_string().into();
        let problem = |example: Example| {
            let place = Place { file: Arc::clone(&name), line: example.line };
            let weight = (example.weight != 1.0).then_some(example.weight);
            let made = self.of_content(example.content);
            let made =
                made.map_err(|source| WorkloadError::WordProblem { place: place.to_string(), source })?;
            Ok(Problem { place, weight, facts: Arc::new(example.object), ..made })
        };
        examples.into_iter().map(problem).collect()
    }

    fn of_content(&self, content: Content) -> Result<Problem, WordProblemError> {
        Ok(match content {
            Content::Reply { prompt, reply } if self.is_gsm8k => self.word_problem(prompt, &reply)?,
            Content::Reply { prompt, reply } => {
                Problem { prompt: self.prompt(prompt), wanted: Some(reply), ..Problem::default() }
            }
            Content::Preference { prompt, chosen, rejected } => Problem {
                prompt: self.prompt(prompt),
                wanted: Some(chosen),
                rejected: Some(rejected),
                ..Problem::default()
            },
            Content::Text { text, ends } => {
                Problem { wanted: Some(text), goes_on: !ends, ..Problem::default() }
            }
            Content::Prompt(prompt) => Problem { prompt: self.prompt(prompt), ..Problem::default() },
        })
    }

    /// Returns a prompt in both forms. A text stands as it is if there is no template.
    fn prompt(&self, asked: dataset::DataPrompt) -> Prompt {
        match asked {
            dataset::DataPrompt::Text(text) => {
                Prompt { chat: vec![Message::user(text.clone())], plain: text }
            }
            dataset::DataPrompt::Messages(chat) => Prompt { plain: self.form.written(&chat), chat },
        }
    }

    /// Adds the request for the number at the end, and checks that the wanted answer has one.
    fn word_problem(&self, asked: dataset::DataPrompt, answer: &str) -> Result<Problem, WordProblemError> {
        let mut messages = match asked {
            dataset::DataPrompt::Text(text) => vec![Message::user(text)],
            dataset::DataPrompt::Messages(messages) => messages,
        };
        let question = messages.pop().map_or_else(String::new, |last| last.content);
        let WordProblem { prompt, answer, .. } = WordProblem::new(&question, answer)?;
        messages.push(Message::user(prompt));
        let prompt = self.prompt(dataset::DataPrompt::Messages(messages));
        Ok(Problem { prompt, wanted: Some(answer), ..Problem::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewards_decide_what_examples_must_hold() {
        let shapes_of =
            |kinds: &[RewardKind]| shapes(&kinds.iter().map(|kind| kind.clone().into()).collect::<Vec<_>>());
        let command = RewardKind::Command { command: "x".to_owned(), timeout: None, on_timeout: None };
        let regex = |pattern| RewardKind::Regex { pattern };
        let json = |equal| RewardKind::Json { schema: None, equal };
        use Shape::{Answer, Chat, Completion, Preference, Question, Text};
        assert_eq!(shapes_of(&[RewardKind::Margin, RewardKind::Loglik]), [Preference]);
        assert_eq!(shapes_of(&[RewardKind::Loglik]), [Chat, Completion, Question, Answer, Text]);
        assert_eq!(shapes_of(&[RewardKind::Exact]), [Chat, Completion, Question, Answer]);
        assert_eq!(shapes_of(&[RewardKind::Loglik, command.clone()]), [Chat, Completion, Question, Answer]);
        let any = [Chat, Completion, Question, Answer, Shape::Prompt];
        assert_eq!(shapes_of(&[command]), any);
        assert_eq!(shapes_of(&[regex(None)]), any[..4]);
        assert_eq!(shapes_of(&[regex(Some("x".to_owned()))]), any);
        assert_eq!(shapes_of(&[json(false)]), any);
        assert_eq!(shapes_of(&[json(true)]), any[..4]);
    }
}
