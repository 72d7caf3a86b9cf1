//! What is due in a generation: checks of answers, rulings, and further offers.

use std::sync::atomic::AtomicBool;

use super::Fleet;
use crate::engine::Engine;
use crate::es::Generation;
use crate::fleet::audit::{outliers, spread};
use crate::fleet::bus::CoordinatorBus;
use crate::fleet::round::{GivenAnswer, Need, Round, Share};
use crate::fleet::sameness::agree;
use crate::tune::{Event, TuneError};

impl<E: Engine, B: CoordinatorBus> Fleet<E, B> {
    /// Offers a piece to another worker than the one that answered.
    pub(super) fn check(
        &mut self,
        round: &mut Round,
        number: usize,
        stop: &AtomicBool,
    ) -> Result<(), TuneError> {
        let by = round.pieces()[number].first_by().map(ToOwned::to_owned);
        match by.filter(|by| self.desk.crew.has_another(by)) {
            Some(by) => self.desk.offer(round, number, Some(by), stop),
            None => Ok(()),
        }
    }

    /// Does what is due: checks, rulings, and further offers of what takes too long.
    pub(super) fn decide(
        &mut self,
        round: &mut Round,
        generation: &Generation,
        stop: &AtomicBool,
    ) -> Result<(), TuneError> {
        self.desk.look_around(round);
        self.desk.announce_if_slow(round, stop)?;
        let open = round.lacking(Need::Answer, None);
        if open.is_empty() {
            outliers(round).into_iter().for_each(|number| round.check(number));
        }
        let checks = round.lacking(Need::Check, None);
        let (now, unanswered) = (self.desk.now(), open.len() + checks.len());
        let limit = self.desk.limit(unanswered);
        if unanswered <= self.desk.crew.here() || self.desk.is_slow(round) {
            round.all_begun(now);
        }
        for number in open {
            if limit.is_over(&round.pieces()[number], now) {
                self.desk.offer(round, number, None, stop)?;
            }
        }
        for number in checks {
            let piece = &round.pieces()[number];
            let alone = piece.first_by().is_none_or(|by| !self.desk.crew.has_another(by));
            if alone || limit.is_over(piece, now) {
                self.rule(round, number, generation, stop)?;
            } else if piece.issues < 2 {
                self.check(round, number, stop)?;
            }
        }
        for number in round.lacking(Need::Ruling, spread(round)) {
            self.rule(round, number, generation, stop)?;
        }
        if self.desk.is_stalled(round, generation.size()) {
            round.give_up();
        }
        Ok(())
    }

    /// Evaluates a piece here, and compares all answers to it with that.
    fn rule(
        &mut self,
        round: &mut Round,
        number: usize,
        generation: &Generation,
        stop: &AtomicBool,
    ) -> Result<(), TuneError> {
        let Share { members, .. } = &round.pieces()[number];
        let numbers = members.start as usize..members.end as usize;
        let fitness = self.local.evaluate_some(generation, numbers, stop, &mut |_: &Event<'_>| ())?;
        let Some(fitness) = fitness else { return Ok(()) };
        let spread = spread(round);
        let told = round.pieces()[number].told().to_vec();
        round.rule(number, fitness.clone(), self.desk.now());
        for GivenAnswer { by, class, fitness: told } in told {
            let same_class = class == self.desk.options.class;
            if agree(&told, &fitness, same_class, spread) {
                self.desk.crew.vet(&by);
                continue;
            }
            let how = if same_class {
                "exactly, on the same kernel class"
            } else {
                "within the spread of the fitness"
            };
            let reason = format!(
                "it answered {} for a member for which the coordinator found {}, and the two should be the same {how}",
                told.first().copied().unwrap_or_default(),
                fitness.first().copied().unwrap_or_default()
            );
            self.desk.shut_out(&by, &reason, stop)?;
            for open in round.drop_worker(&by) {
                self.desk.offer(round, open, Some(by.clone()), stop)?;
            }
        }
        self.desk.checked += 1;
        Ok(())
    }
}
