//! One hub with two doors: websockets and HTTP streams.

use std::net::SocketAddr;
use std::time::Duration;

use eventhive::{Hive, ServerOutcome, StartOptions};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::memory::next;

/// Only a failing test waits so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Both doors share one address.
async fn hub() -> (Hive, SocketAddr) {
    let yaml = "
servers:
  net:
    create: always
    doors:
      - {pubsub_type: http, init: {port: 0, ping_interval_secs: 0.5}}
      - {pubsub_type: fastapi, init: {port: 0}}
";
    let hive = Hive::from_yaml(yaml).unwrap_or_else(|error| panic!("{error}"));
    let started = hive.start().await.unwrap();
    let ServerOutcome::Listening(bound) = &started.servers[0].outcome else { panic!("{started:?}") };
    assert_eq!((bound.len(), bound[0].doors.len()), (1, 2));
    (hive, bound[0].address)
}

#[tokio::test]
async fn a_hive_that_is_stopped_says_so_of_its_servers() {
    let (hive, _) = hub().await;
    assert!(matches!(hive.server_states()[0].outcome, ServerOutcome::Listening(_)));
    hive.stop(PATIENCE).await;
    assert_eq!(hive.server_states()[0].outcome, ServerOutcome::Stopped);
}

pub(super) async fn member(address: SocketAddr, wire: &str, channel: &str, extra: &str) -> Hive {
    let yaml = format!(
        "connectors: {{net: {{pubsub_type: {wire}, input_channel: '{channel}'{extra}, init: {{host: {}, port: {}}}}}}}",
        address.ip(),
        address.port()
    );
    let hive = Hive::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}"));
    hive.define(&format!("{channel}/action"), "").unwrap();
    hive.start_with(StartOptions::new().require("net")).await.unwrap();
    hive
}

/// A connection on which requests are written by hand.
pub(super) struct Plain {
    socket: TcpStream,
    seen: String,
}

impl Plain {
    pub(super) async fn send(address: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        Self { socket, seen: String::new() }
    }

    /// Publishes; gives the event's cursor.
    pub(super) async fn put(address: SocketAddr, path: &str, body: &str) -> String {
        let size = body.len();
        let request = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n{body}");
        let mut answer = Self::send(address, &request).await;
        answer.until("202 Accepted").await;
        answer.until("x-pubsub-cursor: ").await;
        answer.until("\r\n").await.trim_end().to_owned()
    }

    /// A stream, and the head of its answer.
    pub(super) async fn get(address: SocketAddr, path: &str, headers: &str) -> (Self, String) {
        let mut stream = Self::send(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await;
        let head = stream.until("\r\n\r\n").await;
        (stream, head)
    }

    /// Reads until `text` has come; gives what came up to there.
    pub(super) async fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let mut bytes = [0; 4096];
            let size = timeout(PATIENCE, self.socket.read(&mut bytes)).await.expect("something comes").unwrap();
            assert!(size > 0, "`{text}` never came, but: {}", self.seen);
            self.seen.push_str(std::str::from_utf8(&bytes[..size]).unwrap());
        }
    }

    /// The next event of a stream.
    pub(super) async fn event(&mut self) -> Value {
        loop {
            let line = self.until("}\n").await;
            if !line.contains("stillalive") {
                return serde_json::from_str(line.lines().last().unwrap()).unwrap();
            }
        }
    }
}

async fn calls_arrive(from: &Hive, to: &Hive, channel: &str) {
    let mut events = to.stream(format!("{channel}/action")).unwrap();
    for number in 0..300 {
        from.emit(&format!("net/{channel}/action"), json!({"number": number})).unwrap().published.unwrap().unwrap();
    }
    for number in 0..300 {
        let event = timeout(PATIENCE, next(&mut events)).await.unwrap();
        assert_eq!(event.payload().as_value().unwrap(), &json!({"number": number}));
    }
}

#[tokio::test]
async fn hives_on_either_door_call_each_other_in_order_plain_and_sealed() {
    for extra in ["", ", secret: a-long-secret-of-a-test"] {
        let (hub, address) = hub().await;
        let queen = member(address, "http", "queen", extra).await;
        let worker = member(address, "websocket", "worker", extra).await;
        calls_arrive(&queen, &worker, "worker").await;
        calls_arrive(&worker, &queen, "queen").await;
        calls_arrive(&queen, &queen, "queen").await;
        queen.stop(Duration::from_secs(5)).await;
        worker.stop(Duration::from_secs(5)).await;
        assert!(hub.stop(Duration::from_secs(5)).await);
    }
}

