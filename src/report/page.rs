//! The page: self-contained HTML.

use maud::{DOCTYPE, Markup, html};

use super::charts::Subject;
use super::facts::{Fact, differences};
use super::heat::Levels;
use super::plot::{Chart, Look};
use super::run::{Point, Run};
use super::samples::samples;
use super::style;
use super::table::table;
use super::timing::{PARTS, Spent, parts};
use super::words::minus;
use crate::evaluation::EvaluationSummary;
use crate::seed_log::{DriftRecord, RepliesRecord};
use crate::text;

/// Content security policy of a page: it may load nothing, even if something escaped the escaping.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Returns the page of these runs.
pub fn page(subject: Subject<'_>) -> String {
    let runs = subject.0;
    let title = title(runs);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) }
                (style::of_page())
            }
            body {
                header {
                    h1 { (title) }
                    p.lead { (lead(runs)) }
                }
                main {
                    @for run in runs { @for sentence in &run.damage { p.lead { (run.name) ": " (sentence) "." } } }
                    @if let [run] = runs { (tiles(run)) } @else { (comparison(subject)) (differing(runs)) }
                    (charts(subject))
                    @for (number, run) in runs.iter().enumerate() { (about(run, number, runs.len() > 1)) }
                }
                footer { p { "Drawn by qes-gguf " (env!("CARGO_PKG_VERSION")) " from seed logs." } }
            }
        }
    };
    page.into_string()
}

fn title(runs: &[Run]) -> String {
    match runs {
        [run] => run.name.clone(),
        runs => format!("{} runs compared", runs.len()),
    }
}

fn lead(runs: &[Run]) -> String {
    match runs {
        [run] => format!("{} tuned on {}, {}.", run.base, run.task, run.extent()),
        runs => {
            let is_same = |of: fn(&Run) -> &str| runs.windows(2).all(|two| of(&two[0]) == of(&two[1]));
            match (is_same(|run| &run.base), is_same(|run| &run.task)) {
                (true, true) => format!("{} tuned on {}.", runs[0].base, runs[0].task),
                (false, true) => format!("Several base models tuned on {}.", runs[0].task),
                _ => "These runs have different tasks, so their rewards cannot be compared.".to_owned(),
            }
        }
    }
}

/// Writes the results of one run in large digits.
fn tiles(run: &Run) -> Markup {
    let point = |what: &str, point: &Point| {
        html! {
            dl.card {
                dt { (what) }
                dd { div.big { (value(&point.summary)) } div.small { (interval(&point.summary)) } }
            }
        }
    };
    let best = run.best.filter(|best| run.after().is_none_or(|after| after.generations != best.generations));
    html! {
        div.tiles {
            @if let Some(before) = run.before() { (point("Held-out before", before)) }
            @if let Some(after) = run.after() { (point("Held-out after", after)) }
            @if let (Some(before), Some(after)) = (run.before(), run.after()) {
                dl.card {
                    dt { "Change" }
                    dd {
                        div.big { (minus(&text::change(&before.summary, &after.summary))) }
                        div.small { "on " (text::count(after.summary.problems)) " held-out problems" }
                    }
                }
            }
            @if let Some(best) = best {
                (point(&format!("Best, after generation {}", text::count(best.generations)), &best))
            }
            @if let Some(drift) = run.after().and_then(|after| after.drift.as_ref()) { (drifted(drift)) }
            dl.card {
                dt { "Integers tuned" }
                dd { div.big { (text::count(run.integers)) } div.small { (run.types.join(", ")) } }
            }
        }
    }
}

/// Returns the model's drift at the end.
fn drifted(drift: &DriftRecord) -> Markup {
    html! {
        @if let Some(texts) = drift.texts {
            dl.card {
                dt { "Perplexity of plain text" }
                dd { div.big { (minus(&text::drift::signed(texts))) } div.small { "against the base" } }
            }
        }
        @if let Some(replies) = text::drift::replies(drift) {
            dl.card {
                dt { "Free replies that loop" }
                dd { div.big { (drift.replies().loops) } div.small { (replies) } }
            }
        }
    }
}

