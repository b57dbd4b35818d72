//! Hives on a real hub, over sockets.

use std::net::SocketAddr;
use std::time::Duration;

use eventhive::{Event, Hive, ServerOutcome, StartOptions};
use eventhive_conformance::free_port;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::memory::{next, until};

pub(crate) async fn hub(port: u16) -> (Hive, SocketAddr) {
    let yaml = format!(
        "servers: {{net: {{pubsub_type: fastapi, create: always, broadcast: false, init: {{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}}}}}"
    );
    let hive = Hive::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}"));
    let started = hive.start().await.unwrap();
    let ServerOutcome::Listening(bound) = &started.servers[0].outcome else { panic!("{started:?}") };
    (hive, bound[0].address)
}

pub(crate) fn member(address: SocketAddr, channel: &str) -> Hive {
    member_with(address, channel, "")
}

/// With more keys for the connector, each behind a comma.
pub(crate) fn member_with(address: SocketAddr, channel: &str, extra: &str) -> Hive {
    let yaml = format!(
        "connectors: {{net: {{pubsub_type: websocket, input_channel: '{channel}'{extra}, init: {{host: {}, port: {}, reconnect_max_secs: 0.2}}}}}}",
        address.ip(),
        address.port()
    );
    Hive::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn a_queen_calls_a_worker_through_a_hub() {
    let (hub, address) = hub(0).await;
    let (worker, queen) = (member(address, "worker"), member(address, "queen"));
    worker.define("worker/action", "").unwrap();
    let mut events = worker.stream("worker/action").unwrap();
    worker.start_with(StartOptions::new().require("net")).await.unwrap();
    queen.start_with(StartOptions::new().require("net")).await.unwrap();
    for number in 0..1000 {
        queen.emit("net/worker/action", json!({"number": number})).unwrap().published.unwrap().unwrap();
    }
    for number in 0..1000 {
        assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"number": number}));
    }
    queen.stop(Duration::from_secs(5)).await;
    worker.stop(Duration::from_secs(5)).await;
    assert!(hub.stop(Duration::from_secs(5)).await);
}

/// The caller is its own listener, so that nothing can be called before somebody listens again.
#[tokio::test]
async fn what_is_called_while_the_hub_is_away_arrives_in_order_when_it_is_back() {
    let (first, address) = hub(free_port()).await;
    let hive = member(address, "worker");
    hive.define("worker/action", "").unwrap();
    let mut events = hive.stream("worker/action").unwrap();
    hive.start_with(StartOptions::new().require("net")).await.unwrap();
    first.stop(Duration::from_secs(1)).await;
    let state = hive.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
    for number in 0..100 {
        hive.emit("net/worker/action", json!({"number": number})).unwrap().published.unwrap().unwrap();
    }
    let (_second, _) = hub(address.port()).await;
    for number in 0..100 {
        assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"number": number}));
    }
}

/// A way to `server` on which link and door do not recognise each other: to the link it is a Python server, and to the
/// door the link is a Python client, whom it turns out for any argument that Python does not have.
pub(crate) async fn disguised(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await?;
                pass_head(&mut client, &mut server, "eventhive-link").await?;
                pass_head(&mut server, &mut client, "eventhive-door").await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    address
}

/// Passes on the head of a request or response, with one header under another name.
async fn pass_head(from: &mut TcpStream, to: &mut TcpStream, hidden: &str) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.contains(hidden), "there is nothing to hide: {head}");
    to.write_all(head.replace(hidden, "hidden").as_bytes()).await
}

/// Hooks a pattern, and tells what the hook got.
fn hook(hive: &Hive, pattern: &str) -> mpsc::UnboundedReceiver<Event> {
    let (sender, received) = mpsc::unbounded_channel();
    hive.hook(pattern, move |event: Event| _ = sender.send(event)).unwrap();
    received
}

async fn hooked(events: &mut mpsc::UnboundedReceiver<Event>) -> String {
    let event = tokio::time::timeout(Duration::from_secs(10), events.recv()).await.expect("an event within 10 s");
    event.unwrap().name().as_str().to_owned()
}

#[tokio::test]
async fn a_hook_on_a_pattern_receives_events_that_nobody_has_defined() {
    let (_hub, address) = hub(0).await;
    let (worker, queen) = (member(address, "worker"), member(address, "queen"));
    let mut received = hook(&worker, "worker/*");
    worker.define("worker/known", "").unwrap();
    worker.start_with(StartOptions::new().require("net")).await.unwrap();
    queen.start_with(StartOptions::new().require("net")).await.unwrap();
    // Not for this channel, though the text before it is.
    for name in ["worker2/no", "worker/unknown", "queen/no", "worker/known", "worker/deep/er"] {
        queen.emit(&format!("net/{name}"), json!({})).unwrap().published.unwrap().unwrap();
    }
    for name in ["worker/unknown", "worker/known", "worker/deep/er"] {
        assert_eq!(hooked(&mut received).await, name);
    }
}

#[tokio::test]
async fn where_the_server_knows_no_patterns_a_hive_subscribes_what_is_defined_by_name() {
    let (_hub, address) = hub(0).await;
    let (worker, queen) = (member(disguised(address).await, "worker"), member(address, "queen"));
    let mut received = hook(&worker, "worker/*");
    worker.define("worker/early", "").unwrap();
    worker.start_with(StartOptions::new().require("net")).await.unwrap();
    queen.start_with(StartOptions::new().require("net")).await.unwrap();
    for name in ["worker/unknown", "worker/early"] {
        queen.emit(&format!("net/{name}"), json!({})).unwrap().published.unwrap().unwrap();
    }
    assert_eq!(hooked(&mut received).await, "worker/early");
    worker.define("worker/late", "").unwrap();
    // Nothing announces that it stands: called until it is.
    let calling = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            queen.emit("net/worker/late", json!({})).unwrap().published.unwrap().unwrap();
        }
    };
    tokio::select! {
        name = hooked(&mut received) => assert_eq!(name, "worker/late"),
        () = calling => {}
    }
    assert!(worker.link_state("net").unwrap().borrow().is_up());
}

#[tokio::test]
async fn an_event_larger_than_the_settings_allow_is_refused_to_its_caller() {
    let (_hub, address) = hub(0).await;
    let yaml = format!(
        "connectors: {{net: {{pubsub_type: websocket, input_channel: '', init: {{port: {}, max_message_bytes: 65536}}}}}}",
        address.port()
    );
    let hive = Hive::from_yaml(&yaml).unwrap();
    hive.start_with(StartOptions::new().require("net")).await.unwrap();
    let sent = |bytes: usize| hive.emit("net/a/x", json!({"filler": "x".repeat(bytes)})).unwrap().published.unwrap();
    assert!(sent(50_000).is_ok());
    assert!(sent(70_000).unwrap_err().to_string().contains("the wire takes 61440"));
    // Small enough as it is, but not with the escapes that it travels with.
    let quotes = hive.emit("net/a/x", json!({"filler": "\"".repeat(25_000)})).unwrap().published.unwrap();
    assert!(quotes.unwrap_err().to_string().contains("the wire takes 65536"));
    assert!(hive.stop(Duration::from_secs(5)).await);
}
