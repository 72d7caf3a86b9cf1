//! The problems, and the judge against a solver that tries everything.

use std::collections::HashSet;

use super::*;
use crate::task::expression::evaluate;
use crate::task::number::Number;

fn countdown(
    counts: RangeInclusive<u32>,
    numbers: RangeInclusive<u32>,
    targets: RangeInclusive<u32>,
) -> Countdown {
    Countdown::new(CountdownOptions { counts, numbers, targets }).unwrap()
}

fn default() -> Countdown {
    Countdown::new(CountdownOptions::default()).unwrap()
}

/// Every expression over all the numbers, fully in parentheses, with its value as a fraction; `None` for a division by
/// zero.
fn all_expressions(parts: &[(Option<(i64, i64)>, String)]) -> Vec<(Option<(i64, i64)>, String)> {
    if let [whole] = parts {
        return vec![whole.clone()];
    }
    let mut found = Vec::new();
    for i in 0..parts.len() {
        for j in (0..parts.len()).filter(|&j| j != i) {
            for sign in ['+', '-', '*', '/'] {
                let both = parts[i].0.zip(parts[j].0);
                let value = both.and_then(|((a, b), (c, d))| match sign {
                    '+' => Some((a * d + c * b, b * d)),
                    '-' => Some((a * d - c * b, b * d)),
                    '*' => Some((a * c, b * d)),
                    _ => (c != 0).then_some((a * d, b * c)),
                });
                let text = format!("({} {sign} {})", parts[i].1, parts[j].1);
                let others = (0..parts.len()).filter(|&k| k != i && k != j).map(|k| parts[k].clone());
                let rest: Vec<_> = others.chain([(value, text)]).collect();
                found.extend(all_expressions(&rest));
            }
        }
    }
    found
}

fn expressions_over(numbers: &[u32]) -> Vec<(Option<(i64, i64)>, String)> {
    let parts: Vec<_> = numbers.iter().map(|&n| (Some((i64::from(n), 1)), n.to_string())).collect();
    all_expressions(&parts)
}

/// A fraction's value, when it is a target.
fn whole(value: Option<(i64, i64)>) -> Option<u32> {
    let (above, below) = value?;
    u32::try_from((above % below == 0).then(|| above / below)?).ok().filter(|&target| target > 0)
}

#[test]
fn the_judge_agrees_with_all_expressions_over_all_small_triples() {
    let (mut solved, mut unsolved) = (0, 0);
    for a in 1..=9 {
        for (b, c) in (a..=9).flat_map(|b| (b..=9).map(move |c| (b, c))) {
            let expressions = expressions_over(&[a, b, c]);
            assert_eq!(expressions.len(), 192);
            for (value, text) in expressions {
                let puzzle = |numbers: [u32; 3], target| Puzzle {
                    numbers: numbers.to_vec(),
                    target,
                    solution: String::new(),
                    steps: Vec::new(),
                };
                let target = whole(value);
                // Where the value is no target, one near it is not made either.
                let near = value.map_or(1, |(above, below)| (above / below).unsigned_abs().max(1) as u32);
                let wanted = target.unwrap_or(near);
                assert_eq!(
                    puzzle([c, a, b], wanted).is_solved_by(&text),
                    target.is_some(),
                    "{text} = {wanted}"
                );
                assert!(!puzzle([c, a, b], wanted + 1).is_solved_by(&text), "{text} = {wanted} + 1");
                assert!(!puzzle([c, a + 10, b], wanted).is_solved_by(&text), "{text} without {a}");
                *if target.is_some() { &mut solved } else { &mut unsolved } += 1;
            }
        }
    }
    assert!(solved > 5000 && unsolved > 5000, "{solved} {unsolved}");
}

