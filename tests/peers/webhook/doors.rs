//! A hub with doors for webhooks, websockets and HTTP streams: Python's clients on the first, curl and `PubSubClient` on the others.

use serde_json::json;
use tempfile::TempDir;

use super::client::{Client, Wire};
use crate::environment::Stack;
use crate::http::curl::{Stream, put};
use crate::http::served::Served;
use crate::process::{Peer, publish};

struct Hub {
    served: Served,
    http: String,
    websocket: String,
}

/// The access list's user sees what is private.
fn hub() -> Hub {
    let yaml = "
servers:
  net:
    create: always
    doors:
      - {pubsub_type: webhook, init: {port: PORT, database: 'sqlite:subscriptions.db', allow: [loopback]}}
      - {pubsub_type: http, init: {port: 0, acl_file: acl.yaml}}
      - {pubsub_type: websocket, init: {port: 0, endpoint: /pubsub}}
";
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("acl.yaml"), "me: {password: secret, acl: {all: [a]}}\n").unwrap();
    let served = Served::start_in(folder, yaml);
    let url = |start: &str, end: &str| {
        let found = served.urls.iter().find(|url| url.starts_with(start) && url.ends_with(end));
        found.unwrap_or_else(|| panic!("{:?}", served.urls)).trim_end_matches('/').to_owned()
    };
    let (http, websocket) = (url("http://", "/"), url("ws://", "/pubsub"));
    Hub { served, http, websocket }
}

impl Hub {
    fn client(&self, wire: Wire) -> Client {
        Client::at(&[&format!("{}://127.0.0.1:{}", wire.scheme(), self.served.port)], &[])
    }

    fn at_websockets(&self, topic: &str) -> Peer {
        let mut peer = Peer::python(Stack::PubSub, "client", &["--url", &self.websocket, "--topic", topic]);
        peer.wait_for("state", &json!("ready"));
        peer
    }
}

fn events_of_other_doors_are_heard_by_webhook(wire: Wire) {
    let hub = hub();
    let mut subscriber = hub.client(wire);
    subscriber.subscribe(&["a/b"], &["a/c*"]);
    assert_eq!(put(&format!("{}/a/b", hub.http), r#"{"by": "curl"}"#).status, 202);
    let (topic, text) = subscriber.heard();
    assert_eq!((&*topic, serde_json::from_str(&text).ok()), ("a/b", Some(json!({"by": "curl"}))));
    let mut python = hub.at_websockets("other");
    python.ask(&publish("a/cd", json!({"by": "websocket"})));
    let (topic, text) = subscriber.heard();
    assert_eq!((&*topic, serde_json::from_str(&text).ok()), ("a/cd", Some(json!({"by": "websocket"}))));
}

#[test]
fn events_of_other_doors_are_heard_by_webhook_over_http() {
    events_of_other_doors_are_heard_by_webhook(Wire::Http);
}

#[test]
fn events_of_other_doors_are_heard_by_webhook_over_a_websocket() {
    events_of_other_doors_are_heard_by_webhook(Wire::Websocket);
}

#[test]
fn what_is_notified_is_heard_at_other_doors() {
    let hub = hub();
    let mut stream = Stream::subscribed(&[format!("{}/a/b", hub.http)]);
    let mut python = hub.at_websockets("a/b");
    for wire in [Wire::Http, Wire::Websocket] {
        assert_eq!(hub.client(wire).notify("a/b", r#"{"by": "webhook"}"#), 2, "{wire:?}");
        assert_eq!(stream.event()["by"], "webhook");
        assert_eq!(python.received(), ("a/b".to_owned(), json!({"by": "webhook"})));
    }
}

#[test]
fn private_events_stay_private() {
    let hub = hub();
    let mut subscribers = [Wire::Http, Wire::Websocket].map(|wire| hub.client(wire));
    for subscriber in &mut subscribers {
        subscriber.subscribe(&["private/a", "a"], &["*"]);
    }
    let mut entitled = Stream::subscribed(&["-u".to_owned(), "me:secret".to_owned(), format!("{}/a", hub.http)]);
    assert_eq!(put(&format!("{}/private/a", hub.http), r#"{"n": 1}"#).status, 202);
    assert_eq!(hub.client(Wire::Http).notify("private/a", r#"{"n": 2}"#), 1, "the stream with the right to it");
    assert_eq!([entitled.event()["n"].take(), entitled.event()["n"].take()], [json!(1), json!(2)]);
    assert_eq!(put(&format!("{}/a", hub.http), r#"{"n": 3}"#).status, 202);
    for mut subscriber in subscribers {
        assert!(subscriber.heard().1.contains('3'), "what is private was not heard");
    }
}