/// Returns the comparison of several runs, before and after.
fn comparison(subject: Subject<'_>) -> Markup {
    let runs = subject.0;
    let cell = |point: Option<&Point>| {
        html! {
            td {
                @if let Some(point) = point { (value(&point.summary)) br; span.small { (ends(&point.summary)) } }
                @else { "not measured" }
            }
        }
    };
    let has_retained = runs.iter().flat_map(|run| &run.points).any(|point| point.retained.is_some());
    let head = html! {
        th scope="col" { "run" } th scope="col" { "before" } th scope="col" { "after" } th scope="col" { "change" }
        th scope="col" { "best" }
        @if has_retained { th scope="col" { "retained" } }
        th scope="col" { "generations" }
    };
    let row = |(number, run): (usize, &Run)| {
        html! {
            tr {
                th scope="row" { (swatch(number)) (run.name) }
                (cell(run.before())) (cell(run.after()))
                td { @if let (Some(a), Some(b)) = (run.before(), run.after()) { (minus(&text::change(&a.summary, &b.summary))) } }
                td {
                    @if let Some(best) = &run.best {
                        (value(&best.summary)) br; span.small { "after generation " (text::count(best.generations)) }
                    }
                }
                @if has_retained { td { (retained(run)) } }
                td { (text::count(run.generations)) }
            }
        }
    };
    html! {
        h2 { "Held-out problems, before and after" }
        @if subject.has_accuracy() { p.small { "Below each accuracy is its 95% interval." } }
        (table("Before and after", "results", &head, &html! { @for row in runs.iter().enumerate().map(row) { (row) } }))
    }
}

fn retained(run: &Run) -> String {
    let at = |point: Option<&Point>| point.and_then(|point| point.retained);
    match (at(run.before()), at(run.after())) {
        (Some(before), Some(after)) => minus(&format!("{before:.4} to {after:.4}")),
        (None, Some(only)) | (Some(only), None) => minus(&format!("{only:.4}")),
        (None, None) => String::new(),
    }
}

/// Returns the settings that differ between runs.
fn differing(runs: &[Run]) -> Markup {
    let lists: Vec<&[Fact]> = runs.iter().map(|run| run.facts.as_slice()).collect();
    let differing = differences(&lists);
    let head = html! {
        th scope="col" { "setting" }
        @for (number, run) in runs.iter().enumerate() { th scope="col" { (swatch(number)) (run.name) } }
    };
    let rows = html! {
        @for (name, values) in &differing {
            tr { th scope="row" { (name) } @for value in values { td { (value.as_deref().unwrap_or("none")) } } }
        }
    };
    html! {
        h2 { "Settings that differ" }
        @if differing.is_empty() { p { "None: all settings are the same." } }
        @else { (table("Settings that differ", "wide", &head, &rows)) }
    }
}

fn swatch(number: usize) -> Markup {
    html! { svg.swatch viewBox="0 0 26 12" aria-hidden="true" { path class=(Look::number(number).line()) d="M1 6H25" {} } }
}

fn charts(subject: Subject<'_>) -> Markup {
    let charts = subject.charts();
    let levels = Levels::of(subject.0);
    let maps =
        subject.0.iter().enumerate().filter_map(|(number, run)| {
            Some((run, run.heat(levels?, &format!("moves-{number}"), &html! {})?))
        });
    let is_single = subject.0.len() == 1;
    html! {
        h2 { "Over the generations" }
        @if charts.is_empty() { p { "The log has no generation and no evaluation yet." } }
        div.charts {
            @for chart in &charts { (figure(chart)) }
            @for (run, map) in maps {
                figure.card {
                    h3 {
                        "Integers moved in each tensor"
                        @if !is_single { ": " (run.name) }
                    }
                    (map)
                    figcaption.note { (map_note(run)) }
                }
            }
        }
    }
}

fn map_note(run: &Run) -> String {
    let columns = match run.moved.as_ref().map(|(span, _)| *span) {
        Some(span) if span > 1 => format!("A column is the mean of {span} generations."),
        _ => "A column is a generation.".to_owned(),
    };
    format!("{columns} Where there is no colour, no code moved.")
}

fn figure(chart: &Chart) -> Markup {
    html! {
        figure.card {
            h3 { (chart.title) }
            (chart.legend())
            (chart.svg(&html! {}, 0.0))
            @if let Some(note) = &chart.note { figcaption.note { (note) } }
        }
    }
}

/// Returns all facts of one run besides its curves.
fn about(run: &Run, number: usize, is_one_of_several: bool) -> Markup {
    let content = html! {
        (evaluations(run))
        (samples(run))
        @if let Some(spent) = &run.spent { (time(spent)) }
        h3.part { "Settings and task" }
        div.card.scroll {
            table.facts {
                tbody { @for Fact { name, value } in &run.facts { tr { th scope="row" { (name) } td { (value) } } } }
            }
        }
        h3.part { "What can be checked" }
        div.card { (checks(run)) }
    };
    html! {
        @if is_one_of_several {
            details { summary { (swatch(number)) (run.name) } (content) }
        } @else {
            h2 { "In numbers" }
            (content)
        }
    }
}

