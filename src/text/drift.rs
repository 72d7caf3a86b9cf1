//! Drift in words.

use crate::seed_log::{Damage, DriftRecord, EvaluationRecord, RepliesRecord, SeedLog};

/// Returns a relative change as a percentage with its sign, or as a factor if it is large.
pub fn signed(share: f64) -> String {
    if share < 9.0 { format!("{:+.1}%", 100.0 * share) } else { format!("x{}", factor(share)) }
}

/// Returns the factor of a relative change.
fn factor(share: f64) -> String {
    super::count((share + 1.0).round() as u64)
}

/// Returns the rise of perplexity of the neutral texts and the base's own replies, as far as it was measured.
pub fn perplexity(drift: &DriftRecord) -> Option<String> {
    let texts = drift.texts.map(|share| format!("plain text {}", signed(share)));
    let own = drift.own_replies.map(|share| format!("own replies {}", signed(share)));
    let told: Vec<String> = texts.into_iter().chain(own).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Returns the numbers of free replies that loop and that do not end.
pub fn replies(drift: &DriftRecord) -> Option<String> {
    let RepliesRecord { replies, loops, endless } = drift.replies();
    (replies > 0).then(|| format!("{loops} of {replies} loop, {endless} do not end"))
}

/// Returns drift in a few words, for a line of progress; nothing if all is well.
pub fn brief(drift: &DriftRecord) -> String {
    let texts = drift.texts.map(|share| format!("  plain text {}", signed(share)));
    let RepliesRecord { replies, loops, .. } = drift.replies();
    let looping = (loops > 0).then(|| format!("  {loops} of {replies} replies loop"));
    texts.into_iter().chain(looping).collect()
}

/// Describes the ways in which a model exceeds the run's limit on drift; none if it is within.
pub fn damage(log: &SeedLog, record: &EvaluationRecord) -> Vec<String> {
    log.damage(record).iter().map(sentence).collect()
}

fn sentence(damage: &Damage) -> String {
    match *damage {
        Damage::Loops { share, base } => {
            let before = if base > 0.0 { whole(base) } else { "none".to_owned() };
            format!("replies loop: {} of them, {before} before; this model is damaged", whole(share))
        }
        Damage::Texts { drift, max } => {
            let limit = format!("the limit is {} more (--max-drift)", super::percent(max));
            if drift < 1.0 {
                let more = super::percent(drift);
                return format!(
                    "plain text is {more} more perplexing to it than to the base, {limit}; this model has drifted"
                );
            }
            let times = if drift < 9.0 { format!("{:.1}", drift + 1.0) } else { factor(drift) };
            format!(
                "plain text is {times} times as perplexing to it as to the base, {limit}; this model is damaged"
            )
        }
    }
}

/// Returns a share as a whole percentage.
fn whole(share: f64) -> String {
    format!("{:.0}%", 100.0 * share)
}

/// Returns a foreign text on one line, cut if it is long, without characters that control a terminal.
pub fn excerpt(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let line: String = words.join(" ").chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect();
    if line.chars().count() <= most {
        return if line.is_empty() { "(nothing)".to_owned() } else { line };
    }
    let cut: String = line.chars().take(most.saturating_sub(4)).collect();
    format!("{} ...", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_as_far_as_there_are_any() {
        let replies_of = |replies, loops, endless| Some(RepliesRecord { replies, loops, endless });
        let all = DriftRecord {
            texts: Some(0.012),
            own_replies: Some(-0.034),
            neutral: replies_of(8, 1, 3),
            held_out: replies_of(8, 0, 1),
            evaluations: 40,
        };
        assert_eq!(perplexity(&all).unwrap(), "plain text +1.2%, own replies -3.4%");
        assert_eq!(replies(&all).unwrap(), "1 of 16 loop, 4 do not end");
        assert_eq!(brief(&all), "  plain text +1.2%  1 of 16 replies loop");
        let tiny = DriftRecord { held_out: replies_of(8, 0, 8), ..DriftRecord::default() };
        assert_eq!((perplexity(&tiny), brief(&tiny).as_str()), (None, ""));
        assert_eq!((replies(&DriftRecord::default()), signed(1e9)), (None, "x1,000,000,001".to_owned()));
    }

    #[test]
    fn damage_is_told_in_plain_words() {
        assert_eq!(
            sentence(&Damage::Loops { share: 0.625, base: 0.0 }),
            "replies loop: 62% of them, none before; this model is damaged"
        );
        assert!(sentence(&Damage::Loops { share: 0.5, base: 0.125 }).contains("50% of them, 12% before"));
        let drifted = sentence(&Damage::Texts { drift: 0.28, max: 0.05 });
        assert!(
            drifted.contains("28.0% more perplexing") && drifted.contains("limit is 5.0% more"),
            "{drifted}"
        );
        assert!(drifted.ends_with("this model has drifted"), "{drifted}");
        for (drift, part) in [(1.5, "is 2.5 times as perplexing"), (1e6, "is 1,000,001 times as perplexing")]
        {
            let damaged = sentence(&Damage::Texts { drift, max: 0.05 });
            assert!(damaged.contains(part) && damaged.ends_with("this model is damaged"), "{damaged}");
        }
    }

    #[test]
    fn excerpts_are_short_and_harmless() {
        assert_eq!(excerpt("a\n b\t\u{1b}[31mc", 20), "a b \u{fffd}[31mc");
        assert_eq!(excerpt("one two three four", 12), "one two ...");
        assert_eq!(excerpt(" \n", 12), "(nothing)");
    }
}
