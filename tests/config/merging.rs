//! The merge, by the vectors taken from the original.

use eventhive::config::schema::to_json;
use eventhive::config::{Kinds, Sources};
use serde_json::{Value, json};

fn vectors() -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../vectors/config.json")).unwrap();
    all["config_merge"].as_array().unwrap().clone()
}

#[test]
fn documents_merge_as_the_original_merges_them() {
    let mut checked = 0;
    for case in vectors() {
        let mut sources = Sources::new();
        let steps = case["documents"].as_array().unwrap().iter().zip(case["state_after_each"].as_array().unwrap());
        for (document, state) in steps {
            sources.read_string(document.as_str().unwrap());
            if state.get("error").is_none() {
                assert_eq!(to_json(sources.tree()), *state, "{}", case["name"]);
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 7, "the vectors were read");
}

#[test]
fn an_empty_document_changes_nothing_and_another_than_a_mapping_is_an_error() {
    let mut sources = Sources::new();
    let before = to_json(sources.tree());
    sources.read_string("").read_string("# nothing\n").read_string("~");
    assert_eq!(to_json(sources.tree()), before);
    assert!(sources.resolve(&Kinds::compiled_in()).is_ok());

    sources.read_string("hello").read_string("- a");
    let error = sources.resolve(&Kinds::compiled_in()).unwrap_err().to_string();
    assert!(error.contains("<text>:1:1: expected a mapping with `connectors:` or `servers:`, found text"), "{error}");
    assert!(error.contains("found a list"), "{error}");
}

#[test]
fn null_sections_are_empty_ones() {
    let mut sources = Sources::new();
    sources.read_string("connectors:\nservers: ~\neventhive:\n");
    assert_eq!(to_json(sources.tree())["connectors"], json!(null));
    let config = sources.resolve(&Kinds::compiled_in()).unwrap();
    assert!(config.connectors.is_empty() && config.servers.is_empty());
    assert_eq!(config.hive.metadata_key, "__eventhive__");
}
