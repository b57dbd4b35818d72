//! What becomes of events on each wire when something ends, is cut or is away. ARCHITECTURE.md names these tests, and others,
//! under Semantics.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use eventhive::{Hive, StartOptions};
use eventhive_conformance::{FaultProxy, Mode};
use tempfile::TempDir;

use super::memory::until;
use super::outbox::{Receiver, emit, hub};
#[cfg(feature = "redis")]
use super::redis_server::RedisServer;

/// A broker, and how hives reach it.
struct Wire {
    kind: &'static str,
    /// More keys of `init`.
    keys: &'static str,
    address: SocketAddr,
    _broker: Broker,
}

#[expect(dead_code, reason = "held for its drop, which ends it")]
enum Broker {
    Hub(Hive),
    #[cfg(feature = "redis")]
    Redis(RedisServer),
}

impl Wire {
    async fn hub(kind: &'static str) -> Self {
        let (hub, address) = hub(kind).await;
        Self { kind, keys: ", reconnect_max_secs: 0.2", address, _broker: Broker::Hub(hub) }
    }

    #[cfg(feature = "redis")]
    fn redis(keys: &'static str) -> Self {
        let server = RedisServer::start(&[]);
        let address = SocketAddr::from(([127, 0, 0, 1], server.port));
        Self { kind: "redis", keys, address, _broker: Broker::Redis(server) }
    }

    fn hive(&self, address: SocketAddr, channel: &str, extra: &str) -> Hive {
        let (kind, keys, host, port) = (self.kind, self.keys, address.ip(), address.port());
        let yaml = format!(
            "connectors: {{net: {{pubsub_type: {kind}, input_channel: '{channel}'{extra}, init: {{host: {host}, port: {port}{keys}}}}}}}"
        );
        Hive::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}"))
    }

    async fn receiver(&self) -> Receiver {
        Receiver::on(self.hive(self.address, "w", "")).await
    }

    async fn proxy(&self) -> FaultProxy {
        FaultProxy::start(self.address).await.unwrap()
    }

    /// A hive that only sends, through `address`.
    async fn sender(&self, address: SocketAddr, extra: &str) -> Hive {
        let hive = self.hive(address, "", extra);
        hive.start_with(StartOptions::new().require("net")).await.unwrap();
        hive
    }
}

/// One test a case and wire.
macro_rules! on_every_broker {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use super::Wire;
            #[tokio::test]
            async fn over_websocket() { super::$case(Wire::hub("websocket").await).await }
            #[cfg(feature = "http")]
            #[tokio::test]
            async fn over_http() { super::$case(Wire::hub("http").await).await }
            #[cfg(feature = "redis")]
            #[tokio::test]
            async fn over_redis() { super::$case(Wire::redis("")).await }
            #[cfg(feature = "redis")]
            #[tokio::test]
            async fn over_redis_streams() { super::$case(Wire::redis(", mode: streams")).await }
        }
    )* };
}

on_every_broker!(
    events_of_one_caller_arrive_in_order,
    what_is_called_while_the_broker_cannot_be_reached_arrives_in_order,
    what_is_sent_again_after_a_cut_arrives_once,
    what_is_sent_again_after_a_restart_of_the_sender_arrives_once,
    what_is_published_while_a_receiver_is_restarted_does_not_reach_it,
);

async fn down(hive: &Hive) {
    let state = hive.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
}

fn all() -> Vec<u64> {
    (0..100).collect()
}

async fn events_of_one_caller_arrive_in_order(wire: Wire) {
    let (receiver, sender) = (wire.receiver().await, wire.sender(wire.address, "").await);
    (0..100).for_each(|number| emit(&sender, number).unwrap());
    until("all have arrived", || receiver.numbers().len() == 100).await;
    assert_eq!(receiver.numbers(), all());
    assert_eq!(receiver.repeated(), 0);
}