#[test]
fn drawn_problems_are_solvable_and_their_wanted_reply_earns_everything() {
    let options = CountdownOptions { counts: 2..=6, ..Default::default() };
    for puzzle in Countdown::new(options).unwrap().puzzles(1, 0, 2000) {
        let verdict = puzzle.judge(&puzzle.wanted_reply());
        assert_eq!((verdict.right, verdict.reward), (true, 1.1), "{puzzle:?}");
        assert_eq!(puzzle.steps.len() + 1, puzzle.numbers.len());
        for step in &puzzle.steps {
            let (text, value) = step.split_once(" = ").unwrap();
            let value: i128 = value.parse().unwrap();
            assert!(value > 0, "{step}");
            assert_eq!(evaluate(text).unwrap().value, Number::from(value), "{step}");
        }
    }
    for puzzle in countdown(3..=3, 1..=99, 10..=99).puzzles(2, 0, 300) {
        let reached = expressions_over(&puzzle.numbers).into_iter().filter_map(|(value, _)| whole(value));
        assert!(reached.collect::<HashSet<u32>>().contains(&puzzle.target), "{puzzle:?}");
    }
}

#[test]
fn problems_are_within_the_options_and_all_of_them_occur() {
    let puzzles = countdown(2..=3, 4..=7, 8..=20).puzzles(0, 0, 2000);
    let counts: HashSet<usize> = puzzles.iter().map(|puzzle| puzzle.numbers.len()).collect();
    assert_eq!(counts, [2, 3].into());
    let numbers: HashSet<u32> = puzzles.iter().flat_map(|puzzle| puzzle.numbers.clone()).collect();
    assert_eq!(numbers, [4, 5, 6, 7].into());
    let targets: HashSet<u32> = puzzles.iter().map(|puzzle| puzzle.target).collect();
    assert_eq!(targets, (8..=20).collect());
    let signs: HashSet<char> = puzzles.iter().flat_map(|puzzle| puzzle.solution.chars()).collect();
    assert!("+-*/()".chars().all(|sign| signs.contains(&sign)), "{signs:?}");
}

#[test]
fn a_fifth_is_held_out_and_never_trained_on() {
    let keys = |puzzles: Vec<Puzzle>| -> Vec<String> { puzzles.iter().map(Puzzle::key).collect() };
    let first = keys(default().held_out_puzzles(1000));
    let held_out: HashSet<String> = first.iter().cloned().collect();
    assert_eq!(held_out.len(), 1000);
    for generation in 0..20 {
        assert!(keys(default().puzzles(1, generation, 200)).iter().all(|key| !held_out.contains(key)));
    }
    // A small task is told to its end.
    let small = countdown(2..=2, 1..=9, 1..=81);
    let held_out: HashSet<String> = keys(small.held_out_puzzles(usize::MAX)).into_iter().collect();
    let trained: HashSet<String> = keys(small.puzzles(0, 0, 20_000)).into_iter().collect();
    let reached = (1..=9).flat_map(|a| {
        (a..=9).flat_map(move |b| {
            expressions_over(&[a, b])
                .into_iter()
                .filter_map(move |(value, _)| Some(format!("{a},{b}={}", whole(value)?)))
        })
    });
    let all: HashSet<String> = reached.collect();
    assert!(held_out.is_disjoint(&trained));
    assert_eq!(held_out.union(&trained).cloned().collect::<HashSet<String>>(), all);
    let share = held_out.len() as f64 / all.len() as f64;
    assert!((0.1..0.3).contains(&share), "{share}");
}

#[test]
fn problems_are_drawn_from_seed_and_generation() {
    let drawn = default().puzzles(3, 4, 20);
    assert_eq!(drawn, default().puzzles(3, 4, 20));
    assert_eq!(drawn[..5], default().puzzles(3, 4, 5));
    assert_ne!(drawn, default().puzzles(3, 5, 20));
    assert_ne!(drawn, default().puzzles(4, 4, 20));
    assert_eq!(default().held_out_puzzles(20)[..5], default().held_out_puzzles(5));
}

