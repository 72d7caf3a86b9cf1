//! `report`: a page, figures and event files of logs.

use super::forge::forged;
use super::helper::{Dir, Q8_0, TINY};

#[test]
fn a_page_of_a_log_is_written() {
    let dir = Dir::tuned();
    let said = dir.run("report run.qes").ok();
    assert!(said.contains("wrote report.html ("), "{said}");
    let page = dir.text("report.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>"));
    for word in ["Held-out accuracy", "Fitness in each generation", "Step size", "arith"] {
        assert!(page.contains(word), "no {word:?}");
    }
    assert!(!page.contains("Integers moved"), "that takes the model");
    assert_eq!(dir.names(), ["base.gguf", "report.html", "run.qes", "tuned.gguf"]);
}

#[test]
fn the_model_adds_where_codes_moved() {
    let dir = Dir::tuned();
    dir.run("report run.qes -o a.html --model base.gguf").ok();
    let page = dir.text("a.html");
    assert!(page.contains("Integers moved in each tensor") && page.contains(">blk.0.attn_k<"));
    // A page is a function of log, name and model.
    dir.run("report run.qes -o b.html --model base.gguf").ok();
    assert_eq!(dir.text("b.html"), page);
}

#[test]
fn logs_are_compared_by_names_that_tell_them_apart() {
    let dir = Dir::tuned();
    std::fs::create_dir(dir.path("other")).unwrap();
    let other = forged(&dir.text("run.qes"), 1, "\"seed\":0", "\"seed\":5");
    dir.write("other/run.qes", &other);
    dir.write("third.qes", &other);
    dir.run("report run.qes other/run.qes third.qes").ok();
    let page = dir.text("report.html");
    for word in ["3 runs compared", ">other/run<", ">third<", "Settings that differ", ">seed<"] {
        assert!(page.contains(word), "no {word:?}");
    }
}

#[test]
fn figures_and_event_files_are_written_beside_it() {
    let dir = Dir::tuned();
    let said = dir.run("report run.qes --svg fig --tensorboard events").ok();
    for name in ["fig-fitness.svg", "fig-held-out.svg", "fig-alpha.svg"] {
        assert!(said.contains(&format!("wrote {name}")), "{said}");
        assert!(dir.text(name).ends_with("</svg>\n"), "{name}");
    }
    let said = dir.run("report run.qes --png pic --model base.gguf").ok();
    for name in ["pic-fitness.png", "pic-held-out.png", "pic-moves.png"] {
        assert!(said.contains(&format!("wrote {name}")), "{said}");
        assert!(dir.read(name).starts_with(b"\x89PNG\r\n\x1a\n"), "{name}");
    }
    let events = dir.read("events/run/events.out.tfevents.0.qes-gguf");
    assert!(events.windows(13).any(|bytes| bytes == b"brain.Event:2"));
    assert!(events.windows(12).any(|bytes| bytes == b"fitness/mean"));
}

/// What stands in the cells of a page's samples, sample by sample: prompt, wanted, before, after, the last two with their marks.
fn samples(page: &str) -> Vec<[String; 4]> {
    let cell = |row: &str, label: &str| {
        let (_, rest) = row.split_once(&format!("<td data-label=\"{label}\">")).unwrap();
        rest.split_once("</td>").unwrap().0.to_owned()
    };
    let rows = page.split("<tr>").filter(|row| row.contains("data-label="));
    rows.map(|row| ["prompt", "wanted", "before", "after"].map(|label| cell(row, label))).collect()
}

