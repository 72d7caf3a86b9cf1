//! Replies of a model before and after tuning, side by side.

use maud::{Markup, html};

use super::run::Run;
use super::sample::{Sample, SampleReply};
use super::table::table;
use super::words::{minus, shown};

/// Most characters of a text that are shown; of a longer one, the middle is left out.
const CHARACTERS: usize = 800;

/// Returns the samples of a run as a table, which narrow screens show as a list.
pub(super) fn samples(run: &Run) -> Markup {
    let samples = &run.samples;
    let has_wanted = samples.iter().any(|sample| sample.wanted.is_some());
    let head = html! {
        th scope="col" { "prompt" }
        @if has_wanted { th scope="col" { "wanted" } }
        th scope="col" { "before" }
        th scope="col" { "after" }
    };
    let rows = html! {
        @for Sample { prompt, wanted, before, after } in samples {
            tr {
                td data-label="prompt" { (text(prompt)) }
                @if has_wanted { td data-label="wanted" { @if let Some(wanted) = wanted { (text(wanted)) } } }
                td data-label="before" { (reply(before, &run.rewards)) }
                td data-label="after" { (reply(after, &run.rewards)) }
            }
        }
    };
    html! {
        @if !samples.is_empty() {
            h3.part { "Samples" }
            p.small { (explanation(run)) }
            (table("Samples", "samples", &head, &rows))
        }
    }
}

fn explanation(run: &Run) -> String {
    let which = match run.samples.len() {
        1 => "The first held-out problem".to_owned(),
        n => format!("The first {n} held-out problems"),
    };
    let how = if run.temp > 0.0 {
        format!("drawn at a temperature of {}", run.temp)
    } else {
        "the likeliest token each time".to_owned()
    };
    let rates =
        if run.rates_replies { "" } else { " The reward rates what is wanted, not what was replied." };
    format!("{which}, and what the model replies, {how}.{rates}")
}

/// Returns a reply, whether it is right, and its reward by name.
fn reply(SampleReply { text: said, outcome }: &SampleReply, rewards: &str) -> Markup {
    let verdict = outcome.right.map_or("", |right| if right { "right, " } else { "wrong, " });
    html! {
        (text(said))
        div.small { (verdict) (rewards) " " (minus(&format!("{:.4}", outcome.reward))) }
    }
}

fn text(text: &str) -> Markup {
    html! {
        @if text.trim().is_empty() { span.small { "nothing" } } @else { span.text { (shortened(text)) } }
    }
}

/// Returns a text with its lines, its middle left out if it is long.
fn shortened(text: &str) -> String {
    let line = |text: &str| text.split('\t').map(shown).collect::<Vec<_>>().join("\t");
    let lines = |text: &str| text.lines().map(line).collect::<Vec<_>>().join("\n");
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
    use crate::evaluation::ProblemOutcome;
    use crate::seed_log::test_log;
    use crate::task::RewardKind;

    fn reply_of(text: &str, right: Option<bool>) -> SampleReply {
        let outcome = ProblemOutcome { reward: -0.5, right, log_likelihood: None };
        SampleReply { text: text.to_owned(), outcome }
    }

    fn sample(wanted: Option<&str>) -> Sample {
        Sample {
            prompt: "1+1=".to_owned(),
            wanted: wanted.map(str::to_owned),
            before: reply_of(" ", Some(false)),
            after: reply_of("2<b>\u{202e}\n\u{1}\t3", Some(true)),
        }
    }

    fn html_of(samples_of_run: Vec<Sample>, kind: RewardKind, temp: f64) -> String {
        let mut log = test_log::log(2).0;
        log.header.task.definition.rewards = vec![kind.into()];
        log.header.task.definition.temp = temp;
        samples(&Run::of("a", &log).with_samples(samples_of_run)).into_string()
    }

    #[test]
    fn replies_stand_side_by_side_as_text() {
        let html = html_of(vec![sample(Some("2"))], RewardKind::Exact, 0.0);
        for needed in [
            "The first held-out problem, and what the model replies, the likeliest token each time.</p>",
            "<span class=\"small\">nothing</span><div class=\"small\">wrong, exact \u{2212}0.5000",
            "2&lt;b&gt;\u{fffd}\n\u{fffd}\t3",
            "right, exact",
            "data-label=\"wanted\"",
        ] {
            assert!(html.contains(needed), "no {needed:?} in {html}");
        }
    }

    #[test]
    fn a_reward_that_does_not_look_at_replies_is_said_to_be_such() {
        let html = html_of(vec![sample(Some("2"))], RewardKind::Loglik, 0.0);
        assert!(
            html.contains("The reward rates what is wanted, not what was replied.")
                && html.contains("right, loglik")
        );
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let mut unknown = sample(None);
        unknown.after = reply_of("x", None);
        let html = html_of(vec![unknown.clone(), unknown.clone()], RewardKind::Exact, 0.7);
        assert!(!html.contains("wanted") && html.contains("drawn at a temperature of 0.7"), "{html}");
        assert!(!html.contains("right,"), "{html}");
        let html = html_of(vec![sample(Some("2")), unknown], RewardKind::Exact, 0.0);
        assert!(html.contains("<td data-label=\"wanted\"></td>"), "{html}");
        assert_eq!(html_of(Vec::new(), RewardKind::Exact, 0.0), "");
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
