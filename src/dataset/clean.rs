//! Texts of examples as a model should see them.

use super::{Content, Fault, Prompt};

/// Makes all line ends those of Unix, and refuses zero bytes. Tells whether a line end was changed.
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
    prompt: &mut Prompt,
    each: &mut impl FnMut(&mut String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    match prompt {
        Prompt::Text(text) => each(text),
        Prompt::Messages(messages) => messages.iter_mut().try_for_each(|message| each(&mut message.content)),
    }
}

/// Returns a text whose lines end as those of Unix do; they may have ended as those of Windows or of old Macs.
pub(super) fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
