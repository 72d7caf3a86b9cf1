//! `ask` and `tell`: the state of a run over its generations. Says which members to evaluate, and turns their fitness
//! into the log's next record. It touches no codes.

use crate::fitness::{PairFitness, shape, summarize};
use crate::noise::Pair;
use crate::seed_log::GenerationRecord;
use crate::settings::Settings;

/// The members of one generation.
#[derive(Clone, Debug)]
pub struct Population {
    /// Number of the generation, from 0.
    pub generation: u64,
    /// Its antithetic pairs: two members each.
    pub pairs: Vec<Pair>,
}

/// A run between generations.
#[derive(Clone, Debug)]
pub struct Es {
    settings: Settings,
    generation: u64,
}

impl Es {
    /// A run of these settings after `generation` generations.
    pub fn new(settings: Settings, generation: u64) -> Self {
        Self { settings, generation }
    }

    /// The next generation's members, or `None` when the planned generations are done.
    pub fn ask(&self) -> Option<Population> {
        let pairs = Pair::of_generation(self.settings.seed, self.generation, self.settings.pairs());
        (self.generation < self.settings.generations)
            .then_some(Population { generation: self.generation, pairs })
    }

    /// The record of the generation that was asked for, from the fitness of its pairs, which took so many evaluations; moves on to
    /// the next generation.
    pub fn tell(&mut self, fitness: &[PairFitness], evaluations: u64) -> GenerationRecord {
        let Settings { types, generations, .. } = &self.settings;
        let record = GenerationRecord {
            generation: self.generation,
            alpha: types.iter().map(|of_type| of_type.alpha_at(self.generation, *generations)).collect(),
            sigma: types.iter().map(|of_type| of_type.sigma).collect(),
            weights: shape(fitness, self.settings.shaping),
            fitness: summarize(fitness),
            evaluations,
        };
        self.generation += 1;
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_log::test_log;

    #[test]
    fn asks_for_each_planned_generation_once() {
        let mut es = Es::new(Settings { generations: 2, ..test_log::settings() }, 0);
        let fitness = [PairFitness { plus: 1.0, minus: 0.0 }, PairFitness { plus: 0.0, minus: 0.0 }];
        for generation in 0..2 {
            let population = es.ask().unwrap();
            assert_eq!(population.generation, generation);
            assert_eq!(population.pairs.len(), 2);
            let record = es.tell(&fitness, 40);
            assert_eq!((record.generation, record.evaluations), (generation, 40));
            assert_eq!(record.weights, [1.0, -1.0]);
        }
        assert!(es.ask().is_none());
    }
}
