use std::sync::LazyLock;

use regex::Regex;

use super::*;
use crate::seed_log::{Header, Line, SeedLog, test_log};
use crate::task::RewardKind;
use crate::update::Moves;

/// Pieces that would be markup, or end some, were they not escaped.
const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=y>'&lt;\u{1}\u{202e}";

fn run(name: &str, log: &SeedLog) -> Run {
    Run::of(name, log)
}

fn page_of(runs: &[Run]) -> String {
    page(Subject(runs))
}

/// A run with a map of moves that grows from tensor to tensor and from span to span.
fn moved(name: &str, generations: u64) -> Run {
    let log = test_log::log(generations).0;
    let span = span(generations, MOVES_COLUMNS);
    let count = |at: u64| Moves { moved: at * 7, ..Moves::default() };
    let of_tensor =
        |tensor: u64| (0..generations.div_ceil(span)).map(|column| count(tensor * 5 + column)).collect();
    let moves: Vec<Vec<Moves>> = (0..2).map(of_tensor).collect();
    run(name, &log).with_moves(&log, span, &moves)
}

/// The tags of some markup, after checking that each that is opened is closed in turn.
fn tags(markup: &str) -> Vec<String> {
    static TAG: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"<(/?)([a-zA-Z0-9!?]+)((?:[^">]|"[^"]*")*)>"#).unwrap());
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for tag in TAG.captures_iter(markup) {
        let name = tag[2].to_owned();
        if &tag[1] == "/" {
            assert_eq!(open.pop().as_ref(), Some(&name), "closed out of turn");
        } else if !["meta", "br", "!DOCTYPE", "?xml"].contains(&&*name) {
            open.push(name.clone());
        }
        found.push(name);
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    found
}

/// All that a page is made of.
const TAGS: &str = "!DOCTYPE html head meta title style body header h1 h2 h3 p main div dl dt dd ul li span svg desc g path text \
                    circle rect figure figcaption table thead tbody tr th td details summary code pre br footer";

fn assert_harmless(markup: &str) {
    let allowed: Vec<&str> = TAGS.split_whitespace().chain(["?xml"]).collect();
    for tag in tags(markup) {
        assert!(allowed.contains(&&*tag), "a {tag} in the page");
    }
    let addresses = Regex::new(r"https?://[^\x22]*").unwrap();
    let elsewhere = |address: &&str| *address != "http://www.w3.org/2000/svg";
    assert_eq!(addresses.find_iter(markup).map(|found| found.as_str()).find(elsewhere), None);
    assert!(!markup.contains("@import") && !markup.contains("url("), "a style asks for a file");
    assert!(!markup.chars().any(|c| c.is_control() && c != '\n'), "control characters");
}

#[test]
fn a_page_stands_by_itself_and_suits_phones_and_the_dark() {
    let html = page_of(&[moved("golden", 6)]);
    assert_harmless(&html);
    for needed in [
        "<!DOCTYPE html><html lang=\"en\">",
        "name=\"viewport\" content=\"width=device-width, initial-scale=1\"",
        "prefers-color-scheme: dark",
        "@media print",
        "default-src 'none'",
        "Fitness in each generation",
        "Held-out accuracy",
        "95% interval <span class=\"whole\">33.2\u{2013}76.9%",
        "Integers moved in each tensor",
        &test_log::log(6).0.chain.hex(),
    ] {
        assert!(html.contains(needed), "no {needed}");
    }
    let (charts, named) = (html.matches("role=\"img\"").count(), html.matches("aria-labelledby=").count());
    assert_eq!((charts, named, html.matches("<desc ").count()), (6, 6, 6), "every chart in words");
}