#[test]
fn samples_are_what_base_and_tuned_model_reply() {
    let dir = Dir::tuned();
    dir.run("report run.qes --model base.gguf --samples 16").ok();
    let page = dir.text("report.html");
    assert!(page.contains(
        "The first 16 held-out problems, and what the model replies, the likeliest token each time."
    ));
    let samples = samples(&page);
    assert_eq!(samples.len(), 16);
    let text = |cell: &str| {
        cell.split("<span class=\"text\">")
            .nth(1)
            .map_or("", |rest| rest.split('<').next().unwrap())
            .to_owned()
    };
    for cells in &samples {
        let [prompt, wanted, before, after] = cells.each_ref().map(|cell| text(cell));
        let sum = prompt.strip_suffix('=').unwrap();
        let at = sum[1..].find(['+', '-']).unwrap() + 1;
        let (a, b): (i32, i32) = (sum[..at].parse().unwrap(), sum[at..].parse().unwrap());
        assert_eq!(wanted, (a + b).to_string(), "{sum}");
        for (reply, cell) in [(before, &cells[2]), (after, &cells[3])] {
            assert_eq!(cell.contains("right, loglik"), reply == wanted, "{cell}");
            assert_eq!(cell.contains("wrong, loglik"), reply != wanted, "{cell}");
        }
    }
    // The run's own evaluations were of these very problems.
    let right = |column: usize| samples.iter().filter(|cells| cells[column].contains("right, ")).count();
    let log = dir.text("run.qes");
    let correct: Vec<String> =
        log.split("\"correct\":").skip(1).map(|rest| rest.split(',').next().unwrap().to_owned()).collect();
    assert_eq!([right(2), right(3)].map(|n| n.to_string()).to_vec(), correct);
}

#[test]
fn times_are_shown_of_the_run_that_they_are_of() {
    let dir = Dir::tuned();
    let tune = format!("tune base.gguf -o timed.qes --json {TINY}");
    let timed = dir.run(&tune).ok();
    dir.write("timed.jsonl", &timed);
    let page = |line: &str| {
        dir.run(&format!("report {line} -o page.html")).ok();
        dir.text("page.html")
    };
    let alone = page("timed.qes --timing timed.jsonl");
    for word in ["Seconds in each generation", "Where the time went", "inference", "3 generations in all"] {
        assert!(alone.contains(word), "no {word:?}");
    }
    let seconds = |line: &&str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        (line["event"] == "generation").then(|| line["seconds"].as_f64().unwrap())
    };
    let lines: Vec<&str> = timed.lines().collect();
    let sum = format!("{:.1} s", lines.iter().filter_map(seconds).sum::<f64>());
    let row = format!("3 generations in all</th><td>{sum}</td><td>100.0%</td>");
    assert!(alone.contains(&row) && alone.contains("outside of them, such as held-out"), "no {row:?}");
    // In parts, as of a run that was resumed; the first has no end.
    let at = lines.iter().rposition(|line| line.contains("\"event\":\"generation\"")).unwrap();
    dir.write("first.jsonl", lines[..at].join("\n") + "\n{\"event\":");
    dir.write("second.jsonl", lines[at..].join("\n"));
    let parts = dir.run("report timed.qes --timing first.jsonl --timing second.jsonl -o page.html").ends(0);
    assert!(parts.stderr.contains("warning: first.jsonl ends in the middle of a line"), "{parts}");
    let parts = dir.text("page.html");
    assert!(parts.contains(&row) && !parts.contains("outside of them"));
}

