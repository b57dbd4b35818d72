//! The files in `config-examples/`: valid by the schema and by ours, and the schema file is the one the program prints.
//! That each of them starts is tested with the program, in `tests/cli`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use eventhive::config::schema::{schema, to_json};
use eventhive::config::{Kinds, Sources};
use eventhive_transport::{Key, KeyKind};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config-examples")
}

fn examples() -> Vec<(String, String)> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let yaml = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let examples: Vec<_> = yaml
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(examples.len() >= 9, "{examples:?}");
    examples
}

/// A file as JSON, without what the schema is not for: the merged defaults.
fn as_json(text: &str) -> Value {
    let mut sources = Sources::new();
    sources.read_string(text);
    to_json(sources.tree())
}

// A smaller build has a smaller schema.
#[cfg(feature = "redis")]
#[test]
fn the_schema_file_is_what_the_program_prints() {
    let file = std::fs::read_to_string(folder().join("schema.json")).unwrap();
    let printed = format!("{:#}\n", schema(&Kinds::compiled_in()));
    assert!(file == printed, "out of date: hive-cli schema > config-examples/schema.json");
}

#[test]
fn every_example_points_editors_at_the_schema_and_fits_it() {
    let validator = jsonschema::draft202012::new(&schema(&Kinds::compiled_in())).unwrap();
    for (name, text) in examples() {
        if !cfg!(feature = "redis") && text.contains("pubsub_type: redis") {
            continue;
        }
        assert!(text.starts_with("# yaml-language-server: $schema=schema.json\n"), "{name}");
        let errors: Vec<String> = validator.iter_errors(&as_json(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let validator = jsonschema::draft202012::new(&schema(&Kinds::compiled_in())).unwrap();
    for text in [
        "conectors: {}",
        "connectors: {a: {pubsub_type: websocket}}",
        "connectors: {a: {pubsub_type: nosuch, input_channel: w}}",
        "connectors: {a: {pubsub_type: fastapi, input_channel: w, init: {prot: 1}}}",
        "connectors: {a: {pubsub_type: fastapi, input_channel: w, init: {port: 70000}}}",
        "connectors: {a: {pubsub_type: fastapi, input_channel: w, secret: []}}",
        "connectors: {a: {pubsub_type: fastapi, input_channel: w, from_broadcast: soon}}",
        "connectors: {a: {pubsub_type: fastapi, input_channel: w, outbox: {overflow: disconnect}}}",
        "servers: {a: {pubsub_type: websocket}}",
        "servers: {a: {pubsub_type: websocket, create: allways}}",
        "servers: {a: {create: always}}",
        "servers: {a: {create: always, doors: []}}",
        "servers: {a: {create: always, doors: [{init: {}}]}}",
        "servers: {a: {create: always, doors: [{pubsub_type: websocket, init: {prot: 1}}]}}",
        "servers: {a: {create: always, pubsub_type: websocket, doors: [{pubsub_type: websocket}]}}",
        "servers: {a: {pubsub_type: websocket, create: always, init: {overflow: 5}}}",
        "servers: {a: {pubsub_type: websocket, create: always, backlog: {pth: log}}}",
        "servers: {a: {pubsub_type: websocket, create: always, backlog: {path: log, max_age: 1h30m}}}",
        "servers: {a: {pubsub_type: websocket, create: always, backlog: {path: log, max_age: -1}}}",
        "eventhive: {remove_metadata: 'no'}",
    ] {
        let mut sources = Sources::new();
        sources.read_string(text);
        assert!(sources.resolve(&Kinds::compiled_in()).is_err(), "{text}");
        assert!(!validator.is_valid(&as_json(text)), "{text}");
    }
    assert!(validator.is_valid(&json!({ "x-mine": [1, 2], "connectors": null })));
}

/// That everything.yaml has, behind `start`, a line for each of these keys with a comment above it.
fn has_each_with_a_comment(start: &str, keys: &[Key]) {
    let (_, text) = examples().into_iter().find(|(name, _)| name == "everything.yaml").unwrap();
    let lines: Vec<&str> = text.lines().skip_while(|line| *line != start).map(str::trim).collect();
    // What redis-py alone has use for is taken, not recommended.
    for key in keys.iter().filter(|key| !key.help.starts_with("Of redis-py; ")) {
        let start = format!("{}:", key.name);
        let at = lines.iter().position(|line| line.trim_start_matches("# ").starts_with(&start));
        let at = at.unwrap_or_else(|| panic!("{} is not there", key.name));
        assert!(lines[at - 1].starts_with("# "), "no comment: {}", lines[at]);
    }
}

#[cfg(feature = "redis")]
#[test]
fn everything_yaml_has_every_key_of_redis_with_a_comment() {
    let kinds = Kinds::compiled_in();
    has_each_with_a_comment("  on-redis:", kinds.find("redis").and_then(|kind| kind.connector).unwrap());
}

#[cfg(feature = "http")]
#[test]
fn everything_yaml_has_every_key_of_http_with_a_comment() {
    let kinds = Kinds::compiled_in();
    let kind = kinds.find("http").unwrap();
    let door = kind.door.unwrap();
    has_each_with_a_comment("      - pubsub_type: http", door);
    for table in
        door.iter().filter_map(|key| if let KeyKind::Table(keys) = key.kind { Some((key, keys)) } else { None })
    {
        has_each_with_a_comment(&format!("          {}:", table.0.name), table.1);
    }
    has_each_with_a_comment("    # PyPubSub's protocol, with its own servers or with ours.", kind.connector.unwrap());
}

#[cfg(feature = "webhook")]
#[test]
fn everything_yaml_has_every_key_of_webhooks_with_a_comment() {
    let kinds = Kinds::compiled_in();
    let kind = kinds.find("lonely").unwrap();
    let door = kind.door.unwrap();
    has_each_with_a_comment("      - pubsub_type: webhook", door);
    for key in door {
        if let KeyKind::Table(keys) = key.kind {
            has_each_with_a_comment(&format!("          {}:", key.name), keys);
        }
    }
    has_each_with_a_comment("  on-webhooks:", kind.connector.unwrap());
}

/// The keys of a schema's object, with what is below them.
fn keys(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        keys(below, &path, found);
        keys(&below["additionalProperties"], &format!("{path}.my-hive"), found);
        found.insert(path);
    }
    for rule in schema["allOf"].as_array().into_iter().flatten() {
        if rule["if"]["properties"]["pubsub_type"]["enum"][0] == "websocket" {
            keys(&rule["then"], path, found);
        }
    }
}

#[test]
fn everything_yaml_has_every_key_with_a_comment() {
    let (_, text) = examples().into_iter().find(|(name, _)| name == "everything.yaml").unwrap();
    let mut known = BTreeSet::new();
    keys(&schema(&Kinds::compiled_in()), "", &mut known);
    assert!(known.len() > 40 && known.contains(".servers.my-hive.init.tls_cert"), "{known:?}");
    let tree = as_json(&text);
    // A server with `doors` has no `pubsub_type`: there is one of its own in the file.
    for path in known.iter().filter(|path| !path.ends_with(".doors")) {
        assert!(tree.pointer(&path.replace('.', "/")).is_some(), "{path} is not in everything.yaml");
    }
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        let [before, line] = pair else { panic!() };
        let is_key = line.trim_start().contains(':') && !line.trim_start().starts_with('#') && line.starts_with("    ");
        assert!(!is_key || before.trim_start().starts_with('#') || line.contains('#'), "no comment: {line}");
    }
}
