//! The output of `--json` is as docs/json-schema.json describes it: no field more, none less. The schema and its page are
//! generated from the types; a unit test of the library compares them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::forge::forged;
use super::helper::{Dir, LONG, TINY, sums};
use super::merge::split;
use super::pull::{PATH, fake};
use super::tokens::{MARKED, marked};

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json-schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The objects that a definition allows: itself, or its alternatives.
fn objects(definition: &Value) -> Vec<&Value> {
    definition["oneOf"]
        .as_array()
        .map_or_else(|| vec![definition], |alternatives| alternatives.iter().collect())
}

/// The field that tells an alternative apart, with its value, such as `event start`.
fn tag(object: &Value) -> Option<String> {
    let mut properties = object["properties"].as_object()?.iter();
    properties.find_map(|(field, of_field)| Some(format!("{field} {}", of_field.get("const")?.as_str()?)))
}

/// What is wrong with a value that should be as this definition has it.
fn wrong(schema: &Value, name: &str, value: &Value) -> Vec<String> {
    assert!(schema["$defs"][name].is_object(), "no definition {name}");
    let of_name = json!({ "$ref": format!("#/$defs/{name}"), "$defs": schema["$defs"] });
    let validator = jsonschema::validator_for(&of_name).unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{name} at {}: {error}", error.instance_path()))
        .collect()
}

/// The names of all fields of a value, those inside of others too, and with texts behind them.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, inner)| {
            found.insert(name.clone());
            // Alternatives are told apart by a text.
            found.extend(inner.as_str().map(|text| format!("{name} {text}")));
            fields(inner, found);
        }),
        Value::Array(values) => values.iter().for_each(|inner| fields(inner, found)),
        _ => {}
    }
}

/// The commands that are not about a model or a run.
const WITHOUT: [&str; 5] = ["completions", "man", "help", "worker", "fleet"];

/// What is printed of models whose replies go on; that of the tests does not. tests/real_model.rs looks at it.
const OF_REAL_MODELS: [&str; 3] = ["ended_sooner", "most", "right_replies"];

/// Each command with what it prints, in an order in which each has what it needs.
const LINES: [(&str, &str); 16] = [
    ("eval", "eval base.gguf --task arith --problems 8"),
    ("eval", "eval tuned.gguf --task arith --problems 8 --compare base.gguf"),
    ("eval", "eval base.gguf --log run.qes"),
    ("data", "data sums.jsonl"),
    ("data", "data long.jsonl --model base.gguf --show 1"),
    ("probe", "probe base.gguf --task arith --population 8 --prompts 8 --eval-problems 8 --generations 2"),
    ("export", "export base.gguf run.qes -o out.gguf --as-diff out.qesdiff --card --ollama"),
    ("export", "export base.gguf run.qes --as-diff other.qesdiff --generation 0"),
    ("written", "apply base.gguf out.qesdiff -o there.gguf"),
    ("written", "revert there.gguf out.qesdiff -o back.gguf"),
    ("verify", "verify base.gguf run.qes tuned.gguf"),
    ("inspect", "inspect tuned.gguf"),
    ("inspect", "inspect run.qes"),
    ("inspect", "inspect out.qesdiff"),
    ("report", "report run.qes --svg fig --png fig --tensorboard events"),
    ("report", "report run.qes -o other.html"),
];

/// Definitions with everything that one can have.
const DEFINITIONS: [&str; 5] = [
    r#""problems":{"source":"code"},"rewards":[{"kind":"code"},{"kind":"margin"},{"kind":"exact"},{"kind":"numeric"}],"temp":0.0"#,
    r#""problems":{"source":"gsm8k","path":"/x.jsonl","held-out":0.5},"rewards":[{"kind":"exact"}],"temp":0.0"#,
    r#""problems":{"source":"countdown","counts":"3-4","numbers":"1-99","targets":"1-99"},"rewards":[{"kind":"soft-loglik"}],"temp":0.0"#,
    r#""problems":{"source":"data","path":"/x.jsonl","held-out":0.5,"replies":"all","prompt-form":"instruct","longest":512,"shared":1},"rewards":[{"kind":"loglik","weight":0.5},{"kind":"regex","pattern":"5"}],"system":"Say it.","chat":{"template":"chatml","kwargs":{"x":1},"date":"2026-11-28","special":"text"},"predict":6,"score-first":6,"temp":0.5,"stop":["\n"]"#,
    r#""problems":{"source":"data","path":"/x.jsonl","held-out":0.5},"rewards":[{"kind":"json","schema":{"type":"object"},"equal":true},{"kind":"grammar","grammar":"root ::= \"5\""},{"kind":"command","command":"x","timeout":1.5,"on-timeout":-1.0}],"temp":0.0"#,
];

