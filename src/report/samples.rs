//! What a model replies before and after it was tuned, side by side.

use maud::{Markup, html};

use super::run::shown;
use crate::exam::Mark;

/// Characters of a text that are shown at most; of a longer one, the middle is left out.
const CHARACTERS: usize = 800;

/// A reply, and what it is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What the model said.
    pub text: String,
    /// Its marks.
    pub mark: Mark,
}

/// A problem, and what was replied to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What was asked, as the model got it.
    pub prompt: String,
    /// The wanted reply, where one is known.
    pub wanted: Option<String>,
    /// The base model's reply.
    pub before: Reply,
    /// The tuned model's.
    pub after: Reply,
}

/// The samples as a table, which narrow screens show as a list. How replies come about depends on the `temp`erature.
pub(super) fn samples(samples: &[Sample], temp: f64) -> Markup {
    let has_wanted = samples.iter().any(|sample| sample.wanted.is_some());
    html! {
        @if !samples.is_empty() {
            h3.part { "Samples" }
            p.small { (explanation(samples.len(), temp)) }
            div.card.scroll tabindex="0" role="region" aria-label="Samples" {
                table.samples {
                    thead {
                        tr {
                            th scope="col" { "prompt" }
                            @if has_wanted { th scope="col" { "wanted" } }
                            th scope="col" { "before" }
                            th scope="col" { "after" }
                        }
                    }
                    tbody {
                        @for Sample { prompt, wanted, before, after } in samples {
                            tr {
                                td data-label="prompt" { (text(prompt)) }
                                @if has_wanted {
                                    td data-label="wanted" { (text(wanted.as_deref().unwrap_or_default())) }
                                }
                                td data-label="before" { (reply(before)) }
                                td data-label="after" { (reply(after)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn explanation(samples: usize, temp: f64) -> String {
    let which = match samples {
        1 => "The first held-out problem".to_owned(),
        n => format!("The first {n} held-out problems"),
    };
    let how = if temp > 0.0 {
        format!("drawn at a temperature of {temp}")
    } else {
        "the likeliest token each time".to_owned()
    };
    format!("{which}, and what the model replies, {how}.")
}

fn reply(Reply { text: said, mark }: &Reply) -> Markup {
    let verdict = mark.right.map_or("", |right| if right { "right, " } else { "wrong, " });
    html! {
        (text(said))
        div.small { (verdict) "reward " (super::page::minus(&format!("{:.4}", mark.reward))) }
    }
}

fn text(text: &str) -> Markup {
    html! {
        @if text.is_empty() { span.small { "nothing" } } @else { span.text { (shortened(text)) } }
    }
}

/// A text with its lines, without its middle where it is long.
fn shortened(text: &str) -> String {
    let lines = |text: &str| text.lines().map(shown).collect::<Vec<_>>().join("\n");
    let characters = text.chars().count();
    if characters <= CHARACTERS {
        return lines(text);
    }
    let first: String = text.chars().take(CHARACTERS / 2).collect();
    let last: String = text.chars().skip(characters - CHARACTERS / 2).collect();
    format!("{}\n\u{2026}\n{}", lines(&first), lines(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply_of(text: &str, right: Option<bool>) -> Reply {
        let mark = Mark { reward: -0.5, right, log_likelihood: None };
        Reply { text: text.to_owned(), mark }
    }

    fn sample(wanted: Option<&str>) -> Sample {
        Sample {
            prompt: "1+1=".to_owned(),
            wanted: wanted.map(str::to_owned),
            before: reply_of("", Some(false)),
            after: reply_of("2<b>\u{202e}\n\u{1}3", Some(true)),
        }
    }

    #[test]
    fn replies_stand_side_by_side_as_text() {
        let html = samples(&[sample(Some("2"))], 0.0).into_string();
        for needed in [
            "The first held-out problem, and what the model replies, the likeliest token each time.",
            "<span class=\"small\">nothing</span><div class=\"small\">wrong, reward \u{2212}0.5000",
            "2&lt;b&gt;\u{fffd}\n\u{fffd}3",
            "right, reward",
            "data-label=\"wanted\"",
        ] {
            assert!(html.contains(needed), "no {needed:?} in {html}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let mut sample = sample(None);
        sample.after = reply_of("x", None);
        let html = samples(&[sample.clone(), sample], 0.7).into_string();
        assert!(!html.contains("wanted") && html.contains("drawn at a temperature of 0.7"), "{html}");
        assert!(!html.contains("right,"), "{html}");
        assert_eq!(samples(&[], 0.0).into_string(), "");
    }

    #[test]
    fn of_long_texts_the_middle_is_left_out() {
        let long = format!("begin{}end", "\u{e9}".repeat(5000));
        let short = shortened(&long);
        assert_eq!(short.chars().count(), CHARACTERS + 3);
        assert!(short.starts_with("begin") && short.ends_with("end") && short.contains("\n\u{2026}\n"));
        assert_eq!(shortened(&"x".repeat(CHARACTERS)), "x".repeat(CHARACTERS));
    }
}
