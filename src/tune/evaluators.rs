//! The evaluators of a run: of its task, and of the retained task.

use super::TuneError;
use crate::drift::Neutral;
use crate::engine::Engine;
use crate::evaluation::{EvaluationError, Evaluator, FreePrompt, ProblemBatch, RepliesMade};
use crate::fitness::mean;
use crate::seed_log::{Header, RetainSpec, TaskSpec};
use crate::surprise::OPENING;

/// The evaluators of a run's members.
pub struct Evaluators {
    /// Evaluator of the task that is tuned.
    pub task: Evaluator,
    /// Evaluator of the task that must not get worse.
    pub retain: Option<Evaluator>,
    /// Neutral set for drift, besides held-out prompts.
    pub neutral: Option<Neutral>,
}

/// The problems of a generation, the same for each member.
pub struct GenerationBatch<B> {
    task: ProblemBatch<B>,
    /// Batch of the retained task, only if it counts, with its weight.
    retain: Option<(ProblemBatch<B>, f64)>,
}

/// Rewards of a member for each problem of a generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewards {
    /// Rewards on the task that is tuned.
    pub task: Vec<f64>,
    /// Rewards on the retained task, with its weight, if it counts.
    pub retain: Option<(Vec<f64>, f64)>,
}

impl Rewards {
    /// Returns the member's fitness: its mean reward on the task, plus the weighted mean reward on the retained task.
    pub fn fitness(&self) -> f64 {
        let retained = self.retain.as_ref().map_or(0.0, |(rewards, weight)| weight * mean(rewards));
        mean(&self.task) + retained
    }
}

impl Evaluators {
    /// Leaves out the given problems that are longer than the definitions allow, and returns their number.
    ///
    /// # Errors
    /// When one cannot be prepared for the engine whatever its length, or all are too long.
    pub fn skip_long<E: Engine>(&mut self, engine: &E) -> Result<u64, EvaluationError> {
        let retained = self.retain.as_mut().map_or(Ok(0), |evaluator| evaluator.skip_long(engine))?;
        Ok(retained + self.task.skip_long(engine)?)
    }

    /// Lets the base model, which `engine` must hold, reply to the task's problems, if its own replies count or are
    /// imitated.
    ///
    /// # Errors
    /// When inference fails.
    pub fn learn_own_replies<E: Engine>(
        &mut self,
        engine: &mut E,
        header: &Header,
    ) -> Result<(), EvaluationError> {
        if header.task.right_replies {
            while !self.imitate_more(engine)?.are_all() {}
        }
        let Some(weight) = header.task.own_replies else { return Ok(()) };
        let rows = header.tensors.iter().filter_map(|tensor| tensor.rows);
        let rows: Vec<_> = rows.map(|rows| rows.first..rows.end()).collect();
        let is_tuned = move |token: usize| rows.iter().any(|rows| rows.contains(&(token as u64)));
        self.task.learn_own_replies(engine, Box::new(is_tuned), OPENING, weight)
    }

    /// Lets the base model, which `engine` must hold, make some of the replies that a run imitates, and returns how far it is.
    ///
    /// # Errors
    /// When inference or a judge fails, or none of all replies is right.
    pub fn imitate_more<E: Engine>(&mut self, engine: &mut E) -> Result<RepliesMade, EvaluationError> {
        let everyday = self.everyday(engine)?.unwrap_or_default();
        let Self { task, neutral, .. } = self;
        // Nothing is held of a model to which the neutral set means nothing.
        task.imitate_more(engine, |engine| match neutral {
            Some(set) if !set.is_foreign(engine)? => Ok(everyday),
            _ => Ok(Vec::new()),
        })
    }

    /// Returns the judges' hints about the replies so far.
    pub fn hints(&self) -> Vec<String> {
        let retained = self.retain.iter().flat_map(Evaluator::hints);
        self.task.hints().into_iter().chain(retained).collect()
    }

