//! Hives of Python's eventhive 0.5.0, as worker and as queen.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::{Stack, free_port};
use crate::hub::{Hub, HubKind};
use crate::process::Peer;

/// The configuration of one hive in the network `net`.
pub(crate) struct Configuration {
    text: String,
    folder: TempDir,
}

impl Configuration {
    pub(crate) fn listening_on(channel: &str, port: u16, secret: Option<&str>) -> Self {
        let mut text = format!(
            "connectors:\n  net:\n    pubsub_type: fastapi\n    input_channel: '{channel}'\n    init: {{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}\n"
        );
        if let Some(secret) = secret {
            writeln!(text, "    secret: '{secret}'").unwrap();
        }
        Self { text, folder: TempDir::new().unwrap() }
    }

    /// This hive also runs the network's hub.
    pub(crate) fn hosting(mut self, port: u16) -> Self {
        writeln!(
            self.text,
            "servers:\n  net:\n    pubsub_type: fastapi\n    create: always\n    broadcast: false\n    init: {{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}"
        )
        .unwrap();
        self
    }

    pub(crate) fn file(&self) -> PathBuf {
        let path = self.folder.path().join("hive.yaml");
        std::fs::write(&path, &self.text).unwrap();
        path
    }
}

/// Starts a Python hive and waits until it has subscribed.
pub(crate) fn python_hive(configuration: &Configuration, arguments: &[&str]) -> Peer {
    let file = configuration.file();
    let mut hive = Peer::python(Stack::Eventhive, "hive", &[&["--config", file.to_str().unwrap()], arguments].concat());
    hive.wait_for("state", &json!("ready"));
    hive
}

pub(crate) fn worker(port: u16, secret: Option<&str>) -> Peer {
    let configuration = Configuration::listening_on("worker", port, secret);
    python_hive(&configuration, &["--hook", "worker/action", "--answer", "net/queen/done"])
}

const QUEEN: &[&str] = &["--hook", "queen/done", "--define", "net/worker/action"];

pub(crate) fn queen(port: u16, secret: Option<&str>) -> Peer {
    python_hive(&Configuration::listening_on("queen", port, secret), QUEEN)
}

pub(crate) fn call(event: &str, data: &Value) -> Value {
    json!({"do": "call", "event": event, "data": data})
}

/// What a hook got, without the metadata, which must name the event and have an id.
pub(crate) fn without_metadata(mut data: Value, event: &str) -> Value {
    let metadata = data.as_object_mut().unwrap().remove("__eventhive__").expect("metadata");
    assert_eq!(metadata["event"], json!(event));
    assert_eq!(metadata["id"].as_str().map(str::len), Some(36), "{metadata}");
    data
}

/// The queen calls the worker, the worker answers; both see the whole of it.
fn queen_and_worker_call_each_other(queen: &mut Peer, worker: &mut Peer) {
    for order in [json!({"n": 1, "pi": 3.25, "text": "ü\u{1f41d}"}), json!({}), json!({"list": [1, [2.0, null]]})] {
        assert_eq!(queen.ask(&call("net/worker/action", &order))["error"], json!(null));
        let (event, data) = worker.received();
        assert_eq!(event, "worker/action");
        assert_eq!(without_metadata(data, "net/worker/action"), order);
        let (event, data) = queen.received();
        assert_eq!(event, "queen/done");
        let mut answer = without_metadata(data, "net/queen/done");
        assert_eq!(without_metadata(answer["answer"].take(), "net/worker/action"), order);
    }
}

fn python_hives_call_each_other_through(hub: HubKind) {
    let hub = Hub::start(hub);
    let mut worker = worker(hub.port, None);
    let mut queen = queen(hub.port, None);
    queen_and_worker_call_each_other(&mut queen, &mut worker);
}

fn sealed_python_events_pass_through(hub: HubKind) {
    let hub = Hub::start(hub);
    let mut worker = worker(hub.port, Some("123"));
    let mut queen = queen(hub.port, Some("123"));
    assert_eq!(queen.ask(&call("net/worker/action", &json!({"n": 1.5})))["error"], json!(null));
    let (event, data) = worker.received();
    assert_eq!((event.as_str(), without_metadata(data, "net/worker/action")), ("worker/action", json!({"n": 1.5})));
}

#[test]
fn python_hives_call_each_other_through_python_0_3_1() {
    python_hives_call_each_other_through(HubKind::Python03);
}

#[test]
fn python_hives_call_each_other_through_python_1_0_1() {
    python_hives_call_each_other_through(HubKind::Python10);
}

#[test]
fn sealed_python_events_pass_through_python_1_0_1() {
    sealed_python_events_pass_through(HubKind::Python10);
}

#[test]
fn python_hives_call_each_other_through_the_hub_that_the_queen_hosts() {
    let port = free_port();
    let mut queen = python_hive(&Configuration::listening_on("queen", port, None).hosting(port), QUEEN);
    let mut worker = worker(port, None);
    queen_and_worker_call_each_other(&mut queen, &mut worker);
}
