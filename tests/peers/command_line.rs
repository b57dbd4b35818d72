//! The command line of Python's eventhive, and ours used in the same way, at both hubs and over Redis.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::Stack;
use crate::hives::{Queen, Worker, file, without_metadata};
use crate::place::{Place, Wire};
use crate::process::run;

/// A configuration as scripts have it: network, receiver and secret are filled in by the command line.
fn template(place: &Place, sealed: bool) -> (TempDir, PathBuf) {
    let keys = place.keys().replace('{', "{{").replace('}', "}}");
    let secret = if sealed { ", secret: '{secret}', cipher: eventhive-0.5" } else { "" };
    file(&format!("connectors:\n  {{network}}: {{{{input_channel: '{{receiver}}', {keys}{secret}}}}}\n"))
}

/// Runs the program with the template and more arguments.
fn command_line(program: &Path, place: &Place, arguments: &[&str]) -> (String, String, i32) {
    let (folder, file) = template(place, arguments.contains(&"--secret"));
    let given = ["--config", file.to_str().unwrap(), "--network", "net", "--timeout", "2"];
    run(program, folder.path(), &[&given, arguments].concat())
}

fn eventhive_cli() -> PathBuf {
    Stack::Eventhive.program("eventhive-cli")
}

fn hive_cli() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_hive-cli"))
}

fn sends_to_a_worker_and_prints_its_answer(wire: Wire, program: &Path) {
    let place = Place::start(wire);
    let mut worker = Worker::start(&place);
    let send =
        ["--receiver", "queen", "--event", "done", "--target-event", "net/worker/action", "--json-data", r#"{"n": 1}"#];
    let (out, err, code) = command_line(program, &place, &send);
    assert_eq!(code, 0, "{err}");
    assert_eq!(worker.received(), ("worker/action".to_owned(), json!({"n": 1})));
    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
    assert_eq!(without_metadata(answer, "net/queen/done")["answer"]["n"], json!(1));
    assert!(err.contains("[CLI] Waiting for: 'queen/done'"), "{err}");
    assert!(err.contains("[CLI] Publishing to 'net/worker/action': '{'n': 1}'"), "{err}");
    assert!(err.contains("[CLI] Received: '"), "{err}");
}

/// A network of three: a worker and a command line, and a queen of ours who hears the answer too.
fn takes_part_in_a_sealed_network(wire: Wire, program: &Path) {
    let place = Place::start(wire);
    let mut worker = Worker::sealing(&place);
    let mut queen = Queen::ours_sealing(&place);
    let send = ["--receiver", "queen", "--event", "done", "--target-event", "net/worker/action"];
    let data = ["--json-data", r#"{"n": 1.5}"#, "--secret", "a secret"];
    let (out, err, code) = command_line(program, &place, &[&send[..], &data].concat());
    assert_eq!(code, 0, "{err}");
    assert_eq!(worker.received(), ("worker/action".to_owned(), json!({"n": 1.5})));
    let answer: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
    assert_eq!(without_metadata(answer, "net/queen/done")["answer"]["n"], json!(1.5));
    let (event, answer) = queen.received();
    assert_eq!((event.as_str(), &answer["answer"]["n"]), ("queen/done", &json!(1.5)));
}

fn hears_itself(wire: Wire, program: &Path) {
    let place = Place::start(wire);
    let (out, err, code) = command_line(program, &place, &["--json-data", r#"{"ü": "\u00fc"}"#]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with(r#"{"\u00fc": "\u00fc", "__eventhive__": {"time": "#), "{out}");
    let received: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(without_metadata(received, "net/cli/do"), json!({"ü": "ü"}));
}

fn without_an_event_prints_the_default_and_fails(wire: Wire, program: &Path) {
    let place = Place::start(wire);
    let (out, err, code) = command_line(program, &place, &[]);
    assert_eq!((out.as_str(), code), ("{\"no\":\"output\"}\n", 1), "{err}");
}

fn receives_what_a_hive_calls(wire: Wire, program: &Path) {
    let place = Place::start(wire);
    let mut caller = Queen::start(&place);
    let (folder, file) = template(&place, false);
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

/// One test a case and program, at Python's hub, at ours, and over Redis.
macro_rules! with_both_programs {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use super::{Wire, eventhive_cli, hive_cli};
            #[test]
            fn eventhive_cli_at_python() { super::$case(Wire::Python03, &eventhive_cli()) }
            #[test]
            fn eventhive_cli_at_ours() { super::$case(Wire::Ours, &eventhive_cli()) }
            #[test]
            fn eventhive_cli_over_redis() { super::$case(Wire::Redis, &eventhive_cli()) }
            #[test]
            fn hive_cli_at_python() { super::$case(Wire::Python03, &hive_cli()) }
            #[test]
            fn hive_cli_at_ours() { super::$case(Wire::Ours, &hive_cli()) }
            #[test]
            fn hive_cli_over_redis() { super::$case(Wire::Redis, &hive_cli()) }
        }
    )* };
}

with_both_programs!(
    sends_to_a_worker_and_prints_its_answer,
    takes_part_in_a_sealed_network,
    hears_itself,
    without_an_event_prints_the_default_and_fails,
    receives_what_a_hive_calls,
);

#[test]
fn wrong_use_ends_with_code_2_as_with_the_original() {
    wrong_use_ends_with_code_2(&eventhive_cli());
    wrong_use_ends_with_code_2(&hive_cli());
}
