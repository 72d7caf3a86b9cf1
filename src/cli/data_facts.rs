//! What is said of the user's data when a command begins.

use super::data::Facts;
use super::text;
use crate::dataset::FEWEST_HELD_OUT;

impl Facts {
    /// Returns what is tuned on and what is held out, in a line.
    pub fn line(&self) -> String {
        let Self { file, training, held_out, .. } = self;
        let of = match &self.held_out_file {
            Some(other) => format!(" of {other}"),
            None => String::new(),
        };
        let replies = training + held_out + self.weightless;
        let conversations = if replies > self.examples {
            format!(", {} replies of {} conversations", text::count(replies), text::count(self.examples))
        } else {
            String::new()
        };
        format!(
            "data: {file}{conversations}, {} tuned on, {} held out{of}",
            text::examples(*training),
            text::count(*held_out)
        )
    }

    /// Returns what a user should know before a run.
    pub fn warnings(&self) -> Vec<String> {
        let mut said = Vec::new();
        let shared = self.overlap.shared;
        if shared > 0 {
            said.push(format!(
                "note: {shared} of {} held-out examples have prompts that are tuned on too, so what is measured on them does not \
                 tell how the model does on what is new to it",
                self.held_out
            ));
        }
        if self.held_out < FEWEST_HELD_OUT as u64 {
            let advice = if self.held_out_file.is_some() {
                "give more there"
            } else {
                "see --held-out, or give more data"
            };
            said.push(format!(
                "note: only {} of {} held out, too few to tell much by; {advice}",
                self.held_out,
                text::examples(self.training + self.held_out)
            ));
        }
        if !self.unused_files.is_empty() {
            let (is, used) =
                (self.unused_files.join(", "), self.held_out_file.as_deref().unwrap_or_default());
            said.push(format!("note: {is} not used, as {used} is what is evaluated on"));
        }
        said
    }
}
