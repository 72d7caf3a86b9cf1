//! Errors of chat templates.

use minijinja::{Error, ErrorKind};
use thiserror::Error as ThisError;

use super::named::{NAMES, NONE};

/// Flags that choose another template, as the end of a message.
const REMEDY: &str = "give another template with --chat-template or --chat-template-file, or take prompts as they stand with \
     --chat-template none";

/// Error of a template, or of its output for a conversation.
#[derive(Clone, Debug, ThisError, PartialEq, Eq)]
#[allow(missing_docs)] // Each message says what its variant means.
pub enum TemplateError {
    #[error(
        "there is no chat template called {name}; there are {}, and a text with {{{{ }}}} is taken as a template itself",
        names()
    )]
    NoSuchName { name: String },
    #[error("the chat template cannot be read: {reason}; {REMEDY}")]
    Syntax { reason: String },
    #[error("the chat template refuses this conversation: {message}")]
    Refused { message: String },
    #[error("the chat template does not write what the user says; {REMEDY}")]
    Deaf,
    #[error("the chat template does not come to an end, or takes too much memory; {REMEDY}")]
    Endless,
    #[error("the chat template fails: {reason}; {REMEDY}")]
    Fails { reason: String },
}

fn names() -> String {
    let names = NAMES.iter().map(|(name, _)| *name).chain([NONE]);
    names.collect::<Vec<_>>().join(", ")
}

/// The message of a template that refuses a conversation, kept apart from the engine's own messages.
#[derive(Debug, ThisError)]
#[error("{0}")]
pub(super) struct Refusal(pub(super) String);

impl TemplateError {
    /// Returns the error of a template that cannot be compiled.
    pub(super) fn of_syntax(error: &Error) -> Self {
        Self::Syntax { reason: reason(error) }
    }

    /// Returns the error of a template that was run.
    pub(super) fn of_run(error: &Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(source) = cause {
            if let Some(Refusal(message)) = source.downcast_ref() {
                return Self::Refused { message: message.trim().to_owned() };
            }
            let inner = source.downcast_ref::<Error>();
            if inner.is_some_and(|inner| inner.kind() == ErrorKind::OutOfFuel) {
                return Self::Endless;
            }
            cause = source.source();
        }
        Self::Fails { reason: reason(error) }
    }
}

/// Returns the cause, with the line of the template.
fn reason(error: &Error) -> String {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    error.line().map_or(what.clone(), |line| format!("{what} (line {line} of the template)"))
}
