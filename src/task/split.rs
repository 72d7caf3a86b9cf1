//! The split of a task's drawn problems: the fifth that only evaluation sees, chosen by a hash of the problem.
//!
//! A problem is held out if the first 8 bytes of the SHA-256 of its text, as a big-endian number, are divisible by 5.
//! No list and no seed is needed, and two runs agree whatever their options.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use crate::rng::{Domain, Source, Stream};

/// Number of problems of which one is held out.
const HELD_OUT_SHARE: u64 = 5;

/// Draws without a new problem after which a task counts as exhausted.
const PATIENCE: usize = 100_000;

/// Stream of [`Domain::HeldOut`] that orders the held-out problems of arith if all are listed.
pub(super) const ARITH_ORDER: u64 = 0;
/// Stream of the held-out problems of arith if they are too many to list.
pub(super) const ARITH_DRAWS: u64 = 1;
/// Stream of the held-out problems of countdown.
pub(super) const COUNTDOWN_DRAWS: u64 = 2;

/// Returns whether the problem with this text is held out.
pub(super) fn is_held_out(text: &str) -> bool {
    let digest = Sha256::digest(text);
    let number = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    number.is_multiple_of(HELD_OUT_SHARE)
}

/// Returns the stream of held-out draws with this number.
pub(super) fn held_out_stream(number: u64) -> Stream {
    Source::new(0, Domain::HeldOut).stream(number)
}

/// Returns problems of a generation, none of them held out. `draw` returns a problem's text and the problem; some of
/// its problems must not be held out.
pub(super) fn training<P>(
    (seed, generation): (u64, u64),
    count: usize,
    draw: impl Fn(&mut Stream) -> (String, P),
) -> Vec<P> {
    let mut stream = Source::new(seed, Domain::Problems).stream(generation);
    let drawn = std::iter::repeat_with(|| draw(&mut stream));
    drawn.filter(|(text, _)| !is_held_out(text)).map(|(_, problem)| problem).take(count).collect()
}

/// Returns the first `count` different held-out problems of a stream; fewer once it yields no new ones.
pub(super) fn held_out<P>(stream: u64, count: usize, draw: impl Fn(&mut Stream) -> (String, P)) -> Vec<P> {
    let mut stream = held_out_stream(stream);
    let (mut seen, mut problems, mut idle) = (HashSet::new(), Vec::new(), 0);
    while problems.len() < count && idle < PATIENCE {
        let (text, problem) = draw(&mut stream);
        idle += 1;
        if is_held_out(&text) && seen.insert(text) {
            problems.push(problem);
            idle = 0;
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(stream: &mut Stream) -> (String, u32) {
        let number = stream.below(1000);
        (number.to_string(), number)
    }

    #[test]
    fn the_two_parts_are_all_and_share_nothing() {
        let held_out: HashSet<u32> = held_out(9, usize::MAX, draw).into_iter().collect();
        let trained: HashSet<u32> = training((1, 2), 20_000, draw).into_iter().collect();
        assert!((150..250).contains(&held_out.len()), "{}", held_out.len());
        assert!(held_out.is_disjoint(&trained));
        assert_eq!(held_out.len() + trained.len(), 1000);
    }

    #[test]
    fn fewer_are_the_first_of_more() {
        let all = held_out(9, usize::MAX, draw);
        for count in [0, 1, 17, all.len()] {
            assert_eq!(held_out(9, count, draw), all[..count]);
        }
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "no problem comes twice");
        assert_ne!(held_out(8, 20, draw), all[..20]);
    }
}
