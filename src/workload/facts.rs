//! Findings about the user's data, and the messages about them at the start of a command.

use crate::dataset::{FEWEST_HELD_OUT, Notes, Overlap, Shape};
use crate::text;

/// Findings about the user's data.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The training file.
    pub file: String,
    /// The file for evaluation, if there is a separate one.
    pub held_out_file: Option<String>,
    /// Other files of the folder for evaluation, which are not used.
    pub unused_files: Vec<String>,
    pub shape: Shape,
    /// Examples of both files: lines, or pieces of a text.
    pub examples: u64,
    /// Training problems: several for a conversation with several replies.
    pub training: u64,
    /// Problems that are held out.
    pub held_out: u64,
    /// Problems that are left out since their weight is 0.
    pub weightless: u64,
    /// Replies that are left out: before any question, or not the last of a conversation if only that counts.
    pub passed_over: u64,
    pub overlap: Overlap,
    pub notes: Notes,
    /// Places of the problems, training ones first.
    pub places: Vec<String>,
}

impl Facts {
    /// Returns a line on training and held-out problems.
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

    /// Returns warnings for the user before a run.
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
