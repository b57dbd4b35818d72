//! The command line of Python's eventhive, and ours used in the same way, at both hubs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::Stack;
use crate::hives::{Queen, Worker, file, without_metadata};
use crate::hub::{Hub, HubKind};
use crate::process::run;

/// A configuration as scripts have it: network, receiver and secret are filled in by the command line.
fn template(port: u16) -> (TempDir, PathBuf) {
    let text = format!(
        "connectors:\n  {{network}}:\n    pubsub_type: fastapi\n    input_channel: '{{receiver}}'\n    init: {{{{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}}}\n"
    );
    file(&text)
}

/// Runs the program with the template and more arguments.
fn command_line(program: &Path, port: u16, arguments: &[&str]) -> (String, String, i32) {
    let (folder, file) = template(port);
    let given = ["--config", file.to_str().unwrap(), "--network", "net", "--timeout", "2"];
    run(program, folder.path(), &[&given, arguments].concat())
}

fn eventhive_cli() -> PathBuf {
    Stack::Eventhive.program("eventhive-cli")
}

fn hive_cli() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_hive-cli"))
}

fn sends_to_a_worker_and_prints_its_answer(hub: HubKind, program: &Path) {
    let hub = Hub::start(hub);
    let mut worker = Worker::start(hub.port);
    let send =
        ["--receiver", "queen", "--event", "done", "--target-event", "net/worker/action", "--json-data", r#"{"n": 1}"#];
    let (out, err, code) = command_line(program, hub.port, &send);
    assert_eq!(code, 0, "{err}");
    assert_eq!(worker.received(), ("worker/action".to_owned(), json!({"n": 1})));
    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
    assert_eq!(without_metadata(answer, "net/queen/done")["answer"]["n"], json!(1));
    assert!(err.contains("[CLI] Waiting for: 'queen/done'"), "{err}");
    assert!(err.contains("[CLI] Publishing to 'net/worker/action': '{'n': 1}'"), "{err}");
    assert!(err.contains("[CLI] Received: '"), "{err}");
}

fn hears_itself(hub: HubKind, program: &Path) {
    let hub = Hub::start(hub);
    let (out, err, code) = command_line(program, hub.port, &["--json-data", r#"{"ü": "\u00fc"}"#]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with(r#"{"\u00fc": "\u00fc", "__eventhive__": {"time": "#), "{out}");
    let received: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(without_metadata(received, "net/cli/do"), json!({"ü": "ü"}));
}

fn without_an_event_prints_the_default_and_fails(hub: HubKind, program: &Path) {
    let hub = Hub::start(hub);
    let (out, err, code) = command_line(program, hub.port, &[]);
    assert_eq!((out.as_str(), code), ("{\"no\":\"output\"}\n", 1), "{err}");
}

fn receives_what_a_hive_calls(hub: HubKind, program: &Path) {
    let hub = Hub::start(hub);
    let mut caller = Queen::start(hub.port);
    let (folder, file) = template(hub.port);
    let port_program = program.to_owned();
    let listener = std::thread::spawn(move || {
        let given =
            ["--config", file.to_str().unwrap(), "--network", "net", "--receiver", "worker", "--event", "action"];
        run(&port_program, folder.path(), &[&given[..], &["--timeout", "4"]].concat())
    });
    // Nothing tells when the command line has subscribed, so the event is called until it has ended.
    while !listener.is_finished() {
        caller.call("net/worker/action", &json!({"work": "heavy load"}));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let (out, err, code) = listener.join().unwrap();
    assert_eq!(code, 0, "{err}");
    let received: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(without_metadata(received, "net/worker/action"), json!({"work": "heavy load"}));
}

fn wrong_use_ends_with_code_2(program: &Path) {
    for arguments in [&["--json-data", "{"][..], &["--config", "missing.yaml"], &["--nonsense"], &["--timeout", "x"]] {
        let (_, err, code) = run(program, std::env::temp_dir().as_path(), arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
    }
}

/// One test a case and program, at Python's hub and at ours.
macro_rules! with_both_programs {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use super::{HubKind, eventhive_cli, hive_cli};
            #[test]
            fn eventhive_cli_at_python() { super::$case(HubKind::Python03, &eventhive_cli()) }
            #[test]
            fn eventhive_cli_at_ours() { super::$case(HubKind::Ours, &eventhive_cli()) }
            #[test]
            fn hive_cli_at_python() { super::$case(HubKind::Python03, &hive_cli()) }
            #[test]
            fn hive_cli_at_ours() { super::$case(HubKind::Ours, &hive_cli()) }
        }
    )* };
}

with_both_programs!(
    sends_to_a_worker_and_prints_its_answer,
    hears_itself,
    without_an_event_prints_the_default_and_fails,
    receives_what_a_hive_calls,
);

#[test]
fn wrong_use_ends_with_code_2_as_with_the_original() {
    wrong_use_ends_with_code_2(&eventhive_cli());
    wrong_use_ends_with_code_2(&hive_cli());
}
