//! The held-out part.

use std::collections::BTreeSet;

use super::*;

fn answers(range: std::ops::Range<usize>) -> Vec<Example> {
    let lines: Vec<String> =
        range.map(|n| json!({"prompt": format!("q{n}"), "answer": n}).to_string()).collect();
    parsed("x.jsonl", &lines.join("\n")).examples
}

fn contents(examples: &[Example]) -> BTreeSet<String> {
    examples.iter().map(|example| format!("{:?}", example.content)).collect()
}

#[test]
fn a_share_is_held_out() {
    for (count, share, held_out) in [
        (50, HELD_OUT_SHARE, 10),
        (5, HELD_OUT_SHARE, 1),
        (7, HELD_OUT_SHARE, 1),
        (12, HELD_OUT_SHARE, 3),
        (16, HELD_OUT_SHARE, 4),
        (17, HELD_OUT_SHARE, 4),
        (40, 0.01, 4),
        (1000, HELD_OUT_SHARE, 200),
        (1000, 0.5, 500),
        (1000, 0.01, 10),
        (3, 0.9, 2),
    ] {
        let split = split(answers(0..count), share).unwrap();
        assert_eq!(split.held_out.len(), held_out, "{count} {share}");
        assert_eq!(split.training.len() + split.held_out.len(), count);
        let lines: Vec<_> = split.training.iter().map(|example| example.line).collect();
        assert!(lines.is_sorted(), "the order of the file is kept");
    }
    let many = split(answers(0..12_000), HELD_OUT_SHARE).unwrap();
    assert!((2200..2600).contains(&many.held_out.len()), "{}", many.held_out.len());
}

#[test]
fn the_split_is_pinned() {
    // Another one would put what older runs were trained on into evaluations.
    let held_out: Vec<_> = split(answers(0..40), HELD_OUT_SHARE).unwrap().held_out;
    let numbers: Vec<u64> = held_out.iter().map(|example| example.line.unwrap() - 1).collect();
    assert_eq!(numbers, [0, 13, 20, 21, 27, 32, 34, 36]);
}

#[test]
fn an_example_keeps_its_side_when_others_come_and_go() {
    let before = split(answers(0..100), HELD_OUT_SHARE).unwrap();
    let mut reordered = answers(50..100);
    reordered.reverse();
    reordered.extend(answers(0..50));
    let same = split(reordered, HELD_OUT_SHARE).unwrap();
    assert_eq!(contents(&before.held_out), contents(&same.held_out));
    // The exact share moves a few of a small set where others come.
    let more = split(answers(0..110), HELD_OUT_SHARE).unwrap();
    let moved = contents(&before.held_out).intersection(&contents(&more.training)).count();
    assert!(moved <= 4, "{moved}");
    // Of a large set none.
    let (large, larger) = (answers(0..10_500), answers(0..11_000));
    let (before, after) = (split(large, HELD_OUT_SHARE).unwrap(), split(larger, HELD_OUT_SHARE).unwrap());
    assert!(contents(&before.training).is_subset(&contents(&after.training)));
    assert!(contents(&before.held_out).is_subset(&contents(&after.held_out)));
}

#[test]
fn a_prompt_is_on_one_side_only() {
    let lines: Vec<String> = (0..300)
        .map(|n| json!({"prompt": format!("q{}", n % 60), "completion": format!("{n}")}).to_string())
        .collect();
    let split = split(parsed("x.jsonl", &lines.join("\n")).examples, HELD_OUT_SHARE).unwrap();
    let prompts = |examples: &[Example]| -> BTreeSet<String> {
        examples.iter().map(|example| example.object["prompt"].to_string()).collect()
    };
    let (training, held_out) = (prompts(&split.training), prompts(&split.held_out));
    assert!(training.is_disjoint(&held_out));
    assert_eq!(training.len() + held_out.len(), 60);
    assert_eq!(split.held_out.len(), held_out.len() * 5);
}

#[test]
fn replies_to_one_prompt_are_split_by_themselves() {
    let lines: Vec<String> = (0..200)
        .map(|n| json!({"prompt": "Write a poem.", "completion": format!("{n}")}).to_string())
        .collect();
    let split = split(parsed("x.jsonl", &lines.join("\n")).examples, HELD_OUT_SHARE).unwrap();
    assert_eq!(split.held_out.len(), 40);
}

#[test]
fn neither_side_is_empty() {
    for start in 0..40 {
        for count in 2..6 {
            for share in [1e-9, HELD_OUT_SHARE, 1.0 - 1e-9] {
                let split = split(answers(start..start + count), share).unwrap();
                assert!(!split.training.is_empty() && !split.held_out.is_empty(), "{start} {count} {share}");
            }
        }
    }
}

#[test]
fn what_cannot_be_split_is_refused() {
    for share in [0.0, 1.0, -0.1, 2.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(split(answers(0..10), share), Err(SplitError::Share(_))), "{share}");
    }
    assert_eq!(split(answers(0..1), 0.5), Err(SplitError::AllTheSame(1)));
    assert_eq!(split([answers(0..1), answers(0..1)].concat(), 0.5), Err(SplitError::AllTheSame(2)));
    assert_eq!(split(Vec::new(), 0.5), Err(SplitError::AllTheSame(0)));
}

#[test]
fn conversations_that_read_alike_are_told_apart() {
    let chat = |first: &str, second: &str| {
        json!({"messages": [
            {"role": "user", "content": first}, {"role": "user", "content": second}, {"role": "assistant", "content": "a"},
        ]})
        .to_string()
    };
    let examples = parsed("x.jsonl", &format!("{}\n{}", chat("ab", "c"), chat("a", "bc"))).examples;
    assert!(split(examples, 0.5).is_ok());
}
