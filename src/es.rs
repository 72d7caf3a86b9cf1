//! `ask` and `tell`: the state of a run over its generations. Says which members to evaluate, and turns their fitness
//! into the log's next record. It touches no codes.

use crate::fitness::{shape, summarize};
use crate::noise::NoiseSeed;
use crate::seed_log::GenerationRecord;
use crate::settings::Settings;

/// The members of one generation.
#[derive(Clone, Debug)]
pub struct Population {
    /// Number of the generation, from 0.
    pub generation: u64,
    /// What its perturbations are drawn from: one for each member, or for each mirrored pair.
    pub seeds: Vec<NoiseSeed>,
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
        let Self { settings, generation } = self;
        let seeds = NoiseSeed::of_generation(settings.seed, *generation, settings.perturbations());
        (*generation < settings.generations).then_some(Population { generation: *generation, seeds })
    }

    /// Returns the record of the generation that was asked for, from the fitness of its members, which took so many evaluations;
    /// moves on to the next generation. The planned step sizes are multiplied by `restraint`.
    pub fn tell(&mut self, fitness: &[f64], evaluations: u64, restraint: f64) -> GenerationRecord {
        let Settings { mirror, shaping, .. } = &self.settings;
        let planned = self.settings.alphas_at(self.generation);
        let record = GenerationRecord {
            generation: self.generation,
            alpha: planned.into_iter().map(|alpha| restraint * alpha).collect(),
            weights: shape(fitness, *mirror, *shaping),
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
        let fitness = [1.0, 0.0, 1.0, 0.0];
        for generation in 0..2 {
            let population = es.ask().unwrap();
            assert_eq!(population.generation, generation);
            assert_eq!(population.seeds.len(), 4);
            let record = es.tell(&fitness, 40, 0.5);
            assert_eq!(record.alpha[0], 0.5 * test_log::settings().types[0].alpha_at(generation, 2));
            assert_eq!((record.generation, record.evaluations), (generation, 40));
            assert_eq!(record.weights, [1.0, -1.0, 1.0, -1.0]);
        }
        assert!(es.ask().is_none());
    }
}
