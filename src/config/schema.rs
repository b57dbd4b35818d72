//! The JSON Schema (draft 2020-12) of a configuration, made from the tables that check it.
//!
//! Editors complete and explain with it: put `# yaml-language-server: $schema=PATH` at the top of a file. It cannot say
//! what lies between keys (port clashes, secrets that are not to be had); `hive-cli check` can.

use eventhive_hub::BACKLOG_KEYS;
use eventhive_transport::{Key, KeyKind};
use serde_json::{Map, Value, json};

use super::{Kind, Kinds, tables};

/// The schema for a program that has these transports.
#[must_use]
pub fn schema(kinds: &Kinds) -> Value {
    let mut sections = Map::new();
    for (name, help) in tables::TOP {
        let mut section = match *name {
            "connectors" => names(side(kinds, tables::CONNECTOR, |kind| kind.connector)),
            "servers" => names(server(kinds)),
            _ => object(tables::HIVE),
        };
        section.insert("description".to_owned(), json!(help));
        sections.insert((*name).to_owned(), Value::Object(section));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Eventhive configuration",
        "type": ["object", "null"],
        "properties": sections,
        "patternProperties": { "^x-": { "description": "Free for anchors." } },
        "additionalProperties": false,
    })
}

/// A mapping from names to things of one kind.
fn names(of: Map<String, Value>) -> Map<String, Value> {
    let mut section = Map::new();
    section.insert("type".to_owned(), json!(["object", "null"]));
    section.insert("additionalProperties".to_owned(), Value::Object(of));
    section
}

/// A server: one door, or a list of them.
fn server(kinds: &Kinds) -> Map<String, Value> {
    let mut server = side(kinds, tables::SERVER, |kind| kind.door);
    let door = side(kinds, tables::DOOR, |kind| kind.door);
    if let Some(doors) = server.get_mut("properties").and_then(|properties| properties.get_mut("doors")) {
        let help = doors.get("description").cloned();
        *doors = json!({ "type": "array", "minItems": 1, "items": door, "description": help });
    }
    let one_of = json!([
        { "required": ["pubsub_type"], "not": { "required": ["doors"] } },
        { "required": ["doors"], "not": { "anyOf": [{ "required": ["pubsub_type"] }, { "required": ["init"] }] } },
    ]);
    server.insert("oneOf".to_owned(), one_of);
    server
}

/// A connector or server: its own keys, and those of `init` by `pubsub_type`.
fn side(kinds: &Kinds, table: &[Key], init: fn(&Kind) -> Option<&'static [Key]>) -> Map<String, Value> {
    let able: Vec<(&Kind, &[Key])> = kinds.iter().filter_map(|kind| Some((kind, init(kind)?))).collect();
    let words: Vec<&str> = Kinds::words(able.iter().map(|(kind, _)| *kind)).collect();
    let mut outer = object(table);
    if let Some(Value::Object(properties)) = outer.get_mut("properties") {
        let help = properties.get("pubsub_type").and_then(|key| key.get("description")).cloned();
        properties.insert("pubsub_type".to_owned(), json!({ "enum": words, "description": help }));
    }
    let rules = able.iter().map(|(kind, keys)| {
        let words: Vec<&str> = Kinds::words(std::iter::once(*kind)).collect();
        json!({
            "if": { "properties": { "pubsub_type": { "enum": words } }, "required": ["pubsub_type"] },
            "then": { "properties": { "init": object(keys) } },
        })
    });
    outer.insert("allOf".to_owned(), rules.collect());
    outer
}

/// A mapping with the keys of a table. Null stands for an empty one, unless a key is required.
fn object(table: &[Key]) -> Map<String, Value> {
    let properties: Map<String, Value> = table.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = table.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut object = Map::new();
    let types = if required.is_empty() { json!(["object", "null"]) } else { json!("object") };
    object.insert("type".to_owned(), types);
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object.insert("additionalProperties".to_owned(), json!(false));
    object
}

fn property(key: &Key) -> Value {
    let mut property = special(key).unwrap_or_else(|| of_kind(key.kind));
    if let Value::Object(property) = &mut property {
        property.insert("description".to_owned(), json!(key.help));
        if let Some(default) = key.default.map(|text| default(text, key.kind)) {
            property.insert("default".to_owned(), default);
        }
    }
    property
}

/// The keys of [`tables`] whose meaning is no [`KeyKind`]; see `resolve`.
fn special(key: &Key) -> Option<Value> {
    if key.kind != KeyKind::Any {
        return None;
    }
    Some(match key.name {
        "input_channel" => json!({ "type": ["string", "null"] }),
        "init" => json!({ "type": ["object", "null"] }),
        "from_broadcast" => json!({ "type": ["boolean", "number", "null"], "minimum": 0 }),
        "secret" => secrets(),
        "backlog" => Value::Object(object(BACKLOG_KEYS)),
        "max_age" => {
            json!({ "type": ["string", "number", "null"], "minimum": 0, "pattern": "^\\s*[0-9]+\\s*[smhdSMHD]?\\s*$" })
        }
        "outbox" => Value::Object(object(tables::OUTBOX)),
        "inbox" => Value::Object(object(tables::INBOX)),
        _ => return None,
    })
}

fn of_kind(kind: KeyKind) -> Value {
    match kind {
        KeyKind::Text | KeyKind::Secret => json!({ "type": "string" }),
        KeyKind::Bool => json!({ "type": "boolean" }),
        KeyKind::Integer { min, max } => json!({
            "type": ["integer", "string"], "minimum": min, "maximum": max, "pattern": "^[-+]?[0-9]+$",
        }),
        KeyKind::Seconds { min } => json!({ "type": "number", "minimum": min }),
        KeyKind::Choice(words) => json!({ "enum": words }),
        KeyKind::Texts => json!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        }),
        KeyKind::Secrets => secrets(),
        KeyKind::Map => json!({ "type": "object" }),
        KeyKind::Named(table) => json!({ "type": "object", "additionalProperties": object(table) }),
        KeyKind::Table(keys) => Value::Object(object(keys)),
        // `KeyKind` may grow; a schema that says too little is better than one that is wrong.
        _ => json!({}),
    }
}

/// One secret or a list of them.
fn secrets() -> Value {
    json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 }] })
}

fn default(text: &str, kind: KeyKind) -> Value {
    match kind {
        KeyKind::Bool | KeyKind::Integer { .. } | KeyKind::Seconds { .. } => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        _ => json!(text),
    }
}

/// A tree as JSON, for checking it against a schema. A number that JSON has not (`.inf`) becomes null.
#[must_use]
pub fn to_json(node: &eventhive_transport::Node) -> Value {
    use eventhive_transport::settings::Value as Yaml;
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Bool(truth) => json!(truth),
        Yaml::Integer(number) => json!(number),
        Yaml::Float(number) => json!(number),
        Yaml::Text(text) => json!(text),
        Yaml::List(items) => items.iter().map(to_json).collect(),
        Yaml::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.node))).collect(),
    }
}