#[test]
fn times_of_other_runs_are_refused() {
    let dir = Dir::tuned();
    let timed = dir.run(&format!("tune base.gguf -o timed.qes --json {TINY}")).ok();
    dir.write("timed.jsonl", &timed);
    let log = dir.text("timed.qes");
    let first = 1 + log.lines().position(|line| line.contains("{\"generation\":{")).unwrap();
    dir.write("other.qes", forged(&log, first, "\"mean\":-", "\"mean\":-1"));
    // Of two runs it is the second's, of which alone there is a table.
    dir.run("report other.qes timed.qes --timing timed.jsonl -o page.html").ok();
    let page = dir.text("page.html");
    let (of_first, of_second) = page.split_once("</svg>timed</summary>").unwrap();
    assert!(of_first.contains("Seconds in a generation") && !of_first.contains("Where the time went"));
    assert!(of_second.contains("Where the time went"));
    // Of two that are alike, it is the one that the run was told to write.
    dir.write("twin.qes", &log);
    dir.run("report twin.qes timed.qes --timing timed.jsonl -o page.html").ok();
    let (of_twin, of_timed) = dir
        .text("page.html")
        .split_once("</svg>timed</summary>")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert!(!of_twin.contains("Where the time went") && of_timed.contains("Where the time went"));
    dir.write("third.qes", &log);
    dir.run("report twin.qes third.qes --timing timed.jsonl").fails(1, &["twin.qes and of third.qes alike"]);
    dir.run("report timed.qes --timing timed.jsonl --timing timed.jsonl").fails(1, &["give each file once"]);
    dir.run("report other.qes --timing timed.jsonl")
        .fails(1, &["timed.jsonl: its generations are not those of the log"]);
    dir.run("report timed.qes --timing timed.qes")
        .fails(1, &["timed.qes: line 1 is no line of `tune --json`"]);
    dir.run("report timed.qes --timing nosuch.jsonl").fails(1, &["nosuch.jsonl"]);
    dir.run("report timed.qes --timing timed.jsonl -o timed.jsonl")
        .fails(2, &["timed.jsonl is the run's times"]);
    dir.run("report timed.qes --samples 3").fails(2, &["--model"]);
    dir.run("report timed.qes --model base.gguf --samples 0").fails(2, &["--samples"]);
    assert_eq!(dir.text("timed.jsonl"), timed);
}

#[test]
fn names_in_a_log_do_not_become_markup() {
    let dir = Dir::tuned();
    let name = "<script>alert(1)</script>";
    dir.write(
        "bad.qes",
        forged(&dir.text("run.qes"), 1, "\"file\":\"base.gguf\"", &format!("\"file\":\"{name}\"")),
    );
    dir.run("report bad.qes").ok();
    let page = dir.text("report.html");
    assert!(!page.contains(name) && page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}

#[test]
fn what_cannot_be_drawn_is_refused_and_nothing_is_left() {
    let dir = Dir::tuned();
    let log = dir.read("run.qes");
    dir.write("other.gguf", std::fs::read(super::helper::bundled(Q8_0)).unwrap());
    dir.write("bad.qes", "no log\n");
    let files = dir.names();
    dir.run("report").fails(2, &["<RUN.qes>"]);
    dir.run("report nosuch.qes").fails(1, &["nosuch.qes"]);
    dir.run("report bad.qes").fails(1, &["bad.qes"]);
    dir.run("report run.qes -o run.qes").fails(2, &["run.qes is the log"]);
    dir.run("report run.qes -o base.gguf --model base.gguf").fails(2, &["base.gguf is the base model"]);
    dir.run("report run.qes -o no/such/page.html").fails(1, &["no/such/page.html"]);
    dir.run("report run.qes --model other.gguf").fails(1, &["made for another model"]);
    dir.run("report run.qes --model nosuch.gguf").fails(1, &["nosuch.gguf"]);
    assert_eq!(dir.names(), files);
    assert_eq!(dir.read("run.qes"), log);
}

#[test]
fn a_log_of_another_model_is_shown_without_its_moves() {
    let dir = Dir::tuned();
    let sha = |text: &str| text.find("\"sha256\":\"").map(|at| text[at..at + 74].to_owned()).unwrap();
    let log = dir.text("run.qes");
    dir.write("other.qes", forged(&log, 1, &sha(&log), &format!("\"sha256\":\"{}", "0".repeat(64))));
    let done = dir.run("report run.qes other.qes --model base.gguf").ends(0);
    assert!(done.stderr.contains("warning: other was made for another model"), "{done}");
    assert!(dir.text("report.html").contains("Integers moved in each tensor: run"));
}
