//! `ask` and `tell`: the state of a run over its generations. Determines the members to evaluate, and turns their
//! fitness into the log's next record. It touches no codes.

use crate::fitness::{Shaping, shape, summarize};
use crate::noise::NoiseSeed;
use crate::perturb::{Member, Sign};
use crate::seed_log::GenerationRecord;
use crate::settings::Settings;

/// The members of one generation.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Its number, from 0.
    pub number: u64,
    /// Seeds of its perturbations: one for each member, or for each mirrored pair.
    pub seeds: Vec<NoiseSeed>,
    /// `true` if its members are mirrored.
    pub mirror: bool,
}

impl Generation {
    /// Returns the members, in the order of their numbers: the two of a mirrored pair follow each other.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        let signs: &[Sign] = if self.mirror { &[Sign::Plus, Sign::Minus] } else { &[Sign::Plus] };
        self.seeds.iter().flat_map(move |seed| signs.iter().map(move |&sign| Member { seed, sign }))
    }

    /// Returns the number of members.
    pub fn size(&self) -> usize {
        self.members().count()
    }
}

/// A run between generations.
#[derive(Clone, Debug)]
pub struct Es {
    settings: Settings,
    generation: u64,
}

impl Es {
    /// Creates a run of these settings after `generation` generations.
    pub fn new(settings: Settings, generation: u64) -> Self {
        Self { settings, generation }
    }

    /// Returns the next generation, or `None` when the planned ones are done.
    pub fn ask(&self) -> Option<Generation> {
        let Self { settings, generation: number } = self;
        let seeds = NoiseSeed::of_generation(settings.seed, *number, settings.perturbations());
        (*number < settings.generations).then_some(Generation {
            number: *number,
            seeds,
            mirror: settings.mirror,
        })
    }

    /// Returns the record of the current generation, from the fitness of its members, which took `evaluations`
    /// evaluations, and moves on to the next generation. The planned step sizes are multiplied by `restraint`.
    ///
    /// A member without a fitness was not evaluated: the others are compared among themselves, and its weight, or its
    /// pair's, is 0.
    pub fn tell(&mut self, fitness: &[Option<f64>], evaluations: u64, restraint: f64) -> GenerationRecord {
        let Settings { mirror, shaping, .. } = &self.settings;
        let planned = self.settings.alphas_at(self.generation);
        let evaluated: Vec<f64> = fitness.iter().copied().flatten().collect();
        let record = GenerationRecord {
            generation: self.generation,
            alpha: planned.into_iter().map(|alpha| restraint * alpha).collect(),
            weights: weights(fitness, *mirror, *shaping),
            fitness: summarize(&evaluated),
            evaluations,
        };
        self.generation += 1;
        record
    }
}

/// Returns the weight of each perturbation, 0 if one of its members was not evaluated.
fn weights(fitness: &[Option<f64>], mirror: bool, shaping: Shaping) -> Vec<f32> {
    let members_each = if mirror { 2 } else { 1 };
    let whole = |members: &[Option<f64>]| members.iter().copied().collect::<Option<Vec<f64>>>();
    let of_each: Vec<Option<Vec<f64>>> = fitness.chunks(members_each).map(whole).collect();
    let evaluated: Vec<f64> = of_each.iter().flatten().flatten().copied().collect();
    let mut shaped = shape(&evaluated, mirror, shaping).into_iter();
    of_each.iter().map(|members| members.as_ref().and_then(|_| shaped.next()).unwrap_or(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed_log::test_log;

    #[test]
    fn asks_for_each_planned_generation_once() {
        let mut es = Es::new(Settings { generations: 2, ..test_log::settings() }, 0);
        let fitness = [1.0, 0.0, 1.0, 0.0].map(Some);
        for generation in 0..2 {
            let asked = es.ask().unwrap();
            assert_eq!(asked.number, generation);
            assert_eq!((asked.seeds.len(), asked.size()), (4, 4));
            let record = es.tell(&fitness, 40, 0.5);
            assert_eq!(record.alpha[0], 0.5 * test_log::settings().types[0].alpha_at(generation, 2));
            assert_eq!((record.generation, record.evaluations), (generation, 40));
            assert_eq!(record.weights, [1.0, -1.0, 1.0, -1.0]);
        }
        assert!(es.ask().is_none());
    }

    #[test]
    fn mirrored_members_follow_each_other() {
        let es = Es::new(Settings { population: 4, mirror: true, ..test_log::settings() }, 0);
        let asked = es.ask().unwrap();
        let signs: Vec<Sign> = asked.members().map(|member| member.sign).collect();
        assert_eq!(signs, [Sign::Plus, Sign::Minus, Sign::Plus, Sign::Minus]);
        assert!(asked.members().zip([0, 0, 1, 1]).all(|(member, pair)| *member.seed == asked.seeds[pair]));
    }

    #[test]
    fn a_member_that_was_not_evaluated_weighs_nothing_and_the_others_what_they_would_without_it() {
        for shaping in [Shaping::Zscore, Shaping::Rank] {
            let all = [0.5, 1.5, -2.0, 4.0].map(Some);
            let without = shape(&[0.5, -2.0, 4.0], false, shaping);
            let [first, _, third, fourth] = all;
            let weighed = weights(&[first, None, third, fourth], false, shaping);
            assert_eq!(weighed, [without[0], 0.0, without[1], without[2]], "{shaping:?}");
            // Of a pair, both members are needed.
            let pairs = [0.5, 1.5, -2.0, 4.0, 1.0, 0.0].map(Some);
            let whole = shape(&[0.5, 1.5, 1.0, 0.0], true, shaping);
            let mut torn = pairs;
            torn[3] = None;
            assert_eq!(weights(&torn, true, shaping), [whole[0], 0.0, whole[1]], "{shaping:?}");
            assert_eq!(weights(&[None; 4], true, shaping), [0.0; 2], "{shaping:?}");
        }
    }

    #[test]
    fn the_summary_is_of_the_members_that_were_evaluated() {
        let mut es = Es::new(test_log::settings(), 0);
        let record = es.tell(&[Some(1.0), None, Some(3.0), None], 2, 1.0);
        assert_eq!((record.fitness.mean, record.fitness.best, record.evaluations), (2.0, 3.0, 2));
    }
}
