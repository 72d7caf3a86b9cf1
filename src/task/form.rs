//! Forms in which conversations, instructions and questions are written for a model without a chat template.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Message;

/// Placeholder of the user's message in a form of the user's own.
const PROMPT: &str = "{prompt}";
/// Placeholder of the system message in it.
const SYSTEM: &str = "{system}";

/// A form for conversations. A `prompt` that is one text is never put into it: such a text stands as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
pub enum PromptForm {
    /// `### Instruction:` and `### Response:` as headings, each message below its own; a system message stands before all.
    #[default]
    Instruct,
    /// The messages, a line each.
    Lines,
    /// The user's own text, with `{prompt}` where a message stands and perhaps `{system}`.
    Own(String),
}

/// Error of a form that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "the prompt form \"{0}\" has no {PROMPT} in it; give instruct, lines, or a text such as 'Q: {PROMPT}\\nA:', in which \\n is a line end"
)]
pub struct FormError(String);

impl PromptForm {
    /// Returns a conversation in this form, up to where the reply begins.
    pub fn written(&self, conversation: &[Message]) -> String {
        match self {
            Self::Instruct => instruct(conversation),
            Self::Lines => conversation.iter().map(|message| format!("{}\n", message.content)).collect(),
            Self::Own(form) => own(form, conversation),
        }
    }
}

fn instruct(conversation: &[Message]) -> String {
    let part = |message: &Message| match message.role.as_str() {
        "system" | "developer" => format!("{}\n\n", message.content),
        "assistant" => format!("### Response:\n{}\n\n", message.content),
        "tool" => format!("### Input:\n{}\n\n", message.content),
        _ => format!("### Instruction:\n{}\n\n", message.content),
    };
    conversation.iter().map(part).chain(["### Response:\n".to_owned()]).collect()
}

/// Writes the user's messages in the form, and the assistant's replies as they are, with a blank line after each.
fn own(form: &str, conversation: &[Message]) -> String {
    let is_system = |message: &&Message| message.role == "system" || message.role == "developer";
    let systems: Vec<&str> =
        conversation.iter().filter(is_system).map(|message| message.content.as_str()).collect();
    let system = systems.join("\n\n");
    let mut text = String::new();
    if !system.is_empty() && !form.contains(SYSTEM) {
        text = format!("{system}\n\n");
    }
    for message in conversation.iter().filter(|message| !is_system(message)) {
        match message.role.as_str() {
            "assistant" => text += &format!("{}\n\n", message.content),
            // The inserted texts are not searched for placeholders.
            _ => text += &filled(form, &message.content, &system),
        }
    }
    text
}

/// Returns a form with its placeholders for the prompt and the system message filled in.
fn filled(form: &str, prompt: &str, system: &str) -> String {
    let with_system = |part: &str| part.replace(SYSTEM, system);
    form.split(PROMPT).map(with_system).collect::<Vec<_>>().join(prompt)
}

impl FromStr for PromptForm {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        match text {
            "instruct" => Ok(Self::Instruct),
            "lines" => Ok(Self::Lines),
            own if own.contains(PROMPT) => Ok(Self::Own(own.replace("\\n", "\n").replace("\\t", "\t"))),
            other => Err(FormError(other.to_owned())),
        }
    }
}

impl TryFrom<String> for PromptForm {
    type Error = FormError;

    fn try_from(text: String) -> Result<Self, FormError> {
        text.parse()
    }
}

impl fmt::Display for PromptForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instruct => f.write_str("instruct"),
            Self::Lines => f.write_str("lines"),
            Self::Own(form) => f.write_str(form),
        }
    }
}

impl From<PromptForm> for String {
    fn from(form: PromptForm) -> Self {
        form.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: &str, content: &str) -> Message {
        Message { role: role.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn conversations_do_not_run_together() {
        let asked = [said("user", "Capital of France?")];
        let talk = [
            said("system", "Be brief."),
            said("user", "Hi {system} {prompt}"),
            said("assistant", "Hello."),
            said("user", "Well?"),
        ];
        for (form, alone, in_talk) in [
            (
                "instruct",
                "### Instruction:\nCapital of France?\n\n### Response:\n",
                "Be brief.\n\n### Instruction:\nHi {system} {prompt}\n\n### Response:\nHello.\n\n### Instruction:\nWell?\n\n\
                 ### Response:\n",
            ),
            ("lines", "Capital of France?\n", "Be brief.\nHi {system} {prompt}\nHello.\nWell?\n"),
            (
                "Q: {prompt}\\nA:",
                "Q: Capital of France?\nA:",
                "Be brief.\n\nQ: Hi {system} {prompt}\nA:Hello.\n\nQ: Well?\nA:",
            ),
            (
                "<{system}> {prompt} =",
                "<> Capital of France? =",
                "<Be brief.> Hi {system} {prompt} =Hello.\n\n<Be brief.> Well? =",
            ),
            ("{prompt}", "Capital of France?", "Be brief.\n\nHi {system} {prompt}Hello.\n\nWell?"),
        ] {
            let form: PromptForm = form.parse().unwrap();
            assert_eq!(form.written(&asked), alone, "{form}");
            assert_eq!(form.written(&talk), in_talk, "{form}");
            assert_eq!(form.to_string().parse(), Ok(form));
        }
    }

    #[test]
    fn a_form_has_a_place_for_the_prompt() {
        let refused = "Q: A:".parse::<PromptForm>().unwrap_err().to_string();
        assert!(refused.contains("no {prompt} in it"), "{refused}");
        assert!(serde_json::from_str::<PromptForm>("\"x\"").is_err());
        let own: PromptForm = serde_json::from_str("\"a\\n{prompt}\"").unwrap();
        assert_eq!(serde_json::to_string(&own).unwrap(), "\"a\\n{prompt}\"");
    }
}
