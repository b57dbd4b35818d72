//! One hub with two doors: Python's `PubSubClient` on the one for websockets, curl on the one for HTTP.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::curl::{Stream, put};
use super::publisher::Publisher;
use super::served::Served;
use crate::environment::Stack;
use crate::process::{Peer, publish};

const BOTH: [Stack; 2] = [Stack::Eventhive, Stack::PubSub];

/// Both doors on one address, and an access list whose user sees what is private below `a`.
fn hub() -> Served {
    let yaml = "
servers:
  net:
    create: always
    doors:
      - {pubsub_type: http, init: {port: PORT, ping_interval_secs: 0.5, acl_file: acl.yaml}}
      - {pubsub_type: fastapi, init: {port: PORT, endpoint: /pubsub}}
";
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("acl.yaml"), "me: {password: secret, acl: {all: [a]}}\n").unwrap();
    Served::start_in(folder, yaml)
}

fn client(stack: Stack, hub: &Served, more: &[&str]) -> Peer {
    let url = format!("ws://127.0.0.1:{}/pubsub", hub.port);
    let mut peer = Peer::python(stack, "client", &[&["--url", &url], more].concat());
    peer.wait_for("state", &json!("ready"));
    peer
}

/// An event of a stream without what the door adds, and what it adds as the path.
fn plain(mut event: Value) -> (Value, Value) {
    let path = event["pubsub_path"].take();
    let members = event.as_object_mut().unwrap();
    members.retain(|key, _| !["pubsub_timestamp", "pubsub_topics", "pubsub_path", "pubsub_cursor"].contains(&&**key));
    (path, event)
}

#[test]
fn events_of_either_door_reach_both_in_the_order_of_their_publisher() {
    for stack in BOTH {
        let hub = hub();
        let mut subscriber = client(stack, &hub, &["--topic", "a/b"]);
        let mut python = client(stack, &hub, &[]);
        let mut stream = Stream::subscribed(&[hub.url("/a/b")]);
        let port = hub.port;
        let http = std::thread::spawn(move || {
            let mut publisher = Publisher::connect(port);
            (0..300).for_each(|n| publisher.put("/a/b", &format!("{{\"from\":\"http\",\"n\":{n}}}")));
        });
        for n in 0..300 {
            python.tell(&publish("a/b", json!({"from": "python", "n": n})));
        }
        let count = |next: &mut [u64; 2], event: &Value| {
            let from = usize::from(event["from"] == "http");
            assert_eq!(event["n"], next[from], "{event}");
            next[from] += 1;
        };
        let (mut by_stream, mut by_client) = ([0; 2], [0; 2]);
        for _ in 0..600 {
            let (path, event) = plain(stream.event());
            assert_eq!(path, "/a/b");
            count(&mut by_stream, &event);
            let (topic, data) = subscriber.received();
            assert_eq!((&*topic, data.as_object().unwrap().len()), ("a/b", 2));
            count(&mut by_client, &data);
        }
        http.join().unwrap();
        assert_eq!((by_stream, by_client), ([300; 2], [300; 2]));
    }
}

#[test]
fn a_private_event_is_seen_by_those_with_the_right_and_on_no_other_door() {
    for stack in BOTH {
        let hub = hub();
        let mut everything = client(stack, &hub, &["--all"]);
        let mut topic = client(stack, &hub, &["--topic", "a/b"]);
        let mut anyone = Stream::subscribed(&[hub.url("/")]);
        let mut user = Stream::subscribed(&["-u", "me:secret", &hub.url("/")]);
        put(&hub.url("/private/a/b"), "{\"n\":1}");
        put(&hub.url("/private/c"), "{\"n\":2}");
        put(&hub.url("/a/b"), "{\"n\":3}");
        assert_eq!(user.event()["n"], 1);
        for stream in [&mut user, &mut anyone] {
            assert_eq!(stream.event()["n"], 3);
        }
        for subscriber in [&mut everything, &mut topic] {
            assert_eq!(subscriber.received(), ("a/b".to_owned(), json!({"n": 3})));
        }
        // Nor later.
        let mut replay = Stream::open(&["-H", "X-Fetch-Since: 0", &hub.url("/")]);
        assert_eq!(replay.event()["n"], 3);
    }
}

#[test]
fn payloads_that_are_no_objects_are_wrapped_on_http_and_objects_arrive_as_they_are() {
    let kinds = [
        (json!({"x": [1, {"y": null}]}), json!({"x": [1, {"y": null}]})),
        (json!([1, 2]), json!({"payload": [1, 2], "pubsub_wrapped": "json"})),
        (json!(5), json!({"payload": 5, "pubsub_wrapped": "json"})),
        (json!(null), json!({"payload": null, "pubsub_wrapped": "json"})),
        (json!("text"), json!({"payload": "text", "pubsub_wrapped": "text"})),
        // The text of an object is how hives send one.
        (json!("{\"x\": 1}"), json!({"x": 1})),
        (json!("ä☃"), json!({"payload": "ä☃", "pubsub_wrapped": "text"})),
    ];
    let hub = hub();
    let mut python = client(Stack::PubSub, &hub, &[]);
    let mut subscriber = client(Stack::PubSub, &hub, &["--topic", "a/b"]);
    let mut stream = Stream::subscribed(&[hub.url("/a")]);
    for (data, seen) in kinds {
        python.tell(&publish("a/b", data.clone()));
        assert_eq!(plain(stream.event()), (json!("/a/b"), seen), "{data}");
        assert_eq!(subscriber.received().1, data);
    }
    let wrapped = "{\"payload\": [1], \"pubsub_wrapped\": \"json\", \"ü\": \"\\u00fc\"}";
    put(&hub.url("/a/b"), wrapped);
    assert_eq!(subscriber.received().1, serde_json::from_str::<Value>(wrapped).unwrap());
}
