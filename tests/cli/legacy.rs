//! The flags of the original `eventhive-cli`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ended, Hub, Running, ended, folder_with, program, run_in};

/// A template as scripts have it.
fn template(port: u16) -> TempDir {
    let text = format!(
        "connectors:\n  {{network}}:\n    pubsub_type: fastapi\n    input_channel: '{{receiver}}'\n    secret: '{{secret}}'\n    init: {{{{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}}}\n"
    );
    folder_with(".eventhive-config.yaml", &text)
}

fn run_at(hub: &Hub, arguments: &[&str]) -> Ended {
    run_in(template(hub.port).path(), arguments)
}

#[test]
fn it_hears_itself_and_ends_as_soon_as_the_message_is_there() {
    let hub = Hub::start();
    let begun = Instant::now();
    let ended = run_at(&hub, &["--network", "net", "--json-data", r#"{"ü": 1.0}"#, "--timeout", "20"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "the timeout is a bound, not a wait");
    assert_eq!(ended.code, 0, "{ended:?}");
    let (data, metadata) =
        ended.out.split_once(r#", "__eventhive__": {"time": "#).unwrap_or_else(|| panic!("{ended:?}"));
    assert_eq!(data, r#"{"\u00fc": 1.0"#);
    assert!(metadata.ends_with("\"}}\n"), "{metadata}");
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines[..2], ["[CLI] Waiting for: 'cli/do'", "[CLI] Publishing to 'net/cli/do': '{'ü': 1.0}'"]);
    assert_eq!(lines[2], format!("[CLI] Received: '{}'", ended.out.trim_end()));
}

#[test]
fn receiver_event_and_target_say_what_is_awaited_and_what_is_published() {
    let hub = Hub::start();
    let mut listener = Running::start(&["listen", "--url", &hub.url, "--count", "1"]);
    listener.told("listening to");
    let folder = template(hub.port);
    let given = ["--network=net", "--receiver", "queen", "--event", "done", "--target-event", "net/worker/action"];
    let mut waiting =
        Running::start_in(folder.path(), &[&given[..], &["--json-data", "{\"n\": 1}", "--timeout", "30"]].concat());
    assert!(listener.line().starts_with("net/worker/action {\"n\":1}"));
    waiting.told("[CLI] Publishing to 'net/worker/action': '{'n': 1}'");
    let answer = run_in(folder.path(), &["call", "--url", &hub.url, "net/queen/done", "{\"answer\": 2}"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let received: Value = waiting.json();
    assert_eq!(received["answer"], json!(2));
    assert_eq!(waiting.end().code, 0);
}

#[test]
fn when_nothing_comes_the_fallback_is_printed_and_the_code_is_1() {
    let hub = Hub::start();
    let plain = run_at(&hub, &["--timeout", "1"]);
    assert_eq!((plain.out.as_str(), plain.code), ("{\"no\":\"output\"}\n", 1), "{plain:?}");
    let other = run_at(&hub, &["--timeout", "1", "--json-fallback", "{\"x\": 1}"]);
    assert_eq!((other.out.as_str(), other.code), ("{\"x\": 1}\n", 1), "{other:?}");
}

#[test]
fn what_python_takes_for_false_is_not_published_and_other_values_than_objects_fail() {
    let hub = Hub::start();
    for falsy in ["{}", "0", "null", "[]", "\"\"", "false"] {
        let ended = run_at(&hub, &["--json-data", falsy, "--timeout", "0"]);
        assert!(ended.code == 1 && !ended.err.contains("Publishing"), "{ended:?}");
    }
    let number = run_at(&hub, &["--json-data", "-5"]);
    assert!(number.code == 1 && number.err.contains("Publishing to 'eventhive/cli/do': '-5'"), "{number:?}");
    assert!(number.out.is_empty() && number.err.contains("must be a JSON object"), "{number:?}");
}

#[test]
fn a_secret_seals_and_without_one_nothing_does() {
    let hub = Hub::start();
    let mut listener = Running::start(&["listen", "--url", &hub.url, "--count", "2", "--json"]);
    listener.told("listening to");
    assert_eq!(run_at(&hub, &["--json-data", "{\"n\": 1}"]).code, 0);
    assert_eq!(run_at(&hub, &["--json-data", "{\"n\": 1}", "--secret", "sting"]).code, 0);
    assert_eq!(listener.json()["payload"], json!({"n": 1}));
    assert_eq!(listener.json()["payload"]["n"], Value::Null);
}

#[test]
fn wrong_use_ends_with_code_2() {
    let hub = Hub::start();
    for arguments in [
        &["--json-data", "{"][..],
        &["--config", "missing.yaml"],
        &["--nonsense"],
        &["--timeout", "x"],
        &["--timeout", "-1"],
    ] {
        let ended = run_at(&hub, arguments);
        assert!(ended.code == 2 && ended.out.is_empty() && ended.err.contains("--"), "{arguments:?}: {ended:?}");
    }
    let nowhere = TempDir::new().unwrap();
    let ended = run_in(nowhere.path(), &["--network", "net"]);
    assert!(
        ended.code == 2 && ended.err.contains("Usage:") && ended.err.contains(".eventhive-config.yaml"),
        "{ended:?}"
    );
}

#[test]
fn flags_may_be_cut_short_and_the_last_of_several_wins() {
    let hub = Hub::start();
    let ended = run_at(&hub, &["--net", "a", "--rec", "b", "--event", "x", "--event", "y", "--json-d", "{\"n\": 1}"]);
    assert!(ended.code == 0 && ended.err.contains("Publishing to 'a/b/y'"), "{ended:?}");
}

#[test]
fn an_unknown_name_in_the_template_is_told_on_standard_output_and_the_file_left_out() {
    let folder = folder_with("t.yaml", "connectors: {event}");
    let ended = run_in(folder.path(), &["--config", "t.yaml", "--timeout", "0"]);
    assert_eq!((ended.out.as_str(), ended.code), ("[CLI] Configuration exception 'event'\n{\"no\":\"output\"}\n", 1));
}

#[test]
fn a_template_that_is_none_ends_with_code_1_and_a_wrong_configuration_with_2() {
    for (text, code) in [("a: {0}", 1), ("a: {", 1), ("a: }", 1), ("conectors: 5", 2), ("a: [", 2)] {
        let folder = folder_with("t.yaml", text);
        let ended = run_in(folder.path(), &["--config", "t.yaml", "--timeout", "0"]);
        assert_eq!((ended.code, ended.out.as_str()), (code, ""), "{text}: {ended:?}");
        assert!(ended.err.contains("t.yaml"), "{ended:?}");
    }
}

#[test]
fn the_environment_is_read_too_and_the_template_comes_from_standard_input_as_a_dash() {
    let hub = Hub::start();
    let text = format!(
        "connectors: {{eventhive: {{pubsub_type: fastapi, input_channel: cli, init: {{port: {}}}}}}}",
        hub.port
    );
    let folder = folder_with("eventhive.yaml", &text);
    let mut command = program(folder.path(), &["--config", "-", "--json-data", "{\"n\": 1}"]);
    let ended = ended(command.stdin(std::process::Stdio::null()));
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn without_any_argument_it_runs_if_its_template_is_there() {
    let folder = folder_with(".eventhive-config.yaml", "connectors: {nosuch}");
    let ended = run_in(folder.path(), &[]);
    assert!(ended.out.starts_with("[CLI] Configuration exception 'nosuch'"), "{ended:?}");
}