    /// Checks, before a run, that all given problems can be prepared for the engine.
    ///
    /// # Errors
    /// When one cannot.
    pub fn rehearse<E: Engine>(&self, engine: &E) -> Result<(), TuneError> {
        self.task.rehearse(engine)?;
        self.retain.as_ref().map_or(Ok(()), |evaluator| evaluator.rehearse(engine))?;
        if let Some((set, prompts)) = self.neutral.as_ref().zip(self.everyday(engine)?) {
            set.rehearse(engine, prompts)?;
        }
        Ok(())
    }

    /// Returns the neutral set's prompts in the model's form.
    ///
    /// # Errors
    /// When the engine cannot apply the model's chat template.
    pub fn everyday<E: Engine>(&self, engine: &E) -> Result<Option<Vec<FreePrompt>>, EvaluationError> {
        let Some(set) = &self.neutral else { return Ok(None) };
        Ok(Some(self.task.everyday(engine, set.prompts())?.unwrap_or_else(|| set.openings())))
    }

    /// Returns the problems of a generation; if they are chosen from more candidates, by the present codes.
    ///
    /// # Errors
    /// When they cannot be prepared for the engine, or inference fails.
    pub fn batches<E: Engine>(
        &self,
        engine: &mut E,
        spec: &TaskSpec,
        generation: u64,
    ) -> Result<GenerationBatch<E::Batch>, EvaluationError> {
        let chosen = self.choice(engine, spec, generation)?;
        self.batches_at(engine, spec, generation, chosen.as_deref())
    }

    /// Returns the places of a generation's problems among its candidates, if they are chosen; by the present codes.
    ///
    /// # Errors
    /// As for [`Evaluators::batches`].
    pub fn choice<E: Engine>(
        &self,
        engine: &mut E,
        spec: &TaskSpec,
        generation: u64,
    ) -> Result<Option<Vec<usize>>, EvaluationError> {
        let Some(candidates) = spec.candidates else { return Ok(None) };
        let drawn = self.task.candidates(engine, generation, candidates as usize)?;
        self.task.choice(engine, &drawn, spec.prompts as usize).map(Some)
    }

    /// Returns the problems of a generation: those at the `chosen` places among its candidates, if it has some.
    ///
    /// # Errors
    /// As for [`Evaluators::batches`].
    pub fn batches_at<E: Engine>(
        &self,
        engine: &E,
        spec: &TaskSpec,
        generation: u64,
        chosen: Option<&[usize]>,
    ) -> Result<GenerationBatch<E::Batch>, EvaluationError> {
        let task = match spec.candidates.zip(chosen) {
            None => self.task.training(engine, generation, spec.prompts as usize)?,
            Some((candidates, places)) => {
                let drawn = self.task.candidates(engine, generation, candidates as usize)?;
                self.task.chosen(engine, &drawn, places, generation)?
            }
        };
        let counts = spec.retain.as_ref().filter(|retain| retain.weight > 0.0);
        let training = |(evaluator, counts): (&Evaluator, &RetainSpec)| {
            let batch = evaluator.training(engine, generation, counts.prompts as usize)?;
            Ok::<_, EvaluationError>((batch, counts.weight))
        };
        Ok(GenerationBatch { task, retain: self.retain.as_ref().zip(counts).map(training).transpose()? })
    }

    /// Returns the rewards of the present codes for each problem.
    ///
    /// # Errors
    /// When inference or a judge fails.
    pub fn rewards<E: Engine>(
        &mut self,
        engine: &mut E,
        batches: &GenerationBatch<E::Batch>,
    ) -> Result<Rewards, EvaluationError> {
        let task = self.task.rewards(engine, &batches.task)?;
        let retain = match (&mut self.retain, &batches.retain) {
            (Some(evaluator), Some((batch, weight))) => Some((evaluator.rewards(engine, batch)?, *weight)),
            _ => None,
        };
        Ok(Rewards { task, retain })
    }
}
