//! The config language as a JSON Schema (draft 2020-12), for editors and for programs that write configs.
//!
//! It says what can be read, not what can be followed: whether a group exists is for `check` to say.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::survey::{Kind, Shape};

type Shapes = BTreeMap<String, Shape>;

/// The schema of what was asked for.
pub(super) fn of(shapes: &Shapes) -> Value {
    let mut schema = object(shapes, "");
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "The config of Huntline".into();
    schema
}

fn object(shapes: &Shapes, place: &str) -> Value {
    let Some(shape) = shapes.get(place) else { return json!({ "type": "object" }) };
    let inside = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    let properties: Map<String, Value> =
        shape.keys.keys().map(|key| (key.clone(), value(shapes, &inside(key)))).collect();
    let required: Vec<&String> = shape
        .keys
        .iter()
        .filter(|(_, rounds)| !rounds.is_empty() && **rounds == shape.rounds)
        .map(|(key, _)| key)
        .collect();
    let others = if shape.is_open { value(shapes, &inside("*")) } else { false.into() };
    let mut object = json!({ "type": "object", "additionalProperties": others });
    if !properties.is_empty() {
        object["properties"] = properties.into();
    }
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

fn value(shapes: &Shapes, place: &str) -> Value {
    let Some(shape) = shapes.get(place) else { return json!({}) };
    let parts = format!("{place}[]");
    let mut kinds: Vec<Value> = shape.kinds.iter().flat_map(|kind| match kind {
        Kind::Text => vec![json!({ "type": "string" })],
        Kind::Label => vec![json!({ "type": "string", "minLength": 1, "maxLength": 100 })],
        Kind::Duration => vec![json!({ "type": "string", "pattern": "^[0-9]+ *(ms|s|m|h|d) *$", "examples": ["20s"] })],
        Kind::Secret => {
            let file = json!({
                "type": "object", "properties": { "file": { "type": "string" } }, "required": ["file"], "additionalProperties": false
            });
            let text = json!({ "type": "string", "minLength": 1, "description": "the text itself, or env:NAME" });
            vec![text, file]
        }
        Kind::Word(words) => vec![json!({ "enum": words })],
        Kind::Number(from, to) => vec![json!({ "type": "integer", "minimum": from, "maximum": to })],
        Kind::Flag => vec![json!({ "type": "boolean" })],
        Kind::Off => vec![json!({ "const": false })],
        Kind::List => {
            let mut list = json!({ "type": "array", "items": value(shapes, &parts) });
            if shape.some {
                list["minItems"] = 1.into();
            }
            vec![list]
        }
        Kind::Tables => vec![json!({ "type": "array", "items": object(shapes, &parts) })],
        Kind::Table => vec![object(shapes, place)],
    }).collect();
    match kinds.len() {
        0 => json!({}),
        1 => kinds.remove(0),
        _ => json!({ "anyOf": kinds }),
    }
}