#[test]
fn nothing_in_a_log_becomes_markup() {
    let hostile = |header: &mut Header| {
        header.tool = HOSTILE.to_owned();
        header.base.file = HOSTILE.to_owned();
        header.base.sha256 = HOSTILE.to_owned();
        header.tensors[0].name = HOSTILE.to_owned();
        header.task.definition.name = HOSTILE.to_owned();
        header.task.definition.system = Some(HOSTILE.to_owned());
        header.task.definition.stop = vec![HOSTILE.to_owned()];
        header.task.definition.rewards[0].kind = RewardKind::Regex { pattern: Some(HOSTILE.to_owned()) };
        header.task.data_sha256 = Some(HOSTILE.to_owned());
    };
    let (original, _) = test_log::log(3);
    let mut log = original.clone();
    hostile(&mut log.header);
    log.evaluations[0].codes_sha256 = HOSTILE.to_owned();
    let moves = vec![vec![Moves { moved: 5, ..Moves::default() }; 3]; 2];
    let bad = || run(HOSTILE, &log).with_moves(&log, 1, &moves);
    for runs in [vec![bad()], vec![bad(), run("good", &original)]] {
        let html = page_of(&runs);
        assert_harmless(&html);
        assert!(html.contains("&lt;script&gt;"), "it is shown, and as text");
        for (name, svg) in figures(Subject(&runs)) {
            assert_harmless(&svg);
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        }
    }
}

#[test]
fn runs_are_compared_by_what_differs() {
    let (log, _) = test_log::log(4);
    let mut other = log.clone();
    other.header.settings.seed = 8;
    other.header.settings.decay = 0.5;
    let html = page_of(&[run("one", &log), run("two", &other)]);
    assert_harmless(&html);
    let start = html.find("Settings that differ</h2>").unwrap();
    let table = &html[start..start + html[start..].find("</table>").unwrap()];
    let rows: Vec<&str> = table.split("<tr>").skip(2).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(
        rows[0].contains("decay") && rows[0].contains(">0.9<") && rows[0].contains(">0.5<"),
        "{}",
        rows[0]
    );
    assert!(rows[1].contains("seed") && rows[1].contains(">7<") && rows[1].contains(">8<"), "{}", rows[1]);
    let same = page_of(&[run("one", &log), run("two", &log)]);
    assert!(same.contains("all settings are the same"));
}

#[test]
fn different_tasks_are_said_to_be_so() {
    let (log, _) = test_log::log(2);
    let mut other = log.clone();
    other.header.task.definition.name = "letters".to_owned();
    assert!(page_of(&[run("one", &log), run("two", &other)]).contains("cannot be compared"));
}

#[test]
fn a_log_without_generations_is_a_page_too() {
    let html = page_of(&[moved("new", 0)]);
    assert_harmless(&html);
    assert!(html.contains("no generation and no evaluation yet"));
    assert_harmless(&page_of(&[moved("new", 0), moved("old", 4)]));
}

#[test]
fn what_is_retained_is_shown_where_there_is_some() {
    let (mut log, _) = test_log::log(2);
    assert!(!page_of(&[run("a", &log)]).contains("retained"));
    log.push(Line::Evaluation(crate::seed_log::EvaluationRecord {
        retained: Some(-0.25),
        ..test_log::evaluation(2)
    }))
    .unwrap();
    let html = page_of(&[run("a", &log)]);
    assert!(html.contains("Mean reward on what is to be retained") && html.contains("\u{2212}0.2500"));
}

#[test]
fn rewards_take_the_place_of_accuracy_where_nothing_is_right_or_wrong() {
    let (mut log, _) = test_log::log(4);
    log.evaluations.iter_mut().for_each(|record| record.correct = None);
    let html = page_of(&[run("a", &log)]);
    assert!(
        html.contains("Held-out mean reward") && !html.contains("accuracy") && !html.contains("95% interval")
    );
}

#[test]
fn a_long_log_is_no_long_page() {
    let (mut log, _) = test_log::log(0);
    for number in 0..3000 {
        log.generations.push(test_log::generation(&log.header, number));
        log.evaluations.push(test_log::evaluation(number + 1));
    }
    let run = run("long", &log);
    assert_eq!((run.per_step, run.steps.len()), (10, 300));
    assert!(run.points.len() <= 120 && run.points.last().unwrap().generations == 3000);
    assert_eq!(span(3000, MOVES_COLUMNS), 30);
    let html = page_of(&[run]);
    assert!(html.len() < 200_000, "{} bytes", html.len());
    assert!(html.contains("Each point stands for up to 10 generations."));
}