#[test]
fn drawn_problems_do_not_change_between_versions() {
    let golden = |puzzle: &Puzzle| format!("{:?} {} {}", puzzle.numbers, puzzle.target, puzzle.solution);
    let training: Vec<String> = default().puzzles(3, 4, 3).iter().map(golden).collect();
    assert_eq!(
        training,
        [
            "[36, 16, 39, 9] 82 36 + 16 + 39 - 9",
            "[28, 65, 46, 99] 52 99 - (65 - 46) - 28",
            "[41, 50, 97, 50] 56 50 + 97 - 41 - 50"
        ]
    );
    let held_out: Vec<String> = default().held_out_puzzles(3).iter().map(golden).collect();
    assert_eq!(
        held_out,
        ["[45, 10, 24] 31 45 + 10 - 24", "[5, 19, 80] 94 80 - 5 + 19", "[9, 58, 82] 15 82 - 58 - 9"]
    );
}

#[test]
fn options_are_checked() {
    let with = |counts, numbers, targets| Countdown::new(CountdownOptions { counts, numbers, targets });
    #[allow(clippy::reversed_empty_ranges)] // They are what is refused.
    for (counts, numbers, targets) in [
        (1..=3, 1..=99, 10..=99),
        (3..=7, 1..=99, 10..=99),
        (4..=3, 1..=99, 10..=99),
        (3..=4, 0..=99, 10..=99),
        (3..=4, 1..=1001, 10..=99),
        (3..=4, 9..=1, 10..=99),
        (3..=4, 1..=99, 0..=99),
        (3..=4, 1..=99, 10..=u32::MAX),
        (3..=4, 1..=99, 99..=10),
    ] {
        let error = with(counts, numbers, targets).unwrap_err();
        assert!(matches!(error, CountdownOptionsError::Range { .. }), "{error}");
    }
    for (counts, numbers, targets) in
        [(2..=2, 1..=1, 500..=500), (2..=2, 1..=1, 1..=1), (2..=3, 900..=1000, 997..=997)]
    {
        let error = with(counts, numbers, targets.clone()).unwrap_err();
        assert_eq!(error, CountdownOptionsError::OutOfReach(targets));
    }
    let error = with(1..=3, 1..=99, 10..=99).unwrap_err().to_string();
    assert_eq!(error, "--counts is 1-3, but must be a range within 2-6, its lower end first");
    with(6..=6, 1000..=1000, 1..=1_000_000).unwrap();
}

#[test]
fn options_are_read_back() {
    let options = CountdownOptions { counts: 2..=5, ..Default::default() };
    let text = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<CountdownOptions>(&text).unwrap(), options);
    assert_eq!(serde_json::from_str::<CountdownOptions>("{}").unwrap(), CountdownOptions::default());
    assert!(text.contains(r#""counts":"2-5""#), "{text}");
    let short = serde_json::from_str::<CountdownOptions>(r#"{"counts":"3","numbers":" 1 - 9 "}"#).unwrap();
    assert_eq!((short.counts, short.numbers), (3..=3, 1..=9));
    for text in [r#"{"count":"2-3"}"#, r#"{"counts":"2-3-4"}"#, r#"{"counts":"-3"}"#, r#"{"counts":3}"#] {
        assert!(serde_json::from_str::<CountdownOptions>(text).is_err(), "{text}");
    }
}

#[test]
fn the_prompt_tells_numbers_and_target() {
    let puzzle = default().puzzles(0, 0, 1).remove(0);
    let numbers: Vec<String> = puzzle.numbers.iter().map(u32::to_string).collect();
    let prompt = puzzle.prompt();
    assert!(
        prompt.starts_with(&format!("Make {} from the numbers {}. ", puzzle.target, numbers.join(", "))),
        "{prompt}"
    );
    assert!(["<think> </think>", "<answer> </answer>"].iter().all(|tags| prompt.contains(tags)));
    // The example in the prompt is a good reply to its own problem.
    let example = prompt.split_once("3 and 7: ").unwrap().1;
    let of_example = Puzzle { numbers: vec![2, 3, 7], target: 20, ..puzzle };
    assert_eq!(of_example.judge(example).reward, 1.1);
}
