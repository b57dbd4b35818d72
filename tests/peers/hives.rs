//! Hives of Python's eventhive 0.5.0 and of ours, as worker and as queen, in any mix.

use std::path::PathBuf;

use eventhive_conformance::free_port;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::Stack;
use crate::our_hive::OurHive;
use crate::place::{Place, Wire, at_hub};
use crate::process::Peer;

/// What a hive is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    Rust,
}

/// A hive of the network `net`.
enum Bee {
    Python { process: Peer, _configuration: TempDir },
    Rust(OurHive),
}

/// What a hive does in these tests. The worker answers what it is called with; the queen calls.
struct Role {
    channel: &'static str,
    hook: &'static str,
    calls: &'static str,
    answers: bool,
}

const WORKER: Role = Role { channel: "worker", hook: "worker/action", calls: "net/queen/done", answers: true };
const QUEEN: Role = Role { channel: "queen", hook: "queen/done", calls: "net/worker/action", answers: false };

/// The connector of a role, with the keys of a [`Place`] and more.
fn connector(role: &Role, keys: &str, more: &str) -> String {
    format!("connectors:\n  net: {{input_channel: {}, {keys}{more}}}\n", role.channel)
}

const SEALED: &str = ", secret: 'a secret', cipher: eventhive-0.5";

fn server(port: u16) -> String {
    format!(
        "servers:\n  net:\n    pubsub_type: fastapi\n    create: always\n    broadcast: false\n    init: {{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}\n"
    )
}

impl Bee {
    fn start(language: Language, role: &Role, keys: &str) -> Self {
        Self::with_yaml(language, role, &connector(role, keys, ""))
    }

    /// Members of the network share a secret. Ours is told to seal as Python does; Python does not look at the key.
    fn sealing(language: Language, role: &Role, keys: &str) -> Self {
        Self::with_yaml(language, role, &connector(role, keys, SEALED))
    }

    /// Runs the network's hub too.
    fn hosting(language: Language, role: &Role, port: u16) -> Self {
        Self::with_yaml(language, role, &(connector(role, &at_hub(port), "") + &server(port)))
    }

    fn with_yaml(language: Language, role: &Role, yaml: &str) -> Self {
        match language {
            Language::Python => Self::python(role, yaml),
            Language::Rust => Self::Rust(OurHive::start(yaml, &[role.hook], role.answers.then_some(role.calls))),
        }
    }

    /// Returns when it has subscribed.
    fn python(role: &Role, yaml: &str) -> Self {
        let (folder, file) = file(yaml);
        let calls = if role.answers { "--answer" } else { "--define" };
        let arguments = ["--config", file.to_str().unwrap(), "--hook", role.hook, calls, role.calls];
        let mut process = Peer::python(Stack::Eventhive, "hive", &arguments);
        process.wait_for("state", &json!("ready"));
        Self::Python { process, _configuration: folder }
    }

    fn call(&mut self, event: &str, data: &Value) {
        match self {
            Self::Rust(hive) => hive.call(event, data),
            Self::Python { process, .. } => call(process, event, data),
        }
    }

    /// The next event that its hook got, and the data without the metadata.
    fn received(&mut self) -> (String, Value) {
        match self {
            Self::Rust(hive) => hive.received(),
            Self::Python { process, .. } => received(process),
        }
    }
}

/// A file with this text, for as long as the folder lives.
pub(crate) fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hive.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// Makes a Python hive call an event.
fn call(process: &mut Peer, event: &str, data: &Value) {
    let done = process.ask(&json!({"do": "call", "event": event, "data": data}));
    assert_eq!(done["error"], json!(null), "{event}");
}

fn received(process: &mut Peer) -> (String, Value) {
    let (event, data) = process.received();
    let data = without_metadata(data, &format!("net/{event}"));
    (event, data)
}

/// What a hook of a Python hive got, without the metadata, which must name the event and have an id.
pub(crate) fn without_metadata(mut data: Value, event: &str) -> Value {
    let metadata = data.as_object_mut().unwrap().remove("__eventhive__").expect("metadata");
    assert_eq!(metadata["event"], json!(event));
    assert_eq!(metadata["id"].as_str().map(str::len), Some(36), "{metadata}");
    data
}

/// A Python worker, for the tests of the command line.
pub(crate) struct Worker(Bee);

