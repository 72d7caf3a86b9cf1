//! From problems to exams: what is asked of the engine, and what of it is scored.

use super::asking::Asked;
use super::grader::Grader;
use super::telling::most_telling;
use super::{Exam, ExamError, Examiner};
use crate::engine::{Engine, EngineError, Request, TokenTally};
use crate::rng::{Domain, Source};
use crate::task::{Problem, RewardKind};

/// The stream that held-out replies are drawn by; generations have streams of their own number.
pub(super) const HELD_OUT: u64 = u64::MAX;

/// Problems that are tried side by side before a run.
const REHEARSED: usize = 64;

impl Examiner {
    /// The problems of a generation, with own replies where these count.
    ///
    /// # Errors
    /// When they cannot be put to the engine.
    pub fn training<E: Engine>(
        &self,
        engine: &E,
        generation: u64,
        count: usize,
    ) -> Result<Exam<E::Batch>, ExamError> {
        self.training_exam(engine, self.task.training(self.seed, generation, count), generation)
    }

    /// The problems of a generation that some are to be chosen of.
    ///
    /// # Errors
    /// When they cannot be put to the engine.
    pub fn candidates<E: Engine>(
        &self,
        engine: &E,
        generation: u64,
        count: usize,
    ) -> Result<Exam<E::Batch>, ExamError> {
        self.exam(engine, self.task.training(self.seed, generation, count), generation, Vec::new())
    }

