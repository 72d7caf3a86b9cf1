//! Rounds, crews and audits by themselves.

use super::*;
use crate::fleet::audit::{outliers, spread};
use crate::fleet::round::{GivenAnswer, Need, Received};
use crate::fleet::sameness::agree;

const NOW: Duration = Duration::from_secs(1);

fn told(by: &str, class: &str, fitness: &[f64]) -> GivenAnswer {
    GivenAnswer { by: by.to_owned(), class: class.to_owned(), fitness: fitness.to_vec() }
}

#[test]
fn a_round_has_a_place_for_each_member_once() {
    let mut round = Round::new(0, 10, 4, NOW);
    let members: Vec<_> = round.pieces().iter().map(|piece| piece.members.clone()).collect();
    assert_eq!(members, [0..4, 4..8, 8..10]);
    assert_eq!(round.answer(4, told("a", "x", &[1.0; 4]), NOW), Received::First(1));
    assert_eq!(round.answer(4, told("a", "x", &[2.0; 4]), NOW), Received::Useless, "the same worker again");
    assert_eq!(round.answer(4, told("b", "x", &[2.0; 3]), NOW), Received::Useless, "other members");
    assert_eq!(round.answer(5, told("b", "x", &[2.0; 4]), NOW), Received::Useless, "other members");
    assert_eq!(round.answer(4, told("b", "x", &[1.0; 4]), NOW), Received::Further(1));
    let fitness = round.fitness("x");
    assert_eq!(fitness.len(), 10);
    assert_eq!(fitness.iter().flatten().count(), 4);
    assert!(!round.is_complete(None));
    round.give_up();
    assert!(round.is_complete(None));
}

#[test]
fn answers_that_differ_need_a_ruling_which_counts() {
    let mut round = Round::new(0, 2, 1, NOW);
    round.answer(0, told("a", "x", &[1.0]), NOW);
    round.check(0);
    assert_eq!(round.pieces()[0].need(None), Need::Check);
    round.answer(0, told("b", "x", &[1.5]), NOW);
    assert_eq!(round.pieces()[0].need(None), Need::Ruling);
    round.rule(0, vec![1.5], NOW);
    assert_eq!(round.pieces()[0].need(None), Need::Nothing);
    assert_eq!(round.fitness("x")[0], Some(1.5));
}

#[test]
fn a_workers_answers_are_dropped_and_their_pieces_are_open_again() {
    let mut round = Round::new(0, 3, 1, NOW);
    for first in 0..3 {
        round.answer(first, told("a", "x", &[1.0]), NOW);
    }
    round.answer(1, told("b", "x", &[1.0]), NOW);
    round.rule(2, vec![2.0], NOW);
    assert_eq!(round.drop_worker("a"), [0]);
    assert_eq!(round.lacking(Need::Answer, None), [0]);
    assert_eq!(round.fitness("x"), [None, Some(1.0), Some(2.0)]);
}

#[test]
fn the_coordinators_own_kernel_class_counts_before_others() {
    let mut round = Round::new(0, 1, 1, NOW);
    round.answer(0, told("a", "other", &[1.0]), NOW);
    round.answer(0, told("b", "home", &[1.01]), NOW);
    assert_eq!(round.pieces()[0].need(Some(0.5)), Need::Nothing);
    assert_eq!(round.fitness("home"), [Some(1.01)]);
}

#[test]
fn a_piece_begins_when_a_later_one_is_answered() {
    let mut round = Round::new(0, 3, 1, NOW);
    assert_eq!([0, 1, 2].map(|number| round.offered(number)), [1; 3]);
    round.answer(1, told("a", "x", &[1.0]), NOW);
    let begun: Vec<bool> = round.pieces().iter().map(|piece| piece.begun.is_some()).collect();
    assert_eq!(begun, [true, false, false]);
}

#[test]
fn answers_agree_exactly_in_a_class_and_nearly_across() {
    assert!(agree(&[0.1], &[0.1], true, Some(1.0)));
    assert!(!agree(&[0.1], &[0.1 + 1e-16], true, Some(1.0)));
    assert!(!agree(&[0.0], &[-0.0], true, None));
    assert!(agree(&[0.1], &[0.1 + 1e-9], false, Some(0.0)));
    assert!(agree(&[0.1], &[0.5], false, Some(1.0)));
    assert!(!agree(&[0.1], &[0.7], false, Some(1.0)));
    assert!(!agree(&[0.1], &[0.1, 0.1], false, None));
    assert!(!agree(&[1.0], &[1.2], false, None));
}

#[test]
fn fitness_far_from_the_others_is_found() {
    let mut round = Round::new(0, 20, 2, NOW);
    for first in (0..20).step_by(2) {
        let value = f64::from(first % 5) * 0.01;
        round.answer(first, told("a", "x", &[value, value + 0.002]), NOW);
    }
    assert_eq!(outliers(&round), [0; 0]);
    round.drop_worker("none");
    let mut with = Round::new(0, 20, 2, NOW);
    for first in (0..20).step_by(2) {
        let value = if first == 6 { -1.0 } else { f64::from(first % 5) * 0.01 };
        with.answer(first, told("a", "x", &[value, 0.02]), NOW);
    }
    assert_eq!(outliers(&with), [3]);
    assert!(spread(&with).is_some_and(|spread| (0.001..0.1).contains(&spread)));
    assert_eq!(spread(&Round::new(0, 20, 2, NOW)), None);
}

#[test]
fn the_draw_has_the_share_that_is_asked_for_and_depends_on_the_secret() {
    let drawn = |secret, share| -> Vec<u32> {
        (0..10_000).filter(|first| Audits { secret, share }.draws(1, *first)).collect()
    };
    let count = drawn(1, 0.03).len();
    assert!((250..350).contains(&count), "{count}");
    assert_ne!(drawn(1, 0.03), drawn(2, 0.03));
    assert_eq!((drawn(1, 0.0).len(), drawn(1, 1.0).len()), (0, 10_000));
}

#[test]
fn units_suit_the_workers() {
    let pace = Pace::default();
    let mut crew = Crew::default();
    assert_eq!(crew.unit_size(64, &pace), 1, "no speed is known");
    let add = |crew: &mut Crew, key: &str, each: f64| {
        crew.heard(key, key, NOW);
        crew.answered(key, 1, each);
    };
    add(&mut crew, "a", 1.0);
    assert_eq!(crew.unit_size(64, &pace), 10);
    assert_eq!(crew.unit_size(12, &pace), 4, "some units for each");
    add(&mut crew, "b", 1.0);
    add(&mut crew, "c", 5.0);
    assert_eq!(crew.unit_size(64, &pace), 4, "20 seconds on the slowest");
    assert_eq!(crew.slow(), Some(("c".to_owned(), 5.0)));
    add(&mut crew, "d", 100.0);
    assert_eq!(crew.unit_size(64, &pace), 1);
    crew.shut_out("d");
    assert_eq!((crew.here(), crew.unit_size(64, &pace)), (3, 4));
    assert_eq!(crew.limit(true, &pace).of(4), Duration::from_secs(8), "twice the typical worker's time");
    assert_eq!(
        crew.limit(false, &pace).of(4),
        Duration::from_secs(30),
        "the slowest one's, and half of that"
    );
    assert_eq!(crew.silent(NOW + 2 * pace.quiet, &pace).len(), 3);
    assert_eq!(crew.silent(NOW, &pace).len(), 0);
}
