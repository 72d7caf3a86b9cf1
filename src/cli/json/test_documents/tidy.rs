//! From what schemars makes to a schema of what is printed.

use serde_json::{Map, Value, json};

/// Makes doc comments plain text, objects closed, and optional fields never `null`.
pub fn tidy(schema: &mut Value) {
    if let Value::Object(object) = schema {
        // They are about reading: the width of an integer, and what stands in for a field that lacks.
        object.remove("format");
        if object.get("default").is_some_and(|value| !is_schema(value)) {
            object.remove("default");
        }
        if let Some(Value::String(text)) = object.get_mut("description") {
            *text = plain(text);
        }
        for bound in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
            if let Some(number) = object.get_mut(bound) {
                whole(number);
            }
        }
        if object.get("properties").is_some_and(Value::is_object) && object.contains_key("type") {
            object.insert("additionalProperties".to_owned(), false.into());
            never_null(object);
        }
    }
    for_each_inside(schema, tidy);
}

/// Lets numbers without bounds be `null`, which is printed where they are not finite.
pub fn allow_not_finite(schema: &mut Value) {
    if let Value::Object(object) = schema
        && object.get("type").is_some_and(|name| name == "number")
        && !object.keys().any(|key| key.to_lowercase().ends_with("minimum"))
    {
        object.insert("type".to_owned(), json!(["number", "null"]));
    }
    for_each_inside(schema, allow_not_finite);
}

fn for_each_inside(schema: &mut Value, change: fn(&mut Value)) {
    match schema {
        Value::Object(object) => object.values_mut().for_each(change),
        Value::Array(values) => values.iter_mut().for_each(change),
        _ => {}
    }
}

/// Returns whether a value under the key `default` describes a field of this name.
fn is_schema(value: &Value) -> bool {
    value.get("type").is_some() || value.get("$ref").is_some()
}

/// Returns a doc comment on one line, without links.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`")
}

/// Writes a whole number without a fraction.
fn whole(number: &mut Value) {
    if let Some(float) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15) {
        *number = json!(float as i64);
    }
}

/// Takes `null` from fields that are left out instead.
fn never_null(object: &mut Map<String, Value>) {
    let required = object.get("required").cloned().unwrap_or_default();
    let is_required =
        |field: &str| required.as_array().is_some_and(|fields| fields.iter().any(|name| name == field));
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    for (_, property) in properties.iter_mut().filter(|(field, _)| !is_required(field)) {
        let Value::Object(property) = property else { continue };
        if let Some(Value::Array(names)) = property.get_mut("type") {
            names.retain(|name| name != "null");
            if let [name] = &names[..] {
                let name = name.clone();
                property.insert("type".to_owned(), name);
            }
        }
        if let Some(Value::Array(alternatives)) = property.get_mut("anyOf") {
            alternatives.retain(|alternative| alternative["type"] != "null");
            if let [Value::Object(alternative)] = &alternatives[..] {
                let alternative = alternative.clone();
                property.remove("anyOf");
                property.extend(alternative);
            }
        }
    }
}
