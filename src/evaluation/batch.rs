//! Preparation of problems as batches: requests to the engine, and the tokens of them that are scored.

use super::informative::most_informative;
use super::metric::Metric;
use super::prompter::Prompted;
use super::{EvaluationError, Evaluator, ProblemBatch};
use crate::engine::{Engine, EngineError, Request, TokenTally};
use crate::rng::{Domain, Source};
use crate::task::{Problem, RewardKind};

/// The stream by which held-out replies are drawn; the stream of a generation is its number.
pub(super) const HELD_OUT: u64 = u64::MAX;

/// Problems that are prepared together for a check before a run.
const REHEARSED: usize = 64;

impl Evaluator {
    /// Returns the problems of a generation, with own replies if these count, or with right ones if these are imitated.
    ///
    /// # Errors
    /// When they cannot be prepared for the engine.
    pub fn training<E: Engine>(
        &self,
        engine: &E,
        generation: u64,
        count: usize,
    ) -> Result<ProblemBatch<E::Batch>, EvaluationError> {
        match &self.imitated {
            Some(right) => right.batch(engine, generation, count),
            None => self.training_batch(engine, self.task.training(self.seed, generation, count), generation),
        }
    }

    /// Returns the candidates from which the problems of a generation are chosen.
    ///
    /// # Errors
    /// When they cannot be prepared for the engine.
    pub fn candidates<E: Engine>(
        &self,
        engine: &E,
        generation: u64,
        count: usize,
    ) -> Result<ProblemBatch<E::Batch>, EvaluationError> {
        self.batch(engine, self.task.training(self.seed, generation, count), generation, Vec::new())
    }

