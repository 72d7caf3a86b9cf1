//! Makes docs/json-schema.json and docs/JSON.md from the types, and compares the files with them.

mod page;
mod tidy;

use std::path::PathBuf;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::{
    DataOutput, EvalOutput, ExportOutput, Inspected, ProbeOutput, PullOutput, ReportOutput, TuneLine,
    VerifyOutput, WrittenOutput,
};

/// Version of the description. The first number rises where a field is removed or changes its type or meaning, the second where
/// fields are added.
const VERSION: &str = "1.2";

/// Commands, each with a function that adds the type that it prints.
type Printed = (&'static str, fn(&mut SchemaGenerator) -> Schema);

const COMMANDS: [Printed; 12] = [
    ("eval", add::<EvalOutput>),
    ("data", add::<DataOutput>),
    ("probe", add::<ProbeOutput<'static>>),
    ("tune", add::<TuneLine<'static>>),
    ("export", add::<ExportOutput<'static>>),
    ("apply", add::<WrittenOutput<'static>>),
    ("revert", add::<WrittenOutput<'static>>),
    ("merge", add::<WrittenOutput<'static>>),
    ("verify", add::<VerifyOutput<'static>>),
    ("inspect", add::<Inspected<'static>>),
    ("report", add::<ReportOutput<'static>>),
    ("pull", add::<PullOutput<'static>>),
];

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// A definition that commands print, with these commands.
struct Root {
    name: String,
    commands: Vec<&'static str>,
}

/// All definitions, and those that commands print.
struct Described {
    roots: Vec<Root>,
    definitions: Map<String, Value>,
}

impl Described {
    fn new() -> Self {
        let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut roots: Vec<Root> = Vec::new();
        for (command, add) in COMMANDS {
            let schema = add(&mut generator).to_value();
            let name = page::referred(&schema).expect("a type with a definition").to_owned();
            match roots.iter_mut().find(|root| root.name == name) {
                Some(root) => root.commands.push(command),
                None => roots.push(Root { name, commands: vec![command] }),
            }
        }
        let mut definitions = generator.take_definitions(true);
        definitions.values_mut().for_each(tidy::tidy);
        Self { roots, definitions }
    }

    /// Returns the text of docs/json-schema.json.
    fn schema(&self) -> String {
        let mut definitions = self.definitions.clone();
        definitions.values_mut().for_each(tidy::allow_not_finite);
        let of_root = |root: &Root| json!({ "$ref": format!("#/$defs/{}", root.name) });
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": format!("urn:qes-gguf:json:{VERSION}"),
            "title": "Output of qes-gguf with --json",
            "version": VERSION,
            "anyOf": self.roots.iter().map(of_root).collect::<Vec<_>>(),
            "$defs": definitions,
        });
        serde_json::to_string_pretty(&whole).unwrap() + "\n"
    }

    /// Returns the text of docs/JSON.md.
    fn page(&self) -> String {
        page::page(self)
    }
}

fn place(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

/// Returns a schema without the words in it.
fn shape(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            // A property named so is an object, and no text.
            let is_word = |(name, value): &(&String, &Value)| *name == "description" && value.is_string();
            object
                .iter()
                .filter(|entry| !is_word(entry))
                .map(|(name, value)| (name.clone(), shape(value)))
                .collect()
        }
        Value::Array(values) => values.iter().map(shape).collect(),
        other => other.clone(),
    }
}

/// Compares the files with the types, or writes them where the environment variable UPDATE is 1.
#[test]
fn json_documents_are_those_of_the_types() {
    let described = Described::new();
    let (schema, page) = (described.schema(), described.page());
    let written = std::fs::read_to_string(place("json-schema.json")).unwrap_or_default();
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        let before: Value = serde_json::from_str(&written).unwrap_or_default();
        let after: Value = serde_json::from_str(&schema).unwrap();
        assert!(
            before["version"] != after["version"] || shape(&before) == shape(&after),
            "what is printed has changed, so raise VERSION in src/cli/json/test_documents.rs"
        );
        std::fs::write(place("json-schema.json"), &schema).unwrap();
        std::fs::write(place("JSON.md"), &page).unwrap();
        return;
    }
    let hint = "differs from the types; run UPDATE=1 cargo test --release --lib json_documents";
    assert!(written == schema, "docs/json-schema.json {hint}");
    assert!(std::fs::read_to_string(place("JSON.md")).unwrap() == page, "docs/JSON.md {hint}");
}

#[test]
fn everything_is_described() {
    let undescribed = |name: &str, object: &Value| -> Vec<String> {
        let properties = object["properties"].as_object().into_iter().flatten();
        properties
            .filter(|(field, of_field)| object_has_no_words(of_field) && !page::is_tag(object, field))
            .map(|(field, _)| format!("{name}.{field}"))
            .chain(object_has_no_words(object).then(|| name.to_owned()))
            .collect()
    };
    let described = Described::new();
    let found: Vec<String> = described
        .definitions
        .iter()
        .flat_map(|(name, definition)| {
            let alternatives = definition["oneOf"].as_array().into_iter().flatten();
            alternatives.chain([definition]).flat_map(|object| undescribed(name, object)).collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "without a doc comment: {found:?}");
}

fn object_has_no_words(schema: &Value) -> bool {
    schema["description"].as_str().is_none_or(str::is_empty)
}
