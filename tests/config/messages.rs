//! Messages: file, line, column, key, fix, source line; never a secret.

use eventhive::config::{Kinds, Sources};
use serde_json::json;

const TEXT: &str =
    "connectors:\n  my-hive:\n    pubsub_type: websocket\n    input_channel: worker\n    init:\n      prot: 8085\n";

fn error(name: &str, text: &str) -> eventhive::config::ConfigError {
    let mut sources = Sources::new();
    sources.read_named(name, text);
    sources.resolve(&Kinds::compiled_in()).unwrap_err()
}

#[test]
fn a_message_points_at_the_key_in_its_line() {
    assert_eq!(
        error("file.yaml", TEXT).to_string(),
        "file.yaml:6:7: connectors.my-hive.init.prot: unknown key `prot`: did you mean `port`?\n    6 |       prot: 8085\n      |       ^^^^"
    );
}

#[test]
fn programs_get_the_same_as_json() {
    assert_eq!(
        error("file.yaml", TEXT).report().to_json(),
        json!([{
            "file": "file.yaml", "line": 6, "column": 7, "path": "connectors.my-hive.init.prot",
            "message": "unknown key `prot`: did you mean `port`?",
        }])
    );
}

#[test]
fn every_file_is_read_before_anything_is_reported() {
    let mut sources = Sources::new();
    sources.read_named("one.yaml", "a: [").read_named("two.yaml", "b: 1").read_file("/nonexistent/three.yaml");
    let text = sources.resolve(&Kinds::compiled_in()).unwrap_err().to_string();
    for part in ["one.yaml:1:", "two.yaml:1:1: b: unknown key", "cannot read `/nonexistent/three.yaml`"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn no_message_shows_a_secret() {
    for text in [
        "connectors: {a: {secret: hunter2, prot: 1}}",
        "connectors: {a: {secert: hunter2}}",
        "connectors:\n  a:\n    secret: hunter2\n    secret: hunter2",
        "connectors:\n  a:\n    secret: [hunter2, 5, [hunter2]]",
        "connectors:\n  a:\n    secret: {hunter2: hunter2}",
        "connectors:\n  a:\n    secret: 'hunter2\n",
        "connectors:\n  a: {secret: \"hunter2\"",
        "connectors:\n  a:\n    secret: !mine hunter2",
        "connectors:\n  a:\n    secret: !!int hunter2",
        "connectors:\n  a:\n    secret: @hunter2",
    ] {
        let error = error("file.yaml", text);
        let shown = format!("{error} {error:?} {}", error.report().to_json());
        assert!(!shown.contains("hunter2"), "{text:?} shows {shown}");
    }
}

#[test]
fn debug_output_of_a_configuration_shows_no_secret() {
    let text = "connectors: {a: {pubsub_type: websocket, input_channel: w, secret: hunter2}}";
    let mut sources = Sources::new();
    sources.read_string(text);
    let config = sources.resolve(&Kinds::compiled_in()).unwrap();
    let shown = format!("{config:?} {sources:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("Secrets(1 hidden)"), "{shown}");
}