#[test]
fn every_command_prints_what_is_documented() {
    let schema = schema();
    let dir = Dir::tuned();
    let (mut problems, mut seen, mut used) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut see = |name: &str, value: &Value| {
        problems.extend(wrong(&schema, name, value));
        fields(value, &mut seen);
        used.insert(name.to_owned());
    };
    let examples = sums(|sum| json!({"completion": sum.to_string()}));
    dir.write("sums.jsonl", &examples);
    dir.write("long.jsonl", examples.replacen("10+10", &"7".repeat(2000), 1));
    for (name, line) in LINES {
        see(name, &dir.run(&format!("{line} --json")).json());
    }
    let parts = split();
    see("written", &parts.run("merge m-00001-of-00003.gguf -o m.gguf --json").json());
    let not_verified = dir.run("verify base.gguf run.qes base.gguf --json").ends(1).stdout;
    let not_verified: Value = serde_json::from_str(&not_verified).unwrap();
    assert_eq!(
        (&not_verified["verified"], not_verified["findings"].as_array().unwrap().len()),
        (&false.into(), 1)
    );
    see("verify", &not_verified);
    see("pull", &fake(&dir).run_with(&[PATH], "pull me/m-GGUF:q8_0 -o fetched --json").json());
    for retained in ["--retain countdown --patience 1 --export again.gguf --candidates 16", "--auto --mirror"]
    {
        let line = format!("tune base.gguf -o again.qes --overwrite --json {TINY} {retained}");
        for line in dir.run(&line).json_lines() {
            see("tune", &line);
        }
    }
    let equal = TINY.replace("--task arith", "--task regex --data sums.jsonl --pattern nothing -n 2");
    for line in dir.run(&format!("tune base.gguf -o equal.qes --json {equal}")).json_lines() {
        see("tune", &line);
    }
    marked(&dir);
    let line = format!("base.gguf --json {MARKED} --population 8 --eval-problems 8 --generations 2");
    see("probe", &dir.run(&format!("probe {line}")).json());
    for line in dir.run(&format!("tune {line} -o marked.qes")).json_lines() {
        see("tune", &line);
    }
    see("inspect", &dir.run("inspect marked.qes --json").json());
    let mut run = dir.spawn(&format!("tune base.gguf -o long.qes --json {LONG}"));
    run.until_lines("long.qes", 2);
    run.signal("INT");
    let said = run.wait().ends(130).stdout;
    see("tune", &serde_json::from_str(said.lines().last().unwrap()).unwrap());
    let log = dir.text("run.qes");
    let definition = log.split_once("\"name\":\"arith\",").unwrap().1.split_once("},\"prompts\"").unwrap().0;
    for other in DEFINITIONS {
        let data = format!("{other}}},\"data_sha256\":\"{}\",\"prompts\"", "0".repeat(64));
        let text = forged(&log, 1, &format!("{definition}}},\"prompts\""), &data);
        dir.write("forged.qes", text);
        see("inspect", &dir.run("inspect forged.qes --json").json());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let defs = schema["$defs"].as_object().unwrap();
    let names = |object: &Value| -> Vec<String> {
        object["properties"].as_object().unwrap().keys().cloned().chain(tag(object)).collect()
    };
    let documented: BTreeSet<String> = defs.values().flat_map(objects).flat_map(names).collect();
    let never: Vec<_> =
        documented.difference(&seen).filter(|name| !OF_REAL_MODELS.contains(&&***name)).collect();
    assert!(never.is_empty(), "documented, but never printed: {never:?}");
    let at_top: BTreeSet<String> = schema["anyOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(at_top, used);
}

#[test]
fn every_command_but_those_takes_json() {
    let dir = Dir::new();
    let help = dir.run("--help").ok();
    let commands = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert!(names.len() > 12, "{names:?}");
    for name in names.into_iter().filter(|name| *name != "help") {
        let takes = dir.run(&format!("{name} --help")).ok().contains("--json");
        assert_eq!(takes, !WITHOUT.contains(&name), "{name}");
    }
}

#[test]
fn the_schema_refuses_other_fields_and_misses_those_that_lack() {
    let schema = schema();
    let whole = json!({ "output": "m.gguf", "bytes": 1, "sha256": "0".repeat(64), "seconds": 0.5 });
    assert_eq!(wrong(&schema, "written", &whole), [""; 0]);
    let with = |name: &str, value: Value| {
        let mut other = whole.clone();
        other[name] = value;
        other
    };
    let mut without = whole.clone();
    without.as_object_mut().unwrap().remove("bytes");
    for other in [with("more", json!(1)), with("bytes", json!(-1)), with("sha256", json!("0")), without] {
        assert_eq!(wrong(&schema, "written", &other).len(), 1, "{other}");
    }
    for (name, def) in schema["$defs"].as_object().unwrap() {
        for object in objects(def) {
            let closed = (&"object".into(), &false.into());
            assert_eq!((&object["type"], &object["additionalProperties"]), closed, "{name}");
            let is_alternative = def["oneOf"].is_array();
            assert_eq!(tag(object).is_some(), is_alternative, "{name}");
        }
    }
}