/// Returns the split of a run's time.
fn time(spent: &Spent) -> Markup {
    let Spent { generations, total, rest, .. } = spent;
    let share = |seconds: f64| text::percent(if total.seconds > 0.0 { seconds / total.seconds } else { 0.0 });
    let head = html! { th scope="col" { "" } th scope="col" { "time" } th scope="col" { "share" } };
    let rows = html! {
        @for (name, seconds) in PARTS.iter().zip(parts(total)) {
            tr { th scope="row" { (name) } td { (text::seconds(seconds)) } td { (share(seconds)) } }
        }
        tr {
            th scope="row" { (text::generations(*generations)) " in all" }
            td { (text::seconds(total.seconds)) }
            td { (share(total.seconds)) }
        }
        @if let Some(rest) = rest {
            tr { th scope="row" { "outside of them, such as held-out evaluations" } td { (text::seconds(*rest)) } td {} }
        }
    };
    html! {
        h3.part { "Where the time went" }
        (table("Where the time went", "results", &head, &rows))
    }
}

fn checks(run: &Run) -> Markup {
    html! {
        p { "The log's hash after its last line, which changes with any line before it: " br; code { (run.hash) } }
        @if let Some(digest) = &run.digest {
            p {
                "SHA-256 of the tuned codes, as the run logged it after its last generation"
                @if run.moved.is_some() { ", and as the log led to when it was replayed for this page" }
                ": " br; code { (digest) }
            }
        }
        p { "Base model and log are the tuned model. This rebuilds its codes and compares them:" }
        pre { code { "qes-gguf verify " (text::quoted(run.base.as_ref())) " " (text::quoted(format!("{}.qes", run.name).as_ref())) } }
    }
}

fn evaluations(run: &Run) -> Markup {
    let has_retained = run.points.iter().any(|point| point.retained.is_some());
    let has_accuracy = run.points.iter().any(|point| point.summary.correct.is_some());
    let has_drift = run.points.iter().any(|point| point.drift.is_some());
    let has_displacement = run.points.iter().any(|point| point.displacement.is_some());
    let head = html! {
        th scope="col" { "after generation" }
        @if has_accuracy { th scope="col" { "accuracy" } th scope="col" { "95% interval" } }
        th scope="col" { "mean reward" }
        @if has_retained { th scope="col" { "retained" } }
        @if has_drift {
            th scope="col" { "plain text" } th scope="col" { "own replies" } th scope="col" { "loop" }
            th scope="col" { "do not end" }
        }
        @if has_displacement { th scope="col" { "displacement" } }
        th scope="col" { "problems" }
    };
    let rows = html! {
        @for point in &run.points {
            tr {
                th scope="row" { (text::count(point.generations)) }
                @if has_accuracy {
                    td { (point.summary.accuracy().map(text::percent).unwrap_or_default()) }
                    td { (ends(&point.summary)) }
                }
                td { (minus(&format!("{:.4}", point.summary.mean_reward))) }
                @if has_retained { td { (point.retained.map(|it| minus(&format!("{it:.4}"))).unwrap_or_default()) } }
                @if has_drift {
                    td { (point.drift.and_then(|it| it.texts).map(signed).unwrap_or_default()) }
                    td { (point.drift.and_then(|it| it.own_replies).map(signed).unwrap_or_default()) }
                    td { (of_replies(point, |replies| replies.loops)) }
                    td { (of_replies(point, |replies| replies.endless)) }
                }
                @if has_displacement { td { (point.displacement.map(text::percent).unwrap_or_default()) } }
                td { (text::count(point.summary.problems)) }
            }
        }
    };
    html! {
        @if !run.points.is_empty() {
            h3.part { "Held-out evaluations" }
            (table("Held-out evaluations", "evaluations", &head, &rows))
            @if has_drift {
                p.small {
                    "Plain text, own replies: how much more perplexing neutral texts, and the base model's replies to neutral \
                     prompts, are to the model than to the base. Loop, do not end: of replies generated freely."
                }
            }
        }
    }
}

fn signed(share: f64) -> String {
    minus(&text::drift::signed(share))
}

/// Returns a count of the free replies.
fn of_replies(point: &Point, count: fn(&RepliesRecord) -> u64) -> String {
    let replies = point.drift.map(|drift| drift.replies()).filter(|replies| replies.replies > 0);
    replies.map_or(String::new(), |replies| format!("{} of {}", count(&replies), replies.replies))
}

/// Returns the accuracy, or the mean reward if replies are not right or wrong.
fn value(summary: &EvaluationSummary) -> String {
    summary.accuracy().map_or_else(|| minus(&format!("{:.4}", summary.mean_reward)), text::percent)
}

fn interval(summary: &EvaluationSummary) -> Markup {
    html! {
        @if summary.correct.is_some() { "95% interval " span.whole { (ends(summary)) } } @else { "mean reward" }
    }
}

fn ends(summary: &EvaluationSummary) -> String {
    let ends =
        summary.interval().map(|(low, high)| format!("{:.1}\u{2013}{}", 100.0 * low, text::percent(high)));
    ends.unwrap_or_default()
}