    /// Returns the first `count` different training problems.
    pub(super) fn distinct(&self, count: usize) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for problem in self.task.training(self.seed, 0, count) {
            if problems.iter().all(|other| other.prompt != problem.prompt) {
                problems.push(problem);
            }
        }
        problems
    }

    fn training_batch<E: Engine>(
        &self,
        engine: &E,
        problems: Vec<Problem>,
        generation: u64,
    ) -> Result<ProblemBatch<E::Batch>, EvaluationError> {
        let own = self.own.as_ref().map(|own| own.requests(generation, problems.len()));
        self.batch(engine, problems, generation, own.unwrap_or_default())
    }

    /// Returns the `count` problems of a generation that best distinguish members, in the same order: those that the
    /// current codes neither solve almost surely nor are far from solving, and none twice while there are others.
    /// Takes an evaluation of each problem.
    ///
    /// # Errors
    /// When inference fails, or a problem has no wanted reply.
    pub fn most_informative<E: Engine>(
        &self,
        engine: &mut E,
        batch: ProblemBatch<E::Batch>,
        generation: u64,
        count: usize,
    ) -> Result<ProblemBatch<E::Batch>, EvaluationError> {
        let places = self.choice(engine, &batch, count)?;
        self.chosen(engine, &batch, &places, generation)
    }

    /// Returns the places of these problems in a batch.
    ///
    /// # Errors
    /// When inference fails, or a problem has no wanted reply.
    pub fn choice<E: Engine>(
        &self,
        engine: &mut E,
        batch: &ProblemBatch<E::Batch>,
        count: usize,
    ) -> Result<Vec<usize>, EvaluationError> {
        if let Some(problem) = batch.problems.iter().find(|problem| problem.wanted.is_none()) {
            return Err(EvaluationError::Unchoosable { place: problem.place.to_string() });
        }
        let scores = engine.score(&batch.wanted)?;
        let candidates = batch.asked().zip(scores.iter().map(|score| score.log_likelihood));
        Ok(most_informative(candidates, count))
    }

    /// Returns the problems at these places of a batch, as those of a generation.
    ///
    /// # Errors
    /// When they cannot be prepared for the engine.
    pub fn chosen<E: Engine>(
        &self,
        engine: &E,
        batch: &ProblemBatch<E::Batch>,
        places: &[usize],
        generation: u64,
    ) -> Result<ProblemBatch<E::Batch>, EvaluationError> {
        let problems = places.iter().filter_map(|&place| batch.problems.get(place).cloned()).collect();
        self.training_batch(engine, problems, generation)
    }

    /// Returns the tally of each token of the vocabulary over the openings of the wanted replies to the first
    /// generation's problems, all of which must have one, and the number of these openings. The opening of a reply is
    /// half of its tokens, at most `most`.
    ///
    /// # Errors
    /// When inference fails.
    pub fn tally_of_openings<E: Engine>(
        &self,
        engine: &mut E,
        count: usize,
        most: usize,
    ) -> Result<(Vec<TokenTally>, usize), EvaluationError> {
        let prompter = self.prompter(engine)?;
        let problems = self.task.training(self.seed, 0, count);
        let ask = |problem: &Problem| Ok(prompter.ask(problem, problem.wanted.as_deref())?.request);
        let mut requests = problems.iter().map(ask).collect::<Result<Vec<Request>, EvaluationError>>()?;
        let most = self.score_first.unwrap_or(most).min(most);
        let lengths = engine.measure(&requests)?;
        for (request, length) in requests.iter_mut().zip(lengths) {
            request.first = Some((length.reply / 2).clamp(1, most));
        }
        let batch = engine.prepare(&requests)?;
        Ok((engine.tally(&batch)?, requests.len()))
    }

    /// Returns the first `count` held-out problems.
    ///
    /// # Errors
    /// When they cannot be prepared for the engine, or it cannot read a grammar.
    pub fn held_out<E: Engine>(
        &self,
        engine: &E,
        count: usize,
    ) -> Result<ProblemBatch<E::Batch>, EvaluationError> {
        for grammar in self.metrics.iter().filter_map(Metric::grammar) {
            engine.follow(grammar, &[])?;
        }
        let batch = self.batch(engine, self.task.held_out(count), HELD_OUT, Vec::new());
        batch.map_err(|error| self.explained(engine, error))
    }

    /// Checks that all given problems can be prepared for the engine, so that one that cannot is found before a run
    /// and not in the middle of it.
    ///
    /// # Errors
    /// When one cannot, or the engine cannot read a grammar.
    pub fn rehearse<E: Engine>(&self, engine: &E) -> Result<(), EvaluationError> {
        for problems in self.task.given().chunks(REHEARSED) {
            let problems = problems.iter().copied().cloned().collect();
            let batch = self.batch(engine, problems, HELD_OUT, Vec::new());
            batch.map_err(|error| self.explained(engine, error))?;
        }
        self.held_out(engine, 1).map(drop)
    }

    pub(super) fn batch<E: Engine>(
        &self,
        engine: &E,
        problems: Vec<Problem>,
        stream: u64,
        own: Vec<Request>,
    ) -> Result<ProblemBatch<E::Batch>, EvaluationError> {
        self.check(&problems, Metric::check)?;
        let prompter = self.prompter(engine)?;
        let ask = |reply: fn(&Problem) -> Option<&str>| {
            problems
                .iter()
                .map(|problem| prompter.ask(problem, reply(problem)))
                .collect::<Result<Vec<_>, _>>()
        };
        let asked = ask(|problem| problem.wanted.as_deref())?;
        let chat = asked.iter().any(|asked| asked.chat);
        let prompts = asked.iter().map(|asked| asked.request.prompt.clone()).collect();
        let of_chat = asked.iter().find(|asked| asked.chat);
        let (lead, stop) = of_chat.map(|asked| (asked.lead.clone(), asked.stop.clone())).unwrap_or_default();
        let first = self.score_first;
        let requests = |asked: Vec<Prompted>| -> Vec<Request> {
            asked.into_iter().map(|asked| Request { first, ..asked.request }).collect()
        };
        let mut requests_wanted = requests(asked);
        if let Some(of_base) = self.own.as_ref().filter(|_| stream != HELD_OUT) {
            of_base.cut(engine, &mut requests_wanted)?;
        }
        requests_wanted.extend(own);
        let wanted = prepare(engine, &requests_wanted, &problems, stream, self.new_tokens(chat))?;
        let looks_at_rejected = self.metrics.iter().any(|metric| metric.kind == RewardKind::Margin);
        let rejected = if looks_at_rejected {
            let asked = ask(|problem| problem.rejected.as_deref())?;
            Some(prepare(engine, &requests(asked), &problems, stream, None)?)
        } else {
            None
        };
        let seed = Source::new(self.seed, Domain::Replies).stream(stream).next_u64();
        let imitates = false;
        Ok(ProblemBatch { problems, prompts, stream, wanted, rejected, chat, seed, lead, stop, imitates })
    }
}

/// Prepares requests of a stream, perhaps for replies of this many tokens; if that fails because of one of them, the
/// error tells its place in the user's data.
fn prepare<E: Engine>(
    engine: &E,
    requests: &[Request],
    problems: &[Problem],
    stream: u64,
    new_tokens: Option<usize>,
) -> Result<E::Batch, EvaluationError> {
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
                return EvaluationError::Problem { place: problem.place.to_string(), source };
            }
        }
        error.into()
    })
}