#[tokio::test]
async fn a_stream_sees_what_hives_publish_and_hives_what_is_put() {
    let (hub, address) = hub().await;
    let worker = member(address, "websocket", "worker", "").await;
    let mut events = worker.stream("worker/action").unwrap();
    let mut stream = Plain::send(address, "GET /net/worker HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stream.until("stillalive").await;
    stream.until("}\n").await;
    for number in 0..50 {
        worker.emit("net/worker/action", json!({"number": number})).unwrap().published.unwrap().unwrap();
    }
    for number in 0..50 {
        assert_eq!(stream.event().await["number"], number);
        assert_eq!(next(&mut events).await.payload().as_value().unwrap()["number"], number);
    }
    for number in 0..50 {
        Plain::put(address, "/net/worker/action", &format!("{{\"number\": {number}}}")).await;
    }
    for number in 0..50 {
        let event = stream.event().await;
        assert_eq!((&event["number"], &event["pubsub_path"]), (&json!(number), &json!("/net/worker/action")));
        assert_eq!(next(&mut events).await.payload().as_value().unwrap()["number"], number);
    }
    worker.stop(Duration::from_secs(5)).await;
    assert!(hub.stop(Duration::from_secs(5)).await);
}

/// A hive says so by the name of its network, any other client by the topic.
#[tokio::test]
async fn what_is_published_as_private_by_websocket_is_private_on_every_door() {
    let folder = tempfile::TempDir::new().unwrap();
    let acl = folder.path().join("acl.yaml");
    std::fs::write(&acl, "u: {password: p, acl: {all: []}}\n").unwrap();
    let acl = acl.display();
    let yaml = format!(
        "servers: {{net: {{create: always, doors: [\
         {{pubsub_type: http, init: {{port: 0, ping_interval_secs: 0.5, acl_file: {acl}}}}}, {{pubsub_type: websocket, init: {{port: 0}}}}]}}}}"
    );
    let hub = Hive::from_yaml(&yaml).unwrap();
    let started = hub.start().await.unwrap();
    let ServerOutcome::Listening(bound) = &started.servers[0].outcome else { panic!("{started:?}") };
    let address = bound[0].address;
    let init = format!("{{host: {}, port: {}}}", address.ip(), address.port());
    let publisher = format!("connectors: {{private: {{pubsub_type: websocket, input_channel: '', init: {init}}}}}");
    let publisher = Hive::from_yaml(&publisher).unwrap();
    publisher.start_with(StartOptions::new().require("private")).await.unwrap();
    let receiver = format!("connectors: {{private: {{pubsub_type: websocket, input_channel: net, init: {init}}}}}");
    let receiver = Hive::from_yaml(&receiver).unwrap();
    let mut received = receiver.stream("net/*").unwrap();
    receiver.define("net/event", "").unwrap();
    receiver.start_with(StartOptions::new().require("private")).await.unwrap();
    let member = member(address, "websocket", "event", "").await;
    let mut seen = member.stream("event/action").unwrap();

    let (mut anyone, _) = Plain::get(address, "/", "").await;
    let (mut user, _) = Plain::get(address, "/net", "Authorization: Basic dTpw\r\n").await;
    anyone.until("stillalive").await;
    user.until("stillalive").await;
    anyone.until("}\n").await;
    user.until("}\n").await;
    publisher.emit("private/net/event", json!({"number": 1})).unwrap().published.unwrap().unwrap();
    assert!(publisher.flush(PATIENCE).await);
    Plain::put(address, "/net/event/action", "{\"number\": 2}").await;
    assert_eq!(anyone.event().await["number"], 2);
    let event = user.event().await;
    assert_eq!((&event["number"], &event["pubsub_path"]), (&json!(1), &json!("/private/net/event")));
    assert_eq!(event["pubsub_topics"], json!(["net", "event"]));
    assert_eq!(next(&mut seen).await.payload().as_value().unwrap(), &json!({"number": 2}));
    assert!(received.next().now_or_never().is_none(), "websockets have no right to it");
    for hive in [publisher, receiver, member] {
        hive.stop(Duration::from_secs(5)).await;
    }
    assert!(hub.stop(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn a_private_event_is_seen_on_no_door_without_the_right() {
    let (hub, address) = hub().await;
    let worker = member(address, "websocket", "worker", "").await;
    let mut events = worker.stream("worker/action").unwrap();
    let mut stream = Plain::send(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    stream.until("stillalive").await;
    stream.until("}\n").await;
    Plain::put(address, "/private/net/worker/action", "{\"number\": 1}").await;
    Plain::put(address, "/net/worker/action", "{\"number\": 2}").await;
    assert_eq!(stream.event().await["number"], 2);
    assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"number": 2}));
    worker.stop(Duration::from_secs(5)).await;
    assert!(hub.stop(Duration::from_secs(5)).await);
}
