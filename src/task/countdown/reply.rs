//! Judges replies to Countdown problems.

use super::Puzzle;
use crate::task::Verdict;
use crate::task::expression::evaluate;
use crate::task::number::Number;

/// Reward of a reply in the requested form, right or wrong.
pub const FORMAT_REWARD: f64 = 0.1;

impl Puzzle {
    /// Judges a reply: 1 for a right answer, plus [`FORMAT_REWARD`] for one thought followed by one answer.
    pub fn judge(&self, reply: &str) -> Verdict {
        let right = last_answer(reply).is_some_and(|answer| self.is_solved_by(answer));
        Verdict { right, reward: f64::from(right) + FORMAT_REWARD * f64::from(is_well_formed(reply)) }
    }

    /// Returns whether an expression uses each number once and makes the target. `= target` may follow it.
    pub fn is_solved_by(&self, answer: &str) -> bool {
        let (text, claim) =
            answer.split_once('=').map_or((answer, None), |(text, claim)| (text, Some(claim)));
        if claim.is_some_and(|claim| claim.trim().parse() != Ok(self.target)) {
            return false;
        }
        evaluate(text).is_ok_and(|found| {
            let mut used = found.literals;
            used.sort_unstable();
            found.value == Number::from(i128::from(self.target))
                && used.into_iter().eq(self.sorted().into_iter().map(u64::from))
        })
    }
}

/// Returns the contents of the last closed answer block.
fn last_answer(reply: &str) -> Option<&str> {
    let (before_end, _) = reply.rsplit_once("</answer>")?;
    before_end.rsplit_once("<answer>").map(|(_, answer)| answer)
}

/// Returns whether a reply is a thought and then an answer, with nothing around them. The prompt may have opened the
/// thought.
fn is_well_formed(reply: &str) -> bool {
    let reply = reply.trim();
    let thought_and_answer = reply.strip_prefix("<think>").unwrap_or(reply).split_once("</think>");
    let parts = thought_and_answer.and_then(|(thought, rest)| {
        let answer = rest.trim_start().strip_prefix("<answer>")?.strip_suffix("</answer>")?;
        Some([thought, answer])
    });
    let has_tag =
        |part: &str| ["<think>", "</think>", "<answer>", "</answer>"].iter().any(|tag| part.contains(tag));
    parts.is_some_and(|parts| !parts.into_iter().any(has_tag))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn puzzle() -> Puzzle {
        let solution = "(7 + 3) * 2".to_owned();
        Puzzle { numbers: vec![3, 7, 2], target: 20, solution, steps: vec!["7 + 3 = 10".to_owned()] }
    }

    #[test]
    fn replies_and_their_marks() {
        for (reply, right, format) in [
            ("<think>x</think><answer>(7 + 3) * 2</answer>", true, true),
            ("<think>x</think>\n<answer> (7+3)*2 = 20 </answer>\n", true, true),
            ("it is easy</think> <answer>2 × (3 + 7)=20</answer>", true, true),
            ("</think><answer>2*7+3*2</answer>", false, true),
            ("<think></think><answer></answer>", false, true),
            ("<answer>(7+3)*2</answer>", true, false),
            ("<think>x</think> so <answer>(7+3)*2</answer>", true, false),
            ("<think>x</think><answer>(7+3)*2</answer> is it", true, false),
            ("<think>x<answer>(7+3)*2</answer></think>", true, false),
            ("<think>x<answer>1</answer></think><answer>(7+3)*2</answer>", true, false),
            ("<think>x</think><answer>1</answer><answer>(7+3)*2</answer>", true, false),
            ("<think>x</think><answer>(7+3)*2</answer><answer>1</answer>", false, false),
            ("<think>x</think><answer>(7+3)*2</answer><answer>1", true, false),
            ("<think><think>x</think><answer>(7+3)*2</answer>", true, false),
            ("<think>x</think></think><answer>(7+3)*2</answer>", true, false),
            ("<answer>(7+3)*2</answer><think>x</think>", true, false),
            ("</answer>(7+3)*2<answer>", false, false),
            ("<think>x</think><answer>(7+3)*2", false, false),
            ("<think>x</think>(7+3)*2</answer>", false, false),
            ("<think>x<answer>(7+3)*2</answer>", true, false),
            ("<THINK>x</THINK><ANSWER>(7+3)*2</ANSWER>", false, false),
            ("(7+3)*2", false, false),
            ("", false, false),
        ] {
            let verdict = puzzle().judge(reply);
            assert_eq!((verdict.right, is_well_formed(reply)), (right, format), "{reply}");
            let reward = if right { 1.0 } else { 0.0 } + if format { 0.1 } else { 0.0 };
            assert_eq!(verdict.reward, reward, "{reply}");
        }
    }

    #[test]
    fn only_what_makes_the_target_of_all_numbers_is_an_answer() {
        for answer in ["(7+3)*2", " 2*(3 + 7) = 20 ", "2·(−(−3−7))=20", "(7+3)*2=020"] {
            assert!(puzzle().is_solved_by(answer), "{answer}");
        }
        for answer in [
            "20",
            "7*2+3*2",
            "2*(7+3)+2-2",
            "2*(7+3)*1",
            "2*7+3",
            "73-2",
            "(7+3)2",
            "(7+3)*2 = 21",
            "(7+3)*2 = 10*2",
            "(7+3)*2 = 20 = 20",
            "(7+3)*2 =",
            "= 20",
            "20 = (7+3)*2",
            "x = (7+3)*2",
        ] {
            assert!(!puzzle().is_solved_by(answer), "{answer}");
        }
    }

    #[test]
    fn values_on_the_way_may_be_fractions_and_negative() {
        for (numbers, target, answer, solved) in [
            (&[3, 3, 8, 8][..], 24, "8/(3-8/3)", true),
            (&[2, 5, 9], 6, "2-5+9", true),
            (&[5, 5, 9], 9, "-(5-5)+9", true),
            (&[2, 4, 9], 9, "2/4+9", false),
            (&[5, 5, 9], 9, "9/(5-5)", false),
        ] {
            let puzzle = Puzzle { numbers: numbers.to_vec(), target, ..puzzle() };
            assert_eq!(puzzle.is_solved_by(answer), solved, "{answer}");
        }
    }

    #[test]
    fn hostile_replies_earn_nothing() {
        let many = 1 << 18;
        for text in [
            "(",
            ")",
            "9",
            "-",
            "<answer>",
            "</answer>",
            "<think>",
            "</think><answer>",
            "\u{1f600}",
            "=",
            "1/",
        ] {
            let text = text.repeat(many);
            let answer = format!("<answer>{text}</answer>");
            for reply in [text, answer] {
                assert!(!puzzle().judge(&reply).right, "{reply:.30}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_reply_is_judged(pieces in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec!["<think>", "</think>", "<answer>", "</answer>", "(7+3)*2", "= 20", " "]).prop_map(str::to_owned),
                ".*",
            ], 0..8)
        ) {
            let reply = pieces.concat();
            let verdict = puzzle().judge(&reply);
            prop_assert!(!verdict.right || reply.contains("<answer>"));
            prop_assert!(!is_well_formed(&reply) || reply.contains("</think>"));
        }
    }
}
