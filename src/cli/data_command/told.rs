//! Output of `data`, as text and as JSON.

use super::Shown;
use super::lengths::Lengths;
use crate::cli::args::DataArgs;
use crate::cli::json::{self, DataOutput, LongProblem, Percentiles, ShownProblem, TokenCounts};
use crate::cli::text;
use crate::task::Definition;
use crate::workload::Facts;

/// Most characters that are shown of a prompt and of a reply: at the start and at the end.
const SHOWN: (usize, usize) = (600, 200);
/// Most places that are named.
const NAMED: usize = 20;

/// Everything that is printed.
pub struct ToldExamples<'a> {
    pub args: &'a DataArgs,
    pub definition: &'a Definition,
    pub facts: &'a Facts,
    pub lengths: Option<&'a Lengths>,
    pub examples: &'a [Shown],
    /// Warnings before a run, as sentences.
    pub warnings: Vec<String>,
}

impl ToldExamples<'_> {
    /// Returns the lines of text.
    pub fn lines(&self) -> Vec<String> {
        let facts = self.facts;
        let mut lines = vec![facts.line(), format!("examples        {}", self.shape())];
        if !facts.notes.unused.is_empty() {
            lines.push(format!("not used        the keys {}", facts.notes.unused.join(", ")));
        }
        if facts.notes.line_ends > 0 {
            let (count, of) = (facts.notes.line_ends, text::examples(facts.examples));
            lines.push(format!("line ends       made those of Unix in {} of {of}", text::count(count)));
        }
        lines.extend(self.left_out());
        lines.extend(self.doubled());
        lines.extend(self.tokens());
        lines.extend(self.warnings.iter().cloned());
        for (number, example) in (1..).zip(self.examples) {
            lines.push(String::new());
            lines.extend(self.example(number, example));
        }
        lines
    }

    /// Describes the shape of the examples, and the prompt of models without a template.
    fn shape(&self) -> String {
        let options = self.definition.problems.data();
        let form = options.and_then(|options| options.prompt_form.as_ref());
        let form = form.map_or(String::new(), |form| {
            format!("; without a chat template in the form {}", escaped(&form.to_string()))
        });
        format!("{} with {}{form}", text::examples(self.facts.examples), self.facts.shape.described())
    }

    /// Describes the parts of the data that are not used, and the reasons.
    fn left_out(&self) -> Vec<String> {
        let Facts { weightless, passed_over, .. } = self.facts;
        let why = [
            (*weightless, "with the weight 0"),
            (*passed_over, "before any question, or not the last of a conversation with --replies last"),
        ];
        let told = why.iter().filter(|(count, _)| *count > 0);
        told.map(|(count, why)| format!("left out        {} {why}", text::replies(*count))).collect()
    }

    fn doubled(&self) -> Vec<String> {
        let repeated = self.facts.overlap.repeated;
        let line =
            || format!("twice           {} tuned on as before, prompt and reply", text::examples(repeated));
        (repeated > 0).then(line).into_iter().collect()
    }

    fn tokens(&self) -> Vec<String> {
        let Some(lengths) = self.lengths else { return Vec::new() };
        let mut lines =
            vec![format!("tokens          {:>8} {:>8} {:>8} {:>8}", "median", "90%", "99%", "most")];
        for (name, of) in lengths.percentiles() {
            let [a, b, c, d] = of.map(|number| text::count(number as u64));
            lines.push(format!("  {name:<14}{a:>8} {b:>8} {c:>8} {d:>8}"));
        }
        let long = lengths.too_long();
        if let Some(most) = long.iter().map(|(_, needed)| *needed).max() {
            let what = match lengths.longest {
                Some(_) => "left out by --skip-long".to_owned(),
                None => format!(
                    "which -c {} has room for; or --skip-long leaves them out",
                    most.next_multiple_of(256)
                ),
            };
            lines.push(format!(
                "too long        {} for a context of {} tokens, {what}: {}",
                text::examples(long.len() as u64),
                text::count(lengths.longest.unwrap_or(lengths.room).min(lengths.room) as u64),
                self.places(&long)
            ));
        }
        lines
    }

    /// Lists the lines of examples and the tokens that they need.
    fn places(&self, long: &[(usize, usize)]) -> String {
        let one = |(number, needed): &(usize, usize)| {
            format!("{} ({} tokens)", self.place(*number), text::count(*needed as u64))
        };
        let mut text = long.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", ");
        if long.len() > NAMED {
            text += &format!(" and {} more", long.len() - NAMED);
        }
        text
    }

    fn place(&self, number: usize) -> &str {
        self.facts.places.get(number).map_or("", String::as_str)
    }

    fn example(&self, number: usize, example: &Shown) -> Vec<String> {
        let Shown { place, is_held_out, prompt, scored, length } = example;
        let side = if *is_held_out { "held out" } else { "tuned on" };
        let length = length.map_or(String::new(), |length| format!(", {}", text::tokens(length as u64)));
        let mut lines = vec![format!("example {number} ({place}), {side}{length}")];
        lines.push(format!("  prompt  {}", escaped(prompt)));
        lines.extend(
            scored.as_ref().map(|scored| format!("  {}  {}", self.name_of_wanted(), escaped(scored))),
        );
        lines
    }

    /// Returns the name of the wanted reply, by its purpose.
    fn name_of_wanted(&self) -> &'static str {
        if self.definition.reads_replies() { "wanted" } else { "scored" }
    }

    /// Returns the output as JSON.
    pub fn output(&self) -> DataOutput {
        let Facts { overlap, notes, .. } = self.facts;
        let facts = self.facts.clone();
        DataOutput {
            file: facts.file,
            held_out_file: facts.held_out_file,
            unused_files: facts.unused_files,
            shape: facts.shape.name(),
            examples: facts.examples,
            training: facts.training,
            held_out: facts.held_out,
            weightless: facts.weightless,
            passed_over: facts.passed_over,
            repeated: overlap.repeated,
            shared: overlap.shared,
            line_ends: notes.line_ends,
            unused_keys: notes.unused.clone(),
            task: self.definition.name.clone(),
            model: self.args.model.as_ref().map(json::path),
            tokens: self.lengths.map(token_counts),
            too_long: self.lengths.map(|lengths| self.long_problems(lengths)),
            shown: self.examples.iter().map(ShownProblem::from).collect(),
            warnings: self.warnings.clone(),
        }
    }

    fn long_problems(&self, lengths: &Lengths) -> Vec<LongProblem> {
        let one = |(number, needed)| LongProblem { place: self.place(number).to_owned(), needed };
        lengths.too_long().into_iter().map(one).collect()
    }
}

fn token_counts(lengths: &Lengths) -> TokenCounts {
    let [prompt, reply, both] = lengths.percentiles().map(|(_, numbers)| Percentiles::from(numbers));
    TokenCounts { room: lengths.room, prompt, reply, both }
}

impl From<&Shown> for ShownProblem {
    fn from(example: &Shown) -> Self {
        Self {
            place: example.place.clone(),
            held_out: example.is_held_out,
            prompt: example.prompt.clone(),
            wanted: example.scored.clone(),
            needed: example.length,
        }
    }
}

/// Returns a text on one line, its middle left out if it is long.
fn escaped(text: &str) -> String {
    let whole = |text: &str| -> String {
        let one =
            |c: char| if matches!(c, '"' | '\'') { c.to_string() } else { c.escape_debug().to_string() };
        text.chars().map(one).collect()
    };
    let (first, last) = SHOWN;
    let count = text.chars().count();
    if count <= first + last {
        return format!("\"{}\"", whole(text));
    }
    let start: String = text.chars().take(first).collect();
    let end: String = text.chars().skip(count - last).collect();
    format!("\"{}\" [{} characters] \"{}\"", whole(&start), count - first - last, whole(&end))
}
