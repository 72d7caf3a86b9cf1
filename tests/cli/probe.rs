//! What a run will meet, told before it starts.

use serde_json::Value;

use super::helper::Dir;

const PROBE: &str =
    "probe base.gguf --task arith --population 8 --prompts 16 --eval-problems 16 --generations 2";

fn assert_numbers(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object[key].as_f64().is_some_and(f64::is_finite), "{key} in {object}");
    }
}

#[test]
fn a_probe_ends_with_a_command_that_works() {
    let dir = Dir::new();
    let told = dir.run(PROBE).ok();
    assert_eq!(dir.names(), ["base.gguf"], "a probe leaves nothing behind");
    let line = told.lines().last().unwrap().trim().strip_prefix("qes-gguf ").unwrap();
    assert!(
        line.contains("--sigma ") && line.contains("--alpha ") && line.contains("--alpha-final "),
        "{line}"
    );
    assert_eq!(line.matches("--population").count(), 1, "what was given is not given again: {line}");
    for word in [
        "signal in differences",
        "even share",
        "a generation    about",
        "the run         about",
        "fitness then",
    ] {
        assert!(told.contains(word), "no {word:?} in {told}");
    }
    dir.run(&format!("{line} -o run.qes")).ok();
    let header = dir.run("inspect run.qes --json").json();
    assert_eq!(header["header"]["settings"]["population"], 8, "{header}");
}

#[test]
fn programs_read_what_was_found() {
    let found = Dir::new().run(&format!("{PROBE} --json")).json();
    let keys = ["fitness", "members", "seconds", "prompts", "seconds_generation", "seconds_run"];
    assert_numbers(&found, &keys);
    assert_numbers(&found, &["noise_cost", "noise_cost_error", "even_share", "noise_displacement"]);
    assert_numbers(&found, &["expected_gain", "expected_displacement"]);
    let trials = found["trials"].as_array().unwrap();
    assert!((2..=3).contains(&trials.len()), "{found}");
    for trial in trials {
        assert_numbers(trial, &["factor", "signal", "noise", "cost", "cost_error"]);
        assert!((0.0..=1.0).contains(&trial["reliability"].as_f64().unwrap()), "{trial}");
    }
    assert!(found["seconds_run"].as_f64() > found["seconds_generation"].as_f64(), "{found}");
    assert!(!found["command"].as_str().unwrap().contains("--json"), "{found}");
}

#[test]
fn the_same_probe_chooses_the_same() {
    let settings = || Dir::new().run(&format!("{PROBE} --json")).json()["settings"].clone();
    assert_eq!(settings(), settings());
}

#[test]
fn what_is_given_is_not_chosen() {
    let given = "--sigma 0.07 --alpha 0.011 --alpha-final 0.001";
    let found = Dir::new().run(&format!("{PROBE} {given} --json")).json();
    let of_type = &found["settings"]["types"][0];
    assert_eq!((&of_type["sigma"], &of_type["alpha"]), (&0.07.into(), &0.011.into()), "{found}");
    assert_eq!((&found["prompts"], &of_type["alpha_final"]), (&16.into(), &0.001.into()), "{found}");
}

#[test]
fn a_choice_of_problems_stays() {
    let told = Dir::new().run(&format!("{PROBE} --candidates 64")).ok();
    assert!(told.contains("8 members on 16 of 64 problems each"), "{told}");
    let line = told.lines().last().unwrap();
    assert_eq!(
        (line.matches("--candidates 64").count(), line.matches("--prompts").count()),
        (1, 1),
        "{line}"
    );
}

#[test]
fn auto_tunes_with_what_a_probe_chooses() {
    let dir = Dir::new();
    let chosen = dir.run(&format!("{PROBE} --json")).json();
    let tune = PROBE.replace("probe", "tune");
    let events = dir.run(&format!("{tune} --auto -o run.qes --json")).json_lines();
    assert_eq!((&events[0]["event"], &events[1]["event"]), (&"start".into(), &"probe".into()));
    assert_eq!(events[0]["settings"], chosen["settings"]);
    assert_eq!(events[1]["trials"].as_array().unwrap().len(), chosen["trials"].as_array().unwrap().len());
    dir.run("verify base.gguf run.qes").ok();
    let text = dir.run(&format!("{tune} --auto -o again.qes")).ok();
    assert!(text.contains("chosen: sigma "), "{text}");
    assert!(dir.read("run.qes") == dir.read("again.qes"));
}

#[test]
fn a_run_that_goes_on_chooses_nothing() {
    Dir::tuned().run("tune base.gguf -o run.qes --resume --auto").fails(2, &["--auto", "--resume"]);
}

#[test]
fn what_it_says_meanwhile_is_not_part_of_the_command() {
    let dir = Dir::new();
    let found = dir.run(&format!("-v {PROBE} --json -vv --verbose")).json();
    let command = found["command"].as_str().unwrap();
    assert!(command.starts_with("qes-gguf tune base.gguf --task arith"), "{command}");
    assert!(!command.contains("-v"), "{command}");
}