async fn what_is_called_while_the_broker_cannot_be_reached_arrives_in_order(wire: Wire) {
    let (receiver, proxy) = (wire.receiver().await, wire.proxy().await);
    let sender = wire.sender(proxy.address(), "").await;
    proxy.set(Mode::Refuse).await.unwrap();
    proxy.cut();
    down(&sender).await;
    (0..100).for_each(|number| emit(&sender, number).unwrap());
    assert!(receiver.numbers().is_empty());
    proxy.set(Mode::Pass).await.unwrap();
    until("all have arrived", || receiver.numbers().len() == 100).await;
    assert_eq!(receiver.numbers(), all());
}

/// The broker's answers are lost, so that the hive must send again what has arrived.
async fn unanswered(receiver: &Receiver, proxy: &FaultProxy, sender: &Hive) {
    proxy.set(Mode::LoseFromBroker).await.unwrap();
    (0..100).for_each(|number| emit(sender, number).unwrap());
    until("the first has arrived", || !receiver.numbers().is_empty()).await;
}

/// The last comes after all that was sent again.
async fn arrived_once(receiver: &Receiver, sender: &Hive) {
    emit(sender, 100).unwrap();
    until("the last has arrived", || receiver.numbers().contains(&100)).await;
    assert_eq!(receiver.numbers(), (0..=100).collect::<Vec<_>>());
    assert!(receiver.repeated() > 0, "nothing was sent again");
}

async fn what_is_sent_again_after_a_cut_arrives_once(wire: Wire) {
    let (receiver, proxy) = (wire.receiver().await, wire.proxy().await);
    let sender = wire.sender(proxy.address(), "").await;
    unanswered(&receiver, &proxy, &sender).await;
    proxy.cut();
    down(&sender).await;
    proxy.set(Mode::Pass).await.unwrap();
    arrived_once(&receiver, &sender).await;
}

async fn what_is_sent_again_after_a_restart_of_the_sender_arrives_once(wire: Wire) {
    let (receiver, proxy, folder) = (wire.receiver().await, wire.proxy().await, TempDir::new().unwrap());
    let outbox = format!(", outbox: {{path: '{}'}}", folder.path().display());
    let first = wire.sender(proxy.address(), &outbox).await;
    unanswered(&receiver, &proxy, &first).await;
    proxy.cut();
    first.stop(Duration::ZERO).await;
    proxy.set(Mode::Pass).await.unwrap();
    let second = wire.sender(proxy.address(), &outbox).await;
    arrived_once(&receiver, &second).await;
}

async fn restarted_receiver(wire: &Wire) -> Receiver {
    let (first, sender) = (wire.receiver().await, wire.sender(wire.address, "").await);
    emit(&sender, 0).unwrap();
    until("the first has arrived", || first.numbers() == [0]).await;
    first.hive.stop(Duration::from_secs(10)).await;
    emit(&sender, 1).unwrap();
    assert!(sender.flush(Duration::from_secs(10)).await);
    let second = wire.receiver().await;
    emit(&sender, 2).unwrap();
    until("the last has arrived", || second.numbers().last() == Some(&2)).await;
    second
}

async fn what_is_published_while_a_receiver_is_restarted_does_not_reach_it(wire: Wire) {
    assert_eq!(restarted_receiver(&wire).await.numbers(), [2]);
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn with_a_consumer_group_what_is_published_while_a_receiver_is_restarted_reaches_it() {
    let wire = Wire::redis(", mode: streams, consumer_group: w, consumer_name: it");
    assert_eq!(restarted_receiver(&wire).await.numbers(), [1, 2]);
}

/// All tests of the project, as text.
fn sources(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => sources(&path),
        Some(extension) if extension == "rs" => std::fs::read_to_string(&path).unwrap(),
        _ => String::new(),
    };
    entries.map(read).collect()
}

#[test]
fn every_test_that_the_page_on_semantics_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let (_, page) = page.split_once("\n## Semantics\n").unwrap();
    let page = page.split("\n## ").next().unwrap();
    let sources: String = ["src", "tests", "transports"].map(|folder| sources(&root.join(folder))).concat();
    // Names of tests are sentences; keys and files are not.
    let named: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() >= 3).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        assert!(sources.contains(&format!("fn {name}(")), "ARCHITECTURE.md names `{name}`, and there is no such test");
    }
}
