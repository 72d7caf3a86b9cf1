//! Prompts for free replies, which do not depend on the reward.

use super::prompter::Prompter;
use super::{EvaluationError, Evaluator, ProblemBatch};
use crate::engine::{Engine, Request};
use crate::task::{Message, Problem, Prompt};

/// Words in the opening of a text without a prompt.
const OPENING: usize = 12;

/// A prompt for a free reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreePrompt {
    /// The prompt in the engine's form, without a completion.
    pub request: Request,
    /// The prompt for people, without the chat template.
    pub shown: String,
}

impl FreePrompt {
    /// Returns the prompt of a text that is to be continued.
    pub fn opening(text: impl Into<String>) -> Self {
        let shown = text.into();
        Self { request: Request::new(shown.clone(), ""), shown }
    }
}

/// Returns the opening of a text.
pub fn opening(text: &str) -> String {
    text.split_whitespace().take(OPENING).collect::<Vec<_>>().join(" ")
}

impl Evaluator {
    /// Returns messages of a user in the model's chat template; `None` if it has none.
    ///
    /// # Errors
    /// When the engine cannot apply the template.
    pub fn everyday<E: Engine>(
        &self,
        engine: &E,
        messages: &[String],
    ) -> Result<Option<Vec<FreePrompt>>, EvaluationError> {
        let prompter = Prompter::new(engine.vocabulary(), &self.chat, None)?;
        let in_template = |shown: &String| {
            let chat = vec![Message::user(shown.clone())];
            let problem = Problem { prompt: Prompt { chat, ..Prompt::default() }, ..Problem::default() };
            let asked = prompter.ask(&problem, None)?;
            Ok::<_, EvaluationError>(
                asked.chat.then(|| FreePrompt { request: asked.request, shown: shown.clone() }),
            )
        };
        // The first of them tells, where there is one.
        if in_template(&"Hello".to_owned())?.is_none() {
            return Ok(None);
        }
        messages
            .iter()
            .filter_map(|message| in_template(message).transpose())
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

impl<B> ProblemBatch<B> {
    /// Returns the text that ends a reply, if the template has one and no token of the model does.
    pub fn stop(&self) -> Option<&str> {
        self.stop.as_deref()
    }

    /// Returns the first `count` problems as prompts for free replies. The prompt of a text without one is its opening.
    pub fn free_prompts(&self, count: usize) -> Vec<FreePrompt> {
        let free = |(prompt, problem): (&String, &Problem)| {
            if prompt.is_empty() {
                let opening = opening(problem.wanted.as_deref().unwrap_or_default());
                return (!opening.is_empty()).then(|| FreePrompt::opening(opening));
            }
            let Prompt { plain, chat } = &problem.prompt;
            let shown = chat.last().filter(|_| prompt != plain).map_or(prompt, |message| &message.content);
            Some(FreePrompt { request: Request::new(prompt.clone(), ""), shown: shown.clone() })
        };
        self.prompts.iter().zip(&self.problems).take(count).filter_map(free).collect()
    }
}
