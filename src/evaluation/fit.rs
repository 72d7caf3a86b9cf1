//! Examples that are too long for the context: all of them are reported at once, or left out.

use super::{EvaluationError, Evaluator};
use crate::engine::{Engine, Length, Request};
use crate::task::Problem;

/// Most places that a message names.
const NAMED: usize = 20;
/// Granularity of contexts in tokens.
const STEP: usize = 256;
/// Problems that are measured together.
const MEASURED: usize = 256;

impl Evaluator {
    /// Returns the length in tokens of each given problem, in the order of [`crate::task::Task::given`].
    ///
    /// # Errors
    /// When one cannot be prepared for the engine, whatever its length.
    pub fn lengths<E: Engine>(&self, engine: &E) -> Result<Vec<Length>, EvaluationError> {
        let given: Vec<Problem> = self.task.given().into_iter().cloned().collect();
        self.lengths_of(engine, &given)
    }

    /// Returns the tokens that a problem of this length needs, its reply included.
    pub fn needed(&self, length: Length, chat: bool) -> usize {
        (length.prompt + self.new_tokens(chat).unwrap_or(0)).max(length.both)
    }

    /// Returns the given problems, training ones first.
    pub fn given(&self) -> Vec<&Problem> {
        self.task.given()
    }

    /// Leaves out the given problems that are longer than the definition allows, and returns how many those were.
    ///
    /// # Errors
    /// When one cannot be prepared for the engine, whatever its length, or all are too long.
    pub fn skip_long<E: Engine>(&mut self, engine: &E) -> Result<u64, EvaluationError> {
        let Some(longest) = self.longest else { return Ok(0) };
        let is_chat = self.is_chat(engine)?;
        let lengths = self.lengths(engine)?;
        let mut numbers =
            lengths.iter().map(|length| self.needed(*length, is_chat) > longest).collect::<Vec<_>>();
        let skipped = numbers.iter().filter(|is_long| **is_long).count();
        // In the order of the given problems: those that are tuned on come first.
        let mut order = numbers.drain(..);
        self.task.leave_out(&mut |_| order.next().unwrap_or(false));
        drop(order);
        if self.task.training(0, 0, 1).is_empty() || self.task.held_out(1).is_empty() {
            return Err(EvaluationError::AllTooLong { longest });
        }
        Ok(skipped as u64)
    }

    /// Returns whether prompts are in a chat template.
    ///
    /// # Errors
    /// When the template cannot be applied.
    pub fn is_chat<E: Engine>(&self, engine: &E) -> Result<bool, EvaluationError> {
        let prompter = self.prompter(engine)?;
        self.task.given().first().map_or(Ok(false), |problem| Ok(prompter.ask(problem, None)?.chat))
    }

    /// Returns an error that names all given problems that are too long, if that is the cause.
    pub(super) fn explained<E: Engine>(&self, engine: &E, error: EvaluationError) -> EvaluationError {
        if !matches!(error, EvaluationError::Problem { .. }) {
            return error;
        }
        let (room, problems) = (engine.room(), self.task.given());
        let (Ok(lengths), Ok(is_chat)) = (self.lengths(engine), self.is_chat(engine)) else {
            return error;
        };
        let needed = lengths.iter().map(|length| self.needed(*length, is_chat));
        let all = needed.zip(problems.iter().copied());
        let long: Vec<(usize, &Problem)> = all.filter(|(needed, _)| *needed > room).collect();
        let Some(most) = long.iter().map(|(needed, _)| *needed).max() else { return error };
        // No context helps where the model has no such positions, which the engine's own error says.
        if most > engine.positions() {
            return error;
        }
        EvaluationError::TooLong {
            count: long.len(),
            of: problems.len(),
            room,
            context: most.next_multiple_of(STEP),
            replies: self
                .new_tokens(is_chat)
                .map_or(String::new(), |tokens| format!(", {tokens} new ones (-n) being kept for the reply")),
            places: named(&long),
        }
    }

    fn lengths_of<E: Engine>(
        &self,
        engine: &E,
        problems: &[Problem],
    ) -> Result<Vec<Length>, EvaluationError> {
        let prompter = self.prompter(engine)?;
        let mut lengths = Vec::with_capacity(problems.len());
        for some in problems.chunks(MEASURED) {
            let requests = |reply: fn(&Problem) -> Option<&str>| {
                let request = |problem| Ok(prompter.ask(problem, reply(problem))?.request);
                some.iter().map(request).collect::<Result<Vec<Request>, EvaluationError>>()
            };
            let wanted = requests(|problem| problem.wanted.as_deref())?;
            let of_wanted = engine.measure(&wanted)?;
            if some.iter().all(|problem| problem.rejected.is_none()) {
                lengths.extend(of_wanted);
                continue;
            }
            let rejected = requests(|problem| problem.rejected.as_deref())?;
            let longer = |(a, b): (Length, Length)| Length {
                reply: a.reply.max(b.reply),
                both: a.both.max(b.both),
                ..a
            };
            lengths.extend(of_wanted.into_iter().zip(engine.measure(&rejected)?).map(longer));
        }
        Ok(lengths)
    }
}

/// Returns the places of problems, and the tokens that they need.
fn named(long: &[(usize, &Problem)]) -> String {
    let one = |(needed, problem): &(usize, &Problem)| format!("{} ({needed} tokens)", problem.place);
    let mut text = long.iter().take(NAMED).map(one).collect::<Vec<_>>().join("; ");
    if long.len() > NAMED {
        text += &format!("; and {} more", long.len() - NAMED);
    }
    text
}