impl Worker {
    pub(crate) fn start(place: &Place) -> Self {
        Self(Bee::start(Language::Python, &WORKER, &place.keys()))
    }

    /// With the secret `a secret`.
    pub(crate) fn sealing(place: &Place) -> Self {
        Self(Bee::sealing(Language::Python, &WORKER, &place.keys()))
    }

    pub(crate) fn received(&mut self) -> (String, Value) {
        self.0.received()
    }
}

/// A queen, for the tests of the command line.
pub(crate) struct Queen(Bee);

impl Queen {
    /// In Python.
    pub(crate) fn start(place: &Place) -> Self {
        Self(Bee::start(Language::Python, &QUEEN, &place.keys()))
    }

    /// One of ours, with the secret `a secret`.
    pub(crate) fn ours_sealing(place: &Place) -> Self {
        Self(Bee::sealing(Language::Rust, &QUEEN, &place.keys()))
    }

    pub(crate) fn call(&mut self, event: &str, data: &Value) {
        self.0.call(event, data);
    }

    pub(crate) fn received(&mut self) -> (String, Value) {
        self.0.received()
    }
}

/// The queen calls the worker, the worker answers; both see the whole of it.
fn call_each_other(queen: &mut Bee, worker: &mut Bee) {
    for order in [json!({"n": 1, "pi": 3.25, "text": "ü\u{1f41d}\n"}), json!({}), json!({"list": [1, [2.0, null]]})] {
        queen.call("net/worker/action", &order);
        assert_eq!(worker.received(), ("worker/action".to_owned(), order.clone()));
        let (event, mut answer) = queen.received();
        assert_eq!(event, "queen/done");
        // A Python hook's data has the metadata in it.
        answer["answer"].as_object_mut().unwrap().remove("__eventhive__");
        assert_eq!(answer, json!({"answer": order}));
    }
}

fn hives_call_each_other(wire: Wire, queen: Language, worker: Language) {
    let place = Place::start(wire);
    let mut worker = Bee::start(worker, &WORKER, &place.keys());
    let mut queen = Bee::start(queen, &QUEEN, &place.keys());
    call_each_other(&mut queen, &mut worker);
}

fn sealed_events_are_opened(wire: Wire, queen: Language, worker: Language) {
    let place = Place::start(wire);
    let mut worker = Bee::sealing(worker, &WORKER, &place.keys());
    let mut queen = Bee::sealing(queen, &QUEEN, &place.keys());
    call_each_other(&mut queen, &mut worker);
}

/// The queen may be up before the hub is: it keeps trying.
fn the_queen_hosts_the_hub(queen: Language, worker: Language) {
    let port = free_port();
    let mut queen = Bee::hosting(queen, &QUEEN, port);
    let mut worker = Bee::start(worker, &WORKER, &at_hub(port));
    call_each_other(&mut queen, &mut worker);
}

/// One test a case and mix of languages.
macro_rules! in_any_mix {
    ($($name:ident: $case:ident($($hub:ident)?);)*) => { $(
        mod $name {
            use super::{Language::{Python, Rust}, $case};
            #[test]
            fn python_queen_and_python_worker() { $case($(super::Wire::$hub,)? Python, Python) }
            #[test]
            fn python_queen_and_rust_worker() { $case($(super::Wire::$hub,)? Python, Rust) }
            #[test]
            fn rust_queen_and_python_worker() { $case($(super::Wire::$hub,)? Rust, Python) }
            #[test]
            fn rust_queen_and_rust_worker() { $case($(super::Wire::$hub,)? Rust, Rust) }
        }
    )* };
}

in_any_mix!(
    hives_call_each_other_through_python_0_3_1: hives_call_each_other(Python03);
    hives_call_each_other_through_python_1_0_1: hives_call_each_other(Python10);
    hives_call_each_other_through_ours: hives_call_each_other(Ours);
    hives_call_each_other_over_redis: hives_call_each_other(Redis);
    sealed_events_are_opened_through_python_1_0_1: sealed_events_are_opened(Python10);
    sealed_events_are_opened_through_ours: sealed_events_are_opened(Ours);
    sealed_events_are_opened_over_redis: sealed_events_are_opened(Redis);
    hives_call_each_other_through_the_hub_of_the_queen: the_queen_hosts_the_hub();
);
