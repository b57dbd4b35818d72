//! Hives on a real hub, over sockets.

use std::net::SocketAddr;
use std::time::Duration;

use eventhive::{Hive, ServerOutcome, StartOptions};
use serde_json::json;

use super::memory::{next, until};

async fn hub(port: u16) -> (Hive, SocketAddr) {
    let yaml = format!(
        "servers: {{net: {{pubsub_type: fastapi, create: always, broadcast: false, init: {{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}}}}}"
    );
    let hive = Hive::from_yaml(&yaml).unwrap_or_else(|error| panic!("{error}"));
    let started = hive.start().await.unwrap();
    let ServerOutcome::Listening(bound) = &started.servers[0].outcome else { panic!("{started:?}") };
    (hive, bound[0].address)
}

fn member(address: SocketAddr, channel: &str) -> Hive {
    let yaml = format!(
        "connectors: {{net: {{pubsub_type: websocket, input_channel: '{channel}', init: {{host: {}, port: {}, reconnect_max_secs: 0.2}}}}}}",
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
    let (first, address) = hub(0).await;
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