#[test]
fn numbers_out_of_all_bounds_are_drawn() {
    let (mut log, _) = test_log::log(4);
    for (record, mean) in log.generations.iter_mut().zip([f64::MAX, f64::MIN, 5e-324, 0.0]) {
        record.fitness = crate::fitness::FitnessSummary { mean, spread: f64::MAX, best: mean };
        record.alpha = vec![0.0, 1000.0];
    }
    log.evaluations[0].mean_reward = f64::MIN;
    let infinite = Regex::new(r"[ MLHV\x22]-?inf\b").unwrap();
    for markup in [page_of(&[run("a", &log)]), page_of(&[run("a", &log), run("b", &log)])] {
        assert_harmless(&markup);
        assert!(!markup.contains("NaN") && !infinite.is_match(&markup));
    }
}

#[test]
fn the_map_tells_the_share_of_codes_that_moved() {
    let log = test_log::log(5).0;
    // Two spans of two generations, and one of one.
    let count = |moved| Moves { moved, ..Moves::default() };
    let moves = [vec![count(16_384), count(0), count(8_192)], vec![count(0), count(0), count(0)]];
    let run = run("a", &log).with_moves(&log, 2, &moves);
    let (_, tensors) = run.moved.as_ref().unwrap();
    assert_eq!(tensors[0].shares, [0.5, 0.0, 0.5]);
    assert_eq!(tensors[1].shares, [0.0, 0.0, 0.0]);
    let html = page_of(&[run]);
    assert!(html.contains("Most moved a (33.3% of its integers in a generation), least b (0.00%"), "{html}");
}

#[test]
fn figures_are_files_of_their_own() {
    for (runs, names) in [
        (vec![moved("a", 4)], "held-out fitness reward alpha moved moves"),
        (
            vec![moved("a", 4), moved("b", 6)],
            "held-out fitness best spread reward alpha moved moves-1 moves-2",
        ),
    ] {
        let figures = figures(Subject(&runs));
        let found: Vec<&str> = figures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(found.join(" "), names);
        for (name, svg) in &figures {
            assert_harmless(svg);
            assert!(
                svg.starts_with("<?xml") && svg.contains("xmlns=\"http://www.w3.org/2000/svg\""),
                "{name}"
            );
            assert!(!svg.contains("var(--"), "{name} has colours that only a page knows");
        }
    }
}

#[test]
fn what_no_log_knows_is_shown_where_it_was_told() {
    let line = |generation: u64| {
        format!(
            "{{\"event\":\"generation\",\"generation\":{generation},\"fitness_mean\":-1.5,\"seconds\":1e308,\"seconds_inference\":1e308,\
             \"seconds_perturb\":-1,\"seconds_restore\":0,\"seconds_update\":0.5}}\n"
        )
    };
    let timing = Timing::parse(&(line(1) + &line(2))).unwrap();
    let outcome =
        crate::evaluation::ProblemOutcome { reward: f64::MIN, right: Some(true), log_likelihood: None };
    let reply = || SampleReply { text: HOSTILE.to_owned(), outcome };
    let sample = Sample {
        prompt: HOSTILE.to_owned(),
        wanted: Some(HOSTILE.to_owned()),
        before: reply(),
        after: reply(),
    };
    let told = || moved("a", 4).with_timing(&timing).with_samples(vec![sample.clone()]);
    for (runs, title) in [
        (vec![told()], "Seconds in each generation"),
        (vec![told(), moved("b", 4)], "Seconds in a generation"),
    ] {
        let html = page_of(&runs);
        assert_harmless(&html);
        assert!(html.contains(title) && html.contains("Where the time went") && html.contains("Samples"));
        assert!(!html.contains("NaN"));
        assert!(figures(Subject(&runs)).iter().any(|(name, _)| name == "time"));
    }
}

#[test]
fn a_map_of_many_tensors_names_their_blocks() {
    let mut run = moved("large", 300);
    let tensor = |number: usize| run::Moved {
        name: format!("blk.{}.part_{}.weight", number / 7, number % 7),
        integers: 1 << 20,
        shares: (0..100).map(|column| ((number * 31 + column * 17) % 97) as f64 / 970.0).collect(),
    };
    run.moved = Some((3, (0..252).map(tensor).collect()));
    let html = page_of(&[run]);
    assert_harmless(&html);
    assert!(html.contains(">blk.0<") && html.contains(">blk.34<") && !html.contains(">blk.0.part_0<"));
    assert!(html.contains("A column is the mean of 3 generations."));
    assert!(html.len() < 900_000, "{} bytes", html.len());
}