    /// Returns the first `count` problems that the run is tuned on, each once.
    pub(super) fn distinct(&self, count: usize) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for problem in self.task.training(self.seed, 0, count) {
            if problems.iter().all(|other| other.prompt != problem.prompt) {
                problems.push(problem);
            }
        }
        problems
    }

    fn training_exam<E: Engine>(
        &self,
        engine: &E,
        problems: Vec<Problem>,
        generation: u64,
    ) -> Result<Exam<E::Batch>, ExamError> {
        let own = self.own.as_ref().map(|own| own.requests(generation, problems.len()));
        self.exam(engine, problems, generation, own.unwrap_or_default())
    }

    /// Of a generation's problems the `count` that tell members apart best, in the same order: those that the codes as they are
    /// neither solve almost surely nor are far from solving, and none twice while there are others. Takes an evaluation of each
    /// problem.
    ///
    /// # Errors
    /// When inference fails, or a problem has no wanted reply.
    pub fn most_telling<E: Engine>(
        &self,
        engine: &mut E,
        exam: Exam<E::Batch>,
        generation: u64,
        count: usize,
    ) -> Result<Exam<E::Batch>, ExamError> {
        if let Some(problem) = exam.problems.iter().find(|problem| problem.wanted.is_none()) {
            return Err(ExamError::Unchoosable { place: problem.place.to_string() });
        }
        let scores = engine.score(&exam.wanted)?;
        let candidates = exam.asked().zip(scores.iter().map(|score| score.log_likelihood));
        let chosen = most_telling(candidates, count);
        let problems = chosen.into_iter().map(|place| exam.problems[place].clone()).collect();
        self.training_exam(engine, problems, generation)
    }

    /// Returns, of every token of the vocabulary, how it fares where the wanted replies to the first generation's problems begin,
    /// which must all have some, and how many these are. A reply begins with half of its tokens, at most `most`.
    ///
    /// # Errors
    /// When inference fails.
    pub fn tally_of_openings<E: Engine>(
        &self,
        engine: &mut E,
        count: usize,
        most: usize,
    ) -> Result<(Vec<TokenTally>, usize), ExamError> {
        let asking = self.asking(engine)?;
        let problems = self.task.training(self.seed, 0, count);
        let ask = |problem: &Problem| Ok(asking.ask(problem, problem.wanted.as_deref())?.request);
        let mut requests = problems.iter().map(ask).collect::<Result<Vec<Request>, ExamError>>()?;
        let most = self.score_first.unwrap_or(most).min(most);
        let lengths = engine.measure(&requests)?;
        for (request, length) in requests.iter_mut().zip(lengths) {
            request.first = Some((length.reply / 2).clamp(1, most));
        }
        let batch = engine.prepare(&requests)?;
        Ok((engine.tally(&batch)?, requests.len()))
    }

    /// The first `count` held-out problems.
    ///
    /// # Errors
    /// When they cannot be put to the engine, or it cannot read a grammar.
    pub fn held_out<E: Engine>(&self, engine: &E, count: usize) -> Result<Exam<E::Batch>, ExamError> {
        for grammar in self.graders.iter().filter_map(Grader::grammar) {
            engine.follow(grammar, &[])?;
        }
        let exam = self.exam(engine, self.task.held_out(count), HELD_OUT, Vec::new());
        exam.map_err(|error| self.explained(engine, error))
    }

    /// Tries whether all problems that are given can be put to the engine, so that the one that cannot is found before a run
    /// and not in the middle of it.
    ///
    /// # Errors
    /// When one cannot, or the engine cannot read a grammar.
    pub fn rehearse<E: Engine>(&self, engine: &E) -> Result<(), ExamError> {
        for problems in self.task.given().chunks(REHEARSED) {
            let problems = problems.iter().copied().cloned().collect();
            let exam = self.exam(engine, problems, HELD_OUT, Vec::new());
            exam.map_err(|error| self.explained(engine, error))?;
        }
        self.held_out(engine, 1).map(drop)
    }

    pub(super) fn exam<E: Engine>(
        &self,
        engine: &E,
        problems: Vec<Problem>,
        stream: u64,
        own: Vec<Request>,
    ) -> Result<Exam<E::Batch>, ExamError> {
        self.check(&problems, Grader::check)?;
        let asking = self.asking(engine)?;
        let ask = |reply: fn(&Problem) -> Option<&str>| {
            problems.iter().map(|problem| asking.ask(problem, reply(problem))).collect::<Result<Vec<_>, _>>()
        };
        let asked = ask(|problem| problem.wanted.as_deref())?;
        let chat = asked.iter().any(|asked| asked.chat);
        let prompts = asked.iter().map(|asked| asked.request.prompt.clone()).collect();
        let of_chat = asked.iter().find(|asked| asked.chat);
        let (lead, stop) = of_chat.map(|asked| (asked.lead.clone(), asked.stop.clone())).unwrap_or_default();
        let first = self.score_first;
        let requests = |asked: Vec<Asked>| -> Vec<Request> {
            asked.into_iter().map(|asked| Request { first, ..asked.request }).collect()
        };
        let mut requests_wanted = requests(asked);
        if let Some(of_base) = self.own.as_ref().filter(|_| stream != HELD_OUT) {
            of_base.cut(engine, &mut requests_wanted)?;
        }
        requests_wanted.extend(own);
        let wanted = prepare(engine, &requests_wanted, &problems, stream, self.new_tokens(chat))?;
        let looks_at_rejected = self.graders.iter().any(|grader| grader.kind == RewardKind::Margin);
        let rejected = if looks_at_rejected {
            let asked = ask(|problem| problem.rejected.as_deref())?;
            Some(prepare(engine, &requests(asked), &problems, stream, None)?)
        } else {
            None
        };
        let seed = Source::new(self.seed, Domain::Replies).stream(stream).next_u64();
        Ok(Exam { problems, prompts, stream, wanted, rejected, chat, seed, lead, stop })
    }
}

/// Prepares requests of a stream, perhaps for replies of so many tokens; where that fails because of one of them, the error says
/// where it stands in the user's data.
fn prepare<E: Engine>(
    engine: &E,
    requests: &[Request],
    problems: &[Problem],
    stream: u64,
    new_tokens: Option<usize>,
) -> Result<E::Batch, ExamError> {
    let prepare = |requests: &[Request]| {
        let batch = match stream {
            HELD_OUT => engine.prepare(requests)?,
            _ => engine.prepare_for_members(requests)?,
        };
        new_tokens.map_or(Ok(()), |new_tokens| engine.check_room(&batch, new_tokens))?;
        Ok::<_, EngineError>(batch)
    };
    prepare(requests).map_err(|error| {
        for (request, problem) in
            requests.iter().zip(problems).filter(|(_, problem)| !problem.place.file.is_empty())
        {
            if let Err(source) = prepare(std::slice::from_ref(request)) {
                return ExamError::Problem { place: problem.place.to_string(), source };
            }
        }
        error.into()
    })
}
