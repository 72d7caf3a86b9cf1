//! Settings and task of a run as a list of names and values.

use serde::Serialize;
use serde_json::Value;

use super::words::shown;
use crate::seed_log::{SeedLog, TaskSpec};
use crate::settings::Settings;
use crate::task::Definition;
use crate::text;

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact {
    pub name: String,
    pub value: String,
}

/// Returns all settings in a log's header, without the list of tensors.
pub(super) fn facts(log: &SeedLog) -> Vec<Fact> {
    let header = &log.header;
    let mut list = List::default();
    list.add("base model", &header.base.file);
    list.add("base model size", text::bytes(header.base.bytes));
    list.add("base model SHA-256", &header.base.sha256);
    list.settings(&log.settings());
    list.add("integers tuned", text::count(header.integers()));
    list.add("tensors tuned", text::tensors(&header.tensors));
    list.task(&header.task);
    list.add("written by", &header.tool);
    list.add("log format", header.version);
    list.0
}

/// Returns the names whose values differ between lists, with a value for each list.
pub(super) fn differences(lists: &[&[Fact]]) -> Vec<(String, Vec<Option<String>>)> {
    let mut names: Vec<&str> = Vec::new();
    for fact in lists.iter().copied().flatten() {
        if !names.contains(&fact.name.as_str()) {
            names.push(&fact.name);
        }
    }
    let values = |name: &str| -> Vec<Option<String>> {
        let of_list =
            |list: &&[Fact]| list.iter().find(|fact| fact.name == name).map(|fact| fact.value.clone());
        lists.iter().map(of_list).collect()
    };
    let all = names.into_iter().map(|name| (name.to_owned(), values(name)));
    all.filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

#[derive(Default)]
struct List(Vec<Fact>);

impl List {
    fn add(&mut self, name: &str, value: impl ToString) {
        self.0.push(Fact { name: shown(name), value: shown(&value.to_string()) });
    }

    fn add_some(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn settings(&mut self, settings: &Settings) {
        self.add("method", settings.method.name());
        for of_type in &settings.types {
            let name = of_type.name();
            self.add(&format!("{name} sigma"), format!("{} in hits of {}", of_type.sigma, of_type.hit));
            self.add(&format!("{name} alpha"), format!("{} to {}", of_type.alpha, of_type.alpha_final));
        }
        if settings.method.has_residual() {
            self.add("decay", settings.decay);
            self.add("window", settings.window);
        }
        self.add("anchor", settings.anchor);
        self.add("shaping", word(&settings.shaping));
        self.add("population", settings.population);
        self.add("generations planned", settings.generations);
        self.add("seed", settings.seed);
    }

    fn task(&mut self, task: &TaskSpec) {
        self.definition("task", &task.definition);
        self.add_some("data SHA-256", task.data_sha256.as_ref());
        self.add("problems of a member", task.prompts);
        self.add_some("chosen of candidates", task.candidates);
        self.add("held-out problems", text::count(task.eval_problems.into()));
        let every =
            if task.eval_every == 0 { "first and last only".to_owned() } else { task.eval_every.to_string() };
        self.add("generations between evaluations", every);
        self.add_some("weight of own replies", task.own_replies);
        if task.right_replies {
            self.add("scored", "the base model's own right replies, ends where they would go on, first words to everyday prompts");
        }
        self.add_some("patience", task.patience);
        if let Some(drift) = &task.drift {
            self.add("neutral set path", &drift.neutral);
            self.add("neutral set SHA-256", &drift.sha256);
            self.add("limit on drift", drift.max.map_or("none".to_owned(), text::percent));
        }
        if let Some(retain) = &task.retain {
            self.definition("retained task", &retain.definition);
            self.add_some("retained data SHA-256", retain.data_sha256.as_ref());
            self.add("weight of what is retained", retain.weight);
            self.add("retained problems of a member", retain.prompts);
        }
    }

    /// Adds a task: name and rewards in words, everything else as it is in the log.
    fn definition(&mut self, what: &str, definition: &Definition) {
        self.add(what, &definition.name);
        self.add(&format!("{what}: reward"), definition.rewards_text());
        let Ok(Value::Object(mut rest)) = serde_json::to_value(definition) else { return };
        rest.remove("name");
        for (name, value) in rest {
            self.leaves(&format!("{what}: {name}"), &value);
        }
    }

    /// Adds the values in a piece of JSON; lists of plain values are one value, and what the rewards' text contains is
    /// left out.
    fn leaves(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(map) => {
                let told = |key: &str| name.contains(": rewards") && (key == "kind" || key == "weight");
                for (key, value) in map.iter().filter(|(key, _)| !told(key)) {
                    self.leaves(&format!("{name} {key}"), value);
                }
            }
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                for (number, item) in items.iter().enumerate() {
                    let which =
                        if items.len() == 1 { name.to_owned() } else { format!("{name} {}", number + 1) };
                    self.leaves(&which, item);
                }
            }
            Value::Array(items) => self.add(name, items.iter().map(word).collect::<Vec<_>>().join(" ")),
            value => self.add(name, word(value)),
        }
    }
}

/// Returns a plain value as JSON has it, a text without its quotes.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(error) => error.to_string(),
    }
}
