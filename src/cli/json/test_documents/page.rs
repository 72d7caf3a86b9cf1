//! docs/JSON.md: a section for each definition, with a table of its fields.

use serde_json::Value;

use super::{Described, Root, VERSION};

const INTRO: &str = include_str!("../intro.md");

/// Returns the page.
pub fn page(described: &Described) -> String {
    let mut page = INTRO.replace("{version}", VERSION) + "\n## Commands\n";
    for root in &described.roots {
        let commands: Vec<String> =
            root.commands.iter().map(|command| format!("`{command} --json`")).collect();
        let (last, others) = commands.split_last().expect("a command");
        let commands =
            if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
        page += &section(described, &root.name, &format!("Printed by {commands}. "));
    }
    page += "\n## Parts\n";
    for name in parts(described) {
        page += &section(described, &name, "");
    }
    page
}

/// Returns the definitions that are parts of others, in the order in which they are first referred to.
fn parts(described: &Described) -> Vec<String> {
    let mut names: Vec<String> = described.roots.iter().map(|Root { name, .. }| name.clone()).collect();
    let mut next = 0;
    while let Some(name) = names.get(next) {
        let mut found = Vec::new();
        references(&described.definitions[name], &mut found);
        for name in found {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        next += 1;
    }
    names.split_off(described.roots.len())
}

fn references(schema: &Value, found: &mut Vec<String>) {
    found.extend(referred(schema).map(str::to_owned));
    match schema {
        Value::Object(object) => object.values().for_each(|inner| references(inner, found)),
        Value::Array(values) => values.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

/// Returns the name of the definition that a schema refers to.
pub fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

fn section(described: &Described, name: &str, printed_by: &str) -> String {
    let definition = &described.definitions[name];
    let mut text = format!("\n### {name}\n\n{printed_by}{}\n", words(definition));
    match definition["oneOf"].as_array() {
        None => text += &table(definition),
        Some(alternatives) => {
            for alternative in alternatives {
                let properties = alternative["properties"].as_object().into_iter().flatten();
                let tag = properties.filter(|(field, _)| is_tag(alternative, field));
                let tag = tag.map(|(field, value)| format!("{field} {}", value["const"])).next();
                let tag = tag.expect("a field that tells alternatives apart").replace('"', "`");
                text += &format!("\n#### {tag}\n\n{}\n{}", words(alternative), table(alternative));
            }
        }
    }
    text
}

fn words(schema: &Value) -> &str {
    schema["description"].as_str().unwrap_or_default()
}

/// Returns whether a field tells alternatives apart: it has one value, and no description.
pub fn is_tag(object: &Value, field: &str) -> bool {
    object["properties"][field].get("const").is_some()
}

/// Returns the fields of an object: required ones first, in their order.
fn table(object: &Value) -> String {
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(properties) = object["properties"].as_object() else { return String::new() };
    let mut fields: Vec<(&str, &Value)> =
        properties.iter().map(|(field, value)| (field.as_str(), value)).collect();
    let rank = |field: &str| required.iter().position(|name| *name == field).unwrap_or(usize::MAX);
    fields.sort_by_key(|(field, _)| (!is_tag(object, field), rank(field)));
    let mut text = "\n| field | value | meaning |\n|---|---|---|\n".to_owned();
    for (field, value) in fields {
        let optional = if required.contains(&field) { "" } else { ", optional" };
        let meaning = if is_tag(object, field) { "kind of the object".to_owned() } else { meaning(value) };
        text += &format!("| `{field}` | {}{optional} | {meaning} |\n", kind(value));
    }
    text
}

/// Returns the meaning of a field, with those of its values where they are few words with meanings of their own.
fn meaning(schema: &Value) -> String {
    let alternatives = schema["oneOf"].as_array().into_iter().flatten();
    let each = alternatives.filter(|one| !words(one).is_empty());
    let each: String = each.map(|one| format!(" {}: {}", quoted(&one["const"]), words(one))).collect();
    (words(schema).to_owned() + &each).replace('|', "\\|")
}

fn quoted(value: &Value) -> String {
    format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

/// Returns the values that a field can have.
fn kind(schema: &Value) -> String {
    if let Some(name) = referred(schema) {
        return format!("[`{name}`](#{name})");
    }
    if let Some(value) = schema.get("const") {
        return quoted(value);
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(quoted).collect::<Vec<_>>().join(", ");
    }
    for (key, between) in [("oneOf", ", "), ("anyOf", ", or ")] {
        if let Some(alternatives) = schema[key].as_array() {
            return alternatives.iter().map(kind).collect::<Vec<_>>().join(between);
        }
    }
    match &schema["type"] {
        Value::String(name) => of_type(name, schema),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .map(|name| of_type(name, schema))
            .collect::<Vec<_>>()
            .join(", or "),
        _ => "any".to_owned(),
    }
}

fn of_type(name: &str, schema: &Value) -> String {
    match name {
        "null" => "`null`".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "string" if schema.get("pattern").is_some() => "64 hexadecimal digits".to_owned(),
        "string" => "text".to_owned(),
        "array" => format!("list: {}", kind(&schema["items"])),
        "integer" | "number" => name.to_owned() + &range(schema),
        other => other.to_owned(),
    }
}

fn range(schema: &Value) -> String {
    let bound = |key: &str, word: &str| schema.get(key).map_or(String::new(), |at| format!(" {word} {at}"));
    // The largest integers of the machine are no limit that anyone set.
    let is_limit = |most: &i64| ![i64::from(u8::MAX), i64::from(u16::MAX)].contains(most);
    let most =
        schema["maximum"].as_i64().filter(is_limit).map_or(String::new(), |most| format!(" to {most}"));
    bound("minimum", "from")
        + &bound("exclusiveMinimum", "above")
        + &most
        + &bound("exclusiveMaximum", "and below")
}
