//! Normalization of the texts of examples.

use super::{Content, DataPrompt, Fault};

/// Converts all line ends to those of Unix, and refuses zero bytes. Returns whether a line end was changed.
pub(super) fn clean(content: &mut Content) -> Result<bool, Fault> {
    let mut changed = false;
    let mut each = |text: &mut String| -> Result<(), Fault> {
        if text.contains('\0') {
            return Err(Fault::ZeroByte);
        }
        if text.contains('\r') {
            *text = unix_lines(text);
            changed = true;
        }
        Ok(())
    };
    match content {
        Content::Reply { prompt, reply } => {
            each_of_prompt(prompt, &mut each)?;
            each(reply)?;
        }
        Content::Preference { prompt, chosen, rejected } => {
            each_of_prompt(prompt, &mut each)?;
            each(chosen)?;
            each(rejected)?;
        }
        Content::Text { text, .. } => each(text)?,
        Content::Prompt(prompt) => each_of_prompt(prompt, &mut each)?,
    }
    Ok(changed)
}

fn each_of_prompt(
    prompt: &mut DataPrompt,
    each: &mut impl FnMut(&mut String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match prompt {
        DataPrompt::Text(text) => each(text),
        DataPrompt::Messages(messages) => {
            messages.iter_mut().try_for_each(|message| each(&mut message.content))
        }
    }
}

/// Returns a text with the line ends of Windows or of old Macs converted to those of Unix.
pub(super) fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
