//! Connectors whose server is looked for, without mDNS: in a list and in a file. What mDNS adds is tested in
//! `tests/discovery`, in networks of its own.

use std::net::SocketAddr;
use std::time::Duration;

use eventhive::{ConnectorOutcome, Hive, ServerOutcome, StartOptions};
use serde_json::json;
use tempfile::TempDir;

use super::memory::{next, until};

/// A hub of the network `net` on a port of its own.
async fn hub() -> (Hive, SocketAddr) {
    let yaml = "servers: {net: {pubsub_type: websocket, create: always, init: {port: 0}}}";
    let hive = Hive::from_yaml(yaml).unwrap();
    let started = hive.start().await.unwrap();
    let ServerOutcome::Listening(bound) = &started.servers[0].outcome else { panic!("{started:?}") };
    (hive, bound[0].address)
}

/// A place where servers are written down.
struct List(TempDir);

impl List {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, text: &str) {
        // In one step, as those that keep such files do: half a line is another server.
        let new = self.0.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.0.path().join("servers")).unwrap();
    }

    /// A member of the network that looks for the server in this file.
    fn member(&self, channel: &str) -> Hive {
        let file = self.0.path().join("servers");
        let yaml = format!(
            "eventhive: {{discovery_mdns: false, discovery_file: '{}'}}\n\
             connectors: {{net: {{pubsub_type: websocket, input_channel: {channel}, from_broadcast: 0.1, init: {{reconnect_max_secs: 0.2}}}}}}",
            file.display()
        );
        Hive::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}"))
    }
}

#[tokio::test]
async fn a_server_that_is_not_found_is_no_failure_and_what_is_called_waits() {
    let list = List::new();
    let hive = list.member("worker");
    hive.define("worker/action", "").unwrap();
    let mut events = hive.stream("worker/action").unwrap();
    let started = hive.start().await.unwrap();
    assert_eq!(started.connectors[0].outcome, ConnectorOutcome::Trying("no server `net` was found".to_owned()));
    for number in 0..10 {
        hive.emit("net/worker/action", json!({"number": number})).unwrap().published.unwrap().unwrap();
    }
    let (_hub, address) = hub().await;
    list.write(&format!("other {address}\nnet ws://{address}/pubsub # here it is\n"));
    for number in 0..10 {
        assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"number": number}));
    }
}

#[tokio::test]
async fn a_connector_moves_to_another_server_with_its_subscriptions_and_its_outbox() {
    let list = List::new();
    let (first, address) = hub().await;
    list.write(&address.to_string());
    let hive = list.member("worker");
    let mut events = hive.stream("worker/*").unwrap();
    hive.start_with(StartOptions::new().require("net")).await.unwrap();
    first.stop(Duration::from_secs(1)).await;
    let state = hive.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
    for number in 0..10 {
        hive.emit("net/worker/action", json!({"number": number})).unwrap().published.unwrap().unwrap();
    }
    let (_second, address) = hub().await;
    list.write(&address.to_string());
    for number in 0..10 {
        assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"number": number}));
    }
    let (_, stats) = hive.connector_stats().remove(0);
    assert_eq!((stats.gaps, stats.waiting), (1, 0), "what was published in between may be lost, and that is told");
}

#[tokio::test]
async fn of_the_list_the_first_that_answers_is_taken_and_a_required_connector_comes_up() {
    let ((_hub, address), silent) = (hub().await, std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let refusing = silent.local_addr().unwrap();
    drop(silent);
    let yaml = format!(
        "eventhive: {{discovery_mdns: false, discovery_servers: ['{refusing}', 'net ws://{address}']}}\n\
         connectors: {{net: {{pubsub_type: websocket, input_channel: '', from_broadcast: true}}}}"
    );
    let hive = Hive::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}"));
    let started = hive.start_with(StartOptions::new().require("net")).await.unwrap();
    assert_eq!(started.connectors[0].outcome, ConnectorOutcome::Up);
}

#[tokio::test]
async fn a_required_connector_without_a_server_fails_the_start_with_the_reason() {
    let error = List::new().member("''").start_with(StartOptions::new().require("net")).await.unwrap_err();
    assert!(error.to_string().ends_with("net: not up yet, keeps trying: no server `net` was found"), "{error}");
}

#[tokio::test]
async fn where_the_servers_of_a_hive_stand_can_be_read_and_watched() {
    let yaml = "eventhive: {discovery_mdns: false}\nservers:\n  a: {pubsub_type: websocket, create: always, init: {port: 0}}\n  b: {pubsub_type: websocket, create: never}\n";
    let hive = Hive::from_yaml(yaml).unwrap();
    let mut watch = hive.watch_servers();
    assert!(watch.borrow_and_update().is_empty());
    let started = hive.start().await.unwrap();
    assert!(watch.has_changed().unwrap());
    assert_eq!(*watch.borrow(), started.servers);
    assert_eq!(hive.server_states(), started.servers);
    assert_eq!(started.servers[1].outcome, ServerOutcome::NotWanted);
}
